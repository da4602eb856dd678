//! Files, read without the crate's reader.

use super::*;

/// A file written whole, as the example of [`FileWriter`] does it.
fn file(tracks: Vec<Track>, options: &Options, units: &[media::Packet]) -> Vec<u8> {
    let mut writer = FileWriter::new(&Tracks::new(tracks), options).unwrap();
    let mut file = writer.header().to_vec();
    for unit in units {
        writer.push(unit);
        file.extend(std::iter::from_fn(|| writer.poll_write()).flatten());
    }
    let end = writer.finish();
    assert_eq!(end.header.len(), writer_header_len(&file));
    file.extend(end.append);
    file[..end.header.len()].copy_from_slice(&end.header);
    file
}

fn writer_header_len(file: &[u8]) -> usize {
    u64_at(file, 16) as usize + 50
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn a_file_knows_its_sizes_and_where_to_seek_to() {
    let options = Options { packet_size: Some(500), low_delay: true, file_id: [9; 16], ..Options::default() };
    let units: Vec<_> = (0..100i64)
        .flat_map(|i| [unit(0, i * 40, i % 30 == 0, vec![1; 700]), unit(1, i * 40, true, vec![2; 50])])
        .collect();
    let file = file(vec![video("wmv2"), audio("wmav2")], &options, &units);

    let header = writer_header_len(&file);
    let properties = &file[30..];
    let packets = u64_at(properties, 56) as usize;
    assert_eq!((u64_at(properties, 40) as usize, &properties[24..40]), (file.len(), &[9; 16][..]));
    // 100 pictures of 40 ms after a second of preroll, and the packets without the preroll.
    assert_eq!((u64_at(properties, 64), u64_at(properties, 80), properties[88]), (50_000_000, 1000, 2));
    assert!(u64_at(properties, 72) <= 40_000_000);
    assert_eq!(
        (u64_at(&file, header - 34) as usize, u64_at(&file, header - 10) as usize),
        (50 + packets * 500, packets)
    );

    let data = &file[header..header + packets * 500];
    let read: Vec<_> = data.chunks(500).map(strict::packet).collect();
    assert_eq!(strict::objects(read.iter().flat_map(|packet| &packet.payloads)).len(), units.len());
    // Full packets but for those before a keyframe.
    let padded: Vec<_> = read.iter().filter(|packet| packet.padding > 64 + 17).collect();
    assert!(padded.len() <= 4, "{} packets of {packets}", padded.len());

    let index = &file[header + packets * 500..];
    let entries: Vec<_> =
        index[56..].chunks(6).map(|entry| u32::from_le_bytes(entry[..4].try_into().unwrap()) as usize).collect();
    // Keyframes are shown at 1, 2.2, 3.4 and 4.6 seconds.
    let shown = |packet: usize| read[packet].payloads[0].time;
    assert_eq!(entries.iter().map(|entry| shown(*entry)).collect::<Vec<_>>(), [1000, 1000, 1000, 2200, 3400]);
    assert!(entries.iter().all(|entry| read[*entry].payloads[0].key && read[*entry].payloads[0].offset == 0));
    assert_eq!(u64_at(index, 16) as usize, index.len());
}

#[test]
fn a_file_of_nothing_is_a_header() {
    let file = file(vec![video("wmv2")], &Options::default(), &[]);
    assert_eq!((file.len(), u64_at(&file[30..], 56)), (writer_header_len(&file), 0));
}

#[test]
fn the_last_unit_lasts_as_long_as_it_says() {
    let options = Options { preroll: Duration::ZERO, ..Options::default() };
    let last = media::Packet { duration: Some(Duration::from_secs(3)), ..unit(0, 40, false, vec![1]) };
    let file = file(vec![video("wmv2")], &options, &[unit(0, 0, true, vec![1]), last]);
    assert_eq!(u64_at(&file[30..], 64), 30_400_000);
}
