//! Which of a server's streams are played, and how they are declared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use media::nal::{Role, Syntax, units};
use media::{Audio, Codec, Kind, Rational, Size, Track, TrackId, Video};
use retina::client::Stream;
use retina::codec::{Depacketizer, ParametersRef, VideoParameters};

use super::End;
use super::intake::{Form, Payload};
use super::sounds::{self, Sound};
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

/// Tracks that are told of where they are not taken, and letters of what one is called.
const MOST_LEFT: usize = 8;
const MOST_NAME: usize = 64;

/// ASF packets in RTP ([MS-RTSP] 2.2.1).
const WINDOWS_MEDIA: &str = "x-asf-pf";

/// The streams that are played, by their place in the session description.
pub(super) struct Plan {
    pub(super) video: usize,
    pub(super) codec: Codec,
    pub(super) audio: Option<usize>,
    /// What the packets of both are.
    pub(super) forms: Vec<Form>,
    /// What is not taken, and why.
    pub(super) left: Vec<String>,
    /// The tracks, where they are known beforehand.
    pub(super) declared: Option<Vec<Track>>,
    sound: Option<Track>,
    /// Of pictures, as the description tells.
    frame_rate: Option<Rational>,
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
    pub(super) fn of(streams: &[Stream], sdp: &[u8], sound_alone: bool, renamed: &[Sound]) -> Result<Self, End> {
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
        let why_not = |stream: &Stream| match renamed_as(stream, renamed).map(Sound::payload) {
            _ if stream.media() != "audio" => Some("it is no sound"),
            Some(payload) => payload.err(),
            None if codec_of(AUDIO, stream).is_none() => Some("its encoding is not known here"),
            None if stream.parameters().is_none() => Some("its parameters say too little of it"),
            None => None,
        };
        let audio = streams.iter().position(|stream| why_not(stream).is_none());
        let left = streams.iter().enumerate().filter(|(place, _)| *place != video && Some(*place) != audio);
        let left = left.map(|(_, stream)| {
            let why = match (stream.media(), why_not(stream)) {
                ("audio", Some(why)) => why,
                ("audio", None) => "one sound is taken",
                ("video" | "image", _) => "one track of pictures is taken",
                _ => "neither picture nor sound",
            };
            let name = format!("{} {}", stream.media(), name_of(stream, renamed));
            format!("{}: {why}", name.chars().take(MOST_NAME).flat_map(char::escape_debug).collect::<String>())
        });
        let left = left.take(MOST_LEFT).collect();
        let renamed = audio.and_then(|place| renamed_as(&streams[place], renamed));
        let thousandths = streams[video].framerate().map_or(0.0, |rate| f64::from(rate) * 1000.0).round() as u32;
        let mut plan = Self {
            video,
            codec,
            audio,
            forms: Vec::new(),
            left,
            declared: None,
            sound: None,
            frame_rate: Rational::new(thousandths, 1000),
        };
        plan.forms.push(picture_form(codec, &streams[video], sdp));
        if let Some(place) = audio {
            plan.sound = audio_track(&streams[place], renamed);
            plan.forms.push(sound_form(&streams[place], renamed));
        }
        Ok(plan)
    }

    /// The server refuses the sound.
    pub(super) fn without_sound(&mut self) {
        (self.audio, self.sound) = (None, None);
        self.forms.truncate(1);
    }

    /// The sound is this one, as its frames say.
    pub(super) fn hear(&mut self, sound: Track) {
        self.sound = Some(sound);
    }

    /// These tracks, which begin with the pictures, with the sound as it is known now.
    pub(super) fn with_sound(&self, tracks: &[Track]) -> Vec<Track> {
        tracks.first().cloned().map_or_else(Vec::new, |video| self.tracks(video))
    }

    /// The tracks with what the description tells; nothing where it tells too little of the pictures.
    pub(super) fn described(&self, streams: &[Stream]) -> Option<Vec<Track>> {
        let Some(ParametersRef::Video(parameters)) = streams.get(self.video)?.parameters() else { return None };
        Some(self.tracks(self.video_track(parameters)))
    }

    /// The tracks with these parameter sets, in Annex B; nothing where they make no sense.
    pub(super) fn with_parameters(&self, sets: &Bytes) -> Option<Vec<Track>> {
        let syntax = Syntax::of(self.codec)?;
        let encoded =
            |kind: usize| units(sets).find(|unit| syntax.role(unit) == Role::Set(kind)).map(|set| STANDARD.encode(set));
        let (name, fmtp) = match syntax {
            Syntax::H264 => ("h264", format!("sprop-parameter-sets={},{}", encoded(1)?, encoded(2)?)),
            Syntax::H265 => {
                ("h265", format!("sprop-vps={};sprop-sps={};sprop-pps={}", encoded(0)?, encoded(1)?, encoded(2)?))
            }
        };
        let depacketizer = Depacketizer::new("video", name, 90_000, None, Some(&fmtp)).ok()?;
        let Some(ParametersRef::Video(parameters)) = depacketizer.parameters() else { return None };
        Some(self.tracks(Track { extradata: sets.clone(), ..self.video_track(parameters) }))
    }

    /// The tracks with pictures in JPEG of this size.
    pub(super) fn with_jpeg(&self, size: Size) -> Vec<Track> {
        let video = Video { size, frame_rate: self.frame_rate, ..Video::default() };
        self.tracks(track(self.codec, Bytes::new(), Kind::Video(video)))
    }

    fn tracks(&self, video: Track) -> Vec<Track> {
        std::iter::once(video).chain(self.sound.clone()).collect()
    }

    fn video_track(&self, parameters: &VideoParameters) -> Track {
        let (width, height) = parameters.pixel_dimensions();
        // Of one picture, in seconds.
        let duration = parameters.frame_rate().and_then(|(num, den)| Rational::new(den, num));
        let video = Video {
            size: Size::new(width, height),
            frame_rate: duration.or(self.frame_rate),
            sample_aspect: parameters.pixel_aspect_ratio().and_then(|(num, den)| Rational::new(num, den)),
            ..Video::default()
        };
        track(self.codec, Bytes::copy_from_slice(parameters.extra_data()), Kind::Video(video))
    }
}

#[cfg(test)]
impl Plan {
    /// Pictures of a form, and no sound.
    pub(super) fn of_pictures(codec: Codec, payload: Payload) -> Self {
        let forms = vec![Form { clock_rate: 90_000, payload }];
        Self { video: 0, codec, audio: None, forms, left: Vec::new(), declared: None, sound: None, frame_rate: None }
    }
}

/// The packets of the pictures. `sdp` is searched for what `retina` does not tell.
fn picture_form(codec: Codec, stream: &Stream, sdp: &[u8]) -> Form {
    let known = match stream.parameters() {
        Some(ParametersRef::Video(parameters)) => Bytes::copy_from_slice(parameters.extra_data()),
        _ => Bytes::new(),
    };
    let payload = match Syntax::of(codec) {
        Some(syntax) => Payload::Nals { syntax, known, has_order: has_order(sdp, stream.rtp_payload_type()) },
        None => Payload::Jpeg,
    };
    Form { clock_rate: stream.clock_rate_hz(), payload }
}

/// Whether payloads of H.265 tell the order of decoding (RFC 7798 section 7.1).
fn has_order(sdp: &[u8], payload_type: u8) -> bool {
    sounds::parameters(sdp, payload_type).is_some_and(|parameters| {
        parameters.split(';').filter_map(|part| part.split_once('=')).any(|(name, value)| {
            matches!(name.trim(), "sprop-max-don-diff" | "sprop-depack-buf-nalus") && !matches!(value.trim(), "0" | "")
        })
    })
}

fn sound_form(stream: &Stream, renamed: Option<&Sound>) -> Form {
    let samples = match stream.parameters() {
        Some(ParametersRef::Audio(parameters)) => parameters.frame_length().map_or(1024, std::num::NonZeroU32::get),
        _ => 1024,
    };
    let channels = stream.channels().map_or(1, |channels| u32::from(channels.get()));
    let payload = match (renamed, stream.encoding_name()) {
        // What is not taken does not come here.
        (Some(sound), _) => sound.payload().unwrap_or(Payload::Plain { bits: 0 }),
        (None, "mpeg4-generic") => Payload::Aac { samples },
        (None, "l16") => Payload::Plain { bits: 16 * channels },
        (None, name) => Payload::Plain { bits: bits_of_g726(name).unwrap_or(8) * channels },
    };
    Form { clock_rate: stream.clock_rate_hz(), payload }
}

/// Bits a sample, of 8,000 samples a second, of the encodings `g726-16` to `g726-40`.
fn bits_of_g726(name: &str) -> Option<u32> {
    name.strip_prefix("g726-")?.parse::<u32>().ok().map(|kbits| kbits / 8)
}

fn no_video(streams: &[Stream], renamed: &[Sound]) -> Error {
    let names: Vec<_> = streams.iter().map(|stream| name_of(stream, renamed)).collect();
    let found = if names.is_empty() { "no stream".into() } else { format!("only {}", names.join(", ")) };
    Error::NotVideo { what: format!("no video track: {found} in the server's description"), page: false }
}

fn audio_track(stream: &Stream, renamed: Option<&Sound>) -> Option<Track> {
    let Some(ParametersRef::Audio(parameters)) = stream.parameters() else { return None };
    let (sample_rate, channels) = (parameters.clock_rate(), parameters.channels().get());
    if let Some(sound) = renamed {
        let sounds::Form { codec, extradata, channels, bits_per_sample } = sound.form(channels)?;
        let audio = Audio { sample_rate, channels, block_align: 0 };
        return Some(Track { bits_per_sample, ..track(codec, extradata, Kind::Audio(audio)) });
    }
    let codec = AUDIO.iter().find(|(name, _)| *name == stream.encoding_name())?.1;
    // G.722 runs at twice its RTP clock (RFC 3551 section 4.5.2).
    let doubled = if codec.name() == "adpcm_g722" { 2 } else { 1 };
    let audio = Audio { sample_rate: sample_rate * doubled, channels, block_align: 0 };
    let track = track(codec, Bytes::copy_from_slice(parameters.extra_data()), Kind::Audio(audio));
    Some(Track { bits_per_sample: bits_of_g726(stream.encoding_name()).unwrap_or(0), ..track })
}

fn track(codec: Codec, extradata: Bytes, kind: Kind) -> Track {
    Track { id: TrackId(0), codec, tag: 0, extradata, bits_per_sample: 0, bit_rate: 0, kind }
}
