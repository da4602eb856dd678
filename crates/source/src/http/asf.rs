//! ASF in the body of an answer: a camera's, without end, or a recording's.

use asf::{Header, Item, Reader};
use bytes::BytesMut;
use tokio::time::sleep_until;

use super::body::Answer;
use super::session::{Fetched, Session};
use crate::mms::show::{Show, failure, shown};
use crate::scheme::Request;
use crate::{About, Error, Sink};

/// Publishes the pictures of `answer`, whose body begins with `first`. A recording is asked for
/// again at its end.
pub(super) async fn run(
    mut session: Session,
    mut answer: Answer,
    mut first: BytesMut,
    request: &Request,
    sink: &Sink,
) -> Error {
    let (place, protocol) = (session.location().to_string(), session.protocol());
    let mut show = Show::new(sink, &request.options.streams, &place);
    let mut is_first = true;
    loop {
        let round = match play(&mut answer, first, &mut show, (&place, &protocol), is_first).await {
            Ok(round) => round,
            Err(error) => return error,
        };
        if let Err(error) = show.finish().await {
            return error;
        }
        show.ended();
        if round.live || !round.any || !request.options.repeat_files {
            return Error::Ended { what: None };
        }
        is_first = false;
        show.again();
        // Closed before the next one is opened: some cameras serve only one client.
        drop(answer);
        answer = match session.get(sink, None).await {
            Ok(Fetched::Answer(answer)) => answer,
            Ok(Fetched::Elsewhere(location)) => {
                return Error::Server { status: 302, what: format!("the recording has moved to {location}") };
            }
            Err(error) => return error,
        };
        first = BytesMut::new();
    }
}

/// What a body has shown.
#[derive(Default)]
struct Round {
    /// It is a broadcast.
    live: bool,
    /// Packets came.
    any: bool,
}

async fn play(
    answer: &mut Answer,
    mut bytes: BytesMut,
    show: &mut Show<'_>,
    (place, protocol): (&str, &str),
    is_first: bool,
) -> Result<Round, Error> {
    let mut reader = Reader::new();
    let mut round = Round::default();
    let mut number = 0;
    loop {
        reader.handle_bytes(&bytes).map_err(|error| failure(&error, place))?;
        bytes.clear();
        while let Some(item) = reader.poll() {
            match item {
                Item::Header(header) => {
                    let header = Header::parse(&header).map_err(|error| failure(&error, place))?;
                    round.live = header.is_broadcast();
                    let about = about(&header, answer, protocol);
                    // A camera may not say that it has no end; a length says that there is one.
                    let is_whole = answer.head.content_length().is_some() && !round.live && number == 0;
                    match is_whole && is_first {
                        true => drop(show.numbered(&header, about, u32::MAX)?),
                        false => drop(show.header(&header, about)?),
                    }
                }
                Item::Packet(packet) => {
                    round.any = true;
                    show.packet(number, 0, packet)?;
                    number = number.wrapping_add(1);
                }
                _ => {}
            }
        }
        // What comes faster than it is due is left to the server.
        while !show.has_room()
            && let Some(due) = show.due()
        {
            sleep_until(due.into()).await;
            show.publish()?;
        }
        show.room().await;
        let count = tokio::select! {
            count = answer.read(&mut bytes) => count,
            finished = show.finish(), if show.due().is_some() => {
                finished?;
                continue;
            }
        };
        let count = match count {
            // It is not as long as it was to be, so that this is not its end.
            Ok(0) if answer.is_cut() => Err("the server closed the connection in its midst".to_owned()),
            count => count.map_err(|error| error.to_string()),
        };
        let count = match count {
            Ok(count) => count,
            Err(what) => {
                // What has come is shown before the next attempt begins.
                show.finish().await?;
                return Err(Error::Ended { what: Some(format!("{place}: {what}")) });
            }
        };
        if count == 0 {
            reader.handle_end().map_err(|error| failure(&error, place))?;
            return Ok(round);
        }
    }
}

fn about(header: &Header, answer: &Answer, protocol: &str) -> About {
    About {
        protocol: protocol.into(),
        container: "asf".into(),
        server: answer.head.header("server").map(shown),
        title: header.title().map(shown),
        duration: header.duration(),
        live: header.is_broadcast(),
    }
}
