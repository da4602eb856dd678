//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use std::time::Instant;

use crate::{Chosen, Offer, Server, ServerConfig, ServerEvent, Status};

/// Where the time of tests and fuzzers begins. The machines are handed every instant, so any
/// will do, but std gives none away except the present.
#[allow(clippy::disallowed_methods, reason = "only differences to it are looked at")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

/// What a host answers to a client that sends `slices`, and how it ends.
fn serve<'a>(
    now: Instant,
    slices: impl Iterator<Item = &'a [u8]>,
) -> (Vec<u8>, Vec<ServerEvent>, Option<crate::Error>) {
    let config = ServerConfig { request: 1 << 10, waiting: 4 << 10, tracks: 3, ..ServerConfig::default() };
    let mut server = Server::new(config, now);
    let (mut said, mut events, mut end) = (Vec::new(), Vec::new(), None);
    for slice in slices {
        end = server.handle_bytes(now, slice).err();
        while let Some(event) = server.poll_event() {
            match &event {
                ServerEvent::Describe { path } if path.len() % 2 == 0 => server.describe(now, "v=0\r\n"),
                ServerEvent::SetUp { track, offers, .. } => {
                    let way = match offers.first() {
                        Some(Offer::Udp { client }) => Chosen::Udp { client: *client, server: (1, 2) },
                        Some(Offer::Tcp { channels }) => Chosen::Tcp { channels: channels.unwrap_or((0, 1)) },
                        _ => Chosen::Multicast { group: [239, 0, 0, 1].into(), ports: (1, 2), ttl: 0 },
                    };
                    server.set_up(now, track.unwrap_or(0), way, 1);
                }
                ServerEvent::Play => server.play(now, &[]),
                _ => server.refuse(now, Status::NotFound, "no"),
            }
            events.push(event);
        }
        said.extend(std::iter::from_fn(|| server.poll_transmit()).flatten());
        assert!(server.tracks().count() <= 3);
        if end.is_some() {
            break;
        }
    }
    (said, events, end)
}

/// A client's bytes are answered the same in any slices.
///
/// # Panics
/// When that is not so.
pub fn rtsp_server(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let now = epoch();
    let (said, events, end) = serve(now, bytes.chunks(usize::from(*size) + 1));
    let (whole_said, whole_events, whole_end) = serve(now, bytes.chunks(1));
    // Where it ends depends on how much is there; what was understood before does not.
    if end.is_none() && whole_end.is_none() {
        assert_eq!((said, events), (whole_said, whole_events));
    }
}

/// A block of packets is taken apart without more coming out than is in it, and what a client sends
/// back is told.
///
/// # Panics
/// When that is not so.
pub fn rtp_block(input: &[u8]) {
    let _ = crate::rtcp::is_of_receiver(input);
    let mut count = 0;
    for packet in crate::rtp::packets(input) {
        count += packet.len();
        if let Some(head) = crate::rtp::readdress(packet, 7, 3) {
            let (before, after) = (crate::rtp::place(packet), crate::rtp::place(&head));
            assert_eq!(before.map(|(number, time)| (number.wrapping_sub(3), time)), after);
        }
    }
    assert!(count <= input.len());
}

/// Access units of every codec make packets that hold together: they fill their block, none is
/// longer than it may be, and the last one alone has the marker where there is one.
///
/// # Panics
/// When that is not so.
pub fn rtp_packetizer(input: &[u8]) {
    let Some((choice, data)) = input.split_first() else { return };
    crate::payload::fuzzed::pack(*choice, data);
}

/// What cameras send becomes access units that are whole, no longer than they may be and no more than came;
/// nothing that is kept grows.
///
/// # Panics
/// When that is not so.
pub fn rtp_unpack(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    crate::unpack::fuzzed::unpack(*choice, rest);
}
