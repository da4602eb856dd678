//! A stream to a group: sent once, however many listen, asked for or not.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::rtsp::sdp::Group;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::press::{Reader, Sheet};
use super::sending::{Datagrams, Line, Way};
use super::{RtspStream, pair};
use crate::Relay;
use crate::session::Counts;

/// How often it reports: the least interval of RFC 3550 section 6.2.
const REPORTING: Duration = Duration::from_secs(5);
/// The pause before a source that failed is looked at again; its supervisor opens it.
const AGAIN: Duration = Duration::from_secs(1);

/// A group's sender, with sockets of its own.
pub(crate) struct Sender {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    group: Group,
}

impl Sender {
    /// Sends from `interface`, where that is the address of one. What is sent stays on this
    /// machine if the group's TTL is 0, and whoever listens there has it too.
    pub(crate) fn bind(group: Group, interface: IpAddr) -> io::Result<Self> {
        let any = if group.address.is_ipv4() { IpAddr::from([0; 4]) } else { Ipv6Addr::UNSPECIFIED.into() };
        let (rtp, rtcp) = pair(any)?;
        for socket in [&rtp, &rtcp] {
            let socket = SockRef::from(socket);
            match (group.address, interface.to_canonical()) {
                (IpAddr::V4(_), interface) => {
                    socket.set_multicast_ttl_v4(u32::from(group.ttl))?;
                    socket.set_multicast_loop_v4(true)?;
                    if let IpAddr::V4(interface) = interface
                        && !interface.is_unspecified()
                    {
                        socket.set_multicast_if_v4(&interface)?;
                    }
                }
                (IpAddr::V6(_), _) => {
                    socket.set_multicast_hops_v6(u32::from(group.ttl))?;
                    socket.set_multicast_loop_v6(true)?;
                }
            }
        }
        Ok(Self { rtp, rtcp, group })
    }

    /// Sends `stream` for ever. Its source stays open: nobody can tell whether somebody listens.
    pub(crate) async fn run(self, relay: Arc<Relay>, stream: RtspStream) {
        loop {
            let mut reader = relay.presses.read(&stream);
            match reader.sheet(&stream.source).await {
                Ok(sheet) => self.play(&stream, &mut reader, &sheet).await,
                Err(error) => tracing::debug!(source = stream.source.name(), %error, "nothing to send to the group"),
            }
            drop(reader);
            sleep(AGAIN).await;
        }
    }

    /// Sends until other tracks are declared, or the source is over.
    async fn play(&self, stream: &RtspStream, reader: &mut Reader, sheet: &Sheet) {
        let lines = (0u8..).zip(&sheet.media).map(|(number, media)| {
            let (rtp, rtcp) = self.group.ports(number);
            let at = |port| SocketAddr::new(self.group.address, port);
            let line = Line::new(Way::Udp { rtp: at(rtp), rtcp: at(rtcp) }, media.clone(), stream.source.name().into());
            Some(line)
        });
        let mut lines: Vec<_> = lines.collect();
        let mut reports = interval(REPORTING);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let udp = Datagrams { rtp: &self.rtp, rtcp: &self.rtcp };
        let counts = Counts::default();
        loop {
            tokio::select! {
                entry = reader.seat.cursor.next() => {
                    let Some(entry) = entry.ok().filter(|entry| sheet.has(entry)) else { return };
                    if reader.seat.is_late(&entry, &counts) {
                        continue;
                    }
                    if let Some(Some(line)) = lines.get_mut(usize::from(entry.packet.track.0)) {
                        line.send_datagrams(&entry.packet.data, udp).await;
                    }
                }
                _ = reports.tick() => {
                    for line in lines.iter().flatten() {
                        line.report_datagram(sheet, false, udp).await;
                    }
                }
            }
        }
    }
}
