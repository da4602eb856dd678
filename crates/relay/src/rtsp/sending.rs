//! What goes to one client: blocks of its tracks, in the ways that it set up, and reports.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use ::rtsp::rtp::{self, FRAME, HEADER};
use ::rtsp::{Media, Report};
use bytes::Bytes;
use feed::Entry;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::sleep;

use super::press::Sheet;
use crate::output::player::write_all;

/// Datagrams sent in one go: a keyframe at once would overflow the buffers of its receiver.
const BURST: usize = 32;
/// The pause after these: some 45 MB/s.
const BREATH: Duration = Duration::from_millis(1);

/// How a track's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In the connection, on these channels.
    Tcp { rtp: u8, rtcp: u8 },
    /// To these addresses.
    Udp { rtp: SocketAddr, rtcp: SocketAddr },
    /// By somebody else, to a group.
    Group,
}

/// The sockets of a listener for datagrams.
#[derive(Clone, Copy)]
pub(super) struct Datagrams<'a> {
    pub(super) rtp: &'a UdpSocket,
    pub(super) rtcp: &'a UdpSocket,
}

/// A track that a client has set up.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) way: Way,
    media: Media,
    name: String,
    /// What is taken off the sequence numbers, so that what was passed over on purpose does
    /// not look lost.
    shift: u16,
    /// The number that the client expects next.
    next: Option<u16>,
    packets: u32,
    bytes: u32,
}

impl Line {
    pub(super) fn new(way: Way, media: Media, name: String) -> Self {
        Self { way, media, name, shift: 0, next: None, packets: 0, bytes: 0 }
    }

    /// Begins anew, with the numbers that the press has.
    pub(super) fn begin(&mut self) {
        (self.shift, self.next) = (0, None);
    }

    /// Counts the packets of a block, which follow those before without a gap.
    fn count(&mut self, block: &[u8]) -> bool {
        let Some((first, _)) = rtp::place(block) else { return false };
        if let Some(next) = self.next {
            self.shift = first.wrapping_sub(next);
        }
        let count = rtp::packets(block).count();
        self.next = Some(first.wrapping_sub(self.shift).wrapping_add(count as u16));
        self.packets = self.packets.wrapping_add(count as u32);
        self.bytes = self.bytes.wrapping_add(block.len().saturating_sub(count * (FRAME + HEADER)) as u32);
        true
    }

    /// Sends the packets of a block; how many bytes that is.
    pub(super) async fn send(&mut self, block: &Bytes, socket: &TcpStream, udp: Datagrams<'_>) -> io::Result<u64> {
        match self.way {
            Way::Tcp { rtp, .. } => {
                if !self.count(block) {
                    return Ok(0);
                }
                if self.shift == 0 && block.get(1) == Some(&rtp) {
                    write_all(socket, &[block]).await?;
                } else {
                    let packets: Vec<&[u8]> = rtp::packets(block).collect();
                    let heads: Vec<_> = packets.iter().filter_map(|p| rtp::readdress(p, rtp, self.shift)).collect();
                    let both = heads.iter().zip(&packets);
                    let slices: Vec<&[u8]> = both.flat_map(|(head, p)| [&head[..], &p[FRAME + HEADER..]]).collect();
                    write_all(socket, &slices).await?;
                }
                Ok(block.len() as u64)
            }
            Way::Udp { .. } => {
                self.send_datagrams(block, udp).await;
                Ok(block.len() as u64)
            }
            Way::Group => Ok(0),
        }
    }

    /// Sends the packets of a block as datagrams. One that does not get through is lost as on
    /// the way.
    pub(super) async fn send_datagrams(&mut self, block: &Bytes, udp: Datagrams<'_>) {
        let Way::Udp { rtp: to, .. } = self.way else { return };
        if !self.count(block) {
            return;
        }
        for (number, packet) in rtp::packets(block).enumerate() {
            if number % BURST == BURST - 1 {
                sleep(BREATH).await;
            }
            let _ = match rtp::readdress(packet, 0, self.shift).filter(|_| self.shift != 0) {
                None => udp.rtp.send_to(&packet[FRAME..], to).await,
                Some(head) => udp.rtp.send_to(&[&head[FRAME..], &packet[FRAME + HEADER..]].concat(), to).await,
            };
        }
    }

    /// Tells when what was sent is to be shown, or that there will be no more.
    pub(super) async fn report(
        &self,
        sheet: &Sheet,
        is_over: bool,
        socket: &TcpStream,
        udp: Datagrams<'_>,
    ) -> io::Result<()> {
        let (Some(report), Way::Tcp { rtcp, .. }) = (self.status(sheet), self.way) else {
            self.report_datagram(sheet, is_over, udp).await;
            return Ok(());
        };
        let bytes = if is_over { report.to_bye() } else { report.to_bytes() };
        let [high, low] = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
        write_all(socket, &[&[b'$', rtcp, high, low][..], &bytes]).await
    }

    /// The same in a datagram.
    pub(super) async fn report_datagram(&self, sheet: &Sheet, is_over: bool, udp: Datagrams<'_>) {
        if let (Some(report), Way::Udp { rtcp: to, .. }) = (self.status(sheet), self.way) {
            let bytes = if is_over { report.to_bye() } else { report.to_bytes() };
            let _ = udp.rtcp.send_to(&bytes, to).await;
        }
    }

    fn status(&self, sheet: &Sheet) -> Option<Report<'_>> {
        let (clock, wall) = (sheet.clock?, SystemTime::now());
        Some(Report {
            ssrc: self.media.ssrc,
            wall,
            timestamp: self.media.timestamp(clock.at(wall)),
            packets: self.packets,
            bytes: self.bytes,
            name: &self.name,
        })
    }

    /// The sequence number that the client will see on a block.
    pub(super) fn sequence(&self, entry: &Entry) -> Option<u16> {
        rtp::place(&entry.packet.data).map(|(sequence, _)| sequence.wrapping_sub(self.shift))
    }

    /// RTP time of an instant on the timeline.
    pub(super) fn timestamp(&self, entry: &Entry) -> u32 {
        self.media.timestamp(entry.packet.pts)
    }
}
