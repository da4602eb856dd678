//! What an old feeder is told to send: ffmpeg up to 3.4 asks a feed how to encode.

use crate::{Audio, Config, Origin, Stream, Video};

/// A track that a feeder is to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Pictures in this codec, coded like this; what was not said is filled in.
    Video {
        /// By FFmpeg's name.
        codec: String,
        /// With ffserver's defaults, unless the stream does not want them.
        settings: Video,
    },
    /// Sound.
    Audio {
        /// By FFmpeg's name.
        codec: String,
        /// With ffserver's defaults, unless the stream does not want them.
        settings: Audio,
    },
}

/// The codecs usual in a format, of pictures and of sound.
const USUAL: &[(&[&str], &str, &str)] = &[
    (&["mpjpeg", "mjpeg", "jpeg", "singlejpeg", "image2pipe"], "mjpeg", ""),
    (&["mpeg", "vcd", "mpeg1video"], "mpeg1video", "mp2"),
    (&["vob", "dvd", "svcd", "mpeg2video", "mpegts", "rtp_mpegts"], "mpeg2video", "mp2"),
    (&["asf", "asf_stream", "wtv"], "msmpeg4v3", "wmav2"),
    (&["flv", "swf", "f4v"], "flv", "mp3"),
    (&["avi"], "mpeg4", "mp3"),
    (&["m4v", "rtp"], "mpeg4", "mp2"),
    (&["matroska", "nut", "mp4", "mov", "ismv", "ipod", "3gp", "3g2", "psp"], "mpeg4", "aac"),
    (&["webm"], "vp8", "vorbis"),
    (&["ogg", "ogv", "oga"], "theora", "vorbis"),
    (&["rm"], "rv10", "ac3"),
    (&["gif"], "gif", ""),
    (&["rawvideo"], "rawvideo", ""),
    (&["mp2"], "", "mp2"),
    (&["mp3"], "", "mp3"),
    (&["adts", "latm"], "", "aac"),
    (&["ac3"], "", "ac3"),
    (&["wav", "s16le", "aiff"], "", "pcm_s16le"),
    (&["au", "s16be"], "", "pcm_s16be"),
    (&["mulaw"], "", "pcm_mulaw"),
    (&["alaw"], "", "pcm_alaw"),
    (&["flac"], "", "flac"),
    (&["opus"], "", "opus"),
];

impl Config {
    /// Most tracks that one feed is asked for, as many as ffserver had.
    pub const MOST_WANTED: usize = 20;

    /// The tracks that the streams of `feed` want, in the order of the file. Streams that
    /// agree in codec, bit rate, size, rate and distance of keyframes want the same one.
    #[must_use]
    pub fn wanted_of(&self, feed: &str) -> Vec<Wanted> {
        let mut wanted: Vec<Wanted> = Vec::new();
        let streams = self.streams.iter().filter(|stream| matches!(&stream.origin, Origin::Feed(name) if name == feed));
        for track in streams.flat_map(Stream::wanted) {
            if wanted.len() < Self::MOST_WANTED && !wanted.iter().any(|known| known.is_like(&track)) {
                wanted.push(track);
            }
        }
        wanted
    }
}

impl Wanted {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Video { codec: a, settings: x }, Self::Video { codec: b, settings: y }) => {
                (a, x.bit_rate, x.size, x.rate, x.gop) == (b, y.bit_rate, y.size, y.rate, y.gop)
            }
            (Self::Audio { codec: a, settings: x }, Self::Audio { codec: b, settings: y }) => {
                (a, x.bit_rate, x.channels, x.sample_rate) == (b, y.bit_rate, y.channels, y.sample_rate)
            }
            _ => false,
        }
    }
}

impl Stream {
    /// The tracks that it wants of its feed: sound first, as ffserver had them.
    fn wanted(&self) -> Vec<Wanted> {
        let format = self.format.as_deref().unwrap_or_default();
        let usual = USUAL.iter().find(|(formats, ..)| formats.contains(&format));
        let (video, audio) = usual.map_or(("mpeg4", "mp2"), |(_, video, audio)| (video, audio));
        let codec = |said: &Option<String>, usual: &str| {
            let codec = said.clone().unwrap_or_else(|| usual.to_owned());
            (!codec.is_empty()).then_some(codec)
        };
        let mut wanted = Vec::new();
        if let Some(codec) = codec(&self.audio.codec, audio).filter(|_| !self.no_audio) {
            let settings = if self.use_defaults { self.audio.with_defaults() } else { self.audio.clone() };
            wanted.push(Wanted::Audio { codec, settings });
        }
        if let Some(codec) = codec(&self.video.codec, video).filter(|_| !self.no_video) {
            let settings = if self.use_defaults { self.video.with_defaults() } else { self.video.clone() };
            wanted.push(Wanted::Video { codec, settings });
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffserver;

    #[test]
    fn streams_that_agree_want_one_track_and_the_others_their_own() {
        let text = "HTTPPort 1\n<Feed f>\n</Feed>\n\
                    <Stream a.mjpeg>\nFeed f\nFormat mpjpeg\nVideoSize 320x240\nVideoBitRate 100\nVideoFrameRate 25\n</Stream>\n\
                    <Stream b.jpg>\nFeed f\nFormat jpeg\nVideoSize 320x240\nVideoBitRate 100\nVideoFrameRate 25\nVideoQMin 2\n</Stream>\n\
                    <Stream c.asf>\nFeed f\n</Stream>\n<Stream d.mp3>\nFeed f\nAudioBitRate 128\nNoDefaults\n</Stream>\n";
        let wanted = ffserver::parse(text).config.wanted_of("f");
        let told: Vec<String> = wanted
            .iter()
            .map(|track| match track {
                Wanted::Video { codec, settings } => {
                    format!("{codec} {:?} {:?}", settings.bit_rate, settings.size.map(|s| s.to_string()))
                }
                Wanted::Audio { codec, settings } => {
                    format!("{codec} {:?} {:?}", settings.bit_rate, settings.sample_rate)
                }
            })
            .collect();
        assert_eq!(
            told,
            [
                "mjpeg Some(100000) Some(\"320x240\")",
                "wmav2 Some(64000) Some(22050)",
                "msmpeg4v3 Some(64000) Some(\"160x128\")",
                "mp3 Some(128000) None",
            ]
        );
        assert!(ffserver::parse(text).config.wanted_of("g").is_empty());
    }
}
