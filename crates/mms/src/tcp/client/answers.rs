//! Control messages of the server ([MS-MMSP] 3.1.5).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::data::Drain;
use super::deadlines::{Deadline, HeaderWait, TCP_ASK_HEADER};
use super::{Client, State};
use crate::tcp::{naming, security};
use crate::wire::{
    self, ConnectFunnel, MacToViewer, OpenFile, ReadBlock, ReportConnectedEX, ReportOpenFile, ReportRedirect,
    ReportStreamChange, ViewerToMac,
};
use crate::{Error, Event, Hresult, Opened};

/// Access is denied.
const E_ACCESSDENIED: Hresult = Hresult(0x8007_0005);
/// How long a playlist of the server may take from one entry to the next.
const NEXT_ENTRY: Duration = Duration::from_secs(60);

impl Client {
    pub(super) fn handle_message(&mut self, now: Instant, mid: u32, body: &[u8]) -> Result<(), Error> {
        self.unasked = 0;
        let message = MacToViewer::decode(mid, body)?;
        match (&self.state, message) {
            // [MS-MMSP] 3.1.5.13: answered in every state.
            (_, MacToViewer::Ping) => self.send(now, &ViewerToMac::Pong),
            // The other transport may do ([MS-MMSP] 3.1.5.5).
            (State::ConnectFunnel, MacToViewer::ReportDisconnectedFunnel { .. }) if self.is_udp => {
                self.is_udp = false;
                self.connect_funnel(now);
            }
            // Without an id nothing can be asked for again, and that is all.
            (State::FunnelInfo, MacToViewer::ReportFunnelInfo(report)) => {
                self.server.client_id = Some(report.client_id).filter(|_| !report.hr.is_failure());
                self.connect_funnel(now);
            }
            (State::OpenFile, MacToViewer::ReportOpenFile(report))
                if report.hr == E_ACCESSDENIED && self.security.has_told() =>
            {
                return Err(security::refused(self.config.user.as_deref().unwrap_or_default()));
            }
            // That a request failed which was taken back, or done without, tells nothing.
            (State::Header, MacToViewer::ReportReadBlock { hr, incarnation })
                if hr.is_failure() && (self.header.comes_unasked || self.header.is_cancelled(incarnation as u8)) => {}
            (State::Ready | State::Starting | State::Streaming, MacToViewer::ReportReadBlock { .. }) => (),
            (State::Ended, _) => (),
            (_, message) if message.hr().is_some_and(Hresult::is_failure) => {
                let code = message.hr().expect("it is a failure");
                return Err(Error::Refused { message: message.name(), code });
            }

            (State::Connect, MacToViewer::ReportConnectedEX(report)) => self.handle_connected_ex(now, report),
            (State::ConnectFunnel, MacToViewer::ReportConnectedFunnel { .. }) => {
                self.state = State::OpenFile;
                let open = OpenFile {
                    incarnation: self.incarnations.play().into(),
                    file_name: naming::file_name(&self.config.path),
                    token: Bytes::new(),
                };
                self.ask(now, &ViewerToMac::OpenFile(open), "answer to OpenFile");
            }
            (State::ConnectFunnel, MacToViewer::ReportDisconnectedFunnel { hr }) => {
                return Err(Error::Refused { message: "ReportDisconnectedFunnel", code: hr });
            }
            (State::OpenFile, MacToViewer::SecurityChallenge { incarnation, cookie, token }) => {
                let server = security::Server {
                    major: self.server.major,
                    authen_package: self.server.authen_package.as_deref(),
                };
                let token = self.security.answer(&token, server, &self.config)?.into();
                let response = ViewerToMac::SecurityResponse { incarnation, cookie, token };
                self.ask(now, &response, "answer to SecurityResponse");
            }
            (State::OpenFile, MacToViewer::ReportRedirect(redirect)) => return self.handle_redirect(now, &redirect),
            (State::OpenFile, MacToViewer::ReportOpenFile(report)) => self.handle_open_file(now, report),
            (State::Header, MacToViewer::ReportReadBlock { .. }) => self.handle_read_block(now),
            (State::Starting, MacToViewer::ReportStartedPlaying { incarnation, .. })
                // Old servers leave the field alone.
                if incarnation as u8 == self.incarnations.played || incarnation == 0 =>
            {
                self.start_streaming();
            }
            (State::Starting | State::Streaming, MacToViewer::ReportEndOfStream { hr, .. }) => {
                self.handle_end_of_stream(now, hr);
            }
            // All of it came at the heels of its header.
            (State::Ready, MacToViewer::ReportEndOfStream { hr, .. }) if self.header.comes_unasked => {
                self.handle_end_of_stream(now, hr);
            }
            // There is no next entry after all.
            (State::Between { .. } | State::Header, MacToViewer::ReportEndOfStream { hr, .. })
                if self.incarnations.played != 0 && !self.goes_on_after(hr) =>
            {
                self.deadline = None;
                self.events.push_back(Event::Ended);
                self.state = State::Ended;
            }
            (
                State::Starting | State::Streaming | State::Between { .. } | State::Ready | State::Header,
                MacToViewer::ReportStreamChange(change),
            ) => self.handle_stream_change(now, &change),
            (State::Draining(_), MacToViewer::ReportStreamChange(change)) => {
                if let State::Draining(drain) = &mut self.state {
                    drain.change = Some(change);
                }
            }
            // Answers that nothing depends on, repeated ones, and messages that we do not know.
            _ => (),
        }
        Ok(())
    }

    fn handle_connected_ex(&mut self, now: Instant, report: ReportConnectedEX) {
        self.server.major = report.server_major();
        self.server.version = report.server_version.filter(|version| !version.is_empty());
        self.server.authen_package = report.authen_package;
        self.state = State::FunnelInfo;
        let incarnation = wire::MMS_DISABLE_PACKET_PAIR;
        self.ask(now, &ViewerToMac::FunnelInfo { incarnation }, "answer to FunnelInfo");
    }

    fn connect_funnel(&mut self, now: Instant) {
        self.state = State::ConnectFunnel;
        let udp_port = self.config.udp_port.filter(|_| self.is_udp);
        let funnel_name = naming::funnel(self.local, udp_port);
        self.ask(now, &ViewerToMac::ConnectFunnel(ConnectFunnel { funnel_name }), "answer to ConnectFunnel");
    }

    fn handle_redirect(&mut self, now: Instant, redirect: &ReportRedirect) -> Result<(), Error> {
        let location = redirect.location.trim();
        match redirect.redirect_type {
            ReportRedirect::PROXY => {
                // Nothing that a terminal obeys.
                let location: String = location.chars().filter(|c| !c.is_control()).collect();
                let proxy = if location.is_empty() { "no proxy" } else { &location };
                let what = format!("the server wants to be reached through {proxy}; give the URL of the stream there");
                Err(Error::Unsupported { what })
            }
            _ if location.is_empty() => {
                let what = "it says that the content is elsewhere, and not where".to_owned();
                Err(Error::Malformed { message: "ReportRedirect", what })
            }
            _ => {
                self.events.push_back(Event::Moved(vec![naming::redirect(location)]));
                self.leave(now);
                Ok(())
            }
        }
    }

    fn handle_open_file(&mut self, now: Instant, report: ReportOpenFile) {
        let has = |attribute| report.file_attributes & attribute != 0;
        let duration = Duration::try_from_secs_f64(report.file_duration).ok();
        let opened = Opened {
            server: self.server.version.clone(),
            broadcast: Some(has(wire::FILE_ATTRIBUTE_MMS_BROADCAST)),
            seekable: Some(has(wire::FILE_ATTRIBUTE_MMS_CANSEEK)),
            duration: duration.filter(|duration| !duration.is_zero()),
            title: None,
        };
        if !std::mem::replace(&mut self.has_opened, true) {
            self.events.push_back(Event::Opened(opened));
        }
        self.server.packet_size = Some(report.file_packet_size).filter(|size| *size > 0);
        (self.server.header_size, self.server.bit_rate) = (report.file_header_size, report.file_bit_rate);
        self.server.file = Some(report);
        self.header = HeaderWait::default();
        self.state = State::Header;
        self.read_block(now);
        self.deadline = Some(Deadline::new(now, "answer to ReadBlock", self.config.reply_timeout));
    }

    /// Asks for the header, once more if it has been asked for.
    pub(super) fn read_block(&mut self, now: Instant) {
        let Some(open_file_id) = self.open_file_id() else { return };
        let incarnation = self.incarnations.header();
        self.header.incarnations.push(incarnation);
        let incarnation = incarnation.into();
        self.send(now, &ViewerToMac::ReadBlock(ReadBlock { open_file_id, incarnation }));
    }

    /// The header is on its way.
    fn handle_read_block(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.header.is_promised, true) {
            self.wait_for_header(now);
        }
    }

    /// Whether another entry follows, by the hr of ReportEndOfStream ([MS-MMSP] 3.1.5.18).
    fn goes_on_after(&self, hr: Hresult) -> bool {
        let is_old = self.server.major.is_some_and(|major| major < 9);
        if is_old { hr.0 == 0 && self.is_broadcast() } else { hr.0 == wire::END_OF_STREAM_CONTINUES }
    }

    fn handle_end_of_stream(&mut self, now: Instant, hr: Hresult) {
        let goes_on = self.goes_on_after(hr);
        let may_be_the_end = goes_on && hr.0 != wire::END_OF_STREAM_CONTINUES;
        let drain = Drain::new(now, goes_on, may_be_the_end);
        if self.is_udp {
            self.state = State::Draining(drain);
            self.deadline = None;
            self.end_drain_if_all_came(now);
        } else {
            self.end_entry(now, drain);
        }
    }

    /// All of the entry has come that will.
    pub(super) fn end_entry(&mut self, now: Instant, drain: Drain) {
        self.deadline = None;
        self.incarnations.playing = None;
        self.log(now);
        if !drain.goes_on {
            self.events.push_back(Event::Ended);
            self.state = State::Ended;
            return;
        }
        self.events.push_back(Event::EntryEnded);
        self.state = State::Between { may_be_the_end: drain.may_be_the_end };
        self.deadline = Some(Deadline::new(now, "next entry of the server's playlist", NEXT_ENTRY));
        if let Some(change) = drain.change {
            self.handle_stream_change(now, &change);
        }
    }

    /// Another entry begins ([MS-MMSP] 3.1.5.19). On TCP the server sends its header by
    /// itself; if it does not, it is asked for, as on UDP.
    fn handle_stream_change(&mut self, now: Instant, change: &ReportStreamChange) {
        self.reorder.flush();
        self.tell_in_order();
        if !matches!(self.state, State::Between { .. } | State::Header) {
            self.events.push_back(Event::EntryEnded);
        }
        self.incarnations.playing = None;
        self.server.packet_size = Some(change.packet_size).filter(|size| *size > 0);
        if let Some(file) = &mut self.server.file {
            file.file_packet_count = 0;
        }
        (self.server.header_size, self.server.bit_rate) = (change.header_size, change.bit_rate);
        self.header = HeaderWait::default();
        self.state = State::Header;
        if self.is_udp {
            self.read_block(now);
            self.deadline = Some(Deadline::new(now, "answer to ReadBlock", self.config.reply_timeout));
        } else {
            self.header.is_promised = true;
            self.header.comes_unasked = true;
            // 0 is what no packet carries, and some field that the server left alone.
            let unasked = Some(change.tcp_hdr_incarnation as u8).filter(|incarnation| *incarnation != 0);
            let unasked = unasked.unwrap_or(wire::INCARNATION_UNASKED);
            self.incarnations.unasked = Some(unasked);
            self.header.incarnations.extend([wire::INCARNATION_UNASKED, unasked]);
            self.header.ask_at = Some(now + TCP_ASK_HEADER);
            self.wait_for_header(now);
        }
    }
}
