//! What a stream of a configuration says of encoders, as settings of ours.

use ::config::{Audio, Stream, Video};
use media::{AudioCoding, AvOptions, Encoding, Rate, SizeWish, Variant, VideoCoding, Wish};

/// How the pictures and the sound of `stream` are coded in a container. What comes with the
/// codec and size asked for already is not touched, whatever its bit rate is.
pub(super) fn encoding(stream: &Stream) -> Encoding {
    let (video, audio) = (video(&stream.video), audio(&stream.audio));
    Encoding { video: wish(stream.no_video, video), audio: wish(stream.no_audio, audio), keep: true }
}

fn wish<T: Default + PartialEq>(off: bool, coded: T) -> Wish<T> {
    match off {
        true => Wish::Off,
        false if coded == T::default() => Wish::Fit,
        false => Wish::Coded(coded),
    }
}

fn bits(value: Option<u64>) -> Option<u32> {
    value.map(|value| u32::try_from(value).unwrap_or(u32::MAX))
}

fn small(value: Option<u32>) -> Option<u16> {
    value.map(|value| u16::try_from(value).unwrap_or(u16::MAX))
}

fn video(video: &Video) -> Variant {
    let more = [("lumi_mask", video.lumi_mask), ("dark_mask", video.dark_mask)];
    let more = more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_string())));
    let format = video.pixel_format.iter().map(|format| ("pixel_format".to_owned(), format.clone()));
    let switches = [("dct", "fastint", video.dct_fastint), ("idct", "simple", video.idct_simple)];
    let switches =
        switches.into_iter().filter(|(.., on)| *on).map(|(key, value, _)| (key.to_owned(), value.to_owned()));
    let options = more.chain(format).chain(switches).chain(video.options.iter().cloned());
    Variant {
        size: video.size.map_or(SizeWish::Own, SizeWish::Exact),
        rate: video.rate.and_then(|rate| Rate::new(rate.as_f64())),
        codec: video.codec.as_deref().and_then(ffmpeg::codec_of),
        coding: VideoCoding {
            bit_rate: bits(video.bit_rate),
            min_rate: bits(video.bit_rate_range.map(|(least, _)| least)),
            max_rate: bits(video.bit_rate_range.map(|(_, most)| most)),
            tolerance: bits(video.bit_rate_tolerance),
            buffer: bits(video.buffer_bits),
            qmin: small(video.qmin),
            qmax: small(video.qmax),
            qdiff: small(video.qdiff),
            qscale: video.qscale.map(|scale| (scale * 100.0).clamp(1.0, 25_500.0) as u16),
            gop: small(video.gop),
            bit_exact: video.bit_exact,
            four_vectors: video.four_motion_vectors,
            high_quality: video.high_quality,
            tag: video.tag,
            options: AvOptions::new(options).unwrap_or_default(),
        },
        ..Variant::default()
    }
}

fn audio(audio: &Audio) -> AudioCoding {
    AudioCoding {
        codec: audio.codec.as_deref().and_then(ffmpeg::codec_of),
        bit_rate: bits(audio.bit_rate),
        channels: small(audio.channels),
        sample_rate: audio.sample_rate,
        quality: None,
        options: AvOptions::new(audio.options.iter().cloned()).unwrap_or_default(),
    }
}
