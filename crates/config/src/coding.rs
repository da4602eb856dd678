//! What a stream says of its coding, as encoders take it.

use media::{AudioCoding, AvOptions, Codec, Encoding, Rate, SizeWish, Variant, VideoCoding, Wish};

use crate::{At, Audio, Problem, Stream, Video};

/// Encoders by FFmpeg's names, and the codecs that they make.
const ENCODERS: &[(&str, &str)] = &[
    ("libx264", "h264"),
    ("libx264rgb", "h264"),
    ("libopenh264", "h264"),
    ("libx265", "hevc"),
    ("libvpx", "vp8"),
    ("libvpx-vp9", "vp9"),
    ("libtheora", "theora"),
    ("libxvid", "mpeg4"),
    ("xvid", "mpeg4"),
    ("libmp3lame", "mp3"),
    ("libtwolame", "mp2"),
    ("libvorbis", "vorbis"),
    ("libopus", "opus"),
    ("libspeex", "speex"),
    ("libfdk_aac", "aac"),
    ("libfaac", "aac"),
    ("libvo_aacenc", "aac"),
    ("libopencore_amrnb", "amr_nb"),
];

/// Codecs by FFmpeg's names.
const CODECS: &[&str] = &[
    "mjpeg",
    "mpeg1video",
    "mpeg2video",
    "mpeg4",
    "msmpeg4v2",
    "msmpeg4v3",
    "wmv1",
    "wmv2",
    "h261",
    "h263",
    "h263p",
    "h264",
    "hevc",
    "av1",
    "vp8",
    "vp9",
    "theora",
    "flv1",
    "rv10",
    "rv20",
    "gif",
    "png",
    "apng",
    "huffyuv",
    "ffv1",
    "ffvhuff",
    "dvvideo",
    "rawvideo",
    "mp2",
    "mp3",
    "aac",
    "ac3",
    "eac3",
    "vorbis",
    "opus",
    "flac",
    "speex",
    "wmav1",
    "wmav2",
    "amr_nb",
    "gsm",
    "adpcm_ima_wav",
    "adpcm_swf",
    "nellymoser",
    "pcm_s16le",
    "pcm_s16be",
    "pcm_u8",
    "pcm_mulaw",
    "pcm_alaw",
    "g722",
    "g726",
];

/// What libavcodec knows by the name of a codec or an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The codec, or the one that the encoder makes.
    pub codec: Codec,
    /// It is one of pictures.
    pub is_video: bool,
}

/// What is known by a name.
type Codecs<'a> = &'a dyn Fn(&str) -> Option<Named>;

/// The codec that an encoder or a codec of this name makes.
fn codec(directive: &str, name: &str, at: At, is_video: bool, codecs: Codecs<'_>) -> Result<Codec, Problem> {
    // The encoder is called so, and not as its codec.
    let meant = if name == "flv" { "flv1" } else { name };
    // Encoders come and go from one library to the next; what they make stays.
    let made = || ENCODERS.iter().find(|(encoder, _)| *encoder == meant).and_then(|(_, codec)| codecs(codec));
    let named = codecs(meant).or_else(made);
    let said = || format!("{directive} {}", crate::problem::short(name));
    let wrong = |what: String| Err(Problem::error(at.0, format!("{}: {what}", said())));
    match named {
        Some(named) if named.is_video == is_video => Ok(named.codec),
        Some(_) if is_video => wrong("not a codec of pictures; write AudioCodec for sound".into()),
        Some(_) => wrong("not a codec of sound; write VideoCodec for pictures".into()),
        None => {
            let names = ENCODERS.iter().map(|(encoder, _)| *encoder).chain(CODECS.iter().copied());
            let near = crate::suggest::nearest(meant, names.filter(|name| codecs(name).is_some()));
            wrong(near.map_or_else(
                || "unknown codec; expected a name of FFmpeg's, such as mpeg4".into(),
                |near| format!("unknown codec; did you mean {near}?"),
            ))
        }
    }
}

/// More options than are kept.
fn too_many(stream: &Stream) -> Problem {
    let most = AvOptions::MOST;
    let what = format!("<Stream {}>: more than {most} AVOption lines, or too many different ones in all", stream.name);
    Problem::error(stream.line, what)
}

fn bits(number: Option<u64>) -> Option<u32> {
    number.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn small(number: Option<u32>) -> Option<u16> {
    number.map(|number| u16::try_from(number).unwrap_or(u16::MAX))
}

impl Stream {
    /// How its tracks are coded. What comes with the codec and size asked for stays as it
    /// is: its feeder has coded it so.
    ///
    /// `codecs` tells what the libavcodec at hand knows by the name of a codec or an encoder.
    ///
    /// # Errors
    /// When a codec is unknown, or there are more options than are kept ([`AvOptions::new`]):
    /// with the line that says so.
    pub fn encoding(&self, codecs: &dyn Fn(&str) -> Option<Named>) -> Result<Encoding, Problem> {
        let video = match self.no_video {
            true => Wish::Off,
            false => wish(self.video.variant(self, codecs)?),
        };
        let audio = match self.no_audio {
            true => Wish::Off,
            false => wish(self.audio.coding(self, codecs)?),
        };
        Ok(Encoding { video, audio, keep: true })
    }
}

fn wish<T: Default + PartialEq>(coded: T) -> Wish<T> {
    if coded == T::default() { Wish::Fit } else { Wish::Coded(coded) }
}

/// Takes the options that say what a directive does as well; one that cannot be read stays, for
/// the encoder to complain about.
struct Folded(Vec<(String, String)>);

impl Folded {
    /// The last value of `name` as a number, with FFmpeg's `k` and `M`.
    fn take(&mut self, name: &str) -> Option<u64> {
        let place = self.0.iter().rposition(|(known, _)| known == name)?;
        let text = &self.0[place].1;
        let (digits, unit) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 1_000.0),
            Some(b'M') => (&text[..text.len() - 1], 1_000_000.0),
            _ => (text.as_str(), 1.0),
        };
        let number: f64 = digits.parse().ok()?;
        let number = (0.0..=1e15).contains(&number).then_some(number * unit)?;
        self.0.retain(|(known, _)| known != name);
        Some(number as u64)
    }

    fn small(&mut self, name: &str) -> Option<u32> {
        self.take(name).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }
}

impl Video {
    fn variant(&self, stream: &Stream, codecs: Codecs<'_>) -> Result<Variant, Problem> {
        let mut options: Vec<(String, String)> = Vec::new();
        let mut option = |key: &str, value: Option<String>| options.extend(value.map(|value| (key.to_owned(), value)));
        option("pixel_format", self.pixel_format.clone());
        option("lumi_mask", self.lumi_mask.map(|mask| mask.to_string()));
        option("dark_mask", self.dark_mask.map(|mask| mask.to_string()));
        option("dct", self.dct_fastint.then(|| "fastint".into()));
        option("idct", self.idct_simple.then(|| "simple".into()));
        option("debug", self.debug.map(|debug| debug.to_string()));
        let named = self.codec.as_deref().map(|name| codec("VideoCodec", name, self.codec_at, true, codecs));
        let codec = named.transpose()?;
        // With JPEG it stood there for pictures without the full range of colours, which stay away.
        let jpeg = codec.is_none_or(|codec| codec == Codec::MJPEG);
        option("strict", self.strict.filter(|strict| !jpeg || *strict != -1).map(|strict| strict.to_string()));
        let mut more = Folded(self.options.clone());
        let (least, most) = self.bit_rate_range.map_or((None, None), |(least, most)| (Some(least), Some(most)));
        let (least, most) = (more.take("minrate").or(least), more.take("maxrate").or(most));
        // As in ffserver, an option by FFmpeg's name counts for more than a directive.
        let (bit_rate, tolerance) = (more.take("b").or(self.bit_rate), more.take("bt").or(self.bit_rate_tolerance));
        let buffer = more.take("bufsize").or(self.buffer_bits);
        let (qmin, qmax) = (more.small("qmin").or(self.qmin), more.small("qmax").or(self.qmax));
        let (qdiff, gop) = (more.small("qdiff").or(self.qdiff), more.small("g").or(self.gop));
        options.extend(more.0);
        Ok(Variant {
            size: self.size.map_or(SizeWish::Own, SizeWish::Exact),
            rate: self.rate.and_then(|rate| Rate::new(rate.as_f64())),
            codec,
            coding: VideoCoding {
                bit_rate: bits(bit_rate),
                min_rate: bits(least),
                max_rate: bits(most),
                tolerance: bits(tolerance),
                buffer: bits(buffer),
                qmin: small(qmin),
                qmax: small(qmax),
                qdiff: small(qdiff),
                qscale: self.qscale.map(|scale| (scale * 100.0).round().clamp(1.0, f64::from(u16::MAX)) as u16),
                gop: small(gop),
                bit_exact: self.bit_exact,
                four_vectors: self.four_motion_vectors,
                high_quality: self.high_quality || self.four_motion_vectors,
                tag: self.tag,
                options: AvOptions::new(options).ok_or_else(|| too_many(stream))?,
            },
            ..Variant::default()
        })
    }
}

impl Audio {
    fn coding(&self, stream: &Stream, codecs: Codecs<'_>) -> Result<AudioCoding, Problem> {
        // `Strict -1` is said of pictures, as a rule.
        let strict = self.strict.filter(|strict| *strict != -1).map(|strict| ("strict".to_owned(), strict.to_string()));
        let debug = self.debug.map(|debug| ("debug".to_owned(), debug.to_string()));
        let mut more = Folded(self.options.clone());
        let bit_rate = more.take("b").or(self.bit_rate);
        let (channels, sample_rate) = (more.small("ac").or(self.channels), more.small("ar").or(self.sample_rate));
        let options = strict.into_iter().chain(debug).chain(more.0);
        let named = self.codec.as_deref().map(|name| codec("AudioCodec", name, self.codec_at, false, codecs));
        Ok(AudioCoding {
            codec: named.transpose()?,
            bit_rate: bits(bit_rate),
            channels: small(channels),
            sample_rate,
            quality: None,
            options: AvOptions::new(options).ok_or_else(|| too_many(stream))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffserver;

    fn codecs(name: &str) -> Option<Named> {
        let known =
            ["h264", "mpeg4", "libmp3lame", "mp3", "mp2", "libx264"].into_iter().find(|known| *known == name)?;
        let codec = match known {
            "libx264" => "h264",
            "libmp3lame" => "mp3",
            known => known,
        };
        Some(Named { codec: Codec::from_name(codec), is_video: !codec.starts_with("mp") || codec == "mpeg4" })
    }

    fn told(lines: &str) -> String {
        let text = format!("HTTPPort 1\n<Feed f>\n</Feed>\n<Stream s.asf>\nFeed f\n{lines}\n</Stream>\n");
        let parsed = ffserver::parse(&text);
        assert!(parsed.is_usable(), "{:#?}", parsed.problems);
        parsed.config.streams[0].encoding(&codecs).unwrap().to_string()
    }

    #[test]
    fn what_a_section_says_is_what_encoders_take() {
        assert_eq!(told(""), "");
        assert_eq!(told("NoAudio"), "audio=off");
        assert_eq!(
            told("NoVideo\nAudioCodec libmp3lame\nAudioBitRate 128\nAudioChannels 2\nAudioSampleRate 44100"),
            "video=off&acodec=mp3&abitrate=128000&channels=2&samplerate=44100"
        );
        assert_eq!(
            told(
                "NoAudio\nVideoCodec libx264\nVideoSize 640x480\nVideoFrameRate 25\nVideoBitRate 256\nVideoQMin 3\nVideoQMax 31\n\
                 VideoGopSize 12\nStrict -1\nAVOptionVideo preset fast\nVideo4MotionVector"
            ),
            "size=640x480&fps=25&codec=h264&bitrate=256000&qmin=3&qmax=31&gop=12&4mv=1&hq=1&strict=-1&preset=fast&audio=off"
        );
        assert_eq!(
            told("NoAudio\nQscale 3.5\nVideoBitRateRange 100-200\nStrict -2"),
            "minrate=100000&maxrate=200000&qscale=3.5&strict=-2&audio=off"
        );
    }

    #[test]
    fn options_by_ffmpegs_names_are_what_directives_say() {
        assert_eq!(
            told(
                "NoAudio\nVideoCodec libx264\nVideoBitRate 100\nAVOptionVideo b 2M\nAVOptionVideo g 12\nAVOptionVideo qmin x\nStrict -1"
            ),
            "codec=h264&bitrate=2000000&gop=12&strict=-1&qmin=x&audio=off"
        );
        assert_eq!(
            told("NoVideo\nAVOptionAudio b 96k\nAVOptionAudio ar 44100"),
            "video=off&abitrate=96000&samplerate=44100"
        );
        assert_eq!(told("Strict -1"), "");
    }

    #[test]
    fn a_codec_that_nobody_knows_is_told_at_its_line() {
        let text = "HTTPPort 1\n<Feed f>\n</Feed>\n<Stream s.asf>\nFeed f\n\nVideoCodec libx246\nAudioCodec mpeg4\n</Stream>\n";
        let mut stream = ffserver::parse(text).config.streams.remove(0);
        let problem = |stream: &Stream| stream.encoding(&codecs).unwrap_err().to_string();
        assert_eq!(problem(&stream), "line 7: VideoCodec libx246: unknown codec; did you mean libx264?");
        stream.no_video = true;
        let wrong = "line 8: AudioCodec mpeg4: not a codec of sound; write VideoCodec for pictures";
        assert_eq!(problem(&stream), wrong);
        // What an encoder makes is known where the encoder is not.
        stream.audio.codec = Some("libtwolame".into());
        assert_eq!(stream.encoding(&codecs).unwrap().to_string(), "video=off&acodec=mp2");
        let native = crate::native::parse(
            "[[feed]]\nname = \"f\"\n\n[[stream]]\nname = \"s.asf\"\nfeed = \"f\"\n[stream.video]\ngop = 3\ncodec = \"?\"\n",
        );
        let said = native.config.streams[0].encoding(&codecs).unwrap_err().to_string();
        assert_eq!(said, "line 9: VideoCodec ?: unknown codec; expected a name of FFmpeg's, such as mpeg4");
    }
}
