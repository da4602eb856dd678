//! What becomes of a source's tracks on their way out: the same rules for every output.
//!
//! An output is a [`Place`] for tracks: a container by libavformat, our own ASF, RTP. What it
//! holds passes as it is unless something else is asked for; what it has no place for is coded
//! anew in the codec that it is usually filled with. JPEG pictures have a place of their own,
//! [`Jpeg`], since they need not be read one after the other.

use ::rtsp::Packetizer;
use media::{AudioCoding, AvOptions, Codec, Encoding, Kind, SizeWish, Track, Tracks, Variant, VideoCoding, Wish};
use source::{Error, Fate, Pictures, Plan, Recoding, Supervisor};

use crate::server::Refusal;

/// Where tracks go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Place {
    /// A container by the name of FFmpeg's muxer.
    Container(&'static str),
    /// ASF by our own muxer.
    Asf,
    /// RTP, as RTSP and multicast have it.
    Rtp,
    /// A peer of WebRTC.
    WebRtc(Player),
}

/// What a peer of WebRTC plays, by its own word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Player {
    /// H.264.
    pub(crate) h264: bool,
    /// VP8.
    pub(crate) vp8: bool,
    /// Opus.
    pub(crate) opus: bool,
    /// The source's pictures come in another order than they are shown in, so that they cannot pass.
    pub(crate) reorders: bool,
}

impl Player {
    /// Whether it plays `codec`.
    fn plays(self, codec: Codec) -> bool {
        match codec.name() {
            "h264" => self.h264,
            "vp8" => self.vp8,
            "opus" => self.opus,
            _ => false,
        }
    }

    /// The first of `names` that it plays and that there is an encoder for.
    fn first_of(self, names: &[&'static str]) -> Option<Codec> {
        let codecs = names.iter().map(|name| Codec::from_name(name));
        codecs.filter(|codec| self.plays(*codec)).find(|codec| ffmpeg::has_encoder(*codec))
    }
}

/// Codecs of Windows Media, which its players want together.
const WINDOWS_MEDIA: &[&str] = &["wmv1", "wmv2"];
/// The sound beside them.
const WINDOWS_MEDIA_SOUND: &[&str] = &["wmav2", "wmav1"];
/// What is sent by RTP where the source's codec has no payload format; the first that there is
/// an encoder for.
const BY_RTP: &[&str] = &["h264", "mpeg4"];
const SOUND_BY_RTP: &[&str] = &["aac", "opus", "mp2"];

fn first_of(names: &'static [&'static str]) -> Option<Codec> {
    names.iter().map(|name| Codec::from_name(name)).find(|codec| ffmpeg::has_encoder(*codec))
}

fn unsupported(what: String) -> Error {
    Error::Unsupported { what }
}

impl Place {
    /// Whether anything can be coded for it.
    pub(crate) fn is_of_use(self) -> bool {
        self.default_video().is_some() || self.default_audio().is_some()
    }

    /// What it is called in a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Container(name) => name,
            Self::Asf => "asf",
            Self::Rtp => "rtp",
            Self::WebRtc(_) => "webrtc",
        }
    }

    /// Its container, where libavformat writes it.
    fn container(self) -> Option<ffmpeg::Container> {
        match self {
            Self::Container(name) => ffmpeg::Container::find(name).ok(),
            Self::Asf | Self::Rtp | Self::WebRtc(_) => None,
        }
    }

    /// Whether `track` can be put into it as it is.
    pub(crate) fn holds(self, track: &Track) -> bool {
        match self {
            // Demuxers give RealVideo in another form than muxers take.
            Self::Container(_) if track.codec.name().starts_with("rv") => false,
            Self::Container(_) => self.container().is_some_and(|container| container.holds(track)),
            Self::Asf => asf::mux::Muxer::can_carry(track),
            Self::Rtp => Packetizer::has_format(track),
            Self::WebRtc(player) if track.video().is_some() => player.plays(track.codec) && !player.reorders,
            Self::WebRtc(player) => player.plays(track.codec),
        }
    }

    /// Whether it has a place for what an encoder of `codec` makes.
    pub(crate) fn takes(self, codec: Codec) -> bool {
        let picture = Track { codec, ..Track::mjpeg(media::Size::default()) };
        let (sample_rate, channels) = self.container().and_then(|container| container.sound()).unwrap_or((8000, 1));
        let sound = media::Audio { sample_rate, channels, block_align: 0 };
        let kind = if ffmpeg::is_video(codec) { picture.kind.clone() } else { Kind::Audio(sound) };
        let track = Track { kind, ..picture };
        match self {
            Self::Container(_) => self.container().is_some_and(|container| container.holds(&track)),
            Self::WebRtc(player) => player.plays(codec),
            Self::Asf | Self::Rtp => self.holds(&track),
        }
    }

    pub(crate) fn default_video(self) -> Option<Codec> {
        match self {
            Self::Container(_) => self.container()?.default_video(),
            Self::Asf => first_of(&["wmv2"]),
            Self::Rtp => first_of(BY_RTP),
            Self::WebRtc(player) => player.first_of(&["h264", "vp8"]),
        }
    }

    pub(crate) fn default_audio(self) -> Option<Codec> {
        match self {
            Self::Container(_) => self.container()?.default_audio(),
            Self::Asf => first_of(&["wmav2"]),
            Self::Rtp => first_of(SOUND_BY_RTP),
            Self::WebRtc(player) => player.first_of(&["opus"]),
        }
    }

    /// What it holds, for a sentence.
    pub(crate) fn tell(self) -> String {
        const ASKED: &[&str] = &[
            "h264",
            "hevc",
            "mpeg4",
            "mpeg2video",
            "mjpeg",
            "vp8",
            "vp9",
            "wmv1",
            "wmv2",
            "wmav2",
            "aac",
            "mp3",
            "mp2",
            "opus",
        ];
        match self.container() {
            Some(container) => container.tell(),
            None => {
                let held = ASKED.iter().filter(|name| self.takes(Codec::from_name(name)));
                held.copied().collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// What becomes of a source with these tracks.
    ///
    /// # Errors
    /// When nothing of it has a place here.
    pub(crate) fn plan(self, encoding: &Encoding, tracks: &Tracks) -> Result<Plan, Error> {
        let name = self.name();
        if let Self::Container(name) = self {
            ffmpeg::Container::find(name).map_err(|error| unsupported(error.to_string()))?;
        }
        let video = self.video(encoding, tracks.video());
        let audio = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
        let plan = Plan { video, audio: self.audio(encoding, audio, &video) };
        if (plan.video, plan.audio) == (Fate::Off, Fate::Off) {
            if audio.is_none() && self.default_video().is_none() {
                return Err(unsupported(format!("there is no sound in it, and {name} has nothing else")));
            }
            let there: Vec<_> = tracks.iter().map(|track| track.codec.name()).collect();
            let what = format!("{name} holds nothing of it ({}); it holds {}", there.join(", "), self.tell());
            return Err(unsupported(what));
        }
        Ok(plan)
    }

    fn video(self, encoding: &Encoding, track: Option<&Track>) -> Fate<Variant> {
        let Some(track) = track else { return Fate::Off };
        match &encoding.video {
            Wish::Off => Fate::Off,
            Wish::Fit if self.holds(track) => Fate::Pass,
            Wish::Fit => self
                .default_video()
                .map_or(Fate::Off, |codec| Fate::Coded(Variant { codec: Some(codec), ..Variant::default() })),
            Wish::Coded(variant) => {
                let codec = variant.codec.or_else(|| self.default_video());
                let wish = Variant { codec, ..*variant };
                let plain = wish == Variant { codec, ..Variant::default() };
                let held = self.holds(track);
                // What was encoded elsewhere for this stream is what it is to be.
                let kept = encoding.keep && is_like(variant, track) && held;
                match codec {
                    _ if kept && variant.codec.is_none_or(|codec| codec == track.codec) => Fate::Pass,
                    Some(codec) if track.codec == codec && plain && held => Fate::Pass,
                    Some(Codec::MJPEG) if self == Self::Rtp => Fate::Coded(with_plain_tables(wish)),
                    Some(_) => Fate::Coded(wish),
                    None => Fate::Off,
                }
            }
        }
    }

    fn audio(self, encoding: &Encoding, track: Option<&Track>, video: &Fate<Variant>) -> Fate<AudioCoding> {
        let Some(track) = track else { return Fate::Off };
        // Whoever has pictures coded for players of Windows Media wants to hear something there.
        let is_windows_media = |codec: &Codec| WINDOWS_MEDIA.contains(&codec.name());
        let for_windows = self == Self::Asf
            && matches!(video, Fate::Coded(variant) if variant.codec.as_ref().is_some_and(is_windows_media));
        let passes = self.holds(track) && (!for_windows || WINDOWS_MEDIA_SOUND.contains(&track.codec.name()));
        match &encoding.audio {
            Wish::Off => Fate::Off,
            Wish::Fit if passes => Fate::Pass,
            Wish::Fit => match self.default_audio() {
                Some(codec) if ffmpeg::has_decoder(track.codec) => {
                    Fate::Coded(self.shaped(AudioCoding { codec: Some(codec), ..AudioCoding::default() }))
                }
                _ => Fate::Off,
            },
            Wish::Coded(coding) => {
                let codec = coding.codec.or_else(|| self.default_audio());
                let wish = AudioCoding { codec, ..*coding };
                let plain = wish == AudioCoding { codec, ..AudioCoding::default() };
                let like = matches!(&track.kind, Kind::Audio(audio)
                    if wish.channels.is_none_or(|channels| channels == audio.channels)
                        && wish.sample_rate.is_none_or(|rate| rate == audio.sample_rate));
                let kept = encoding.keep && like && passes;
                match codec {
                    _ if kept && coding.codec.is_none_or(|codec| codec == track.codec) => Fate::Pass,
                    Some(codec) if track.codec == codec && plain => Fate::Pass,
                    Some(_) => Fate::Coded(self.shaped(wish)),
                    None => Fate::Off,
                }
            }
        }
    }

    /// Sound of the one shape that there may be.
    fn shaped(self, coding: AudioCoding) -> AudioCoding {
        if let Self::WebRtc(_) = self {
            return AudioCoding { sample_rate: Some(48_000), channels: Some(2), ..coding };
        }
        match self.container().and_then(|container| container.sound()) {
            Some((rate, channels)) => AudioCoding { sample_rate: Some(rate), channels: Some(channels), ..coding },
            None => coding,
        }
    }
}

/// Whether `track` comes in the size and at the rate that `variant` asks for.
fn is_like(variant: &Variant, track: &Track) -> bool {
    let Some(video) = track.video() else { return false };
    let sized = variant.size == SizeWish::Own || variant.size.of(video.size) == video.size;
    let is_slower = |rate: media::Rate| video.sane_frame_rate().is_some_and(|fps| fps <= rate.per_second());
    sized && variant.rate.is_none_or(is_slower)
}

/// RTP has no place for Huffman tables of a picture's own (RFC 2435 section 3.1.9).
fn with_plain_tables(wish: Variant) -> Variant {
    let tables = ("huffman".to_owned(), "default".to_owned());
    let said = wish.coding.options.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = AvOptions::new(said.chain([tables])).unwrap_or(wish.coding.options);
    Variant { coding: VideoCoding { options, ..wish.coding }, ..wish }
}

/// JPEG pictures, as they are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Jpeg {
    pub(crate) variant: Variant,
    /// What comes in the size asked for already stays as it is.
    keep: bool,
}

impl Jpeg {
    /// The pictures of `encoding`.
    ///
    /// # Errors
    /// When it leaves pictures out, or asks for another codec.
    pub(crate) fn of(encoding: &Encoding) -> Result<Self, Refusal> {
        let variant = match &encoding.video {
            Wish::Off => return Err(Refusal::bad_request("without pictures nothing is left of it")),
            Wish::Fit => Variant::default(),
            Wish::Coded(variant) => *variant,
        };
        if let Some(codec) = variant.codec.filter(|codec| *codec != Codec::MJPEG) {
            let what = format!("codec={codec}: pictures are JPEG here; ask for another format, as .ts or .asf");
            return Err(Refusal::bad_request(what));
        }
        // What libjpeg-turbo does not know of is for libavcodec's encoder.
        let codec = (variant.coding != VideoCoding::default()).then_some(Codec::MJPEG);
        Ok(Self { variant: Variant { codec, ..variant }, keep: encoding.keep })
    }

    /// The same without a bound on how many there are.
    pub(crate) fn at_any_rate(self) -> Self {
        Self { variant: Variant { rate: None, ..self.variant }, ..self }
    }

    /// A reader of every one.
    pub(crate) fn pictures(self, source: &Supervisor) -> Pictures {
        source.variants().pictures(self.variant).keeping(self.keep)
    }

    /// A reader that is content with keyframes.
    pub(crate) fn keyframes(self, source: &Supervisor) -> Pictures {
        source.variants().keyframes(self.variant).keeping(self.keep)
    }

    /// What becomes of the past.
    pub(crate) fn recoding(self) -> Recoding {
        Recoding::jpeg(self.variant, self.keep)
    }
}
