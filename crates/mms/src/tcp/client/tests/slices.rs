//! Slicing of what the server sends never matters.

use super::*;
use crate::wire::header_pieces;

/// All that came of a session: events, transmits, and the error at its end.
type Outcome = (Vec<Event>, Vec<Transmit>, Option<Error>);

/// Feeds the parts of a conversation in slices of `size`, answering each header at once.
fn run(parts: &[Vec<u8>], size: usize, now: Instant) -> Outcome {
    let mut client = Client::new(config());
    let (mut events, mut transmits) = (Vec::new(), Vec::new());
    transmits.extend(std::iter::from_fn(|| client.poll_transmit()));
    client.handle_connected(now, Ipv4Addr::LOCALHOST.into()).unwrap();
    for part in parts {
        for slice in part.chunks(size) {
            let handled = client.handle_bytes(now, slice);
            transmits.extend(std::iter::from_fn(|| client.poll_transmit()));
            events.extend(std::iter::from_fn(|| client.poll_event()));
            if let Err(error) = handled {
                return (events, transmits, Some(error));
            }
        }
        if let Some(Event::Header(_)) = events.iter().rfind(|event| !matches!(event, Event::Packet(_))) {
            client.play(now, &play()).unwrap();
            transmits.extend(std::iter::from_fn(|| client.poll_transmit()));
        }
    }
    (events, transmits, None)
}

fn slicing_does_not_matter(parts: &[Vec<u8>]) -> Outcome {
    let now = epoch();
    let whole = run(parts, usize::MAX, now);
    for size in 1..=parts.iter().map(Vec::len).max().unwrap() {
        assert_eq!(run(parts, size, now), whole, "in slices of {size}");
    }
    whole
}

/// The server's side of a playlist of two entries, up to each header and from there.
fn conversation() -> Vec<Vec<u8>> {
    let now = epoch();
    let mut framer = Framer::new();
    let mut tell = |message: MacToViewer| framer.frame(now, &message.encode()).to_vec();
    let pieces = |incarnation| {
        let header = Bytes::from_static(HEADER);
        header_pieces(&header, incarnation, 7).map(|piece| piece.encode().unwrap().to_vec()).collect::<Vec<_>>()
    };
    let data = |incarnation, range: std::ops::Range<u32>| {
        range.map(move |at| packet(incarnation, at, at).encode().unwrap().to_vec())
    };
    let mut opening = vec![
        tell(connected_ex("9.0")),
        tell(funnel_info()),
        tell(MacToViewer::ReportConnectedFunnel { hr: OK }),
        tell(MacToViewer::Ping),
        tell(MacToViewer::ReportOpenFile(file())),
        tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }),
    ];
    opening.extend(pieces(1));
    let mut first = vec![tell(MacToViewer::ReportStreamSwitch { hr: OK }), tell(started_playing(10))];
    first.extend(data(10, 0..3));
    first.push(tell(MacToViewer::Ping));
    first.extend(data(9, 7..8));
    first.extend(data(10, 4..6));
    first.extend([tell(end_of_stream(1)), tell(stream_change())]);
    first.extend(pieces(0xFF));
    first.extend(data(0xFF, 6..9));
    let mut second = vec![tell(MacToViewer::ReportStreamSwitch { hr: OK }), tell(started_playing(11))];
    second.extend(data(11, 9..12));
    second.push(tell(end_of_stream(0)));
    second.push(tell(MacToViewer::Ping));
    vec![opening.concat(), first.concat(), second.concat()]
}

#[test]
fn slicing_of_the_input_never_matters() {
    let (events, transmits, error) = slicing_does_not_matter(&conversation());
    assert_eq!(error, None);
    let packets = events.iter().filter(|event| matches!(event, Event::Packet(_))).count();
    assert_eq!((events.len(), packets), (1 + 1 + 1 + 1 + 11 + 1, 11));
    // Connect …ReadBlock, one Pong; StreamSwitch, StartPlaying, Pong, Logging; and again.
    assert_eq!(transmits.len(), 1 + 6 + 4 + 4);
}

#[test]
fn slicing_of_broken_input_never_matters() {
    for at in [40, 300, 500, 700] {
        let mut parts = conversation();
        let mut left = at;
        for part in &mut parts {
            if left < part.len() {
                part[left..].fill(0);
                break;
            }
            left -= part.len();
        }
        slicing_does_not_matter(&parts);
    }
}
