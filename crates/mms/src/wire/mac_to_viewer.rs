//! Messages from server to client ([MS-MMSP] 2.2.4.1 to 2.2.4.14).

use std::fmt;

use bytes::Bytes;

use super::fields::{Reader, Writer, text, units};
use super::viewer_to_mac::read_security;
use super::{MAC_TO_VIEWER_PROTOCOL_REVISION, VIEWER_TO_MAC_PROTOCOL_REVISION, mid};
use crate::{Error, Hresult};

/// A message from server to client. `hr` tells how the request went; its failures end a session.
#[derive(Clone, PartialEq)]
pub enum MacToViewer {
    /// Answers Connect.
    ReportConnectedEX(ReportConnectedEX),
    /// Answers FunnelInfo, once, or three times for packet pairs over TCP.
    ReportFunnelInfo(ReportFunnelInfo),
    /// Answers ConnectFunnel.
    ReportConnectedFunnel {
        /// How it went.
        hr: Hresult,
    },
    /// Answers ConnectFunnel: not that way.
    ReportDisconnectedFunnel {
        /// Why.
        hr: Hresult,
    },
    /// Answers OpenFile or SecurityResponse.
    ReportOpenFile(ReportOpenFile),
    /// Answers OpenFile or SecurityResponse: who asks?
    SecurityChallenge {
        /// That of OpenFile.
        incarnation: u32,
        /// To be returned.
        cookie: u32,
        /// For [`super::Token::decode`].
        token: Bytes,
    },
    /// Answers OpenFile or SecurityResponse: elsewhere.
    ReportRedirect(ReportRedirect),
    /// Answers ReadBlock. The header may have come before, on UDP.
    ReportReadBlock {
        /// How it went.
        hr: Hresult,
        /// That of ReadBlock.
        incarnation: u32,
    },
    /// Answers StreamSwitch.
    ReportStreamSwitch {
        /// How it went.
        hr: Hresult,
    },
    /// Answers StartPlaying.
    ReportStartedPlaying {
        /// How it went.
        hr: Hresult,
        /// That of StartPlaying.
        incarnation: u32,
        /// openFileId, or 0.
        tiger_file_id: u32,
    },
    /// Answers StartStriding.
    ReportStartStriding {
        /// How it went.
        hr: Hresult,
        /// That of StartStriding.
        incarnation: u32,
    },
    /// The content, or an entry of the playlist, is over; also answers StopPlaying.
    ReportEndOfStream {
        /// 0, [`super::END_OF_STREAM_CONTINUES`], or why.
        hr: Hresult,
        /// That of the last StartPlaying, or of StopPlaying.
        incarnation: u32,
    },
    /// Another entry of the playlist begins.
    ReportStreamChange(ReportStreamChange),
    /// Asks for a Pong.
    Ping,
    /// A message that this crate does not know.
    Unknown {
        /// Its id.
        mid: u32,
    },
}

/// [MS-MMSP] 2.2.4.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportConnectedEX {
    /// How it went.
    pub hr: Hresult,
    /// Whether the server can do a packet-pair experiment.
    pub incarnation: u32,
    /// `major.minor`, often with two numbers more.
    pub server_version: Option<String>,
    /// The client that the server would like better.
    pub version: Option<String>,
    /// Where that one is.
    pub version_url: Option<String>,
    /// `NTLM` or `BASIC`, where a challenge can come.
    pub authen_package: Option<String>,
}

/// [MS-MMSP] 2.2.4.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFunnelInfo {
    /// How it went.
    pub hr: Hresult,
    /// Which packet-pair experiment is done.
    pub incarnation: u32,
    /// nCubs: the client's id in resend requests.
    pub client_id: u32,
    /// A packet-pair probe, or empty.
    pub probe: Bytes,
}

/// [MS-MMSP] 2.2.4.7.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportOpenFile {
    /// How it went.
    pub hr: Hresult,
    /// That of OpenFile.
    pub incarnation: u32,
    /// The file, in all requests that follow.
    pub open_file_id: u32,
    /// [`super::FILE_ATTRIBUTE_MMS_BROADCAST`] and the like; other bits occur.
    pub file_attributes: u32,
    /// In seconds; 0 if it is not known.
    pub file_duration: f64,
    /// Most bytes of an ASF packet.
    pub file_packet_size: u32,
    /// Packets in the content; 0 if that is not known.
    pub file_packet_count: u64,
    /// In bit/s, all streams together.
    pub file_bit_rate: u32,
    /// Bytes of the ASF file header.
    pub file_header_size: u32,
}

/// [MS-MMSP] 2.2.4.9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRedirect {
    /// How it went.
    pub hr: Hresult,
    /// [`ReportRedirect::URL`] or [`ReportRedirect::PROXY`].
    pub redirect_type: u16,
    /// Where to go; empty for a proxy means to use none.
    pub location: String,
}

impl ReportRedirect {
    /// The content is at another URL.
    pub const URL: u16 = 1;
    /// Another proxy shall be used.
    pub const PROXY: u16 = 2;
}

/// [MS-MMSP] 2.2.4.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportStreamChange {
    /// How it went.
    pub hr: Hresult,
    /// Low byte of what the new header's Data packets carry on TCP: 0xFF.
    pub tcp_hdr_incarnation: u32,
    /// Most bytes of an ASF packet.
    pub packet_size: u32,
    /// Bytes of the ASF file header.
    pub header_size: u32,
    /// In bit/s, all streams together.
    pub bit_rate: u32,
}

impl MacToViewer {
    /// The message's id.
    #[must_use]
    pub const fn mid(&self) -> u32 {
        match self {
            Self::ReportConnectedEX(_) => mid::LINK_MAC_TO_VIEWER_REPORT_CONNECTED_EX,
            Self::ReportFunnelInfo(_) => mid::LINK_MAC_TO_VIEWER_REPORT_FUNNEL_INFO,
            Self::ReportConnectedFunnel { .. } => mid::LINK_MAC_TO_VIEWER_REPORT_CONNECTED_FUNNEL,
            Self::ReportDisconnectedFunnel { .. } => mid::LINK_MAC_TO_VIEWER_REPORT_DISCONNECTED_FUNNEL,
            Self::ReportOpenFile(_) => mid::LINK_MAC_TO_VIEWER_REPORT_OPEN_FILE,
            Self::SecurityChallenge { .. } => mid::LINK_MAC_TO_VIEWER_SECURITY_CHALLENGE,
            Self::ReportRedirect(_) => mid::LINK_MAC_TO_VIEWER_REPORT_REDIRECT,
            Self::ReportReadBlock { .. } => mid::LINK_MAC_TO_VIEWER_REPORT_READ_BLOCK,
            Self::ReportStreamSwitch { .. } => mid::LINK_MAC_TO_VIEWER_REPORT_STREAM_SWITCH,
            Self::ReportStartedPlaying { .. } => mid::LINK_MAC_TO_VIEWER_REPORT_STARTED_PLAYING,
            Self::ReportStartStriding { .. } => mid::LINK_MAC_TO_VIEWER_REPORT_START_STRIDING,
            Self::ReportEndOfStream { .. } => mid::LINK_MAC_TO_VIEWER_REPORT_END_OF_STREAM,
            Self::ReportStreamChange(_) => mid::LINK_MAC_TO_VIEWER_REPORT_STREAM_CHANGE,
            Self::Ping => mid::LINK_MAC_TO_VIEWER_PING,
            Self::Unknown { mid } => *mid,
        }
    }

    /// The message's name, the specification's without its LinkMacToViewer.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ReportConnectedEX(_) => "ReportConnectedEX",
            Self::ReportFunnelInfo(_) => "ReportFunnelInfo",
            Self::ReportConnectedFunnel { .. } => "ReportConnectedFunnel",
            Self::ReportDisconnectedFunnel { .. } => "ReportDisconnectedFunnel",
            Self::ReportOpenFile(_) => "ReportOpenFile",
            Self::SecurityChallenge { .. } => "SecurityChallenge",
            Self::ReportRedirect(_) => "ReportRedirect",
            Self::ReportReadBlock { .. } => "ReportReadBlock",
            Self::ReportStreamSwitch { .. } => "ReportStreamSwitch",
            Self::ReportStartedPlaying { .. } => "ReportStartedPlaying",
            Self::ReportStartStriding { .. } => "ReportStartStriding",
            Self::ReportEndOfStream { .. } => "ReportEndOfStream",
            Self::ReportStreamChange(_) => "ReportStreamChange",
            Self::Ping => "Ping",
            Self::Unknown { .. } => "unknown message",
        }
    }

    /// How the request went that it answers; `None` for messages that answer none.
    #[must_use]
    pub const fn hr(&self) -> Option<Hresult> {
        match self {
            Self::ReportConnectedEX(ReportConnectedEX { hr, .. })
            | Self::ReportFunnelInfo(ReportFunnelInfo { hr, .. })
            | Self::ReportOpenFile(ReportOpenFile { hr, .. })
            | Self::ReportRedirect(ReportRedirect { hr, .. })
            | Self::ReportStreamChange(ReportStreamChange { hr, .. })
            | Self::ReportConnectedFunnel { hr }
            | Self::ReportDisconnectedFunnel { hr }
            | Self::ReportReadBlock { hr, .. }
            | Self::ReportStreamSwitch { hr }
            | Self::ReportStartedPlaying { hr, .. }
            | Self::ReportStartStriding { hr, .. }
            | Self::ReportEndOfStream { hr, .. } => Some(*hr),
            Self::SecurityChallenge { .. } | Self::Ping | Self::Unknown { .. } => None,
        }
    }

    /// The message from chunkLen to its padding, for [`super::Framer::frame`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::new(self.mid());
        if let Some(hr) = self.hr() {
            to = to.u32(hr.0);
        }
        let to = match self {
            Self::ReportConnectedEX(report) => report.write(to),
            Self::ReportFunnelInfo(ReportFunnelInfo { incarnation, client_id, probe, .. }) => {
                let to = to.u32(*incarnation).u32(8).u32(1).u32(0x10000).u32(*client_id);
                to.u32(0).u32(1).u32(0).u32(0).bytes(probe)
            }
            Self::ReportConnectedFunnel { .. } => to.u32(0).u32(0).text("Funnel Of The Gods"),
            Self::ReportDisconnectedFunnel { .. } => to.u32(0),
            Self::ReportOpenFile(report) => report.write(to),
            Self::SecurityChallenge { incarnation, cookie, token } => {
                let size = u32::try_from(token.len()).unwrap_or(u32::MAX);
                to.u32(*incarnation).u32(*cookie).u32(size).bytes(token)
            }
            Self::ReportRedirect(ReportRedirect { redirect_type, location, .. }) => {
                let size = u16::try_from(units(location).saturating_mul(2)).unwrap_or(u16::MAX);
                to.u16(*redirect_type).u16(size).text(location)
            }
            Self::ReportReadBlock { incarnation, .. } | Self::ReportStartStriding { incarnation, .. } => {
                to.u32(*incarnation).u32(0)
            }
            Self::ReportStartedPlaying { incarnation, tiger_file_id, .. } => {
                to.u32(*incarnation).u32(*tiger_file_id).zeros(16)
            }
            Self::ReportEndOfStream { incarnation, .. } => to.u32(*incarnation),
            Self::ReportStreamChange(change) => {
                let to = to.u32(change.tcp_hdr_incarnation).u32(change.packet_size).u32(change.header_size);
                to.u32(change.bit_rate).u32(0)
            }
            Self::Ping => to.u32(0).u32(0),
            Self::ReportStreamSwitch { .. } | Self::Unknown { .. } => to,
        };
        to.finish()
    }

    /// Reads a message; `body` is what stands behind its id.
    ///
    /// # Errors
    /// When it ends before fields that cannot be done without.
    pub fn decode(mid: u32, body: &[u8]) -> Result<Self, Error> {
        let read = |message| -> Result<_, Error> {
            let mut fields = Reader::new(message, body);
            Ok((Hresult(fields.u32("hr")?), fields))
        };
        Ok(match mid {
            mid::LINK_MAC_TO_VIEWER_REPORT_CONNECTED_EX => {
                let (hr, fields) = read("ReportConnectedEX")?;
                Self::ReportConnectedEX(ReportConnectedEX::read(hr, fields))
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_FUNNEL_INFO => {
                let (hr, mut fields) = read("ReportFunnelInfo")?;
                let incarnation = fields.u32_or_zero();
                fields.skip(12);
                let client_id = fields.u32_or_zero();
                fields.skip(16);
                let probe = Bytes::copy_from_slice(fields.rest());
                Self::ReportFunnelInfo(ReportFunnelInfo { hr, incarnation, client_id, probe })
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_CONNECTED_FUNNEL => {
                Self::ReportConnectedFunnel { hr: read("ReportConnectedFunnel")?.0 }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_DISCONNECTED_FUNNEL => {
                Self::ReportDisconnectedFunnel { hr: read("ReportDisconnectedFunnel")?.0 }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_OPEN_FILE => {
                let (hr, fields) = read("ReportOpenFile")?;
                Self::ReportOpenFile(ReportOpenFile::read(hr, fields)?)
            }
            mid::LINK_MAC_TO_VIEWER_SECURITY_CHALLENGE => {
                let (incarnation, cookie, token) = read_security("SecurityChallenge", body)?;
                Self::SecurityChallenge { incarnation, cookie, token }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_REDIRECT => {
                let (hr, mut fields) = read("ReportRedirect")?;
                let (redirect_type, size) = (fields.u16("RedirectType")?, fields.u16("cbLocation")?);
                let rest = fields.rest();
                let location = text(rest.get(..usize::from(size)).unwrap_or(rest));
                Self::ReportRedirect(ReportRedirect { hr, redirect_type, location })
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_READ_BLOCK => {
                let (hr, mut fields) = read("ReportReadBlock")?;
                Self::ReportReadBlock { hr, incarnation: fields.u32_or_zero() }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_STREAM_SWITCH => {
                Self::ReportStreamSwitch { hr: read("ReportStreamSwitch")?.0 }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_STARTED_PLAYING => {
                let (hr, mut fields) = read("ReportStartedPlaying")?;
                let (incarnation, tiger_file_id) = (fields.u32_or_zero(), fields.u32_or_zero());
                Self::ReportStartedPlaying { hr, incarnation, tiger_file_id }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_START_STRIDING => {
                let (hr, mut fields) = read("ReportStartStriding")?;
                Self::ReportStartStriding { hr, incarnation: fields.u32_or_zero() }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_END_OF_STREAM => {
                let (hr, mut fields) = read("ReportEndOfStream")?;
                Self::ReportEndOfStream { hr, incarnation: fields.u32_or_zero() }
            }
            mid::LINK_MAC_TO_VIEWER_REPORT_STREAM_CHANGE => {
                let (hr, mut fields) = read("ReportStreamChange")?;
                Self::ReportStreamChange(ReportStreamChange {
                    hr,
                    tcp_hdr_incarnation: fields.u32_or_zero(),
                    packet_size: fields.u32_or_zero(),
                    header_size: fields.u32_or_zero(),
                    bit_rate: fields.u32_or_zero(),
                })
            }
            mid::LINK_MAC_TO_VIEWER_PING => Self::Ping,
            mid => Self::Unknown { mid },
        })
    }
}

impl ReportConnectedEX {
    fn texts(&self) -> [Option<&str>; 4] {
        [&self.server_version, &self.version, &self.version_url, &self.authen_package].map(|text| text.as_deref())
    }

    fn write(&self, to: Writer) -> Writer {
        let to = to.u32(self.incarnation).u32(MAC_TO_VIEWER_PROTOCOL_REVISION).u32(VIEWER_TO_MAC_PROTOCOL_REVISION);
        let to = to.f64(1.0).u32(1).u32(1).u32(0x8000).u32(0x0098_9680);
        let to = self.texts().iter().fold(to, |to, text| to.u32(text.map_or(0, units)));
        self.texts().iter().flatten().fold(to, |to, text| to.text(text))
    }

    fn read(hr: Hresult, mut fields: Reader<'_>) -> Self {
        let incarnation = fields.u32_or_zero();
        fields.skip(8 + 8 + 16);
        let counts = [0; 4].map(|_: u32| fields.u32_or_zero());
        let [server_version, version, version_url, authen_package] = counts.map(|count| fields.text(count));
        Self { hr, incarnation, server_version, version, version_url, authen_package }
    }

    /// The major number of the server's version.
    #[must_use]
    pub fn server_major(&self) -> Option<u32> {
        self.server_version.as_deref()?.trim().split('.').next()?.parse().ok()
    }
}

impl ReportOpenFile {
    fn write(&self, to: Writer) -> Writer {
        let blocks = self.file_duration.ceil().clamp(0.0, f64::from(u32::MAX)) as u32;
        let to = to.u32(self.incarnation).u32(self.open_file_id).u32(0).u32(0).u32(self.file_attributes);
        let to = to.f64(self.file_duration).u32(blocks).zeros(16).u32(self.file_packet_size);
        to.u64(self.file_packet_count).u32(self.file_bit_rate).u32(self.file_header_size).zeros(36)
    }

    fn read(hr: Hresult, mut fields: Reader<'_>) -> Result<Self, Error> {
        let incarnation = fields.u32_or_zero();
        // A refusal may have no more than its code.
        let open_file_id = if hr.is_failure() { fields.u32_or_zero() } else { fields.u32("openFileId")? };
        fields.skip(8);
        let (file_attributes, file_duration) = (fields.u32_or_zero(), fields.f64_or_zero());
        fields.skip(4 + 16);
        Ok(Self {
            hr,
            incarnation,
            open_file_id,
            file_attributes,
            file_duration,
            file_packet_size: fields.u32_or_zero(),
            file_packet_count: fields.u64_or_zero(),
            file_bit_rate: fields.u32_or_zero(),
            file_header_size: fields.u32_or_zero(),
        })
    }
}

/// Without the tokens.
impl fmt::Debug for MacToViewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReportConnectedEX(report) => report.fmt(f),
            Self::ReportFunnelInfo(ReportFunnelInfo { hr, incarnation, client_id, probe }) => {
                write!(f, "ReportFunnelInfo({hr}, {incarnation:#x}, client {client_id}, {} bytes)", probe.len())
            }
            Self::ReportOpenFile(report) => report.fmt(f),
            Self::ReportRedirect(report) => report.fmt(f),
            Self::ReportStreamChange(report) => report.fmt(f),
            Self::SecurityChallenge { incarnation, cookie, token } => {
                write!(f, "SecurityChallenge(incarnation {incarnation}, cookie {cookie}, {} bytes)", token.len())
            }
            Self::ReportReadBlock { hr, incarnation }
            | Self::ReportStartedPlaying { hr, incarnation, .. }
            | Self::ReportStartStriding { hr, incarnation }
            | Self::ReportEndOfStream { hr, incarnation } => {
                write!(f, "{}({hr}, incarnation {incarnation})", self.name())
            }
            Self::ReportConnectedFunnel { hr }
            | Self::ReportDisconnectedFunnel { hr }
            | Self::ReportStreamSwitch { hr } => write!(f, "{}({hr})", self.name()),
            Self::Unknown { mid } => write!(f, "Unknown({mid:#010x})"),
            Self::Ping => write!(f, "Ping"),
        }
    }
}
