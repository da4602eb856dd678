//! What a header says of each stream: a BITMAPINFOHEADER for pictures (section 9.2), a
//! WAVEFORMATEX for sound (section 9.1).

use std::borrow::Cow;

use bytes::BufMut;
use media::{Audio, Kind, Track, Video};

use crate::codec;

/// What sizes of codec data fit: the format's own size has 16 bits.
const MAX_EXTRADATA: usize = 65_535 - BITMAP_HEAD;

/// Bytes of a BITMAPINFOHEADER without codec data.
const BITMAP_HEAD: usize = 40;

/// What VC-1's codec data begin with in ASF, before the first start code; decoders skip it.
/// Other writers that had none put this value.
const VC1_BINDING: u8 = 0x25;

/// One track, as a stream of ASF.
pub(super) struct Stream {
    pub(super) number: u8,
    pub(super) track: Track,
    /// FourCC or format tag.
    tag: u32,
    /// Bits a sample, where the tag implies them.
    bits: Option<u16>,
    object: u8,
}

pub(super) fn can_carry(track: &Track) -> bool {
    tag(track).is_some()
}

fn tag(track: &Track) -> Option<(u32, Option<u16>)> {
    match track.kind {
        _ if track.extradata.len() > MAX_EXTRADATA => None,
        // Some encoders write it, but no player reads it: FFmpeg's demuxer has no name for it.
        Kind::Video(_) if track.codec == media::Codec::HEVC => None,
        Kind::Video(_) => codec::video_tag(track.codec, track.tag).map(|tag| (tag, None)),
        Kind::Audio(_) => {
            // The other tags of AAC want more before the AudioSpecificConfig than that.
            let wanted = if track.codec.name() == "aac" { 0 } else { track.tag };
            codec::audio_tag(track.codec, wanted).map(|(tag, bits)| (tag.into(), bits))
        }
        Kind::Data => None,
    }
}

impl Stream {
    pub(super) fn new(number: u8, track: &Track) -> Option<Self> {
        let (tag, bits) = tag(track)?;
        // The first object has number 0.
        Some(Self { number, track: track.clone(), tag, bits, object: u8::MAX })
    }

    pub(super) fn is_video(&self) -> bool {
        self.track.video().is_some()
    }

    /// Objects are numbered from 0 to 255 and again.
    pub(super) fn next_object(&mut self) -> u8 {
        self.object = self.object.wrapping_add(1);
        self.object
    }

    /// Bit rate in bit/s: what the track declares, or a guess, since players size their
    /// buffers by it.
    pub(super) fn bit_rate(&self) -> u32 {
        let guess = match &self.track.kind {
            // A tenth of a bit a pixel: old cameras send more, H.264 less.
            Kind::Video(video) if video.size.pixels() > 0 => {
                (video.size.pixels() as f64 * video.sane_frame_rate().unwrap_or(25.0) / 10.0) as u64
            }
            Kind::Video(_) => 1_000_000,
            Kind::Audio(audio) => self.audio_bit_rate(audio),
            Kind::Data => 0,
        };
        let declared = self.track.bit_rate;
        u32::try_from(if declared > 0 { declared } else { guess }).unwrap_or(u32::MAX)
    }

    fn audio_bit_rate(&self, audio: &Audio) -> u64 {
        let samples = u64::from(audio.sample_rate) * u64::from(audio.channels);
        match (self.track.codec.name(), audio.block_align) {
            (name, _) if name.starts_with("pcm_") => samples * u64::from(self.sample_bits()),
            // Superframes of 2048 samples at 22 kHz and more, as most files have.
            ("wmav1" | "wmav2", block) if block > 0 => u64::from(block) * 8 * u64::from(audio.sample_rate) / 2048,
            _ => 64_000 * u64::from(audio.channels.max(1)),
        }
    }

    /// The name for the Codec List Object.
    pub(super) fn name(&self) -> String {
        self.track.codec.name().to_ascii_uppercase()
    }

    /// The bytes that stand for the codec in the Codec List Object: FourCC or format tag.
    pub(super) fn codec_information(&self) -> Vec<u8> {
        match self.is_video() {
            true => self.tag.to_le_bytes().to_vec(),
            false => (self.tag as u16).to_le_bytes().to_vec(),
        }
    }

    /// Time from one picture to the next in 100 ns, 0 where nobody knows.
    pub(super) fn time_per_frame(&self) -> u64 {
        let rate = self.track.video().and_then(Video::sane_frame_rate);
        rate.map_or(0, |rate| (10_000_000.0 / rate).round() as u64)
    }

    /// The type-specific data of the Stream Properties Object.
    pub(super) fn format(&self, out: &mut Vec<u8>) {
        match &self.track.kind {
            Kind::Video(video) => self.bitmap(video, out),
            Kind::Audio(audio) => self.wave(audio, out),
            Kind::Data => {}
        }
    }

    fn bitmap(&self, video: &Video, out: &mut Vec<u8>) {
        let data = self.codec_data();
        let size = BITMAP_HEAD + data.len();
        let bits = match self.track.bits_per_sample {
            // FFmpeg takes the codec data of a picture of 8 bits for its palette.
            bits @ 1..=15 if self.track.codec.name().starts_with("mss") => bits as u16,
            bits @ 16..=32 => bits as u16,
            _ => 24,
        };
        out.put_u32_le(video.size.width);
        out.put_u32_le(video.size.height);
        out.put_u8(2);
        out.put_u16_le(size as u16);

        out.put_u32_le(size as u32);
        out.put_u32_le(video.size.width);
        out.put_u32_le(video.size.height);
        out.put_u16_le(1);
        out.put_u16_le(bits);
        out.put_u32_le(self.tag);
        out.put_u32_le(u32::try_from(video.size.pixels().saturating_mul(u64::from(bits)) / 8).unwrap_or(0));
        out.put_bytes(0, 16);
        out.put_slice(&data);
    }

    /// libavcodec's extradata as ASF has them.
    fn codec_data(&self) -> Cow<'_, [u8]> {
        let data = &self.track.extradata[..];
        match self.track.codec.name() {
            "vc1" | "vc1image" if data.starts_with(&[0, 0, 1]) => [&[VC1_BINDING], data].concat().into(),
            _ => data.into(),
        }
    }

    fn wave(&self, audio: &Audio, out: &mut Vec<u8>) {
        let extra = self.wave_extra(audio);
        out.put_u16_le(self.tag as u16);
        out.put_u16_le(audio.channels);
        out.put_u32_le(audio.sample_rate);
        out.put_u32_le(self.bit_rate().div_ceil(8));
        out.put_u16_le(self.block_align(audio));
        out.put_u16_le(self.sample_bits());
        out.put_u16_le(extra.len() as u16);
        out.put_slice(&extra);
    }

    /// What stands in the field for bits a sample.
    fn sample_bits(&self) -> u16 {
        let declared = u16::try_from(self.track.bits_per_sample).unwrap_or(0);
        match (self.bits, self.track.codec.name()) {
            (Some(bits), _) => bits,
            (None, "mp2" | "mp3" | "gsm_ms" | "g723_1") => 0,
            (None, "pcm_alaw" | "pcm_mulaw") => 8,
            (None, "adpcm_ms" | "adpcm_ima_wav") => 4,
            (None, _) if declared > 0 => declared,
            (None, _) => 16,
        }
    }

    /// What stands in the field for the size of a block, in bytes.
    fn block_align(&self, audio: &Audio) -> u16 {
        let whole = u32::from(audio.channels) * u32::from(self.sample_bits()) / 8;
        let block = match self.track.codec.name() {
            _ if audio.block_align > 0 => audio.block_align,
            name if name.starts_with("pcm_") => whole,
            // Samples of a frame, as Windows' own MP3 codec wants it.
            "mp3" => {
                if audio.sample_rate > 28_000 {
                    1152
                } else {
                    576
                }
            }
            "mp2" => 1152,
            "aac" => 768 * u32::from(audio.channels),
            _ => whole,
        };
        u16::try_from(block.max(1)).unwrap_or(u16::MAX)
    }

    /// What follows a WAVEFORMATEX: extradata, or what Windows' decoders of MPEG audio want there.
    fn wave_extra(&self, audio: &Audio) -> Cow<'_, [u8]> {
        let mut extra = Vec::new();
        match self.track.codec.name() {
            _ if !self.track.extradata.is_empty() => return self.track.extradata[..].into(),
            // MPEGLAYER3WAVEFORMAT: id, flags (padding or not is not told), block size, frames
            // of a block, delay of the codec.
            "mp3" => {
                extra.put_u16_le(1);
                extra.put_u32_le(2);
                extra.put_u16_le(self.block_align(audio));
                extra.put_u16_le(1);
                extra.put_u16_le(1393);
            }
            // MPEG1WAVEFORMAT: layer II, bit rate, stereo or one channel, no extension, no
            // emphasis, MPEG-1, no time stamps.
            "mp2" => {
                extra.put_u16_le(2);
                extra.put_u32_le(self.bit_rate());
                extra.put_u16_le(if audio.channels == 1 { 8 } else { 1 });
                extra.put_u16_le(0);
                extra.put_u16_le(1);
                extra.put_u16_le(16);
                extra.put_u64_le(0);
            }
            _ => {}
        }
        extra.into()
    }
}

/// The packet size that fits the bit rate: a tenth of a second, rounded up to 100 bytes.
pub(super) fn packet_size(streams: &[Stream]) -> u32 {
    let known = streams.iter().filter(|stream| stream.is_video()).all(|stream| stream.track.bit_rate > 0);
    let bits: u64 = streams.iter().map(|stream| u64::from(stream.bit_rate())).sum();
    match known {
        true => u32::try_from(bits / 8 / 10).unwrap_or(u32::MAX).clamp(1400, 8000).next_multiple_of(100),
        false => 8000,
    }
}

/// What the stream is to the Stream Properties Object.
pub(super) fn media_type(stream: &Stream) -> crate::guid::Guid {
    match stream.is_video() {
        true => crate::guid::VIDEO_MEDIA,
        false => crate::guid::AUDIO_MEDIA,
    }
}
