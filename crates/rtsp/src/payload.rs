//! Access units into RTP packets, one file a family of payload formats.

use bytes::Bytes;
use media::nal::Syntax;
use media::{Codec, Kind, Packet, Rational, Size, Timestamp, Track};

use crate::Error;
use crate::rtp::{Origin, Writer};

mod aac;
pub(crate) mod fuzzed;
mod jpeg;
mod mpeg;
mod nal;
mod sound;
mod vp8;

/// Bytes of a payload, so that a datagram fits into a packet of most networks.
pub const MTU: usize = 1400;
/// The least payload: the longest payload headers (RFC 2435's tables) and some picture.
const LEAST_MTU: usize = 200;
/// The first dynamic payload type (RFC 3551 section 6).
const DYNAMIC: u8 = 96;
/// The clock of everything that shows pictures.
const VIDEO_CLOCK: u32 = 90_000;

/// What a session description says of a track (RFC 8866).
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// `video` or `audio`.
    pub kind: &'static str,
    /// The RTP payload type.
    pub payload_type: u8,
    /// Encoding, clock and channels, as in `a=rtpmap`.
    pub rtpmap: String,
    /// Parameters as in `a=fmtp`; often empty.
    pub fmtp: String,
    /// Ticks of the RTP clock in a second.
    pub clock_rate: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// In bit/s, 0 when unknown.
    pub bit_rate: u64,
    /// Of pictures; 0 × 0 when unknown.
    pub size: Size,
    /// Pictures a second, as declared.
    pub frame_rate: Option<Rational>,
    /// RTP time at the feed's zero.
    zero: u32,
}

impl Media {
    /// An instant of the feed's timeline in RTP time.
    #[must_use]
    pub fn timestamp(&self, at: Timestamp) -> u32 {
        // RTP time goes round (RFC 3550 section 5.1).
        self.zero.wrapping_add(at.to_ticks(1, self.clock_rate) as u32)
    }
}

/// What a payload format is called and configured with.
struct Format {
    /// A number of RFC 3551 table 4 or 5, where it has one that fits.
    fixed: Option<u8>,
    encoding: String,
    clock_rate: u32,
    fmtp: String,
}

impl Format {
    fn video(encoding: &str, fixed: Option<u8>, fmtp: String) -> Self {
        Self { fixed, encoding: format!("{encoding}/{VIDEO_CLOCK}"), clock_rate: VIDEO_CLOCK, fmtp }
    }
}

/// The codecs of pictures that [`Packetizer::new`] has a format for.
const VIDEO_CODECS: &[&str] = &["h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "vp8"];

/// The packets of one track.
#[derive(Debug)]
pub struct Packetizer {
    codec: Codec,
    payload: Payload,
    writer: Writer,
    media: Media,
}

#[derive(Debug)]
enum Payload {
    Nal(nal::Nal),
    Mpeg4,
    MpegVideo,
    Jpeg,
    Vp8(vp8::Vp8),
    Aac(aac::Aac),
    MpegAudio,
    Sound(sound::Sound),
}

impl Packetizer {
    /// Whether there is a payload format for the codec of `track`.
    #[must_use]
    pub fn has_format(track: &Track) -> bool {
        match &track.kind {
            Kind::Video(_) => VIDEO_CODECS.contains(&track.codec.name()),
            Kind::Audio(audio) => {
                matches!(track.codec.name(), "aac" | "mp2" | "mp3")
                    || sound::Sound::describe(track.codec, audio).is_ok()
            }
            Kind::Data => false,
        }
    }

    /// For a track, its `number` among those that are described; `first` is a keyframe of it,
    /// whose parameters are told where the track has none. Payloads have at most `mtu` bytes.
    ///
    /// # Errors
    /// When there is no payload format for it, or its parameters are wrong.
    pub fn new(track: &Track, first: &[u8], number: u8, origin: Origin, mtu: usize) -> Result<Self, Error> {
        let codec = track.codec;
        let audio = match &track.kind {
            Kind::Audio(audio) => Some(audio),
            _ => None,
        };
        let (payload, format) = match (codec.name(), audio) {
            ("h264", _) => nal::Nal::describe(Syntax::H264, &track.extradata, first),
            ("hevc", _) => nal::Nal::describe(Syntax::H265, &track.extradata, first),
            ("mpeg4", _) => mpeg::describe_mpeg4(&track.extradata, first),
            ("mpeg1video" | "mpeg2video", _) => (Payload::MpegVideo, Format::video("MPV", Some(32), String::new())),
            ("mjpeg", _) => {
                if !first.is_empty() {
                    jpeg::check(first)?;
                }
                (Payload::Jpeg, Format::video("JPEG", Some(26), String::new()))
            }
            ("vp8", _) => (Payload::Vp8(vp8::Vp8::default()), Format::video("VP8", None, String::new())),
            ("aac", Some(_)) => aac::Aac::describe(codec, &track.extradata, first)?,
            ("mp2" | "mp3", Some(_)) => (
                Payload::MpegAudio,
                Format { fixed: Some(14), encoding: "MPA/90000".into(), clock_rate: 90_000, fmtp: String::new() },
            ),
            (_, Some(audio)) => sound::Sound::describe(codec, audio)?,
            _ => return Err(Error::Codec(codec)),
        };
        let payload_type = format.fixed.unwrap_or(DYNAMIC + (number & 0x1F));
        let video = track.video();
        let media = Media {
            kind: if video.is_some() { "video" } else { "audio" },
            payload_type,
            rtpmap: format.encoding,
            fmtp: format.fmtp,
            clock_rate: format.clock_rate,
            ssrc: origin.ssrc,
            bit_rate: track.bit_rate,
            size: video.map(|video| video.size).unwrap_or_default(),
            frame_rate: video.and_then(|video| video.frame_rate),
            zero: origin.timestamp,
        };
        let channel = (number & 0x7F) * 2;
        let writer = Writer::new(origin, payload_type, channel, mtu.clamp(LEAST_MTU, usize::from(u16::MAX) / 2));
        Ok(Self { codec, payload, writer, media })
    }

    /// How it is described.
    #[must_use]
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// Its number among the tracks that are described.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.writer.channel / 2
    }

    /// The numbers from here on, for a packetizer that goes on after this one.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { sequence: self.writer.sequence(), ..self.writer.origin }
    }

    /// The packets of an access unit as one block ([`crate::rtp::packets`]); empty if there is
    /// nothing in it to send.
    ///
    /// # Errors
    /// [`Error::Unit`] when the payload format has no room for it.
    pub fn pack(&mut self, packet: &Packet) -> Result<Bytes, Error> {
        let unit = &packet.data[..];
        self.writer.begin(self.media.timestamp(packet.pts), unit.len());
        let writer = &mut self.writer;
        match &mut self.payload {
            Payload::Nal(nal) => nal.pack(writer, unit, packet.key),
            Payload::Mpeg4 => mpeg::pack_mpeg4(writer, unit),
            Payload::MpegVideo => mpeg::pack_video(writer, unit),
            Payload::Jpeg => jpeg::pack(writer, unit)?,
            Payload::Vp8(vp8) => vp8.pack(writer, unit),
            Payload::Aac(aac) => aac.pack(writer, unit).map_err(|what| Error::Unit { codec: self.codec, what })?,
            Payload::MpegAudio => mpeg::pack_audio(writer, unit),
            Payload::Sound(sound) => {
                sound.pack(writer, unit).map_err(|what| Error::Unit { codec: self.codec, what })?;
            }
        }
        Ok(self.writer.end())
    }
}

/// Bytes as they stand in `a=fmtp`.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests;
