//! Reading: headers, packets and files of any bytes.

use bytes::Bytes;
use media::Unit;

use crate::demux::{Counters, MAX_UNFINISHED};
use crate::{Demuxer, Format, Header, Index, Item, Piece, Reader, Rule, guid};

/// A header is read or refused; what is read of it can be asked everything, and a choice of
/// streams takes one of each group.
///
/// # Panics
/// When that is not so.
pub fn asf_header(input: &[u8]) {
    let _ = Header::whole(input);
    ask(&Bytes::copy_from_slice(input));
    // The same as the objects of a header whose size is right.
    let size = input.len() as u64 + 30;
    ask(&[&guid::HEADER.to_bytes()[..], &size.to_le_bytes(), &[0; 4], &[1, 2], input].concat().into());
}

fn ask(bytes: &Bytes) {
    let Ok(header) = Header::parse(bytes) else { return };
    assert!(header.streams.len() < 128 && (1..=crate::MAX_PACKET).contains(&header.packet_size()));
    let again = Header::parse(header.bytes()).expect("it was read before");
    assert_eq!(format!("{header:?}"), format!("{again:?}"));
    assert_eq!(header.objects().count(), again.objects().count());
    for rule in [Rule::Best, Rule::Smallest, Rule::Under(300_000), Rule::Streams(vec![1, 2])] {
        assert_eq!(rule.to_string().parse(), Ok(rule.clone()));
        let choice = header.choose(&rule);
        let numbers = header.streams.iter().map(|stream| stream.number);
        assert!(choice.streams().iter().map(|(number, _)| *number).eq(numbers));
        let wanted = choice.wanted();
        let alone = |exclusion: &crate::Exclusion| {
            let there = |number: &u8| header.stream(*number).is_some();
            let taken = |streams: &&Vec<u8>| streams.iter().any(|number| wanted.contains(number));
            let disjoint = exclusion.alternatives.iter().flatten().filter(|number| there(number)).count()
                == header.streams.iter().filter(|s| exclusion.alternatives.concat().contains(&s.number)).count();
            !disjoint || exclusion.alternatives.iter().filter(taken).count() <= 1
        };
        assert!(matches!(rule, Rule::Streams(_)) || header.exclusions.iter().all(alone), "{wanted:?} of {header:?}");
        if let Ok(demuxer) = Demuxer::new(&header, &wanted) {
            assert!((1..=wanted.len()).contains(&demuxer.tracks().len()));
            assert!(demuxer.tracks().iter().all(|track| demuxer.stream(track.id).is_some()));
        }
    }
    let _ = (header.duration(), header.title(), header.refuse_encrypted(&[1]));
    for stream in &header.streams {
        let _ = (stream.to_string(), header.sample_aspect(stream.number));
        assert!(matches!(stream.format, Format::Command | Format::Other(_)) || !stream.properties.is_empty());
    }
    for index in Index::parse(bytes, &header) {
        let _ = index.packet_at(std::time::Duration::MAX / 2);
    }
}

/// Packets give units of no more bytes than came, the same ones whether they are shared or
/// not. The first byte of the input says what streams there are; then come packets, each
/// behind its length in two bytes and a byte that says how many were lost before it.
///
/// # Panics
/// When that is not so.
pub fn asf_packets(input: &[u8]) {
    let Some((which, mut rest)) = input.split_first() else { return };
    let header = Header::parse(&streams(*which)).expect("it is right");
    let all: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
    let mut shared = Demuxer::new(&header, &all).expect("its codecs are known");
    let mut copied = Demuxer::new(&header, &all).expect("its codecs are known");
    let (mut came, mut given) = (0, 0);
    while let Some(([low, high, lost], packets)) = rest.split_first_chunk() {
        let (packet, packets) = packets.split_at(packets.len().min(usize::from(u16::from_le_bytes([*low, *high]))));
        rest = packets;
        if *lost > 0 {
            shared.handle_loss(u32::from(*lost));
            copied.handle_loss(u32::from(*lost));
        }
        shared.handle_packet(Bytes::copy_from_slice(packet));
        copied.handle_slice(packet);
        came += packet.len();
        given += same(&mut shared, &mut copied);
        assert!(shared.unfinished() <= MAX_UNFINISHED && shared.unfinished() <= came);
    }
    shared.flush();
    copied.flush();
    given += same(&mut shared, &mut copied);
    assert_eq!(shared.unfinished(), 0);
    // A length of one byte before a NAL unit of one becomes a start code of four.
    assert!(given <= came * 3, "{given} bytes of {came}");
    let Counters { packets, damaged, .. } = shared.counters();
    assert!(damaged <= packets);
}

/// The bytes of the units that both give.
fn same(shared: &mut Demuxer, copied: &mut Demuxer) -> usize {
    let mut bytes = 0;
    loop {
        let (a, b) = (shared.poll_unit(), copied.poll_unit());
        let parts = |unit: Unit| (unit.track, unit.pts, unit.dts, unit.key, unit.discontinuity, unit.data);
        let (Some(a), Some(b)) = (a, b) else { break };
        assert!(!a.data.is_empty());
        bytes += a.data.len();
        assert_eq!(parts(a), parts(b));
    }
    assert_eq!((shared.poll_unit().is_none(), copied.poll_unit().is_none()), (true, true));
    assert_eq!(shared.counters(), copied.counters());
    bytes
}

/// A header of packets of 64 bytes (or 40 000, by bit 7 of `which`) and three streams: sound
/// that is spread and split, pictures that have durations, and pictures of a codec that
/// `which` says.
fn streams(which: u8) -> Bytes {
    let object =
        |guid: guid::Guid, data: &[u8]| [&guid.to_bytes()[..], &(data.len() as u64 + 24).to_le_bytes(), data].concat();
    let packet: u32 = if which & 0x80 != 0 { 40_000 } else { 64 };
    let mut file = vec![0; 56];
    file.extend(100_u64.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend([packet.to_le_bytes(); 2].concat());
    file.extend([0; 4]);
    let stream = |kind: guid::Guid, number: u8, format: &[u8], spread: &[u8]| {
        let correction = if spread.is_empty() { guid::NO_ERROR_CORRECTION } else { guid::AUDIO_SPREAD };
        let lengths = [(format.len() as u32).to_le_bytes(), (spread.len() as u32).to_le_bytes()].concat();
        let ids = [kind.to_bytes(), correction.to_bytes()].concat();
        let parts = [&ids, &[0; 8][..], &lengths, &[number, 0, 0, 0, 0, 0], format, spread];
        object(guid::STREAM_PROPERTIES, &parts.concat())
    };
    let wma = [&[0x61, 1, 1, 0][..], &8000_u32.to_le_bytes(), &1000_u32.to_le_bytes(), &[4, 0, 16, 0, 0, 0]].concat();
    let video = |fourcc: &[u8; 4], extra: &[u8]| {
        let size = 40 + extra.len() as u8;
        let head = [
            &[16, 0, 0, 0, 16, 0, 0, 0, 2, size, 0, size, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0, 1, 0, 24, 0],
            &fourcc[..],
        ];
        [&head.concat()[..], &[0; 20], extra].concat()
    };
    let (fourcc, extra): (&[u8; 4], &[u8]) = match which & 7 {
        0 => (b"WMV3", &[0x4E, 0x79, 0x1A, 0xF3]),
        1 => (b"WVC1", &[0, 0, 0, 1, 0x0F, 0xCB, 0, 0, 0, 0, 0x40, 0]),
        2 => (b"H264", &[1, 0x42, 0, 0x1F, 0xFC, 0xE1, 0, 1, 0x67, 1, 0, 1, 0x68]),
        3 => (b"H264", &[]),
        4 => (b"MP4S", &[]),
        5 => (b"MPG4", &[]),
        6 => (b"MJPG", &[]),
        _ => (b"MP43", &[]),
    };
    let mut extended = vec![0; 48];
    extended.extend([3, 0, 0, 0]);
    extended.extend([0; 8]);
    extended.extend([0, 0, 2, 0]);
    extended.extend([&guid::EXTENSION_SAMPLE_DURATION.to_bytes()[..], &[2, 0, 0, 0, 0, 0]].concat());
    extended.extend([&guid::EXTENSION_FILE_NAME.to_bytes()[..], &[0xFF, 0xFF, 0, 0, 0, 0]].concat());
    let extension = object(guid::EXTENDED_STREAM_PROPERTIES, &extended);
    let reserved = [&guid::RESERVED_1.to_bytes()[..], &[6, 0], &(extension.len() as u32).to_le_bytes(), &extension];
    let objects = [
        object(guid::FILE_PROPERTIES, &file),
        stream(guid::AUDIO_MEDIA, 1, &wma, &[2, 8, 0, 2, 0, 0, 0, 0]),
        stream(guid::VIDEO_MEDIA, 2, &video(fourcc, extra), &[]),
        stream(guid::VIDEO_MEDIA, 3, &video(b"WMV2", &[]), &[]),
        object(guid::HEADER_EXTENSION, &reserved.concat()),
    ];
    let objects = objects.concat();
    let size = objects.len() as u64 + 30;
    [&guid::HEADER.to_bytes()[..], &size.to_le_bytes(), &[5, 0, 0, 0, 1, 2], &objects].concat().into()
}

/// A file comes out the same in any slices, lent or not. The first byte says in which.
///
/// # Panics
/// When it does not.
pub fn asf_reader(input: &[u8]) {
    let Some((size, file)) = input.split_first() else { return };
    let read = |size: usize| {
        let (mut reader, mut items) = (Reader::new(), Vec::new());
        for slice in file.chunks(size) {
            reader.handle_bytes(slice)?;
            items.extend(std::iter::from_fn(|| reader.poll()));
        }
        Ok::<_, crate::Error>((items, reader.handle_end()))
    };
    let whole = read(file.len().max(1));
    let sliced = read(usize::from(*size) + 1);
    assert_eq!(sliced, whole, "slices of {}", usize::from(*size) + 1);
    let (mut reader, mut rest, mut lent) = (Reader::new(), file, Vec::new());
    while let Ok(Some(piece)) = reader.next(&mut rest) {
        lent.push(match piece {
            Piece::Header(bytes) => Item::Header(bytes),
            Piece::Packet(packet) => Item::Packet(Bytes::copy_from_slice(packet)),
            Piece::Index(bytes) => Item::Index(bytes),
        });
    }
    let Ok((items, _)) = whole else { return };
    assert_eq!(lent, items);
    let length = |item: &Item| match item {
        Item::Header(bytes) | Item::Packet(bytes) | Item::Index(bytes) => bytes.len(),
    };
    assert!(items.iter().map(length).sum::<usize>() <= file.len());
    let mut demuxer = None;
    for item in items {
        match (item, &mut demuxer) {
            (Item::Header(bytes), demuxer) => {
                let header = Header::parse(&bytes).expect("the reader has read it");
                let all: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
                *demuxer = Demuxer::new(&header, &all).ok();
            }
            (Item::Packet(packet), Some(demuxer)) => demuxer.handle_packet(packet),
            _ => {}
        }
    }
}
