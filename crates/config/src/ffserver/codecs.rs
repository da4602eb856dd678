//! Directives of how pictures and sound are coded.

use super::directives::{Directive, Standing, Told, Values, stream};
use super::values;
use media::Size;

const KBIT: &str = "kbit/s from 1";
const MOST_KBIT: i64 = 4_000_000;

fn kbit(values: &Values<'_>) -> Told<u64> {
    Ok(values.int::<u64>(1, MOST_KBIT)? * 1000)
}

fn options(known: &mut Vec<(String, String)>, values: &Values<'_>) -> Told<()> {
    let name = values.text()?;
    let (codec, name) = name.split_once(':').map_or((None, name), |(codec, name)| (Some(codec), name));
    if name.is_empty() || codec.is_some_and(str::is_empty) {
        return Err(String::new());
    }
    let value = values.0.get(1).ok_or_else(String::new)?;
    let adds = name.ends_with("flags") && value.starts_with(['+', '-']);
    if !adds && known.iter().any(|(other, _)| other == name) {
        return Err(format!("{name} was given before in this stream; remove one of them"));
    }
    known.push((name.to_owned(), value.clone()));
    Ok(())
}

/// The size of a picture, as `640x480` or by FFmpeg's name.
pub(crate) fn size(text: &str) -> Option<Size> {
    let size: Size = text.parse().ok()?;
    let side = 2..=16_384;
    (side.contains(&size.width) && side.contains(&size.height)).then_some(size)
}

pub(super) static CODECS: &[Directive] = &[
    stream(
        "VideoCodec",
        "an encoder, by FFmpeg's name",
        "VideoCodec mjpeg",
        "The codec of the pictures. Default: what is usual in the format.",
        |asked, values| {
            asked.stream.video.codec = Some(values.owned()?);
            asked.stream.video.codec_at = asked.at;
            Ok(())
        },
    ),
    stream(
        "VideoBitRate",
        KBIT,
        "VideoBitRate 10240",
        "kbit/s of the pictures. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.bit_rate = Some(kbit(values)?);
            Ok(())
        },
    ),
    stream(
        "VideoBitRateRange",
        "kbit/s from and to, as 100-400",
        "VideoBitRateRange 100-400",
        "Least and most kbit/s of the pictures. Default: the encoder's own.",
        |asked, values| {
            let (least, most) = values.text()?.split_once('-').ok_or_else(String::new)?;
            let kbit =
                |text| values::int(text).filter(|kbit| (0..=MOST_KBIT).contains(kbit)).map(|kbit| kbit as u64 * 1000);
            let range = kbit(least).zip(kbit(most)).filter(|(least, most)| least <= most && *most > 0);
            asked.stream.video.bit_rate_range = Some(range.ok_or_else(String::new)?);
            Ok(())
        },
    ),
    stream(
        "VideoBitRateTolerance",
        KBIT,
        "VideoBitRateTolerance 100",
        "How far from the bit rate pictures may come. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.bit_rate_tolerance = Some(kbit(values)?);
            Ok(())
        },
    ),
    stream(
        "VideoBitRateRangeTolerance",
        KBIT,
        "VideoBitRateRangeTolerance 100",
        "The name that the manual has for it. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.bit_rate_tolerance = Some(kbit(values)?);
            Ok(())
        },
    )
    .but(Standing::Old("VideoBitRateTolerance")),
    stream(
        "VideoBufferSize",
        "KB from 1",
        "VideoBufferSize 20480",
        "The decoder's buffer that the encoder reckons with. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.buffer_bits = Some(values.int::<u64>(1, 1 << 24)? * 8192);
            Ok(())
        },
    ),
    stream(
        "VideoFrameRate",
        "pictures a second, as 25 or 30000/1001",
        "VideoFrameRate 25",
        "Most pictures a second. Default: as they come.",
        |asked, values| {
            asked.stream.video.rate = Some(values.read(values::rate)?);
            Ok(())
        },
    ),
    stream(
        "VideoSize",
        "WIDTHxHEIGHT, or a name such as hd720",
        "VideoSize 640x480",
        "The size of the pictures. Default: as they come.",
        |asked, values| {
            let size = values.read(size)?;
            asked.stream.video.size = Some(size);
            if size.width % 2 == 1 || size.height % 2 == 1 {
                asked.warn(format!("VideoSize {size}: most codecs want even sides"));
            }
            Ok(())
        },
    ),
    stream(
        "VideoGopSize",
        "a number from 0",
        "VideoGopSize 12",
        "Pictures from one keyframe to the next. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.gop = Some(values.int(0, 1_000_000)?);
            Ok(())
        },
    ),
    stream("VideoIntraOnly", "nothing", "VideoIntraOnly", "Keyframes only.", |asked, _| {
        asked.stream.video.gop = Some(1);
        Ok(())
    }),
    stream(
        "VideoQMin",
        "a quantiser from 1 to 31",
        "VideoQMin 3",
        "The best quality that a picture may have: 1. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.qmin = Some(values.int(1, 1024)?);
            Ok(())
        },
    ),
    stream(
        "VideoQMax",
        "a quantiser from 1 to 31",
        "VideoQMax 31",
        "The worst quality that a picture may have: 31. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.qmax = Some(values.int(1, 1024)?);
            Ok(())
        },
    ),
    stream(
        "VideoQDiff",
        "a number from 1 to 31",
        "VideoQDiff 3",
        "How far the quantiser may be from one picture to the next. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.qdiff = Some(values.int(1, 1024)?);
            Ok(())
        },
    ),
    stream(
        "Qscale",
        "a number from 0",
        "Qscale 4",
        "One quantiser for all, in place of a bit rate. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.qscale =
                Some(values.read(|text| values::float(text).filter(|q| (0.0..=1024.0).contains(q)))?);
            Ok(())
        },
    ),
    stream(
        "PixelFormat",
        "a pixel format, by FFmpeg's name",
        "PixelFormat yuv420p",
        "How the pixels are laid out. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.pixel_format = Some(values.owned()?);
            Ok(())
        },
    ),
    stream(
        "VideoTag",
        "four letters",
        "VideoTag DX50",
        "The codec's letters in the container. Default: the encoder's own.",
        |asked, values| {
            let tag: Result<[u8; 4], _> = values.text()?.as_bytes().try_into();
            asked.stream.video.tag = Some(tag.map_err(|_| String::new())?);
            Ok(())
        },
    ),
    stream("VideoHighQuality", "nothing", "VideoHighQuality", "Take more time for each macroblock.", |asked, _| {
        asked.stream.video.high_quality = true;
        Ok(())
    }),
    stream("Video4MotionVector", "nothing", "Video4MotionVector", "Four motion vectors a macroblock.", |asked, _| {
        asked.stream.video.four_motion_vectors = true;
        Ok(())
    }),
    stream(
        "LumiMask",
        "a number",
        "LumiMask 0.5",
        "Save bits in bright parts. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.lumi_mask = Some(values.read(values::float)?);
            Ok(())
        },
    ),
    stream(
        "DarkMask",
        "a number",
        "DarkMask 0.5",
        "Save bits in dark parts. Default: the encoder's own.",
        |asked, values| {
            asked.stream.video.dark_mask = Some(values.read(values::float)?);
            Ok(())
        },
    ),
    stream("DctFastint", "nothing", "DctFastint", "A faster, less exact transform.", |asked, _| {
        asked.stream.video.dct_fastint = true;
        Ok(())
    }),
    stream("IdctSimple", "nothing", "IdctSimple", "The simple transform back.", |asked, _| {
        asked.stream.video.idct_simple = true;
        Ok(())
    }),
    stream("BitExact", "nothing", "BitExact", "The same bytes from every version.", |asked, _| {
        asked.stream.video.bit_exact = true;
        Ok(())
    }),
    stream(
        "Debug",
        "a whole number",
        "Debug 1",
        "FFmpeg's debug option, for pictures and sound. Default: the encoder's own.",
        |asked, values| {
            let debug = Some(values.int(i64::from(i32::MIN), i64::from(u32::MAX))?);
            (asked.stream.video.debug, asked.stream.audio.debug) = (debug, debug);
            Ok(())
        },
    ),
    stream(
        "Strict",
        "a whole number from -2 to 2",
        "Strict -1",
        "FFmpeg's strict option, for pictures and sound. Default: the encoder's own.",
        |asked, values| {
            let strict = Some(values.int(-2, 2)?);
            (asked.stream.video.strict, asked.stream.audio.strict) = (strict, strict);
            Ok(())
        },
    ),
    stream(
        "AVOptionVideo",
        "an option of the encoder and its value, as profile main or libx264:preset fast",
        "AVOptionVideo flags +global_header",
        "Any option of the encoder of pictures.",
        |asked, values| options(&mut asked.stream.video.options, values),
    ),
    stream(
        "AVOptionAudio",
        "an option of the encoder and its value, as profile aac_low",
        "AVOptionAudio flags +global_header",
        "Any option of the encoder of sound.",
        |asked, values| options(&mut asked.stream.audio.options, values),
    ),
    stream(
        "AVPresetVideo",
        "a file",
        "AVPresetVideo fast.ffpreset",
        "A file of OPTION=VALUE lines for the encoder of pictures: a whole path, or NAME for NAME.ffpreset in $FFMPEG_DATADIR, ~/.ffmpeg, /usr/local/share/ffmpeg or /usr/share/ffmpeg. What the section says itself comes first. One that is missing is an error.",
        |asked, values| {
            asked.stream.video.presets.push(values.text()?.into());
            Ok(())
        },
    ),
    stream(
        "AVPresetAudio",
        "a file",
        "AVPresetAudio speech.ffpreset",
        "The same for the encoder of sound.",
        |asked, values| {
            asked.stream.audio.presets.push(values.text()?.into());
            Ok(())
        },
    ),
    stream(
        "AudioCodec",
        "an encoder, by FFmpeg's name",
        "AudioCodec mp2",
        "The codec of the sound. Default: what is usual in the format.",
        |asked, values| {
            asked.stream.audio.codec = Some(values.owned()?);
            asked.stream.audio.codec_at = asked.at;
            Ok(())
        },
    ),
    stream(
        "AudioBitRate",
        KBIT,
        "AudioBitRate 64",
        "kbit/s of the sound. Default: the encoder's own.",
        |asked, values| {
            asked.stream.audio.bit_rate = Some(kbit(values)?);
            Ok(())
        },
    ),
    stream(
        "AudioChannels",
        "1 to 8",
        "AudioChannels 1",
        "Channels of the sound. Default: as they come.",
        |asked, values| {
            asked.stream.audio.channels = Some(values.int(1, 8)?);
            Ok(())
        },
    ),
    stream(
        "AudioSampleRate",
        "Hz",
        "AudioSampleRate 22050",
        "Samples a second of the sound. Default: as they come.",
        |asked, values| {
            asked.stream.audio.sample_rate = Some(values.int(1, 768_000)?);
            Ok(())
        },
    ),
];
