//! What a stream says of its coding, as encoders take it.

use media::{AudioCoding, AvOptions, Codec, Encoding, Rate, SizeWish, Variant, VideoCoding, Wish};

use crate::{Audio, Stream, Video};

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

/// The codec that an encoder or a codec of this name makes.
fn codec(directive: &str, name: &str) -> Result<Codec, String> {
    // The encoder is called so, and not as its codec.
    let meant = if name == "flv" { "flv1" } else { name };
    let encoder = ENCODERS.iter().find(|(encoder, _)| *encoder == meant).map(|(_, codec)| *codec);
    let known = encoder.or_else(|| CODECS.iter().copied().find(|codec| *codec == meant));
    known.map(Codec::from_name).ok_or_else(|| {
        let names = ENCODERS.iter().map(|(encoder, _)| *encoder).chain(CODECS.iter().copied());
        let near = crate::suggest::nearest(meant, names);
        let meant = near.map_or_else(
            || "expected a name of FFmpeg's, such as mpeg4".into(),
            |near| format!("did you mean {near}?"),
        );
        format!("{directive} {}: unknown codec; {meant}", name.chars().take(40).collect::<String>())
    })
}

/// More options than are kept.
fn too_many() -> String {
    format!("more than {} AVOption lines, or too many different ones in all", AvOptions::MOST)
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
    /// # Errors
    /// When a codec is unknown, or there are more options than are kept ([`AvOptions::new`]).
    pub fn encoding(&self) -> Result<Encoding, String> {
        let video = match &self.video {
            _ if self.no_video => Wish::Off,
            video if *video == Video::default() => Wish::Fit,
            video => Wish::Coded(video.variant()?),
        };
        let audio = match &self.audio {
            _ if self.no_audio => Wish::Off,
            audio if *audio == Audio::default() => Wish::Fit,
            audio => Wish::Coded(audio.coding()?),
        };
        Ok(Encoding { video, audio, keep: true })
    }
}

impl Video {
    fn variant(&self) -> Result<Variant, String> {
        let mut options: Vec<(String, String)> = Vec::new();
        let mut option = |key: &str, value: Option<String>| options.extend(value.map(|value| (key.to_owned(), value)));
        option("pixel_format", self.pixel_format.clone());
        option("lumi_mask", self.lumi_mask.map(|mask| mask.to_string()));
        option("dark_mask", self.dark_mask.map(|mask| mask.to_string()));
        option("dct", self.dct_fastint.then(|| "fastint".into()));
        option("idct", self.idct_simple.then(|| "simple".into()));
        option("debug", self.debug.map(|debug| debug.to_string()));
        // It stood there for pictures without the full range of colours, which stay away.
        option("strict", self.strict.filter(|strict| *strict != -1).map(|strict| strict.to_string()));
        options.extend(self.options.iter().cloned());
        let (min_rate, max_rate) = self.bit_rate_range.map_or((None, None), |(least, most)| (Some(least), Some(most)));
        Ok(Variant {
            size: self.size.map_or(SizeWish::Own, SizeWish::Exact),
            rate: self.rate.and_then(|rate| Rate::new(rate.as_f64())),
            codec: self.codec.as_deref().map(|name| codec("VideoCodec", name)).transpose()?,
            coding: VideoCoding {
                bit_rate: bits(self.bit_rate),
                min_rate: bits(min_rate),
                max_rate: bits(max_rate),
                tolerance: bits(self.bit_rate_tolerance),
                buffer: bits(self.buffer_bits),
                qmin: small(self.qmin),
                qmax: small(self.qmax),
                qdiff: small(self.qdiff),
                qscale: self.qscale.map(|scale| (scale * 100.0).round().clamp(0.0, f64::from(u16::MAX)) as u16),
                gop: small(self.gop),
                bit_exact: self.bit_exact,
                four_vectors: self.four_motion_vectors,
                high_quality: self.high_quality || self.four_motion_vectors,
                tag: self.tag,
                options: AvOptions::new(options).ok_or_else(too_many)?,
            },
            ..Variant::default()
        })
    }
}

impl Audio {
    fn coding(&self) -> Result<AudioCoding, String> {
        let strict = self.strict.filter(|strict| *strict != -1).map(|strict| ("strict".to_owned(), strict.to_string()));
        let debug = self.debug.map(|debug| ("debug".to_owned(), debug.to_string()));
        let options = strict.into_iter().chain(debug).chain(self.options.iter().cloned());
        Ok(AudioCoding {
            codec: self.codec.as_deref().map(|name| codec("AudioCodec", name)).transpose()?,
            bit_rate: bits(self.bit_rate),
            channels: small(self.channels),
            sample_rate: self.sample_rate,
            quality: None,
            options: AvOptions::new(options).ok_or_else(too_many)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::ffserver;

    fn told(lines: &str) -> String {
        let text = format!("HTTPPort 1\n<Feed f>\n</Feed>\n<Stream s.asf>\nFeed f\n{lines}\n</Stream>\n");
        let parsed = ffserver::parse(&text);
        assert!(parsed.is_usable(), "{:#?}", parsed.problems);
        parsed.config.streams[0].encoding().unwrap().to_string()
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
            "size=640x480&fps=25&codec=h264&bitrate=256000&qmin=3&qmax=31&gop=12&4mv=1&hq=1&preset=fast&audio=off"
        );
        assert_eq!(
            told("NoAudio\nQscale 3.5\nVideoBitRateRange 100-200\nStrict -2"),
            "minrate=100000&maxrate=200000&qscale=3.5&strict=-2&audio=off"
        );
    }

    #[test]
    fn a_codec_that_nobody_knows_is_told() {
        let mut stream = crate::Stream::new("s");
        stream.video.codec = Some("libx246".into());
        assert_eq!(stream.encoding().unwrap_err(), "VideoCodec libx246: unknown codec; did you mean libx264?");
        stream.no_video = true;
        stream.audio.codec = Some("?".into());
        assert!(stream.encoding().unwrap_err().starts_with("AudioCodec ?: unknown codec; expected"));
    }
}
