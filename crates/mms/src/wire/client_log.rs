//! CLIENT_LOG: what a client tells after each entry ([MS-MMSP] 2.2.1).

use super::fields::{Reader, Writer};
use crate::Error;

/// Bytes of a CLIENT_LOG.
pub const CLIENT_LOG_SIZE: usize = 1490;
/// Bytes of the CLIENT_LOG_INFO in it.
const CLIENT_LOG_INFO_SIZE: u32 = 1142;

/// The log, as far as a relay or a server has a use for it. What is left out is written
/// as "unknown", a hyphen or zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientLog {
    /// What was played.
    pub url: String,
    /// The client, as it calls itself.
    pub user_agent: String,
    /// Its version, four parts of 16 bit.
    pub client_version: u64,
    /// An id that tells sessions of the same player apart: a GUID in braces.
    pub player_id: String,
    /// Name of the program.
    pub host_exe: String,
    /// Length of the content, 0 for broadcasts.
    pub file_duration_ms: u32,
    /// Mean rate of what came.
    pub average_bandwidth_bps: u32,
    /// Where it began.
    pub start_time_ms: u32,
    /// How much was played.
    pub played_ms: u32,
    /// Bytes of payload that came.
    pub bytes_received: u64,
    /// Data packets that came.
    pub packets_received: u32,
    /// Data packets that never came.
    pub packets_lost_client: u32,
    /// Worst share of packets that came within 30 s, in percent.
    pub min_reception_quality_percent: u32,
    /// openFileId.
    pub source_id: u32,
    /// Data came by UDP.
    pub is_udp: bool,
    /// Data packets that the network lost.
    pub packets_lost_net: u32,
    /// Most of them in a row.
    pub packets_lost_cont_net: u32,
    /// Data packets asked for again.
    pub resend_requests: u32,
    /// Those that came then.
    pub packets_recovered_resent: u32,
}

impl ClientLog {
    pub(super) fn write(&self, to: Writer) -> Writer {
        let to = to.u32(CLIENT_LOG_SIZE as u32).u32(CLIENT_LOG_INFO_SIZE);
        let to = string(to, &self.url, 260);
        let to = string(string(string(to, "", 260), &self.user_agent, 64), "", 260);
        let to = string(string(to.u64(self.client_version), "", 16), &self.player_id, 40);
        let to = string(to, &self.host_exe, 32).u64(self.client_version);
        let to = to.u32(self.file_duration_ms).u64(0).u32(self.average_bandwidth_bps);
        let to = string(string(to, "", 64), "", 64);
        let to = to.u32(self.start_time_ms).u32(self.played_ms).u16(1).u32(0).u32(0);
        let to = to.u64(self.bytes_received).u32(self.packets_received).u32(self.packets_lost_client).u32(0);
        let to = to.u32(self.min_reception_quality_percent).u32(0);
        let to = string(to.u32(self.source_id).u32(u32::MAX), "", 260);
        let to = string(string(to, "", 16).u64(0), "", 16);
        let to = string(string(to, "mms", 8), if self.is_udp { "UDP" } else { "TCP" }, 8);
        let to = to.u32(self.packets_lost_net).u32(self.packets_lost_cont_net).u32(self.resend_requests);
        to.u32(self.packets_recovered_resent).u32(self.packets_recovered_resent)
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Reader::new("Logging", body);
        let mut log = Reader::new("Logging", fields.bytes("log", CLIENT_LOG_SIZE)?);
        log.skip(8);
        let url = text(&mut log, 260)?;
        log.skip(260);
        let user_agent = text(&mut log, 64)?;
        log.skip(260);
        let client_version = log.u64_or_zero();
        log.skip(16);
        let (player_id, host_exe) = (text(&mut log, 40)?, text(&mut log, 32)?);
        log.skip(8);
        let file_duration_ms = log.u32_or_zero();
        log.skip(8);
        let average_bandwidth_bps = log.u32_or_zero();
        log.skip(128);
        let (start_time_ms, played_ms) = (log.u32_or_zero(), log.u32_or_zero());
        log.skip(10);
        let (bytes_received, packets_received) = (log.u64_or_zero(), log.u32_or_zero());
        let packets_lost_client = log.u32_or_zero();
        log.skip(4);
        let min_reception_quality_percent = log.u32_or_zero();
        log.skip(4);
        let source_id = log.u32_or_zero();
        log.skip(4 + 260 + 16 + 8 + 16 + 8);
        let is_udp = text(&mut log, 8)?.eq_ignore_ascii_case("UDP");
        let (packets_lost_net, packets_lost_cont_net) = (log.u32_or_zero(), log.u32_or_zero());
        let (resend_requests, packets_recovered_resent) = (log.u32_or_zero(), log.u32_or_zero());
        Ok(Self {
            url,
            user_agent,
            client_version,
            player_id,
            host_exe,
            file_duration_ms,
            average_bandwidth_bps,
            start_time_ms,
            played_ms,
            bytes_received,
            packets_received,
            packets_lost_client,
            min_reception_quality_percent,
            source_id,
            is_udp,
            packets_lost_net,
            packets_lost_cont_net,
            resend_requests,
            packets_recovered_resent,
        })
    }
}

/// A text in a field of `size` bytes, null and what is left as zeros. The code page is the
/// client's own; ASCII is in all of them. An empty text is a hyphen ([MS-MMSP] 2.2.1).
fn string(to: Writer, text: &str, size: usize) -> Writer {
    let text = if text.is_empty() { "-" } else { text };
    let ascii: Vec<u8> = text.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect();
    let ascii = &ascii[..ascii.len().min(size - 1)];
    to.bytes(ascii).zeros(size - ascii.len())
}

/// The text of a field of `size` bytes; empty for a hyphen.
fn text(log: &mut Reader<'_>, size: usize) -> Result<String, Error> {
    let field = log.bytes("texts", size)?;
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(if text == b"-" { String::new() } else { String::from_utf8_lossy(text).into_owned() })
}
