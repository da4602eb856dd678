//! A question and a short answer: what is asked of a camera besides its pictures.

use bytes::BytesMut;

use super::ask::Known;
use super::body::Answer;
use super::session::{MAX_REDIRECTS, MAX_STALE, Session};
use crate::location::Location;
use crate::{Access, Error, Sink};

/// An answer that has come whole.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: BytesMut,
}

/// Sends requests to one camera, over one connection where the camera keeps it.
pub(crate) struct Poster(Session);

impl Poster {
    pub(crate) fn new(location: Location, access: Access) -> Self {
        Self(Session::new(location, access))
    }

    /// Where the last answer came from.
    pub(crate) fn location(&self) -> &Location {
        self.0.location()
    }

    /// Whether that is on a machine elsewhere.
    pub(crate) fn is_remote(&self) -> bool {
        self.0.is_remote()
    }

    /// Posts `body` as SOAP to `path` of the host that answered last, and waits for the whole
    /// answer, whatever its status; of more than `most` bytes it is refused. A server that wants a
    /// password gets it in the form it asks for; redirects are followed within HTTP.
    pub(crate) async fn post(&mut self, path: &str, body: String, most: usize, sink: &Sink) -> Result<Reply, Error> {
        path.clone_into(&mut self.0.location.path_and_query);
        self.0.body = Some(body);
        self.ask(most, sink).await
    }

    /// The next request goes over a connection of its own: one that must not be sent twice, as it
    /// is where a kept connection turns out to be dead.
    pub(crate) fn afresh(&mut self) {
        self.0.hang_up();
    }

    async fn ask(&mut self, most: usize, sink: &Sink) -> Result<Reply, Error> {
        let session = &mut self.0;
        let (mut redirects, mut refused) = (0, 0);
        // A connection that is to be kept, and nothing known of what comes.
        let known = Known::default();
        loop {
            let answer = session.exchange(sink, Some(&known)).await?;
            let status = answer.head.status;
            match status {
                401 if session.location.user.is_some() && refused <= MAX_STALE => {
                    let stale = session.auth.challenge(&answer.head);
                    if refused > 0 && stale != Some(true) || stale.is_none() {
                        return whole(session, answer, most).await;
                    }
                    refused += 1;
                }
                301 | 302 | 303 | 307 | 308 => {
                    let there = session.redirected(&answer)?;
                    let here = session.location.clone();
                    if !matches!(&*there.scheme, "http" | "https") || redirects >= MAX_REDIRECTS {
                        let what = format!("{here} redirects to {there}, where no such question is answered");
                        return Err(Error::Server { status, what });
                    }
                    redirects += 1;
                    session.move_to(there);
                }
                _ => {
                    session.auth.told(&answer.head);
                    return whole(session, answer, most).await;
                }
            }
        }
    }
}

/// Reads the body; gives the connection back for the next request.
async fn whole(session: &mut Session, mut answer: Answer, most: usize) -> Result<Reply, Error> {
    let place = session.location.to_string();
    let too_long = |bytes: u64| Error::Broken {
        what: format!("{place} answers with {bytes} bytes; at most {most} are read of such an answer"),
    };
    if let Some(length) = answer.head.content_length().filter(|length| *length > most as u64) {
        return Err(too_long(length));
    }
    let status = answer.head.status;
    let is_empty = answer.head.content_length() == Some(0);
    let mut body = BytesMut::new();
    while !is_empty && !answer.is_over() {
        let count = answer.read(&mut body).await.map_err(|error| Error::from_io(&place, &error))?;
        if body.len() > most {
            return Err(too_long(body.len() as u64));
        }
        if count == 0 {
            break;
        }
    }
    session.keep(answer);
    Ok(Reply { status, body })
}

/// Gets a short text, as a list of streams.
///
/// # Errors
/// As any request; [`Error::Server`] and its like for another status than 200.
pub(crate) async fn fetch(location: Location, access: Access, most: usize, sink: &Sink) -> Result<BytesMut, Error> {
    let mut poster = Poster::new(location, access);
    let reply = poster.ask(most, sink).await?;
    let what = || format!("{} answered {}", poster.location(), reply.status);
    match reply.status {
        200 => Ok(reply.body),
        status @ (401 | 403) => Err(Error::Unauthorized { status, what: what() }),
        status @ 404 => Err(Error::NotFound { status, what: what() }),
        status => Err(Error::Server { status, what: what() }),
    }
}
