//! The first packet: what the streams are, or shall be.

use bytes::Bytes;
use media::{Audio, Codec, Rational, Size, Track, TrackId, Video};

use crate::fields::Fields;
use crate::{Error, MAX_STREAMS, PACKET, codec, legacy, options};

/// A codec has extradata in the header, and not in its frames.
const GLOBAL_HEADER: u32 = 1 << 22;

/// What a feed says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its streams, in order of their numbers.
    pub streams: Vec<Stream>,
    /// Where the next packet would be written in a file; 0 on the wire.
    pub write_index: u64,
}

/// Pictures or sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// A stream of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The codec's number in the enumeration of the FFmpegs that write FFM ([`crate::name_of`]).
    pub codec: u32,
    /// What it carries.
    pub kind: Kind,
    /// bit/s; 0 where it is not said.
    pub bit_rate: u32,
    /// The codec's flags.
    pub flags: u32,
    /// The codec's four letters in another container, 0 where there are none.
    pub tag: u32,
    /// Options that all encoders have, by FFmpeg's names: `video_size`, `time_base`, `ar`.
    pub options: Vec<(String, String)>,
    /// Options of its encoder alone.
    pub private: Vec<(String, String)>,
    /// What its decoder has to know.
    pub extradata: Bytes,
}

impl Stream {
    /// A stream of the codec that FFmpeg calls `name`, if it is one that FFM can name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let codec = codec::id_of(name)?;
        let kind = if codec < 0x1_0000 { Kind::Video } else { Kind::Audio };
        let (options, private, extradata) = (Vec::new(), Vec::new(), Bytes::new());
        Some(Self { codec, kind, bit_rate: 0, flags: 0, tag: 0, options, private, extradata })
    }

    /// The value of an option; the last one counts.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, key: &str, value: String) {
        self.options.push((key.into(), value));
    }

    fn number(&self, keys: &[&str]) -> u32 {
        keys.iter().find_map(|key| self.option(key)?.parse().ok()).unwrap_or(0)
    }

    /// Its description for decoders, as the track number `at`.
    ///
    /// # Errors
    /// When its codec is not known.
    pub fn track(&self, at: usize) -> Result<Track, Error> {
        let codec = codec::name_of(self.codec).ok_or(Error::Codec { stream: at, id: self.codec })?;
        let kind = match self.kind {
            Kind::Video => media::Kind::Video(Video {
                size: self.option("video_size").and_then(size).unwrap_or_default(),
                pixel_format: self.option("pixel_format").map(str::to_owned),
                // The clock of an encoder ticks once a picture.
                frame_rate: self.option("time_base").and_then(rate),
                ..Video::default()
            }),
            Kind::Audio => media::Kind::Audio(Audio {
                sample_rate: self.number(&["ar"]),
                channels: u16::try_from(self.number(&["ac"])).unwrap_or(0),
                block_align: self.number(&["block_align"]),
            }),
        };
        Ok(Track {
            id: TrackId(u8::try_from(at).unwrap_or(u8::MAX)),
            codec: Codec::from_name(codec),
            tag: self.tag,
            extradata: self.extradata.clone(),
            bits_per_sample: 0,
            bit_rate: self.bit_rate.into(),
            kind,
        })
    }

    /// The fields that begin every stream, with extradata at their end in FFM2.
    fn read(fields: &mut Fields<'_>) -> Result<Self, Error> {
        let (codec, kind, bit_rate, flags) = (fields.u32()?, fields.u8()?, fields.u32()?, fields.u32()?);
        // A second set of flags, and those of debugging.
        fields.take(8)?;
        let kind = if kind == 0 { Kind::Video } else { Kind::Audio };
        let (options, private, extradata) = (Vec::new(), Vec::new(), Bytes::new());
        Ok(Self { codec, kind, bit_rate, flags, tag: 0, options, private, extradata })
    }

    fn read_extradata(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
        if self.flags & GLOBAL_HEADER != 0 {
            let length = fields.length()?;
            self.extradata = Bytes::copy_from_slice(fields.take(length)?);
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        let has_extradata = !self.extradata.is_empty();
        let flags = if has_extradata { self.flags | GLOBAL_HEADER } else { self.flags & !GLOBAL_HEADER };
        chunk(out, b"COMM", |out| {
            out.extend(self.codec.to_be_bytes());
            out.push(u8::from(self.kind == Kind::Audio));
            [self.bit_rate, flags, 0, 0].iter().for_each(|number| out.extend(number.to_be_bytes()));
            if has_extradata {
                out.extend((self.extradata.len() as u32).to_be_bytes());
                out.extend_from_slice(&self.extradata);
            }
        });
        let name = if self.kind == Kind::Video { b"S2VI" } else { b"S2AU" };
        if !self.options.is_empty() {
            chunk(out, name, |out| options::write(&self.options, out));
        }
        if !self.private.is_empty() {
            chunk(out, b"CPRV", |out| options::write(&self.private, out));
        }
    }
}

/// `WIDTHxHEIGHT`.
fn size(text: &str) -> Option<Size> {
    let (width, height) = text.split_once('x')?;
    Some(Size::new(width.parse().ok()?, height.parse().ok()?))
}

/// The rate of a clock of `NUM/DEN` seconds.
fn rate(text: &str) -> Option<Rational> {
    let (num, den) = text.split_once('/')?;
    Rational::new(den.parse().ok().filter(|den| *den > 0)?, num.parse().ok()?)
}

/// Appends a chunk of FFM2: name, size, content.
fn chunk(out: &mut Vec<u8>, name: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(name);
    let at = out.len();
    out.extend([0; 4]);
    content(out);
    let size = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&size.to_be_bytes());
}

impl Header {
    /// Reads the first packet of a feed.
    ///
    /// # Errors
    /// When it is none, or cut off. Codecs that are not known are no error yet
    /// ([`Stream::track`]).
    pub fn parse(packet: &[u8; PACKET]) -> Result<Self, Error> {
        let mut fields = Fields::new(packet, 0, "the feed's head");
        let magic = fields.take(4)?;
        let is_first = magic == b"FFM1";
        if !is_first && magic != b"FFM2" {
            return Err(Error::NotFfm { found: String::from_utf8_lossy(magic).into_owned() });
        }
        let found = fields.u32()?;
        if found != PACKET as u32 {
            return Err(Error::PacketSize { found });
        }
        let write_index = fields.u64()?;
        let streams = if is_first { streams_of_first(&mut fields)? } else { streams_of_second(&mut fields)? };
        match streams.len() {
            1..=MAX_STREAMS => Ok(Self { streams, write_index }),
            count => Err(Error::Streams { count: count as u64 }),
        }
    }

    /// As the first packet of an FFM2 feed.
    ///
    /// # Errors
    /// When it does not fit into one.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let mut out = b"FFM2".to_vec();
        out.extend((PACKET as u32).to_be_bytes());
        out.extend(self.write_index.to_be_bytes());
        let bit_rate = self.streams.iter().fold(0_u32, |sum, stream| sum.saturating_add(stream.bit_rate));
        chunk(&mut out, b"MAIN", |out| {
            out.extend((self.streams.len() as u32).to_be_bytes());
            out.extend(bit_rate.to_be_bytes());
        });
        self.streams.iter().for_each(|stream| stream.write(&mut out));
        // A chunk without a name ends them.
        if out.len() + 8 > PACKET {
            return Err(Error::TooLong { bytes: out.len() + 8 });
        }
        out.resize(PACKET, 0);
        Ok(out)
    }
}

fn streams_of_first(fields: &mut Fields<'_>) -> Result<Vec<Stream>, Error> {
    let (count, _bit_rate) = (fields.u32()?, fields.u32()?);
    if count as usize > MAX_STREAMS {
        return Err(Error::Streams { count: count.into() });
    }
    let stream = |_| {
        let mut stream = Stream::read(fields)?;
        match stream.kind {
            Kind::Video => legacy::video(&mut stream, fields)?,
            Kind::Audio => legacy::audio(&mut stream, fields)?,
        }
        stream.read_extradata(fields)?;
        Ok(stream)
    };
    (0..count).map(stream).collect()
}

fn streams_of_second(fields: &mut Fields<'_>) -> Result<Vec<Stream>, Error> {
    let mut streams: Vec<Stream> = Vec::new();
    loop {
        let (name, length) = (fields.take(4)?, fields.length()?);
        if name == [0; 4] {
            return Ok(streams);
        }
        let at = fields.at();
        let mut content = Fields::new(fields.take(length)?, at, "a chunk");
        match (name, streams.last_mut()) {
            (b"MAIN", _) => {
                let count = content.u32()?;
                if count as usize > MAX_STREAMS {
                    return Err(Error::Streams { count: count.into() });
                }
            }
            (b"COMM", _) => {
                if streams.len() == MAX_STREAMS {
                    return Err(Error::Streams { count: MAX_STREAMS as u64 + 1 });
                }
                let mut stream = Stream::read(&mut content)?;
                stream.read_extradata(&mut content)?;
                streams.push(stream);
            }
            (b"S2VI" | b"S2AU", Some(stream)) => stream.options.extend(options::parse(content.rest())),
            (b"CPRV", Some(stream)) => stream.private.extend(options::parse(content.rest())),
            (b"STVI", Some(stream)) => legacy::video(stream, &mut content)?,
            (b"STAU", Some(stream)) => legacy::audio(stream, &mut content)?,
            // What a later writer may have added.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
