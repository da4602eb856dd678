//! Which of a server's streams are played, and how they are declared.

use bytes::Bytes;
use media::{Audio, Codec, Kind, Rational, Size, Track, TrackId, Video};
use retina::client::Stream;
use retina::codec::{ParametersRef, VideoParameters};

use super::End;
use crate::Error;

/// The video encodings (RFC 3555, RFC 6184, RFC 7798) that are ours.
const VIDEO: &[(&str, Codec)] = &[("h264", Codec::H264), ("h265", Codec::HEVC), ("jpeg", Codec::MJPEG)];
/// The audio encodings whose frames a decoder takes as they are.
const AUDIO: &[(&str, Codec)] = &[
    ("mpeg4-generic", Codec::from_name("aac")),
    ("pcma", Codec::from_name("pcm_alaw")),
    ("pcmu", Codec::from_name("pcm_mulaw")),
    ("g722", Codec::from_name("adpcm_g722")),
    ("l16", Codec::from_name("pcm_s16be")),
];

/// ASF packets in RTP ([MS-RTSP] 2.2.1).
const WINDOWS_MEDIA: &str = "x-asf-pf";

/// The streams that are played, by their place in the session description.
pub(super) struct Plan {
    pub(super) video: usize,
    pub(super) codec: Codec,
    pub(super) audio: Option<usize>,
}

impl Plan {
    /// The first picture and the first sound that can be had. Sound without pictures is left to
    /// others, where it will do.
    pub(super) fn of(streams: &[Stream], sound_alone: bool) -> Result<Self, End> {
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
                None => End::Failed(no_video(streams)),
            });
        };
        let is_ours = |stream: &Stream| {
            stream.media() == "audio" && codec_of(AUDIO, stream).is_some() && stream.parameters().is_some()
        };
        Ok(Self { video, codec, audio: streams.iter().position(is_ours) })
    }

    /// The tracks as they are known now; nothing before the picture's parameters are.
    pub(super) fn tracks(&self, streams: &[Stream]) -> Option<Vec<Track>> {
        let stream = streams.get(self.video)?;
        let Some(ParametersRef::Video(parameters)) = stream.parameters() else { return None };
        let mut tracks = vec![video_track(self.codec, stream, parameters)];
        // Sound that was set up has a context.
        tracks.extend(
            self.audio.and_then(|place| streams.get(place).filter(|s| s.ctx().is_some())).and_then(audio_track),
        );
        Some(tracks)
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

fn no_video(streams: &[Stream]) -> Error {
    let names: Vec<_> = streams.iter().map(Stream::encoding_name).collect();
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

fn audio_track(stream: &Stream) -> Option<Track> {
    let codec = AUDIO.iter().find(|(name, _)| *name == stream.encoding_name())?.1;
    let Some(ParametersRef::Audio(parameters)) = stream.parameters() else { return None };
    // G.722 runs at twice its RTP clock (RFC 3551 section 4.5.2).
    let doubled = if codec.name() == "adpcm_g722" { 2 } else { 1 };
    let audio =
        Audio { sample_rate: parameters.clock_rate() * doubled, channels: parameters.channels().get(), block_align: 0 };
    Some(track(codec, Bytes::copy_from_slice(parameters.extra_data()), Kind::Audio(audio)))
}

fn track(codec: Codec, extradata: Bytes, kind: Kind) -> Track {
    Track { id: TrackId(0), codec, tag: 0, extradata, bits_per_sample: 0, bit_rate: 0, kind }
}
