use std::collections::HashMap;

use super::*;

/// Packets of content in which every object can be told by its bytes.
fn numbered(seed: u64, size: usize) -> (Vec<Object>, Vec<Vec<u8>>) {
    let mut random = Random(seed);
    let mut objects = content(&mut random, 300, 900);
    for (place, object) in objects.iter_mut().enumerate() {
        object.data.resize(object.data.len().max(8), 0);
        object.data[..8].copy_from_slice(&(place as u64).to_le_bytes());
    }
    let packets = packets(&objects, &USUAL, size, &mut random);
    (objects, packets)
}

fn place(unit: &Unit) -> usize {
    u64::from_le_bytes(unit.data[..8].try_into().unwrap()) as usize
}

#[test]
fn after_lost_packets_whole_objects_go_on_and_gaps_are_marked() {
    for seed in 0..40 {
        let (objects, packets) = numbered(seed, 400);
        let mut random = Random(seed + 1000);
        let mut demuxer = three(400);
        let (mut units, mut lost) = (Vec::new(), 0);
        for packet in packets {
            if random.below(100) < 15 {
                lost += 1;
                continue;
            }
            if lost > 0 {
                demuxer.handle_loss(std::mem::take(&mut lost));
            }
            demuxer.handle_packet(packet.into());
            units.extend(std::iter::from_fn(|| demuxer.poll_unit()));
        }
        demuxer.flush();
        assert!(units.len() > 100, "{}", units.len());
        // The place of the last unit of each stream; the first may be anyone.
        let mut last: HashMap<u8, usize> = HashMap::new();
        for unit in &units {
            let (place, stream) = (place(unit), unit.track.0 + 1);
            let object = &objects[place];
            assert_eq!((object.stream, &object.data[..]), (stream, &unit.data[..]));
            if let Some(last) = last.insert(stream, place) {
                assert!(last < place);
                let missing = objects[last + 1..place].iter().any(|object| object.stream == stream);
                assert_eq!(unit.discontinuity, missing, "seed {seed}, object {place} after {last}");
            }
        }
    }
}

#[test]
fn a_long_loss_is_marked_whatever_the_numbers_say() {
    let mut demuxer = three(200);
    let mut send = |number, lost| {
        demuxer.handle_loss(lost);
        let packets = packets(&[object(2, number, 3000, vec![1; 10])], &USUAL, 200, &mut Random(1));
        units(&mut demuxer, packets)[0].discontinuity
    };
    assert_eq!([send(1, 0), send(2, 1), send(4, 1), send(5, 0), send(6, 5000)], [false, false, true, false, true]);
}

#[test]
fn repeated_and_swapped_packets_give_no_wrong_objects() {
    for seed in 0..40 {
        let (objects, mut packets) = numbered(seed, 300);
        let mut random = Random(seed);
        for _ in 0..packets.len() / 10 {
            let (a, b) = (random.below(packets.len()), random.below(packets.len()));
            let repeated = packets[a].clone();
            packets.insert(b, repeated);
            let near = (a + 1).min(packets.len() - 1);
            packets.swap(a, near);
        }
        let mut demuxer = three(300);
        for unit in units(&mut demuxer, packets) {
            assert_eq!(unit.data, objects[place(&unit)].data);
        }
        assert!(demuxer.counters().abandoned > 0);
    }
}

#[test]
fn mutated_packets_never_break_it_and_never_make_bytes() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let objects = content(&mut random, 40, 500);
        let widths = Widths { length: [0, 2, 3][random.below(3)], sequence: random.below(4) as u8, ..USUAL };
        let mut sent = packets(&objects, &widths, 250, &mut random);
        for packet in &mut sent {
            for _ in 0..random.below(4) {
                let at = random.below(packet.len());
                match random.below(4) {
                    0 => packet.truncate(at),
                    1 => packet[at] ^= 1 << random.below(8),
                    2 => packet[at.min(30)] = random.below(256) as u8,
                    _ => packet[at] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)],
                }
                if packet.is_empty() {
                    break;
                }
            }
        }
        let bytes: usize = sent.iter().map(Vec::len).sum();
        let mut demuxer = three(250);
        let units = units(&mut demuxer, sent);
        assert!(units.iter().map(|unit| unit.data.len()).sum::<usize>() <= bytes);
        assert!(units.iter().all(|unit| !unit.data.is_empty()));
    }
}

#[test]
fn an_object_of_any_declared_size_takes_no_more_than_has_come() {
    let mut demuxer = three(200);
    let piece = |number, size, offset| Piece {
        stream: 2,
        key: true,
        number,
        offset,
        replicated: about(size, 3000),
        data: vec![1; 100],
    };
    for (number, size) in [(1, MAX_OBJECT as u32), (2, MAX_OBJECT as u32 + 1), (3, u32::MAX), (4, 0), (5, 99)] {
        demuxer.handle_packet(write(&USUAL, &[piece(number, size, 0)], 0, 200, Form::Whole).unwrap().into());
        assert_eq!(demuxer.unfinished, if number == 1 { 100 } else { 0 });
    }
    assert_eq!(demuxer.counters().abandoned, 5);
    assert!(demuxer.poll_unit().is_none());
}

#[test]
fn unfinished_objects_of_all_streams_together_are_bounded() {
    let streams: Vec<_> = (1..=4).map(|number| video(number, b"WMV2", 320, 240)).collect();
    let size = 60_000;
    let mut demuxer = demuxer(&streams, size);
    for offset in 0..MAX_OBJECT as u32 / 50_000 {
        for stream in 1..=4 {
            let replicated = about(MAX_OBJECT as u32, 3000);
            let piece =
                Piece { stream, key: true, number: 1, offset: offset * 50_000, replicated, data: vec![1; 50_000] };
            demuxer.handle_packet(write(&USUAL, &[piece], 0, size as usize, Form::Whole).unwrap().into());
            assert!(demuxer.unfinished <= MAX_UNFINISHED);
        }
    }
    assert!(demuxer.counters().abandoned > 0);
    demuxer.flush();
    assert_eq!(demuxer.unfinished, 0);
}

#[test]
fn a_damaged_packet_costs_what_is_behind_the_damage() {
    let mut demuxer = three(200);
    let whole = |number: u8, data: &[u8]| Piece {
        stream: 2,
        key: true,
        number: number.into(),
        offset: 0,
        replicated: about(data.len() as u32, 3000),
        data: data.to_vec(),
    };
    let good = write(&USUAL, &[whole(1, b"one"), whole(2, b"two")], 0, 200, Form::Whole).unwrap();
    let bad =
        write(&USUAL, &[whole(3, b"three"), Piece { replicated: vec![0; 5], ..whole(4, b"") }], 0, 200, Form::Whole);
    let after = write(&USUAL, &[whole(5, b"five")], 0, 200, Form::Whole).unwrap();
    let units = units(&mut demuxer, [good, bad.unwrap(), after]);
    let list: Vec<_> = units.iter().map(|unit| (&unit.data[..], unit.discontinuity)).collect();
    assert_eq!(list, [(&b"one"[..], false), (b"two", false), (b"three", false), (b"five", true)]);
    let counters = demuxer.counters();
    assert_eq!((counters.packets, counters.damaged, counters.last_damage), (3, 1, Some(Damage::Replicated)));
}

#[test]
fn unknown_and_unwanted_streams_are_passed_over() {
    let header = Header::parse(&header(&[file(200, 0, None), audio(1, 0x55), video(2, b"WMV2", 320, 240)])).unwrap();
    let mut demuxer = Demuxer::new(&header, &[2]).unwrap();
    let objects: Vec<_> = [1, 2, 99, 2].iter().map(|stream| object(*stream, 1, 0, vec![1; 9])).collect();
    let packets = packets(&objects, &USUAL, 200, &mut Random(7));
    assert_eq!(units(&mut demuxer, packets).len(), 2);
    assert_eq!((demuxer.counters().damaged, demuxer.counters().abandoned), (0, 0));
}
