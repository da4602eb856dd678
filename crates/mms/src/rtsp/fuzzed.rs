//! What the fuzzer of RTP needs of the inside.

use std::time::Instant;

use bytes::Bytes;

use super::depacketizer::{AsfPacket, Depacketizer, Length};
use super::packetizer::{Outgoing, Packing, pack};
use super::receiver::{Receiver, Stream};
use super::transport::Transport;
use crate::Packet;

/// What comes of these packets, on a channel or in datagrams.
pub(crate) fn depacketize(now: Instant, udp: bool, packets: &[Bytes]) -> Vec<Packet> {
    let mut receiver = Receiver::default();
    receiver.renew(vec![96], 0);
    let transport = Transport { udp, interleaved: (!udp).then_some((0, 1)), ..Transport::default() };
    receiver.add(Stream { url: String::new(), transport });
    let mut out = Vec::new();
    for packet in packets {
        if udp {
            receiver.handle_datagram(now, 5004, packet);
            receiver.deliver(now, 4, &mut |packet| out.push(packet));
        } else {
            receiver.handle_frame(0, packet, &mut |packet| out.push(packet));
        }
    }
    receiver.flush(now, &mut |packet| out.push(packet));
    out
}

/// Packs packets, and takes them out of their payloads again.
pub(crate) fn unpack_again(sent: &[Outgoing], most: usize, location: bool) -> Vec<AsfPacket> {
    let mut depacketizer = Depacketizer::default();
    let mut out = Vec::new();
    for payload in pack(sent, &Packing { most, length: Length::WithHeader, location }) {
        assert!(payload.data.len() <= most, "within the bound");
        depacketizer.handle_payload(&payload.data, payload.marker, 0, |packet| out.push(packet));
    }
    out
}
