//! What a player asks for.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::machine::{OPEN_FILE_ID, State, header_size};
use super::{Authentication, Content, Credentials, Server, ServerEvent, ServerPlay, Stop};
use crate::wire::{
    self, Connect, Funnel, MacToViewer, OpenFile, ReportConnectedEX, ReportFunnelInfo, StartPlaying, Token, TokenKind,
    ViewerToMac, mid,
};
use crate::{Error, Hresult, Pace, Start};

/// NS_E_INVALID_REQUEST: the request makes no sense now.
const INVALID_REQUEST: Hresult = Hresult(0xC00D_002B);
/// NS_E_NOCONNECTION_FUNNEL, for a way that data cannot go.
const NO_FUNNEL: Hresult = Hresult(0xC00D_000C);
/// E_NOTIMPL.
const NOT_IMPLEMENTED: Hresult = Hresult(0x8000_4001);
/// What FFmpeg and libmms send for "to the end" in StartPlaying.
const TO_THE_END: u32 = 0x00FF_FFFF;
/// Versions, see [`ServerConfig::version`](super::ServerConfig::version).
const VERSION: &str = "9.01.01.3841";
const OLD_VERSION: &str = "4.1.0.3928";

impl Server {
    /// Takes a message of the player.
    pub(super) fn handle_message(&mut self, now: Instant, mid: u32, body: &[u8]) -> Result<(), Error> {
        if mid == mid::LINK_VIEWER_TO_MAC_LOGGING {
            return Ok(());
        }
        let message = ViewerToMac::decode(mid, body)?;
        if self.state == State::Connecting && !matches!(message, ViewerToMac::Connect(_)) {
            return Err(Error::Malformed { message: message.name(), what: "expected Connect first".to_owned() });
        }
        if !matches!(message, ViewerToMac::Pong | ViewerToMac::Unknown { .. }) {
            self.asked = now;
            self.leave = None;
        }
        match message {
            ViewerToMac::Connect(connect) => self.handle_connect(now, connect),
            // The answer says that there is no packet-pair experiment, whichever was wanted.
            ViewerToMac::FunnelInfo { .. } => {
                let (client_id, probe) = (self.client_id(), Bytes::new());
                let incarnation = wire::MMS_DISABLE_PACKET_PAIR;
                let report = ReportFunnelInfo { hr: Hresult::OK, incarnation, client_id, probe };
                self.send(now, &MacToViewer::ReportFunnelInfo(report));
            }
            ViewerToMac::ConnectFunnel(connect) => match connect.funnel() {
                Some(Funnel::Udp(_)) if !self.config.udp => {
                    self.send(now, &MacToViewer::ReportDisconnectedFunnel { hr: NO_FUNNEL });
                }
                funnel => {
                    self.funnel = funnel.unwrap_or(Funnel::Tcp);
                    self.send(now, &MacToViewer::ReportConnectedFunnel { hr: Hresult::OK });
                }
            },
            ViewerToMac::OpenFile(open) => return self.handle_open_file(open),
            ViewerToMac::SecurityResponse { token, .. } if self.state == State::Challenged => self.ask(&token),
            ViewerToMac::ReadBlock(read) => {
                let hr = if self.content.is_some() { Hresult::OK } else { INVALID_REQUEST };
                self.send(now, &MacToViewer::ReportReadBlock { hr, incarnation: read.incarnation });
                let [incarnation, ..] = read.incarnation.to_le_bytes();
                self.send_header(incarnation);
            }
            ViewerToMac::StreamSwitch(entries) => {
                let hr = if self.content.is_some() { Hresult::OK } else { INVALID_REQUEST };
                if self.content.is_some() {
                    self.selected.switch(&entries);
                }
                self.send(now, &MacToViewer::ReportStreamSwitch { hr });
                if self.state == State::Playing {
                    self.tell(ServerEvent::Select(self.selected.clone()));
                }
            }
            ViewerToMac::StartPlaying(start) => self.handle_start_playing(now, &start),
            // Nor do the attributes of any file offer it.
            ViewerToMac::StartStriding { start, .. } => {
                let (hr, incarnation) = (NOT_IMPLEMENTED, start.incarnation);
                self.send(now, &MacToViewer::ReportStartStriding { hr, incarnation });
            }
            ViewerToMac::StopPlaying { incarnation, .. } if self.content.is_some() => {
                if matches!(self.state, State::Playing | State::Ending(_) | State::Changing(_)) {
                    self.state = State::Ready;
                    self.tell(ServerEvent::Stop);
                }
                self.end_of_stream(now, Hresult::OK, incarnation);
            }
            ViewerToMac::CloseFile { .. } => self.close(),
            // What is left means nothing now, or nothing ever.
            _ => (),
        }
        Ok(())
    }

    fn handle_connect(&mut self, now: Instant, connect: Connect) {
        if self.state == State::Connecting {
            self.state = State::Connected;
        }
        let version = match &self.config.version {
            Some(version) => version.clone(),
            None if is_player_9(&connect.subscriber_name) => OLD_VERSION.to_owned(),
            None => VERSION.to_owned(),
        };
        self.told_major = leading_number(&version);
        self.subscriber = Some(connect.subscriber_name);
        let authen_package = self.config.authentication.map(|authentication| match authentication {
            Authentication::Basic => "BASIC".to_owned(),
            Authentication::Ntlm => "NTLM".to_owned(),
        });
        let report = ReportConnectedEX {
            hr: Hresult::OK,
            incarnation: wire::MMS_DISABLE_PACKET_PAIR,
            server_version: Some(version),
            authen_package,
            ..ReportConnectedEX::default()
        };
        self.send(now, &MacToViewer::ReportConnectedEX(report));
    }

    fn handle_open_file(&mut self, open: OpenFile) -> Result<(), Error> {
        if self.state == State::Opening {
            let what = "it came before the answer to the one before".to_owned();
            return Err(Error::Malformed { message: "OpenFile", what });
        }
        self.content = None;
        self.opening = open.incarnation;
        self.wrapped = false;
        open.file_name.trim_start_matches('/').clone_into(&mut self.path);
        self.ask(&open.token);
        Ok(())
    }

    /// Asks the host whether to open.
    fn ask(&mut self, token: &[u8]) {
        self.state = State::Opening;
        let token = Token::decode(token);
        let credentials = match token.kind {
            TokenKind::Ntlm { wrapped } => {
                self.wrapped |= wrapped;
                Credentials::Ntlm(Bytes::copy_from_slice(token.message))
            }
            TokenKind::Basic => basic(token.message),
        };
        self.tell(ServerEvent::Open { path: self.path.clone(), credentials });
    }

    fn handle_start_playing(&mut self, now: Instant, request: &StartPlaying) {
        let incarnation = request.incarnation;
        let Some(content) = &self.content else {
            let (hr, tiger_file_id) = (INVALID_REQUEST, 0);
            return self.send(now, &MacToViewer::ReportStartedPlaying { hr, incarnation, tiger_file_id });
        };
        let play = ServerPlay {
            selected: self.selected.clone(),
            start: start(request, content),
            stop: stop(request.frame_offset),
            pace: request.accelerate.filter(|pace| pace.bandwidth_bps > 0).map(|pace| Pace {
                accelerate_bandwidth: pace.bandwidth_bps,
                accelerate_duration: Duration::from_millis(pace.duration_ms.into()),
                link_bandwidth: pace.link_bandwidth_bps,
            }),
        };
        self.state = State::Playing;
        self.incarnation = incarnation;
        let report = MacToViewer::ReportStartedPlaying { hr: Hresult::OK, incarnation, tiger_file_id: OPEN_FILE_ID };
        self.send(now, &report);
        self.tell(ServerEvent::Play(play));
    }
}

/// Windows Media Player 9 or later: `NSPlayer/9.0.0.2980; {GUID}`.
fn is_player_9(subscriber: &str) -> bool {
    subscriber
        .split_once('/')
        .is_some_and(|(name, version)| name.trim().eq_ignore_ascii_case("NSPlayer") && leading_number(version) >= 9)
}

fn leading_number(text: &str) -> u32 {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().unwrap_or(0)
}

/// `user:password` in base64 and a null ([MS-MMSP] 2.2.4.24).
fn basic(token: &[u8]) -> Credentials {
    let text = token.split(|byte| *byte == 0).next().unwrap_or_default();
    let decoded = STANDARD.decode(text.trim_ascii()).ok().filter(|decoded| !decoded.is_empty());
    let Some(decoded) = decoded else { return Credentials::None };
    let decoded = String::from_utf8_lossy(&decoded);
    let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
    Credentials::Basic { user: user.to_owned(), password: password.to_owned() }
}

/// Where StartPlaying says to begin: one of its fields, the others being zero, all ones, or the
/// largest of numbers.
fn start(request: &StartPlaying, content: &Content) -> Start {
    let given = |field: u32| Some(field).filter(|field| !matches!(*field, 0 | u32::MAX));
    if request.position > 0.0
        && let Ok(time) = Duration::try_from_secs_f64(request.position)
    {
        return Start::Time(time);
    }
    let by_offset = || {
        let into = given(request.asf_offset)?.checked_sub(header_size(&content.header))?;
        into.checked_div(content.packet_size)
    };
    given(request.location_id).or_else(by_offset).map_or(Start::Begin, Start::Packet)
}

fn stop(frame_offset: u32) -> Option<Stop> {
    if matches!(frame_offset, 0 | TO_THE_END | u32::MAX) {
        return None;
    }
    let time = Duration::from_millis(u64::from(frame_offset & 0x7FFF_FFFF));
    Some(if frame_offset & 0x8000_0000 == 0 { Stop::At(time) } else { Stop::After(time) })
}
