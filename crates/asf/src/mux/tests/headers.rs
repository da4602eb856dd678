//! Headers, read field by field at the offsets of the specification.

use super::*;

/// An object and where it begins: GUID in hexadecimal, bytes.
type Found = (String, Vec<u8>);

fn objects(mut bytes: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
        found.push((hex(&bytes[..16]), bytes[..size].to_vec()));
        bytes = &bytes[size..];
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The objects of a header, those in the Header Extension behind the others; checked on the way.
fn read(header: &[u8]) -> Vec<Found> {
    let (header, data) = header.split_at(u64_at(header, 16) as usize);
    assert_eq!(hex(&header[..16]), "3026b2758e66cf11a6d900aa0062ce6c");
    let mut found = objects(&header[30..]);
    assert_eq!((u32_at(header, 24) as usize, &header[28..30]), (found.len(), &[1, 2][..]));
    let extension = one(&found, "b503bf5f2ea9cf118ee300c00c205365").to_vec();
    assert_eq!(hex(&extension[24..42]), "11d2d3abbaa9cf118ee600c00c2053650600");
    assert_eq!(u32_at(&extension, 42) as usize, extension.len() - 46);
    found.extend(objects(&extension[46..]));

    assert_eq!((data.len(), hex(&data[..16])), (50, "3626b2758e66cf11a6d900aa0062ce6c".into()));
    assert_eq!((u64_at(data, 16), u64_at(data, 40), &data[48..]), (50, 0, &[1, 1][..]));
    found
}

fn one<'a>(found: &'a [Found], guid: &str) -> &'a [u8] {
    let mut all = found.iter().filter(|(name, _)| name == guid);
    let (Some((_, object)), None) = (all.next(), all.next()) else { panic!("one {guid} in {found:?}") };
    object
}

const FILE_PROPERTIES: &str = "a1dcab8c47a9cf118ee400c00c205365";
const STREAM_PROPERTIES: &str = "9107dcb7b7a9cf118ee600c00c205365";
const EXTENDED_STREAM_PROPERTIES: &str = "cba5e61472c632438399a96952065b5a";
const VIDEO: &str = "c0ef19bc4d5bcf11a8fd00805f5c442b";
const AUDIO: &str = "409e69f84d5bcf11a8fd00805f5c442b";

/// The type-specific data of each stream, by stream number.
fn formats(track: Track) -> Vec<u8> {
    let found = read(&muxer(vec![track], Options::default()).header());
    let stream = one(&found, STREAM_PROPERTIES);
    assert_eq!(u32_at(stream, 64) as usize, stream.len() - 78);
    stream[78..].to_vec()
}

#[test]
fn a_live_header_is_that_of_a_broadcast() {
    let options = Options {
        packet_size: Some(1400),
        preroll: Duration::from_millis(500),
        title: Some("Brücke".into()),
        file_id: [7; 16],
        ..Options::default()
    };
    let video = Track { bit_rate: 300_000, ..video("wmv2") };
    let header = muxer(vec![video, Track { bit_rate: 32_000, ..audio("wmav2") }], options).header();
    let found = read(&header);

    let file = one(&found, FILE_PROPERTIES);
    assert_eq!((file.len(), &file[24..40]), (104, &[7; 16][..]));
    assert_eq!((u64_at(file, 40), u64_at(file, 56)), (0, 0xFFFF_FFFF));
    assert_eq!((u64_at(file, 64), u64_at(file, 72), u64_at(file, 80)), (0, 0, 500));
    assert_eq!([88, 92, 96, 100].map(|at| u32_at(file, at)), [1, 1400, 1400, 332_000]);

    let streams: Vec<_> = found.iter().filter(|(guid, _)| guid == STREAM_PROPERTIES).map(|(_, bytes)| bytes).collect();
    assert_eq!([hex(&streams[0][24..40]), hex(&streams[1][24..40])], [VIDEO, AUDIO]);
    assert_eq!([u16_at(streams[0], 72), u16_at(streams[1], 72)], [1, 2]);
    assert_eq!(hex(&streams[0][40..56]), "0057fb20555bcf11a8fd00805f5c442b");

    let extended: Vec<_> = found.iter().filter(|(guid, _)| guid == EXTENDED_STREAM_PROPERTIES).collect();
    assert_eq!((extended[0].1.len(), u32_at(&extended[0].1, 40), u16_at(&extended[0].1, 72)), (88, 300_000, 1));
    assert_eq!((u64_at(&extended[0].1, 76), u64_at(&extended[1].1, 76)), (400_000, 0));

    let rates = one(&found, "ce75f87b8d46d1118d82006097c9a2b2");
    assert_eq!(hex(&rates[24..]), "0200 0100 e0930400 0200 007d0000".replace(' ', ""));
    let content = one(&found, "3326b2758e66cf11a6d900aa0062ce6c");
    assert_eq!((u16_at(content, 24), &content[34..40]), (14, &[b'B', 0, b'r', 0, 0xFC, 0][..]));
    let codecs = one(&found, "4052d1861d31d011a3a400a0c90348f6");
    assert_eq!((u32_at(codecs, 40), u16_at(codecs, 44), u16_at(codecs, 46)), (2, 1, 5));
}

#[test]
fn pictures_are_described_with_what_their_decoder_must_know() {
    let data = &[1, 2, 3, 4][..];
    let tag = u32::from_le_bytes(*b"wmv3");
    let format = formats(Track { extradata: data.into(), tag, bits_per_sample: 12, ..video("wmv3") });
    assert_eq!((u32_at(&format, 0), u32_at(&format, 4), format[8], u16_at(&format, 9)), (320, 240, 2, 44));
    assert_eq!((u32_at(&format, 11), u32_at(&format, 15), u32_at(&format, 19)), (44, 320, 240));
    assert_eq!((u16_at(&format, 23), u16_at(&format, 25), &format[27..31]), (1, 24, &b"wmv3"[..]));
    assert_eq!((u32_at(&format, 31), &format[51..]), (320 * 240 * 3, data));
}

#[test]
fn vc1_has_a_byte_before_its_first_start_code() {
    let data = |extradata: &'static [u8]| {
        let format = formats(Track { extradata: Bytes::from_static(extradata), ..video("vc1") });
        assert_eq!(&format[27..31], b"WVC1");
        format[51..].to_vec()
    };
    assert_eq!(data(&[0, 0, 1, 15, 9]), [0x25, 0, 0, 1, 15, 9]);
    assert_eq!(data(&[0x27, 0, 0, 1, 15, 9]), [0x27, 0, 0, 1, 15, 9]);
}

#[test]
fn sound_is_described_with_a_rate_that_its_decoder_can_live_with() {
    let wave = |track: Track| {
        let format = formats(track);
        let fields = (u16_at(&format, 0), u32_at(&format, 8), u16_at(&format, 12), u16_at(&format, 14));
        assert_eq!((u16_at(&format, 2), u32_at(&format, 4)), (2, 44_100));
        assert_eq!(usize::from(u16_at(&format, 16)), format.len() - 18);
        (fields, format[18..].to_vec())
    };
    let block = |block_align, track: Track| {
        let audio = Audio { sample_rate: 44_100, channels: 2, block_align };
        Track { kind: Kind::Audio(audio), ..track }
    };
    let data = Bytes::from_static(&[0, 0x88, 0, 0, 0xF, 0, 0, 0, 0, 0]);
    let wma = Track { bit_rate: 64_040, extradata: data.clone(), ..block(1486, audio("wmav2")) };
    assert_eq!(wave(wma), ((0x161, 8005, 1486, 16), data.to_vec()));
    // Nobody said at which rate: 1486 bytes for 2048 samples.
    assert_eq!(wave(block(1486, audio("wmav2"))).0, (0x161, 31_999, 1486, 16));
    assert_eq!(wave(audio("pcm_s16le")), ((1, 176_400, 4, 16), vec![]));
    assert_eq!(wave(audio("pcm_mulaw")), ((7, 88_200, 2, 8), vec![]));
    let mp3 = wave(Track { bit_rate: 128_000, ..audio("mp3") });
    assert_eq!(mp3, ((0x55, 16_000, 1152, 0), vec![1, 0, 2, 0, 0, 0, 0x80, 4, 1, 0, 0x71, 5]));
    let mp2 = wave(Track { bit_rate: 128_000, ..audio("mp2") });
    assert_eq!((mp2.0, mp2.1.len()), ((0x50, 16_000, 1152, 0), 22));
    assert_eq!(wave(Track { tag: 0x1610, ..audio("aac") }).0.0, 0xFF);
    assert_eq!(wave(Track { tag: 0x64, ..audio("adpcm_g726") }).0.0, 0x64);
}

#[test]
fn the_shape_of_pixels_is_told() {
    let Kind::Video(shape) = video("wmv2").kind else { unreachable!() };
    let shape = Video { sample_aspect: Rational::new(12, 11), ..shape };
    let track = Track { kind: Kind::Video(shape), ..video("wmv2") };
    let found = read(&muxer(vec![track], Options::default()).header());
    let metadata = one(&found, "eacbf8c5af5b77488467aa8c44fa4cca");
    assert_eq!(u16_at(metadata, 24), 2);
    let record = &metadata[26..26 + 12 + 26 + 4];
    assert_eq!(hex(&record[..12]), "0000 0100 1a00 0300 04000000".replace(' ', ""));
    assert_eq!((record[12], u32_at(record, 38)), (b'A', 12));
    assert_eq!(u32_at(metadata, metadata.len() - 4), 11);
}

#[test]
fn every_codec_of_the_tables_makes_a_header_of_bounded_size() {
    for codec in
        ["wmv1", "msmpeg4v3", "mpeg4", "h264", "mjpeg", "mss2", "wmapro", "wmavoice", "aac", "sipr", "pcm_f32le"]
    {
        let track = if Muxer::can_carry(&video(codec)) { video(codec) } else { audio(codec) };
        let title = Some("t".repeat(5000));
        let extradata = Bytes::from(vec![1; 65_495]);
        let track = Track { extradata, ..track };
        assert!(Muxer::can_carry(&track), "{codec}");
        let header = muxer(vec![track.clone()], Options { title, ..Options::default() }).header();
        read(&header);
        assert!(header.len() < 70_000, "{codec}: {}", header.len());
        assert!(!Muxer::can_carry(&Track { extradata: vec![1; 65_496].into(), ..track }));
    }
}

#[test]
fn what_is_written_is_what_the_crate_reads() {
    let video = Track {
        bit_rate: 300_000,
        extradata: Bytes::from_static(&[1, 2, 3, 4]),
        tag: u32::from_le_bytes(*b"wmv3"),
        ..video("wmv3")
    };
    let sound = Audio { sample_rate: 44_100, channels: 2, block_align: 1486 };
    let audio = Track {
        bit_rate: 64_040,
        extradata: Bytes::from_static(&[0; 10]),
        kind: Kind::Audio(sound),
        tag: 0x161,
        bits_per_sample: 16,
        ..audio("wmav2")
    };
    let options = Options { title: Some("Brücke 𝄞".into()), packet_size: Some(1500), ..Options::default() };
    let muxer = muxer(vec![video, audio], options);
    let header = crate::Header::parse(&muxer.header()).unwrap();
    assert_eq!(header.title(), Some("Brücke 𝄞"));
    assert_eq!((header.packet_size(), header.is_broadcast(), header.is_seekable()), (1500, true, false));
    assert_eq!((header.duration(), header.data.map(|data| (data.size, data.packets))), (None, Some((50, 0))));
    assert_eq!(header.bytes(), &muxer.header());
    header.refuse_encrypted(&[1, 2]).unwrap();

    let [video, audio] = &header.streams[..] else { panic!("{header:?}") };
    let crate::Format::Video(pictures) = &video.format else { panic!("{video}") };
    assert_eq!((pictures.size, pictures.bits, &pictures.extra[..]), (Size::new(320, 240), 24, &[1, 2, 3, 4][..]));
    assert_eq!((video.bit_rate, video.format.codec()), (300_000, Some(Codec::from_name("wmv3"))));
    assert_eq!(pictures.fourcc, u32::from_le_bytes(*b"wmv3"));
    let crate::Format::Audio(sound) = &audio.format else { panic!("{audio}") };
    assert_eq!((sound.byte_rate, sound.block_align, sound.bits, sound.extra.len()), (8005, 1486, 16, 10));
    assert_eq!((audio.bit_rate, audio.spread), (64_040, None));
}
