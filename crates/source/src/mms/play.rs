//! Plays a session to its end.

use std::time::Instant;

use asf::Header;
use bytes::Bytes;
use mms::{Event, Opened, Play, Start, Thinning};
use tokio::time::sleep_until;

use super::open::Stream;
use super::show::{Show, failure, shown};
use super::way::Way;
use crate::{About, Error, Options, Sink};

/// A server that is asked for a packet may begin so many before it: at a keyframe.
const MOST_EARLY: u32 = 4096;

/// How a session ended.
pub(super) enum End {
    Failed(Error),
    /// It goes on elsewhere: alternatives, in order of preference.
    Moved(Vec<String>),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Plays `stream` into `sink`, every header of it.
pub(super) async fn play(stream: &mut Stream, options: &Options, sink: &Sink) -> End {
    let place = stream.driver.place().to_owned();
    let mut show = Show::new(sink, &options.streams, &place);
    match run(stream, &mut show, sink).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn run(stream: &mut Stream, show: &mut Show<'_>, sink: &Sink) -> Result<std::convert::Infallible, End> {
    let header = stream.header.clone();
    begin(stream, show, &header, true)?;
    loop {
        let due = show.due();
        // Datagrams come all the same.
        let full = matches!(stream.way, Way::Http | Way::Tcp | Way::Rtsp) && !sink.has_room();
        let event = tokio::select! {
            event = stream.driver.next(show.has_room() && !full) => event,
            () = sink.room(), if full => continue,
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                show.publish()?;
                continue;
            }
        };
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                // What has come is shown before the next attempt begins.
                show.finish().await?;
                return Err(error.into());
            }
        };
        match event {
            Event::Packet(packet) => show.packet(packet.location, packet.lost, packet.data)?,
            Event::Opened(opened) => stream.about = opened,
            Event::Header(header) => begin(stream, show, &header, false)?,
            Event::Ended => {
                show.ended();
                show.finish().await?;
                return Err(Error::Ended { what: None }.into());
            }
            Event::Moved(urls) => return Err(End::Moved(urls)),
            _ => {}
        }
    }
}

/// Answers a header.
fn begin(stream: &mut Stream, show: &mut Show<'_>, bytes: &Bytes, is_first: bool) -> Result<(), Error> {
    let header = Header::parse(bytes).map_err(|error| failure(&error, stream.driver.place()))?;
    let about = about(&header, stream.way, &stream.about);
    let resumes = is_first && !about.live && stream.about.seekable != Some(false);
    let (choice, packet) = match resumes {
        true => show.numbered(&header, about, MOST_EARLY)?,
        false => (show.header(&header, about)?, None),
    };
    let thinning = |wanted| if wanted { Thinning::All } else { Thinning::Nothing };
    stream.driver.play(&Play {
        streams: choice.streams().iter().map(|(number, wanted)| (*number, thinning(*wanted))).collect(),
        start: packet.map_or(Start::Begin, Start::Packet),
        packet_size: u32::try_from(header.packet_size()).unwrap_or(u32::MAX),
        pace: None,
    })
}

fn about(header: &Header, way: Way, opened: &Opened) -> About {
    let live = opened.broadcast == Some(true) || header.is_broadcast();
    let title = opened.title.as_deref().or(header.title());
    About {
        protocol: if matches!(way, Way::Rtsp | Way::RtspUdp) { "rtsp" } else { way.scheme() }.into(),
        container: "asf".into(),
        server: opened.server.as_deref().map(shown),
        title: title.map(shown),
        duration: header.duration().or(opened.duration).filter(|_| !live),
        live,
    }
}
