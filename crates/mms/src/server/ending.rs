//! How what plays ends, and what follows it.

use std::time::Instant;

use super::machine::{State, check_packet_size, header_size};
use super::{Content, Selected, Server, ServerEvent, ServerPlay};
use crate::wire::{self, Data, MacToViewer, ReportStreamChange};
use crate::{Error, Hresult, Start};

/// Packets for FFmpeg behind a recording, enough for its tries to read on.
const ENDS_FOR_FFMPEG: usize = 8;

impl Server {
    /// Ends what plays: the content is over, or `hr` says why there is no more of it. Nothing is
    /// done unless it plays.
    pub fn finish(&mut self, now: Instant, hr: Hresult) {
        if matches!(self.state, State::Playing | State::Changing(_)) {
            self.begin_to_end(now, hr, None);
        }
    }

    /// Goes on with other content, of which streams, codecs and packet size may differ. Another
    /// [`ServerEvent::Play`] tells when to send its packets: when the player asks for them, or,
    /// on TCP, after a while if it does not.
    ///
    /// # Errors
    /// When nothing plays, or packets of this size cannot be sent by MMS.
    pub fn change(&mut self, now: Instant, content: Content) -> Result<(), Error> {
        if !matches!(self.state, State::Playing | State::Changing(_)) {
            return Err(Error::State { what: "content can be changed while it plays only" });
        }
        check_packet_size(u64::from(content.packet_size))?;
        // Before version 9 the end of a broadcast's entry is told by 0 ([MS-MMSP] 3.1.5.12).
        let was_broadcast = self.content.as_ref().is_some_and(|content| content.broadcast);
        let hr = if self.told_major < 9 && was_broadcast { 0 } else { wire::END_OF_STREAM_CONTINUES };
        self.begin_to_end(now, Hresult(hr), Some(content));
        Ok(())
    }

    /// On the connection the end would overtake the last datagrams: VLC, for one, does not look
    /// at those that come after it.
    fn begin_to_end(&mut self, now: Instant, hr: Hresult, next: Option<Content>) {
        self.ending = Some((hr, next));
        if self.is_udp() {
            self.state = State::Ending(now + self.config.settle);
        } else {
            self.end(now);
        }
    }

    /// Tells the end, and what follows.
    pub(super) fn end(&mut self, now: Instant) {
        let Some((hr, next)) = self.ending.take() else { return };
        self.end_of_stream(now, hr, self.incarnation);
        self.state = State::Ready;
        let Some(content) = next else { return self.linger(now) };
        let report = ReportStreamChange {
            hr: Hresult::OK,
            tcp_hdr_incarnation: wire::INCARNATION_UNASKED.into(),
            packet_size: content.packet_size,
            header_size: header_size(&content.header),
            bit_rate: content.bit_rate,
        };
        self.send(now, &MacToViewer::ReportStreamChange(report));
        self.content = Some(content);
        self.selected = Selected::default();
        self.asked = now;
        // By UDP the player asks for the header, too ([MS-MMSP] 3.2.4.2).
        if !self.is_udp() {
            self.incarnation = wire::INCARNATION_UNASKED.into();
            self.state = State::Changing(now + self.config.change);
            self.send_header(wire::INCARNATION_UNASKED);
        }
    }

    /// Goes on after a change although the player did not ask.
    pub(super) fn go_on(&mut self) {
        self.state = State::Playing;
        let (start, selected) = (Start::Begin, self.selected.clone());
        self.tell(ServerEvent::Play(ServerPlay { selected, start, stop: None, pace: None }));
    }

    pub(super) fn end_of_stream(&mut self, now: Instant, hr: Hresult, incarnation: u32) {
        self.send(now, &MacToViewer::ReportEndOfStream { hr, incarnation });
    }

    /// Waits for another request, and no longer than a while.
    pub(super) fn linger(&mut self, now: Instant) {
        self.asked = now;
        self.leave = Some(now + self.config.linger);
    }

    /// No other request came.
    pub(super) fn leave_player(&mut self) {
        self.leave = None;
        if self.is_ffmpeg() {
            self.end_ffmpeg();
        } else {
            self.close();
        }
    }

    /// Makes FFmpeg leave. Up to 9.0 it knows no end: neither the message that tells it nor the
    /// end of the connection makes it return from reading, and after the latter it tries again
    /// without a pause for ever (`mms_read` in libavformat/mmst.c returns 0 in both cases). So
    /// the connection stays. Of a recording its demuxer knows the size, and ends at each try to
    /// read when a packet comes after that; it tries more than once. No other player gets to see
    /// these, which say that they have no bytes.
    fn end_ffmpeg(&mut self) {
        let Some(content) = self.content.as_ref().filter(|content| !content.broadcast) else { return };
        let [incarnation, ..] = self.incarnation.to_le_bytes();
        // Error correction, flags that tell of a Packet Length of four bytes, and that length.
        let mut payload = vec![0x82, 0, 0, 0x60, 0x5D, 0, 0, 0, 0];
        payload.resize(usize::try_from(content.packet_size).unwrap_or(0).max(payload.len()), 0);
        let data = Data { location_id: 0, incarnation, af_flags: 0, payload: payload.into() };
        for _ in 0..ENDS_FOR_FFMPEG {
            self.send_data(&data);
        }
    }

    /// FFmpeg, with an open file; its data come on the connection always.
    fn is_ffmpeg(&self) -> bool {
        let name = "{7E667F5D-A661-495E-A512-F55686DDA178}";
        self.content.is_some() && self.subscriber().is_some_and(|subscriber| subscriber.contains(name))
    }
}
