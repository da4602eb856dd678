//! What has to happen by when.

use std::time::{Duration, Instant};

use super::{Awaited, Client, Phase, Request};

/// How long a stream may be silent before it counts as dead.
const SILENCE: Duration = Duration::from_secs(60);

impl Client {
    /// By when an answer has to be here, and to what.
    pub(super) fn reply_deadline(&self) -> Option<(Instant, &'static str)> {
        let awaited = self.awaited.front()?;
        let what = match awaited.request {
            Request::Options => "answer to OPTIONS",
            Request::Describe => "answer to DESCRIBE",
            Request::Setup(_) => "answer to SETUP",
            Request::Play => "answer to PLAY",
            Request::KeepAlive => "sign of life",
            Request::Teardown => "answer to TEARDOWN",
        };
        Some((awaited.sent + self.config.reply_timeout, what))
    }

    /// Gives up answers to signs of life that are overdue, if anything else has come since:
    /// servers that send packets are alive, whether they answer or not.
    pub(super) fn forgive(&mut self, now: Instant) {
        let overdue = self.reply_deadline().is_some_and(|(deadline, _)| now >= deadline);
        let forgiven = |awaited: &Awaited| {
            matches!(awaited.request, Request::KeepAlive) && self.last_heard.is_some_and(|heard| heard > awaited.sent)
        };
        if overdue && self.awaited.front().is_some_and(forgiven) {
            self.awaited.pop_front();
        }
    }

    /// By when the next packet has to be here, and how long that is from the last.
    pub(super) fn packet_deadline(&self) -> Option<(Instant, &'static str, Duration)> {
        let last = self.last_packet.filter(|_| matches!(self.phase, Phase::Playing))?;
        let (what, after) = if !self.flows && self.receiver.has_udp() {
            ("datagram; is UDP blocked on the way?", self.config.reply_timeout)
        } else {
            ("packet", SILENCE)
        };
        Some((last + after, what, after))
    }

    /// When to show the server that we are still here.
    pub(super) fn keep_alive_time(&self) -> Option<Instant> {
        let wanted = self.facts.session.is_some() && self.awaited.is_empty() && !matches!(self.phase, Phase::Over);
        self.last_sent.filter(|_| wanted).map(|sent| sent + self.facts.keep_alive())
    }

    /// By when what is left of this entry, or the next entry, has to be here.
    pub(super) fn phase_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Draining { until, .. } | Phase::Between { until } => Some(until),
            _ => None,
        }
    }
}
