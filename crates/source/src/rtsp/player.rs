//! A session that plays: what is left to do while the gate takes in what comes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::StreamExt;
use retina::client::{Playing, Session};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::failure;
use super::gate::Gate;
use super::intake::{Intake, Progress};
use super::tracks::Plan;
use super::{End, UDP_SILENCE};
use crate::location::Location;
use crate::{About, Error, Sink};

pub(super) struct Player<'a> {
    location: &'a Location,
    gate: &'a Gate,
    progress: Arc<Progress>,
    ended: oneshot::Receiver<End>,
}

impl<'a> Player<'a> {
    /// Has the gate take in the streams of `plan`, once they are played.
    pub(super) fn new(location: &'a Location, plan: Plan, server: Option<String>, sink: &Sink, gate: &'a Gate) -> Self {
        let about = About {
            protocol: gate.protocol(),
            container: "rtsp".into(),
            server,
            title: None,
            duration: None,
            live: true,
        };
        let (ends, ended) = oneshot::channel();
        let (intake, progress) = Intake::new(location.clone(), plan, about, sink.clone(), ends);
        gate.take_in(intake);
        Self { location, gate, progress, ended }
    }

    /// Keeps the session alive to its end. When after `patience` there is no picture although packets come,
    /// libavformat is to have a try; when nothing comes over UDP, TCP.
    pub(super) async fn run(mut self, mut session: Session<Playing>, patience: Duration) -> Result<Infallible, End> {
        let udp = self.gate.is_udp();
        let patience = sleep(if udp { patience.min(UDP_SILENCE) } else { patience });
        tokio::pin!(patience);
        let (mut patient, mut taken_in) = (true, true);
        loop {
            let item = tokio::select! {
                biased;
                end = &mut self.ended, if taken_in => match end {
                    Ok(end) => return Err(end),
                    // The gate has given up, and says why itself.
                    Err(_) => {
                        taken_in = false;
                        continue;
                    }
                },
                item = session.next() => item,
                () = &mut patience, if patient => {
                    patient = false;
                    match (self.progress.pictures.load(Relaxed), self.progress.bad.load(Relaxed)) {
                        (false, true) => return Err(End::Elsewhere("no picture could be put together".into())),
                        (false, _) if udp && !self.gate.has_heard() => return Err(End::NoDatagrams),
                        _ => continue,
                    }
                }
            };
            match item {
                // Nothing of what is streamed comes here.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(failure::of_stream(&error, self.location)),
                None => {
                    let what = self.progress.complaint().map(|complaint| format!("{}: {complaint}", self.location));
                    return Err(Error::Ended { what }.into());
                }
            }
        }
    }
}
