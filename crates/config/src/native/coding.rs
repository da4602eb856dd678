//! Keys of `[stream.video]` and `[stream.audio]`.

use media::Size;

use super::given::{Given, tell_amount};
use super::write::{pairs, texts};
use super::{Key, Kind, Told, keys};
use crate::Ratio;

const BITS: u64 = 1000;
/// Most bit/s.
const MOST: u64 = 4_000_000_000;

fn bits(given: &Given<'_>) -> Told<u64> {
    given.amount(BITS, 1, MOST)
}

fn tell_bits(bits: u64) -> ::toml::Value {
    tell_amount(bits, BITS)
}

fn size(given: &Given<'_>) -> Told<Size> {
    crate::ffserver::size(given.text()?).ok_or_else(String::new)
}

fn rate(given: &Given<'_>) -> Told<Ratio> {
    match given.text() {
        Ok(text) => crate::ffserver::rate(text).ok_or_else(String::new),
        Err(_) => {
            let number = given.number(0.001, 1000.0)?;
            crate::ffserver::rate(&number.to_string()).ok_or_else(String::new)
        }
    }
}

fn files(given: &Given<'_>) -> Told<Vec<std::path::PathBuf>> {
    Ok(given.list()?.into_iter().map(Into::into).collect())
}

fn tell_files(files: &[std::path::PathBuf]) -> Option<::toml::Value> {
    texts(files.iter().map(|file| file.to_string_lossy().into_owned()))
}

pub(super) static VIDEO: &[Key] = keys! { Video on Stream;
    "codec" / "VideoCodec": Kind::Text, "an encoder or codec, by FFmpeg's name", r#"codec = "mjpeg""#,
        "The codec. Default: the feed's where the format holds it, else what is usual in the format.",
        |stream, given| { (stream.video.codec, stream.video.codec_at) = (Some(given.owned()?), given.at); Ok(()) },
        |stream| stream.video.codec.as_deref().map(Into::into);
    "size" / "VideoSize": Kind::Text, "WIDTHxHEIGHT, or a name such as hd720", r#"size = "640x480""#,
        "The size.",
        |stream, given| { stream.video.size = Some(size(given)?); Ok(()) },
        |stream| stream.video.size.map(|size| size.to_string().into());
    "rate" / "VideoFrameRate": Kind::Text, "pictures a second, as 25 or \"30000/1001\"", r#"rate = "25""#,
        "Most pictures a second.",
        |stream, given| { stream.video.rate = Some(rate(given)?); Ok(()) },
        |stream| stream.video.rate.map(|rate| match rate.den {
            1 => rate.num.to_string().into(),
            den => format!("{}/{den}", rate.num).into(),
        });
    "bit_rate" / "VideoBitRate": Kind::Amount, "bit/s, or a text such as \"2M\" or \"300k\"", r#"bit_rate = "2M""#,
        "Bits a second.",
        |stream, given| { stream.video.bit_rate = Some(bits(given)?); Ok(()) },
        |stream| stream.video.bit_rate.map(tell_bits);
    "bit_rate_range" / "VideoBitRateRange": Kind::List, "a list of two texts, least and most", r#"bit_rate_range = ["100k", "400k"]"#,
        "Least and most bits a second.",
        |stream, given| {
            let list = given.list()?;
            let [least, most] = &list[..] else { return Err(String::new()) };
            let bits = |text: &str| super::given::with_unit(text, BITS).filter(|bits| *bits <= MOST);
            let range = bits(least).zip(bits(most)).filter(|(least, most)| least <= most && *most > 0);
            stream.video.bit_rate_range = Some(range.ok_or_else(String::new)?);
            Ok(())
        },
        |stream| stream.video.bit_rate_range.map(|(least, most)| {
            let text = |bits| match tell_bits(bits) { ::toml::Value::String(text) => text, other => other.to_string() };
            vec![text(least), text(most)].into()
        });
    "bit_rate_tolerance" / "VideoBitRateTolerance": Kind::Amount, "bit/s, or a text such as \"100k\"", r#"bit_rate_tolerance = "100k""#,
        "How far from the bit rate it may come.",
        |stream, given| { stream.video.bit_rate_tolerance = Some(bits(given)?); Ok(()) },
        |stream| stream.video.bit_rate_tolerance.map(tell_bits);
    "buffer_bits" / "VideoBufferSize": Kind::Amount, "bits, or a text such as \"4M\"", r#"buffer_bits = "4M""#,
        "The decoder's buffer that the encoder reckons with.",
        |stream, given| { stream.video.buffer_bits = Some(given.amount(BITS, 1, 1 << 40)?); Ok(()) },
        |stream| stream.video.buffer_bits.map(tell_bits);
    "gop" / "VideoGopSize, VideoIntraOnly": Kind::Integer(0, 1_000_000), "a number from 0", "gop = 12",
        "Pictures from one keyframe to the next; 1: each is one.",
        |stream, given| { stream.video.gop = Some(given.int(0, 1_000_000)?); Ok(()) },
        |stream| stream.video.gop.map(|gop| i64::from(gop).into());
    "qmin" / "VideoQMin": Kind::Integer(1, 1024), "a quantiser from 1, the best", "qmin = 3",
        "The best quality that a picture may have.",
        |stream, given| { stream.video.qmin = Some(given.int(1, 1024)?); Ok(()) },
        |stream| stream.video.qmin.map(|q| i64::from(q).into());
    "qmax" / "VideoQMax": Kind::Integer(1, 1024), "a quantiser up to 31, the worst of most codecs", "qmax = 31",
        "The worst quality that a picture may have.",
        |stream, given| { stream.video.qmax = Some(given.int(1, 1024)?); Ok(()) },
        |stream| stream.video.qmax.map(|q| i64::from(q).into());
    "qdiff" / "VideoQDiff": Kind::Integer(1, 1024), "a number from 1 to 31", "qdiff = 3",
        "How far the quantiser may be from one picture to the next.",
        |stream, given| { stream.video.qdiff = Some(given.int(1, 1024)?); Ok(()) },
        |stream| stream.video.qdiff.map(|q| i64::from(q).into());
    "qscale" / "Qscale": Kind::Number(0.0, 1024.0), "a number from 0", "qscale = 4.0",
        "One quantiser for all, in place of a bit rate.",
        |stream, given| { stream.video.qscale = Some(given.number(0.0, 1024.0)?); Ok(()) },
        |stream| stream.video.qscale.map(Into::into);
    "pixel_format" / "PixelFormat": Kind::Text, "a pixel format, by FFmpeg's name", r#"pixel_format = "yuv420p""#,
        "How the pixels are laid out.",
        |stream, given| { stream.video.pixel_format = Some(given.owned()?); Ok(()) },
        |stream| stream.video.pixel_format.as_deref().map(Into::into);
    "tag" / "VideoTag": Kind::Text, "four letters", r#"tag = "DX50""#,
        "The codec's letters in the container.",
        |stream, given| {
            let tag: Result<[u8; 4], _> = given.text()?.as_bytes().try_into();
            stream.video.tag = Some(tag.map_err(|_| String::new())?);
            Ok(())
        },
        |stream| stream.video.tag.map(|tag| String::from_utf8_lossy(&tag).into_owned().into());
    "high_quality" / "VideoHighQuality": Kind::Switch, "true or false", "high_quality = true",
        "Take more time for each macroblock. Default: false.",
        |stream, given| { stream.video.high_quality = given.switch()?; Ok(()) },
        |stream| stream.video.high_quality.then_some(true.into());
    "four_motion_vectors" / "Video4MotionVector": Kind::Switch, "true or false", "four_motion_vectors = true",
        "Four motion vectors a macroblock. Default: false.",
        |stream, given| { stream.video.four_motion_vectors = given.switch()?; Ok(()) },
        |stream| stream.video.four_motion_vectors.then_some(true.into());
    "lumi_mask" / "LumiMask": Kind::Number(f64::MIN, f64::MAX), "a number", "lumi_mask = 0.5",
        "Save bits in bright parts.",
        |stream, given| { stream.video.lumi_mask = Some(given.number(f64::MIN, f64::MAX)?); Ok(()) },
        |stream| stream.video.lumi_mask.map(Into::into);
    "dark_mask" / "DarkMask": Kind::Number(f64::MIN, f64::MAX), "a number", "dark_mask = 0.5",
        "Save bits in dark parts.",
        |stream, given| { stream.video.dark_mask = Some(given.number(f64::MIN, f64::MAX)?); Ok(()) },
        |stream| stream.video.dark_mask.map(Into::into);
    "dct_fastint" / "DctFastint": Kind::Switch, "true or false", "dct_fastint = true",
        "A faster, less exact transform. Default: false.",
        |stream, given| { stream.video.dct_fastint = given.switch()?; Ok(()) },
        |stream| stream.video.dct_fastint.then_some(true.into());
    "idct_simple" / "IdctSimple": Kind::Switch, "true or false", "idct_simple = true",
        "The simple transform back. Default: false.",
        |stream, given| { stream.video.idct_simple = given.switch()?; Ok(()) },
        |stream| stream.video.idct_simple.then_some(true.into());
    "bit_exact" / "BitExact": Kind::Switch, "true or false", "bit_exact = true",
        "The same bytes from every version. Default: false.",
        |stream, given| { stream.video.bit_exact = given.switch()?; Ok(()) },
        |stream| stream.video.bit_exact.then_some(true.into());
    "debug" / "Debug": Kind::Integer(-2_147_483_648, 4_294_967_295), "a whole number", "debug = 1",
        "FFmpeg's debug option.",
        |stream, given| { stream.video.debug = Some(given.int(i64::from(i32::MIN), i64::from(u32::MAX))?); Ok(()) },
        |stream| stream.video.debug.map(Into::into);
    "strict" / "Strict": Kind::Integer(-2, 2), "a whole number from -2 to 2", "strict = -1",
        "FFmpeg's strict option.",
        |stream, given| { stream.video.strict = Some(given.int(-2, 2)?); Ok(()) },
        |stream| stream.video.strict.map(Into::into);
    "options" / "AVOptionVideo": Kind::List, "a list of NAME=VALUE", r#"options = ["flags=+global_header"]"#,
        "Any options of the encoder.",
        |stream, given| { stream.video.options = given.pairs()?; Ok(()) },
        |stream| pairs(&stream.video.options);
    "presets" / "AVPresetVideo": Kind::List, "a list of files", r#"presets = ["fast.ffpreset"]"#,
        "Files of OPTION=VALUE lines for the encoder.",
        |stream, given| { stream.video.presets = files(given)?; Ok(()) },
        |stream| tell_files(&stream.video.presets);
};

pub(super) static AUDIO: &[Key] = keys! { Audio on Stream;
    "codec" / "AudioCodec": Kind::Text, "an encoder or codec, by FFmpeg's name", r#"codec = "mp2""#,
        "The codec. Default: the feed's where the format holds it, else what is usual in the format.",
        |stream, given| { (stream.audio.codec, stream.audio.codec_at) = (Some(given.owned()?), given.at); Ok(()) },
        |stream| stream.audio.codec.as_deref().map(Into::into);
    "bit_rate" / "AudioBitRate": Kind::Amount, "bit/s, or a text such as \"64k\"", r#"bit_rate = "64k""#,
        "Bits a second.",
        |stream, given| { stream.audio.bit_rate = Some(bits(given)?); Ok(()) },
        |stream| stream.audio.bit_rate.map(tell_bits);
    "channels" / "AudioChannels": Kind::Integer(1, 8), "1 to 8", "channels = 1",
        "Channels.",
        |stream, given| { stream.audio.channels = Some(given.int(1, 8)?); Ok(()) },
        |stream| stream.audio.channels.map(|channels| i64::from(channels).into());
    "sample_rate" / "AudioSampleRate": Kind::Integer(1, 768_000), "Hz", "sample_rate = 22050",
        "Samples a second.",
        |stream, given| { stream.audio.sample_rate = Some(given.int(1, 768_000)?); Ok(()) },
        |stream| stream.audio.sample_rate.map(|rate| i64::from(rate).into());
    "debug" / "Debug": Kind::Integer(-2_147_483_648, 4_294_967_295), "a whole number", "debug = 1",
        "FFmpeg's debug option.",
        |stream, given| { stream.audio.debug = Some(given.int(i64::from(i32::MIN), i64::from(u32::MAX))?); Ok(()) },
        |stream| stream.audio.debug.map(Into::into);
    "strict" / "Strict": Kind::Integer(-2, 2), "a whole number from -2 to 2", "strict = -2",
        "FFmpeg's strict option.",
        |stream, given| { stream.audio.strict = Some(given.int(-2, 2)?); Ok(()) },
        |stream| stream.audio.strict.map(Into::into);
    "options" / "AVOptionAudio": Kind::List, "a list of NAME=VALUE", r#"options = ["profile=aac_low"]"#,
        "Any options of the encoder.",
        |stream, given| { stream.audio.options = given.pairs()?; Ok(()) },
        |stream| pairs(&stream.audio.options);
    "presets" / "AVPresetAudio": Kind::List, "a list of files", r#"presets = ["speech.ffpreset"]"#,
        "Files of OPTION=VALUE lines for the encoder.",
        |stream, given| { stream.audio.presets = files(given)?; Ok(()) },
        |stream| tell_files(&stream.audio.presets);
};
