//! Which of a server's streams are played, and how they are declared.

use bytes::Bytes;
use media::{Audio, Codec, Kind, Rational, Size, Track, TrackId, Video};
use retina::client::Stream;
use retina::codec::{ParametersRef, VideoParameters};

use super::End;
use super::sounds::{Form, Latm, Sound};
use crate::Error;

/// The video encodings (RFC 3555, RFC 6184, RFC 7798) that are ours.
const VIDEO: &[(&str, Codec)] = &[("h264", Codec::H264), ("h265", Codec::HEVC), ("jpeg", Codec::MJPEG)];
/// The audio encodings whose frames a decoder takes as they are.
const AUDIO: &[(&str, Codec)] = &[
    ("mpeg4-generic", Codec::from_name("aac")),
    ("pcma", Codec::from_name("pcm_alaw")),
    ("pcmu", Codec::from_name("pcm_mulaw")),
    ("g722", Codec::from_name("adpcm_g722")),
    ("g726-16", G726),
    ("g726-24", G726),
    ("g726-32", G726),
    ("g726-40", G726),
    ("l16", Codec::from_name("pcm_s16be")),
];
/// The first sample in the lowest bits (RFC 3551 section 4.5.4).
const G726: Codec = Codec::from_name("adpcm_g726le");

/// ASF packets in RTP ([MS-RTSP] 2.2.1).
const WINDOWS_MEDIA: &str = "x-asf-pf";

/// The streams that are played, by their place in the session description.
pub(super) struct Plan {
    pub(super) video: usize,
    pub(super) codec: Codec,
    pub(super) audio: Option<usize>,
    /// What the sound is that goes under another name.
    renamed: Option<Sound>,
}

/// What a stream is called, as far as it was renamed.
pub(super) fn name_of<'a>(stream: &'a Stream, renamed: &[Sound]) -> &'a str {
    renamed_as(stream, renamed).map_or(stream.encoding_name(), |sound| sound.name)
}

fn renamed_as<'a>(stream: &Stream, renamed: &'a [Sound]) -> Option<&'a Sound> {
    renamed.iter().find(|sound| sound.payload_type == stream.rtp_payload_type() && stream.media() == "audio")
}

impl Plan {
    /// The first picture and the first sound that can be had. Sound without pictures is left to
    /// others, where it will do.
    pub(super) fn of(streams: &[Stream], sound_alone: bool, renamed: &[Sound]) -> Result<Self, End> {
        if streams.iter().any(|stream| stream.encoding_name() == WINDOWS_MEDIA) {
            return Err(End::WindowsMedia);
        }
        let codec_of = |table: &[(&str, Codec)], stream: &Stream| {
            table.iter().find(|(name, _)| *name == stream.encoding_name()).map(|(_, codec)| *codec)
        };
        let is_video = |stream: &&Stream| matches!(stream.media(), "video" | "image");
        let video = streams.iter().enumerate().filter(|(_, stream)| is_video(stream));
        let mut ours = video.clone().filter_map(|(place, stream)| Some((place, codec_of(VIDEO, stream)?)));
        let Some((video, codec)) = ours.next() else {
            return Err(match streams.iter().find(is_video) {
                Some(other) => End::Elsewhere(format!("{} is not ours to take apart", other.encoding_name())),
                None if sound_alone && streams.iter().any(|stream| stream.media() == "audio") => {
                    End::Elsewhere("there is sound alone".into())
                }
                None => End::Failed(no_video(streams, renamed)),
            });
        };
        let is_ours = |stream: &Stream| {
            let known = match renamed_as(stream, renamed) {
                Some(sound) => sound.form(1).is_some(),
                None => codec_of(AUDIO, stream).is_some(),
            };
            stream.media() == "audio" && known && stream.parameters().is_some()
        };
        let audio = streams.iter().position(is_ours);
        let renamed = audio.and_then(|place| renamed_as(&streams[place], renamed)).cloned();
        Ok(Self { video, codec, audio, renamed })
    }

    /// The tracks as they are known now; nothing before the picture's parameters are.
    pub(super) fn tracks(&self, streams: &[Stream]) -> Option<Vec<Track>> {
        let stream = streams.get(self.video)?;
        let Some(ParametersRef::Video(parameters)) = stream.parameters() else { return None };
        let mut tracks = vec![video_track(self.codec, stream, parameters)];
        // Sound that was set up has a context.
        tracks.extend(
            self.audio
                .and_then(|place| streams.get(place).filter(|s| s.ctx().is_some()))
                .and_then(|stream| audio_track(stream, self.renamed.as_ref())),
        );
        Some(tracks)
    }

    /// What takes the payloads of the sound apart, where that is needed.
    pub(super) fn unpacker(&self) -> Option<Latm> {
        self.renamed.as_ref().and_then(Sound::unpacker)
    }

    /// Whether `retina` knows the sound by another name.
    pub(super) fn is_renamed(&self) -> bool {
        self.renamed.is_some()
    }

    /// The track that a stream's units belong to.
    pub(super) fn track(&self, stream: usize) -> Option<TrackId> {
        match stream {
            place if place == self.video => Some(TrackId(0)),
            place if Some(place) == self.audio => Some(TrackId(1)),
            _ => None,
        }
    }
}

fn no_video(streams: &[Stream], renamed: &[Sound]) -> Error {
    let names: Vec<_> = streams.iter().map(|stream| name_of(stream, renamed)).collect();
    let found = if names.is_empty() { "no stream".into() } else { format!("only {}", names.join(", ")) };
    Error::NotVideo { what: format!("no video track: {found} in the server's description"), page: false }
}

fn video_track(codec: Codec, stream: &Stream, parameters: &VideoParameters) -> Track {
    let (width, height) = parameters.pixel_dimensions();
    // Of one picture, in seconds.
    let duration = parameters.frame_rate().and_then(|(num, den)| Rational::new(den, num));
    let described = || {
        let thousandths = stream.framerate().map_or(0.0, |rate| f64::from(rate) * 1000.0).round() as u32;
        Rational::new(thousandths, 1000)
    };
    let video = Video {
        size: Size::new(width, height),
        frame_rate: duration.or_else(described),
        sample_aspect: parameters.pixel_aspect_ratio().and_then(|(num, den)| Rational::new(num, den)),
        ..Video::default()
    };
    track(codec, Bytes::copy_from_slice(parameters.extra_data()), Kind::Video(video))
}

fn audio_track(stream: &Stream, renamed: Option<&Sound>) -> Option<Track> {
    let Some(ParametersRef::Audio(parameters)) = stream.parameters() else { return None };
    let (sample_rate, channels) = (parameters.clock_rate(), parameters.channels().get());
    if let Some(sound) = renamed {
        let Form { codec, extradata, channels, bits_per_sample } = sound.form(channels)?;
        let audio = Audio { sample_rate, channels, block_align: 0 };
        return Some(Track { bits_per_sample, ..track(codec, extradata, Kind::Audio(audio)) });
    }
    let codec = AUDIO.iter().find(|(name, _)| *name == stream.encoding_name())?.1;
    // G.722 runs at twice its RTP clock (RFC 3551 section 4.5.2).
    let doubled = if codec.name() == "adpcm_g722" { 2 } else { 1 };
    let audio = Audio { sample_rate: sample_rate * doubled, channels, block_align: 0 };
    // Of 8,000 samples a second.
    let kbits = stream.encoding_name().strip_prefix("g726-").and_then(|rate| rate.parse::<u32>().ok());
    let track = track(codec, Bytes::copy_from_slice(parameters.extra_data()), Kind::Audio(audio));
    Some(Track { bits_per_sample: kbits.map_or(0, |kbits| kbits / 8), ..track })
}

fn track(codec: Codec, extradata: Bytes, kind: Kind) -> Track {
    Track { id: TrackId(0), codec, tag: 0, extradata, bits_per_sample: 0, bit_rate: 0, kind }
}
