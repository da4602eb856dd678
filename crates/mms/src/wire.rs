//! What stands on the wire in MMS over TCP and UDP ([MS-MMSP] 2.2), in both directions.
//!
//! A connection carries two things in turns: control messages, each in a
//! TcpMessageHeader, and Data packets. [`Deframer`] takes the bytes of either side apart
//! and [`Framer`] puts messages on; [`ViewerToMac`] and [`MacToViewer`] are the messages
//! themselves. "Viewer" is the client and "Mac" the server, as in the specification,
//! whose names the constants keep.
//!
//! Reading is lenient: fields that receivers shall ignore are ignored, and those that
//! old servers leave out at the end of a message count as zero. Writing is strict.
//! Numbers are little-endian and texts are UTF-16.

mod client_log;
mod data;
mod fields;
mod framing;
mod mac_to_viewer;
mod resend;
mod token;
mod viewer_to_mac;

#[cfg(test)]
mod tests;

pub use client_log::{CLIENT_LOG_SIZE, ClientLog};
pub use data::{DATA_HEADER, Data, DataHeader, header_pieces};
pub use framing::{Deframer, Frame, Framer, TCP_MESSAGE_HEADER};
pub use mac_to_viewer::{
    MacToViewer, ReportConnectedEX, ReportFunnelInfo, ReportOpenFile, ReportRedirect, ReportStreamChange,
};
pub use resend::RequestPacketListResend;
pub use token::{Token, TokenKind};
pub use viewer_to_mac::{
    Accelerate, Connect, ConnectFunnel, Funnel, OpenFile, ReadBlock, StartPlaying, StreamSwitchEntry, ViewerToMac,
};

/// The sessionId of each TcpMessageHeader, at its byte 4 ([MS-MMSP] 2.2.3).
pub const SESSION_ID: u32 = 0xB00B_FACE;
/// The seal of each TcpMessageHeader, `MMS ` ([MS-MMSP] 2.2.3).
pub const SEAL: u32 = 0x2053_4D4D;
/// The port of MMS, TCP as well as UDP.
pub const PORT: u16 = 1755;

/// MacToViewerProtocolRevision ([MS-MMSP] 2.2.4.2).
pub const MAC_TO_VIEWER_PROTOCOL_REVISION: u32 = 0x0004_000B;
/// ViewerToMacProtocolRevision ([MS-MMSP] 2.2.4.2).
pub const VIEWER_TO_MAC_PROTOCOL_REVISION: u32 = 0x0003_001C;

/// playIncarnation of Connect and FunnelInfo: no packet-pair experiment.
pub const MMS_DISABLE_PACKET_PAIR: u32 = 0xF0F0_F0EF;
/// playIncarnation of Connect and FunnelInfo: a packet-pair experiment is wanted.
pub const MMS_USE_PACKET_PAIR: u32 = 0xF0F0_F0F0;
/// playIncarnation of FunnelInfo: packet pairs over TCP, of random bytes.
pub const MMS_PACKET_PAIR_TCP_HIGH_ENTROPY: u32 = 0xF0F0_F0F1;
/// playIncarnation of FunnelInfo: packet pairs over UDP, of random bytes.
pub const MMS_PACKET_PAIR_UDP_HIGH_ENTROPY: u32 = 0xF0F0_F901;

/// fileAttributes: the server can fast forward and rewind ([MS-MMSP] 2.2.4.7).
pub const FILE_ATTRIBUTE_MMS_CANSTRIDE: u32 = 0x0080_0000;
/// fileAttributes: the server can seek.
pub const FILE_ATTRIBUTE_MMS_CANSEEK: u32 = 0x0100_0000;
/// fileAttributes: clients share one stream.
pub const FILE_ATTRIBUTE_MMS_BROADCAST: u32 = 0x0200_0000;
/// fileAttributes: the content is live.
pub const FILE_ATTRIBUTE_MMS_LIVE: u32 = 0x0400_0000;
/// fileAttributes: the content is part of a playlist of several items.
pub const FILE_ATTRIBUTE_MMS_PLAYLIST: u32 = 0x4000_0000;

/// hr of ReportEndOfStream: another entry follows ([MS-MMSP] 2.2.4.5).
pub const END_OF_STREAM_CONTINUES: u32 = 1;

/// The playIncarnation of Data packets that no request caused: packet-pair probes, and
/// what follows a stream change on TCP ([MS-MMSP] 2.2.2, 3.2.4.2).
pub const INCARNATION_UNASKED: u8 = 0xFF;
/// AFFlags of a piece of an ASF file header that is the first of several, or one of them.
pub const AF_FLAGS_HEADER: u8 = 0x04;
/// AFFlags of the last piece of an ASF file header, by the specification's text.
pub const AF_FLAGS_HEADER_LAST: u8 = 0x0C;
/// The bit that the last piece of an ASF file header has in all forms.
pub const AF_FLAGS_LAST: u8 = 0x08;
/// AFFlags of a packet-pair probe.
pub const AF_FLAGS_PACKET_PAIR: u8 = 0x10;
/// LocationId of the first packet-pair probe; the second has one more.
pub const LOCATION_ID_PACKET_PAIR: u32 = 0xF0F0_F000;

/// Message ids ([MS-MMSP] 2.2.4). The high half is 3 from client to server and 4 the other way.
#[allow(missing_docs, reason = "they are named as the messages are")]
pub mod mid {
    pub const LINK_VIEWER_TO_MAC_CONNECT: u32 = 0x0003_0001;
    pub const LINK_VIEWER_TO_MAC_CONNECT_FUNNEL: u32 = 0x0003_0002;
    pub const LINK_VIEWER_TO_MAC_OPEN_FILE: u32 = 0x0003_0005;
    pub const LINK_VIEWER_TO_MAC_START_PLAYING: u32 = 0x0003_0007;
    pub const LINK_VIEWER_TO_MAC_STOP_PLAYING: u32 = 0x0003_0009;
    pub const LINK_VIEWER_TO_MAC_CLOSE_FILE: u32 = 0x0003_000D;
    pub const LINK_VIEWER_TO_MAC_READ_BLOCK: u32 = 0x0003_0015;
    pub const LINK_VIEWER_TO_MAC_FUNNEL_INFO: u32 = 0x0003_0018;
    pub const LINK_VIEWER_TO_MAC_SECURITY_RESPONSE: u32 = 0x0003_001A;
    pub const LINK_VIEWER_TO_MAC_PONG: u32 = 0x0003_001B;
    pub const LINK_VIEWER_TO_MAC_CANCEL_READ_BLOCK: u32 = 0x0003_0025;
    pub const LINK_VIEWER_TO_MAC_START_STRIDING: u32 = 0x0003_0028;
    pub const LINK_VIEWER_TO_MAC_LOGGING: u32 = 0x0003_0032;
    pub const LINK_VIEWER_TO_MAC_STREAM_SWITCH: u32 = 0x0003_0033;

    pub const LINK_MAC_TO_VIEWER_REPORT_CONNECTED_EX: u32 = 0x0004_0001;
    pub const LINK_MAC_TO_VIEWER_REPORT_CONNECTED_FUNNEL: u32 = 0x0004_0002;
    pub const LINK_MAC_TO_VIEWER_REPORT_DISCONNECTED_FUNNEL: u32 = 0x0004_0003;
    pub const LINK_MAC_TO_VIEWER_REPORT_STARTED_PLAYING: u32 = 0x0004_0005;
    pub const LINK_MAC_TO_VIEWER_REPORT_OPEN_FILE: u32 = 0x0004_0006;
    pub const LINK_MAC_TO_VIEWER_REPORT_START_STRIDING: u32 = 0x0004_000A;
    pub const LINK_MAC_TO_VIEWER_REPORT_READ_BLOCK: u32 = 0x0004_0011;
    pub const LINK_MAC_TO_VIEWER_REPORT_FUNNEL_INFO: u32 = 0x0004_0015;
    pub const LINK_MAC_TO_VIEWER_SECURITY_CHALLENGE: u32 = 0x0004_001A;
    pub const LINK_MAC_TO_VIEWER_PING: u32 = 0x0004_001B;
    pub const LINK_MAC_TO_VIEWER_REPORT_END_OF_STREAM: u32 = 0x0004_001E;
    pub const LINK_MAC_TO_VIEWER_REPORT_STREAM_CHANGE: u32 = 0x0004_0020;
    pub const LINK_MAC_TO_VIEWER_REPORT_STREAM_SWITCH: u32 = 0x0004_0021;
    pub const LINK_MAC_TO_VIEWER_REPORT_REDIRECT: u32 = 0x0004_0022;
}
