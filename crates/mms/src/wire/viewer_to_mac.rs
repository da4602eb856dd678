//! Messages from client to server ([MS-MMSP] 2.2.4.15 to 2.2.4.28).

use std::fmt;

use bytes::Bytes;

use super::client_log::ClientLog;
use super::fields::{Reader, Writer, text};
use super::{MAC_TO_VIEWER_PROTOCOL_REVISION, VIEWER_TO_MAC_PROTOCOL_REVISION, mid};
use crate::Error;

/// A message from client to server.
#[derive(Clone, PartialEq)]
pub enum ViewerToMac {
    /// Asks for a session.
    Connect(Connect),
    /// Asks for the id that resend requests carry.
    FunnelInfo {
        /// Which packet-pair experiment is wanted, [`super::MMS_DISABLE_PACKET_PAIR`] or another.
        incarnation: u32,
    },
    /// Says where data shall go.
    ConnectFunnel(ConnectFunnel),
    /// Names the content.
    OpenFile(OpenFile),
    /// Answers a SecurityChallenge.
    SecurityResponse {
        /// That of the challenge.
        incarnation: u32,
        /// That of the challenge.
        cookie: u32,
        /// For [`super::Token::decode`].
        token: Bytes,
    },
    /// Asks for the ASF file header.
    ReadBlock(ReadBlock),
    /// Takes back a ReadBlock.
    CancelReadBlock {
        /// That of the ReadBlock.
        incarnation: u32,
    },
    /// Selects streams: all before StartPlaying, those that change while streaming.
    StreamSwitch(Vec<StreamSwitchEntry>),
    /// Asks for data.
    StartPlaying(StartPlaying),
    /// Asks for data at another rate than the real one.
    StartStriding {
        /// From where.
        start: StartPlaying,
        /// -5 to 5, not 0.
        rate: f64,
    },
    /// Asks for no more data; ReportEndOfStream answers.
    StopPlaying {
        /// That of ReportOpenFile.
        open_file_id: u32,
        /// That of the last StartPlaying.
        incarnation: u32,
    },
    /// Ends the session.
    CloseFile {
        /// That of ReportOpenFile.
        open_file_id: u32,
    },
    /// Answers a Ping.
    Pong,
    /// Tells how it went.
    Logging(Box<ClientLog>),
    /// A message that this crate does not know.
    Unknown {
        /// Its id.
        mid: u32,
    },
}

/// [MS-MMSP] 2.2.4.17.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Whether a packet-pair experiment is wanted. Many clients send 0 for no.
    pub incarnation: u32,
    /// Who connects: `NSPlayer/7.0.0.1956; {GUID}; Host: name`.
    pub subscriber_name: String,
}

/// [MS-MMSP] 2.2.4.18.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectFunnel {
    /// Where data shall go: `\\address\UDP\port`, or TCP and fields that mean nothing.
    pub funnel_name: String,
}

/// What a funnelName says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funnel {
    /// Data shall come on the connection.
    Tcp,
    /// Data shall come in datagrams to this port of the client.
    Udp(u16),
}

/// [MS-MMSP] 2.2.4.21.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// 1 to 254.
    pub incarnation: u32,
    /// Path and query, without a leading slash and without escapes.
    pub file_name: String,
    /// Credentials sent unasked; empty for none.
    pub token: Bytes,
}

/// Without the credentials.
impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { incarnation, file_name, token } = self;
        write!(f, "OpenFile({file_name:?}, incarnation {incarnation}, token of {} bytes)", token.len())
    }
}

/// [MS-MMSP] 2.2.4.23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBlock {
    /// That of ReportOpenFile. Some clients send 1 whatever it was.
    pub open_file_id: u32,
    /// 1 to 254; the header's Data packets carry it.
    pub incarnation: u32,
}

/// One stream of a StreamSwitch ([MS-MMSP] 2.2.4.28.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSwitchEntry {
    /// The stream that is replaced, [`StreamSwitchEntry::NONE`] if none is.
    pub source: u16,
    /// The stream that is sent; [`StreamSwitchEntry::NONE`] switches `source` off.
    pub destination: u16,
    /// 0 everything, 1 keyframes, 2 nothing.
    pub thinning: u16,
}

impl StreamSwitchEntry {
    /// No stream.
    pub const NONE: u16 = 0xFFFF;
}

/// [MS-MMSP] 2.2.4.25. Of the three that say where to begin, one does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StartPlaying {
    /// That of ReportOpenFile. Some clients send 1 whatever it was.
    pub open_file_id: u32,
    /// In seconds from the begin; `f64::MAX` when another field says it.
    pub position: f64,
    /// In bytes from the begin of the ASF file; 0 or 0xFFFFFFFF when another field says it.
    pub asf_offset: u32,
    /// As the number of an ASF packet; 0 or 0xFFFFFFFF when another field says it.
    pub location_id: u32,
    /// Where to stop: 0 at the end, else low 31 bits of milliseconds, from the begin of the
    /// content, or from where it starts if bit 31 is set. FFmpeg and libmms send 0x00FFFFFF
    /// and mean the end.
    pub frame_offset: u32,
    /// 1 to 254, another than that of ReadBlock; Data packets carry it.
    pub incarnation: u32,
    /// How fast to send at the begin; for servers of version 9 and later.
    pub accelerate: Option<Accelerate>,
}

/// The optional fields of StartPlaying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accelerate {
    /// Rate at the begin.
    pub bandwidth_bps: u32,
    /// For how much content.
    pub duration_ms: u32,
    /// What the client's line carries, 0 if it does not say.
    pub link_bandwidth_bps: u32,
}

impl ConnectFunnel {
    /// What funnelName says, `None` if nothing that is known.
    #[must_use]
    pub fn funnel(&self) -> Option<Funnel> {
        let mut words = self.funnel_name.rsplit('\\');
        let (port, transport) = (words.next()?, words.next()?);
        if transport.eq_ignore_ascii_case("TCP") {
            return Some(Funnel::Tcp);
        }
        let port = port.trim().parse().ok().filter(|port| *port > 0);
        port.filter(|_| transport.eq_ignore_ascii_case("UDP")).map(Funnel::Udp)
    }
}

impl ViewerToMac {
    /// The message's id.
    #[must_use]
    pub const fn mid(&self) -> u32 {
        match self {
            Self::Connect(_) => mid::LINK_VIEWER_TO_MAC_CONNECT,
            Self::FunnelInfo { .. } => mid::LINK_VIEWER_TO_MAC_FUNNEL_INFO,
            Self::ConnectFunnel(_) => mid::LINK_VIEWER_TO_MAC_CONNECT_FUNNEL,
            Self::OpenFile(_) => mid::LINK_VIEWER_TO_MAC_OPEN_FILE,
            Self::SecurityResponse { .. } => mid::LINK_VIEWER_TO_MAC_SECURITY_RESPONSE,
            Self::ReadBlock(_) => mid::LINK_VIEWER_TO_MAC_READ_BLOCK,
            Self::CancelReadBlock { .. } => mid::LINK_VIEWER_TO_MAC_CANCEL_READ_BLOCK,
            Self::StreamSwitch(_) => mid::LINK_VIEWER_TO_MAC_STREAM_SWITCH,
            Self::StartPlaying(_) => mid::LINK_VIEWER_TO_MAC_START_PLAYING,
            Self::StartStriding { .. } => mid::LINK_VIEWER_TO_MAC_START_STRIDING,
            Self::StopPlaying { .. } => mid::LINK_VIEWER_TO_MAC_STOP_PLAYING,
            Self::CloseFile { .. } => mid::LINK_VIEWER_TO_MAC_CLOSE_FILE,
            Self::Pong => mid::LINK_VIEWER_TO_MAC_PONG,
            Self::Logging(_) => mid::LINK_VIEWER_TO_MAC_LOGGING,
            Self::Unknown { mid } => *mid,
        }
    }

    /// The message's name, the specification's without its LinkViewerToMac.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "Connect",
            Self::FunnelInfo { .. } => "FunnelInfo",
            Self::ConnectFunnel(_) => "ConnectFunnel",
            Self::OpenFile(_) => "OpenFile",
            Self::SecurityResponse { .. } => "SecurityResponse",
            Self::ReadBlock(_) => "ReadBlock",
            Self::CancelReadBlock { .. } => "CancelReadBlock",
            Self::StreamSwitch(_) => "StreamSwitch",
            Self::StartPlaying(_) => "StartPlaying",
            Self::StartStriding { .. } => "StartStriding",
            Self::StopPlaying { .. } => "StopPlaying",
            Self::CloseFile { .. } => "CloseFile",
            Self::Pong => "Pong",
            Self::Logging(_) => "Logging",
            Self::Unknown { .. } => "unknown message",
        }
    }

    /// The message from chunkLen to its padding, for [`super::Framer::frame`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new(self.mid());
        let to = match self {
            Self::Connect(Connect { incarnation, subscriber_name }) => to
                .u32(*incarnation)
                .u32(MAC_TO_VIEWER_PROTOCOL_REVISION)
                .u32(VIEWER_TO_MAC_PROTOCOL_REVISION)
                .text(subscriber_name),
            Self::FunnelInfo { incarnation } | Self::CancelReadBlock { incarnation } => to.u32(*incarnation),
            Self::ConnectFunnel(ConnectFunnel { funnel_name }) => {
                to.u32(0).u32(u32::MAX).u32(0).u32(0x0098_9680).u32(2).text(funnel_name)
            }
            Self::OpenFile(OpenFile { incarnation, file_name, token }) => {
                let (offset, size) = match token.len() {
                    0 => (0, 0),
                    size => {
                        (super::fields::units(file_name).saturating_mul(2), u32::try_from(size).unwrap_or(u32::MAX))
                    }
                };
                to.u32(*incarnation).u32(0).u32(offset).u32(size).text(file_name).bytes(token)
            }
            Self::SecurityResponse { incarnation, cookie, token } => {
                let size = u32::try_from(token.len()).unwrap_or(u32::MAX);
                to.u32(*incarnation).u32(*cookie).u32(size).bytes(token)
            }
            Self::ReadBlock(ReadBlock { open_file_id, incarnation }) => {
                let to = to.u32(*open_file_id).u32(0).u32(0).u32(0x8000).u32(u32::MAX).u32(0);
                to.f64(0.0).f64(3600.0).u32(*incarnation).u32(0)
            }
            Self::StreamSwitch(entries) => {
                let to = to.u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
                entries.iter().fold(to, |to, entry| to.u16(entry.source).u16(entry.destination).u16(entry.thinning))
            }
            Self::StartPlaying(start) => {
                let to = start.write(to);
                match start.accelerate {
                    Some(Accelerate { bandwidth_bps, duration_ms, link_bandwidth_bps }) => {
                        to.u32(bandwidth_bps).u32(duration_ms).u32(link_bandwidth_bps)
                    }
                    None => to,
                }
            }
            Self::StartStriding { start, rate } => start.write(to).f64(*rate),
            Self::StopPlaying { open_file_id, incarnation } => to.u32(*open_file_id).u32(*incarnation),
            Self::CloseFile { open_file_id } => to.u32(0).u32(*open_file_id),
            Self::Pong => to.u32(0).u32(0),
            Self::Logging(log) => log.write(to),
            Self::Unknown { .. } => to,
        };
        to.finish()
    }

    /// Reads a message; `body` is what stands behind its id.
    ///
    /// # Errors
    /// When it ends before fields that cannot be done without, or a count is larger than
    /// the message.
    pub fn decode(mid: u32, body: &[u8]) -> Result<Self, Error> {
        Ok(match mid {
            mid::LINK_VIEWER_TO_MAC_CONNECT => {
                let mut fields = Reader::new("Connect", body);
                let incarnation = fields.u32("playIncarnation")?;
                fields.skip(8);
                Self::Connect(Connect { incarnation, subscriber_name: text(fields.rest()) })
            }
            mid::LINK_VIEWER_TO_MAC_FUNNEL_INFO => {
                Self::FunnelInfo { incarnation: Reader::new("FunnelInfo", body).u32_or_zero() }
            }
            mid::LINK_VIEWER_TO_MAC_CONNECT_FUNNEL => {
                let mut fields = Reader::new("ConnectFunnel", body);
                fields.bytes("fields", 20)?;
                Self::ConnectFunnel(ConnectFunnel { funnel_name: text(fields.rest()) })
            }
            mid::LINK_VIEWER_TO_MAC_OPEN_FILE => Self::OpenFile(OpenFile::read(body)?),
            mid::LINK_VIEWER_TO_MAC_SECURITY_RESPONSE => {
                let (incarnation, cookie, token) = read_security("SecurityResponse", body)?;
                Self::SecurityResponse { incarnation, cookie, token }
            }
            mid::LINK_VIEWER_TO_MAC_READ_BLOCK => {
                let mut fields = Reader::new("ReadBlock", body);
                let open_file_id = fields.u32("openFileId")?;
                fields.bytes("fields", 20 + 16)?;
                Self::ReadBlock(ReadBlock { open_file_id, incarnation: fields.u32("playIncarnation")? })
            }
            mid::LINK_VIEWER_TO_MAC_CANCEL_READ_BLOCK => {
                Self::CancelReadBlock { incarnation: Reader::new("CancelReadBlock", body).u32_or_zero() }
            }
            mid::LINK_VIEWER_TO_MAC_STREAM_SWITCH => Self::StreamSwitch(read_entries(body)?),
            mid::LINK_VIEWER_TO_MAC_START_PLAYING => {
                let mut fields = Reader::new("StartPlaying", body);
                let mut start = StartPlaying::read(&mut fields)?;
                // Without them the message has no padding, so that two are told from none.
                if fields.left() >= 8 {
                    start.accelerate = Some(Accelerate {
                        bandwidth_bps: fields.u32_or_zero(),
                        duration_ms: fields.u32_or_zero(),
                        link_bandwidth_bps: fields.u32_or_zero(),
                    });
                }
                Self::StartPlaying(start)
            }
            mid::LINK_VIEWER_TO_MAC_START_STRIDING => {
                let mut fields = Reader::new("StartStriding", body);
                Self::StartStriding { start: StartPlaying::read(&mut fields)?, rate: fields.f64("rate")? }
            }
            mid::LINK_VIEWER_TO_MAC_STOP_PLAYING => {
                let mut fields = Reader::new("StopPlaying", body);
                Self::StopPlaying { open_file_id: fields.u32_or_zero(), incarnation: fields.u32_or_zero() }
            }
            mid::LINK_VIEWER_TO_MAC_CLOSE_FILE => {
                let mut fields = Reader::new("CloseFile", body);
                fields.skip(4);
                Self::CloseFile { open_file_id: fields.u32_or_zero() }
            }
            mid::LINK_VIEWER_TO_MAC_PONG => Self::Pong,
            mid::LINK_VIEWER_TO_MAC_LOGGING => Self::Logging(Box::new(ClientLog::read(body)?)),
            mid => Self::Unknown { mid },
        })
    }
}

impl OpenFile {
    fn read(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Reader::new("OpenFile", body);
        let incarnation = fields.u32("playIncarnation")?;
        fields.skip(4);
        let (offset, size) = (fields.u32("token")?, fields.u32("cbtoken")?);
        let rest = fields.rest();
        if size == 0 {
            return Ok(Self { incarnation, file_name: text(rest), token: Bytes::new() });
        }
        let place = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
        let parts = place.and_then(|(at, size)| {
            rest.split_at_checked(at).and_then(|(name, token)| Some((name, token.get(..size)?)))
        });
        let Some((name, token)) = parts else {
            let left = rest.len();
            return Err(fields.malformed(format!("a token of {size} bytes at {offset}, and {left} bytes in all")));
        };
        Ok(Self { incarnation, file_name: text(name), token: Bytes::copy_from_slice(token) })
    }
}

impl StartPlaying {
    fn write(&self, to: Writer) -> Writer {
        let to = to.u32(self.open_file_id).u32(0).f64(self.position).u32(self.asf_offset);
        to.u32(self.location_id).u32(self.frame_offset).u32(self.incarnation)
    }

    fn read(fields: &mut Reader<'_>) -> Result<Self, Error> {
        let open_file_id = fields.u32("openFileId")?;
        fields.skip(4);
        Ok(Self {
            open_file_id,
            position: fields.f64("position")?,
            asf_offset: fields.u32("asfOffset")?,
            location_id: fields.u32("locationId")?,
            frame_offset: fields.u32("frameOffset")?,
            incarnation: fields.u32("playIncarnation")?,
            accelerate: None,
        })
    }
}

/// The fields of SecurityChallenge and SecurityResponse: playIncarnation, cookie, pToken.
pub(super) fn read_security(message: &'static str, body: &[u8]) -> Result<(u32, u32, Bytes), Error> {
    let mut fields = Reader::new(message, body);
    let (incarnation, cookie) = (fields.u32("playIncarnation")?, fields.u32("cookie")?);
    let size = usize::try_from(fields.u32("cbToken")?).unwrap_or(usize::MAX);
    Ok((incarnation, cookie, Bytes::copy_from_slice(fields.bytes("pToken", size)?)))
}

fn read_entries(body: &[u8]) -> Result<Vec<StreamSwitchEntry>, Error> {
    let mut fields = Reader::new("StreamSwitch", body);
    let count = usize::try_from(fields.u32("cStreamEntries")?).unwrap_or(usize::MAX);
    let entries = fields.bytes("aStreamEntries", count.saturating_mul(6))?;
    let word = |entry: &[u8], at| u16::from_le_bytes([entry[at], entry[at + 1]]);
    let read =
        |entry| StreamSwitchEntry { source: word(entry, 0), destination: word(entry, 2), thinning: word(entry, 4) };
    Ok(entries.chunks_exact(6).map(read).collect())
}

/// Without credentials.
impl fmt::Debug for ViewerToMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(message) => message.fmt(f),
            Self::ConnectFunnel(message) => message.fmt(f),
            Self::OpenFile(message) => message.fmt(f),
            Self::SecurityResponse { incarnation, cookie, token } => {
                write!(f, "SecurityResponse(incarnation {incarnation}, cookie {cookie}, {} bytes)", token.len())
            }
            Self::ReadBlock(message) => message.fmt(f),
            Self::StreamSwitch(entries) => write!(f, "StreamSwitch({entries:?})"),
            Self::StartPlaying(message) => message.fmt(f),
            Self::StartStriding { start, rate } => write!(f, "StartStriding({start:?}, rate {rate})"),
            Self::FunnelInfo { incarnation } | Self::CancelReadBlock { incarnation } => {
                write!(f, "{}(incarnation {incarnation:#x})", self.name())
            }
            Self::StopPlaying { open_file_id, incarnation } => {
                write!(f, "StopPlaying(openFileId {open_file_id}, incarnation {incarnation})")
            }
            Self::CloseFile { open_file_id } => write!(f, "CloseFile(openFileId {open_file_id})"),
            Self::Logging(log) => log.fmt(f),
            Self::Unknown { mid } => write!(f, "Unknown({mid:#010x})"),
            Self::Pong => write!(f, "Pong"),
        }
    }
}
