//! Container formats that are written: what each holds, and how it is written live.

use std::ffi::{CString, c_int, c_uint};
use std::ptr;

use media::{Codec, Kind, Track};

use crate::error::Error;
use crate::{ffi, int_of, static_str, track};

/// A container format, by the name of FFmpeg's muxer.
#[derive(Clone, Copy)]
pub struct Container {
    format: &'static ffi::AVOutputFormat,
    pub(super) row: &'static Row,
}

/// What is to be known of a muxer that writes without end, for readers who join anywhere.
pub(super) struct Row {
    name: &'static str,
    /// The codecs it holds, where libavformat cannot be asked.
    holds: &'static [&'static str],
    /// The codecs that it takes and that nobody can decode out of it.
    lacks: &'static [&'static str],
    /// The only sample rate and number of channels of its sound.
    sound: Option<(u32, u16)>,
    /// The codec of pictures that it is filled with, where that is not FFmpeg's choice; the first one
    /// that there is an encoder for.
    video: &'static [&'static str],
    /// The same of sound.
    audio: &'static [&'static str],
    /// The muxer's options.
    pub(super) options: &'static [(&'static str, &'static str)],
    /// Pictures have no times but a rate.
    pub(super) constant_rate: bool,
    /// Keyframes carry the parameter sets, since nothing else does.
    pub(super) in_band: bool,
    /// Readers who join at a keyframe can go on from there with what the header is.
    joinable: bool,
}

const PLAIN: Row = Row {
    name: "",
    holds: &[],
    lacks: &[],
    sound: None,
    video: &[],
    audio: &[],
    options: &[],
    constant_rate: false,
    in_band: false,
    joinable: true,
};

/// A muxer that nobody has looked at: everybody gets one of their own.
static UNKNOWN: Row = Row { joinable: false, ..PLAIN };

/// MP4 and its kin in fragments, which need no way back.
const IN_FRAGMENTS: &[(&str, &str)] =
    &[("movflags", "+empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer"), ("use_editlist", "0")];
const IN_OGG: &[&str] = &["theora", "vp8", "vorbis", "opus", "flac", "speex"];
/// Their decoders need the size of a block, which NUT does not tell.
const IN_BLOCKS: &[&str] =
    &["wmav1", "wmav2", "wmapro", "wmavoice", "wmalossless", "adpcm_ms", "adpcm_ima_wav", "cook", "atrac3", "sipr"];

const IN_PROGRAM_STREAMS: &[&str] = &["mpeg2video", "mpeg1video", "mp2", "mp3", "mp1", "ac3"];

#[rustfmt::skip]
static ROWS: &[Row] = &[
    Row {
        name: "mpegts",
        holds: &[
            "mpeg2video", "h264", "hevc", "mpeg4", "mpeg1video", "mp2", "mp3", "mp1", "aac", "aac_latm", "ac3", "eac3",
            "dts", "opus",
        ],
        // Tables come anew at each keyframe, by order; see `Muxer`.
        options: &[("pes_payload_size", "0")],
        in_band: true,
        ..PLAIN
    },
    Row { name: "mp4", video: &["h264", "mpeg4"], audio: &["aac"], options: IN_FRAGMENTS, ..PLAIN },
    Row { name: "mov", video: &["h264", "mpeg4"], audio: &["aac"], options: IN_FRAGMENTS, ..PLAIN },
    Row { name: "f4v", video: &["h264"], audio: &["aac"], options: IN_FRAGMENTS, ..PLAIN },
    Row { name: "ipod", video: &["h264", "mpeg4"], audio: &["aac"], options: IN_FRAGMENTS, ..PLAIN },
    Row { name: "psp", video: &["h264", "mpeg4"], audio: &["aac"], options: IN_FRAGMENTS, ..PLAIN },
    Row { name: "3gp", video: &["h264", "mpeg4"], audio: &["aac"], options: IN_FRAGMENTS, ..PLAIN },
    Row { name: "3g2", video: &["h264", "mpeg4"], audio: &["aac"], options: IN_FRAGMENTS, ..PLAIN },
    Row { name: "ismv", video: &["h264"], audio: &["aac"], options: &[("movflags", "+frag_custom+skip_trailer")], ..PLAIN },
    Row { name: "matroska", video: &["h264", "mpeg4"], options: &[("live", "1")], ..PLAIN },
    // FFmpeg would take VP9, which few processors encode while it happens.
    Row { name: "webm", video: &["vp8", "vp9"], audio: &["opus", "vorbis"], options: &[("live", "1")], ..PLAIN },
    Row { name: "flv", options: &[("flvflags", "+no_duration_filesize")], ..PLAIN },
    // Theora counts pictures, and has a rate in its header.
    Row {
        name: "ogg",
        holds: IN_OGG,
        video: &["theora", "vp8"],
        audio: &["vorbis", "opus", "flac"],
        constant_rate: true,
        ..PLAIN
    },
    Row {
        name: "ogv",
        holds: IN_OGG,
        video: &["theora", "vp8"],
        audio: &["vorbis", "opus", "flac"],
        constant_rate: true,
        ..PLAIN
    },
    Row { name: "oga", holds: &["vorbis", "opus", "flac", "speex"], audio: &["vorbis", "opus", "flac"], ..PLAIN },
    Row { name: "opus", holds: &["opus"], ..PLAIN },
    Row { name: "spx", holds: &["speex"], ..PLAIN },
    Row { name: "avi", constant_rate: true, ..PLAIN },
    Row { name: "mpeg", holds: IN_PROGRAM_STREAMS, in_band: true, ..PLAIN },
    Row { name: "vob", holds: IN_PROGRAM_STREAMS, in_band: true, ..PLAIN },
    Row { name: "dvd", holds: IN_PROGRAM_STREAMS, in_band: true, ..PLAIN },
    Row { name: "svcd", holds: IN_PROGRAM_STREAMS, in_band: true, ..PLAIN },
    Row { name: "vcd", holds: IN_PROGRAM_STREAMS, in_band: true, ..PLAIN },
    Row { name: "dv", holds: &["dvvideo", "pcm_s16le"], sound: Some((48_000, 2)), constant_rate: true, ..PLAIN },
    // Where a reader can begin lies up to 32 KiB apart, whatever is a keyframe.
    Row { name: "nut", lacks: IN_BLOCKS, options: &[("write_index", "0")], joinable: false, ..PLAIN },
    Row { name: "mp3", holds: &["mp3"], options: &[("write_xing", "0"), ("id3v2_version", "0")], ..PLAIN },
    Row { name: "mp2", holds: &["mp2"], ..PLAIN },
    Row { name: "adts", holds: &["aac"], ..PLAIN },
    Row { name: "ac3", holds: &["ac3"], ..PLAIN },
    Row {
        name: "wav",
        holds: &["pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_u8", "pcm_mulaw", "pcm_alaw"],
        ..PLAIN
    },
    Row { name: "au", holds: &["pcm_s16be", "pcm_s24be", "pcm_mulaw", "pcm_alaw"], ..PLAIN },
    Row { name: "rm", holds: &["rv10", "rv20", "ac3"], video: &["rv10"], audio: &["ac3"], constant_rate: true, ..PLAIN },
    // What describes the stream is in front of the first picture.
    Row { name: "swf", holds: &["flv1", "mp3"], constant_rate: true, joinable: false, ..PLAIN },
    Row { name: "gif", holds: &["gif"], joinable: false, ..PLAIN },
    Row { name: "mjpeg", holds: &["mjpeg"], ..PLAIN },
    Row { name: "mpeg1video", holds: &["mpeg1video"], in_band: true, ..PLAIN },
    Row { name: "mpeg2video", holds: &["mpeg2video"], in_band: true, ..PLAIN },
    Row { name: "m4v", holds: &["mpeg4"], in_band: true, ..PLAIN },
    Row { name: "h264", holds: &["h264"], in_band: true, ..PLAIN },
    Row { name: "hevc", holds: &["hevc"], in_band: true, ..PLAIN },
    Row { name: "rawvideo", holds: &["rawvideo"], ..PLAIN },
    // What comes in packets of differing lengths needs a table that is written at the end.
    Row { name: "caf", holds: &["pcm_s16be", "pcm_s16le", "pcm_mulaw", "pcm_alaw"], joinable: false, ..PLAIN },
];

impl Container {
    /// The container that FFmpeg's muxer `name` writes.
    ///
    /// # Errors
    /// [`Error::MuxerNotFound`] when this FFmpeg has none of that name, or none that writes a
    /// stream of bytes.
    pub fn find(name: &str) -> Result<Self, Error> {
        let missing = || Error::MuxerNotFound { format: name.to_owned() };
        let c_name = CString::new(name).map_err(|_| missing())?;
        // SAFETY: a zero-terminated string; the answer is null or a constant of the library.
        let format = unsafe { ffi::av_guess_format(c_name.as_ptr(), ptr::null(), ptr::null()).as_ref() };
        let format = format.filter(|format| format.flags & ffi::AVFMT_NOFILE == 0).ok_or_else(missing)?;
        let row = ROWS.iter().find(|row| row.name == name).unwrap_or(&UNKNOWN);
        Ok(Self { format, row })
    }

    /// The muxer's name, as `mpegts`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        // SAFETY: a name of the library's, never changed. Of several the first is the muxer's own.
        let name = unsafe { static_str(self.format.name) };
        name.split(',').next().unwrap_or(name)
    }

    /// All names of the muxer: some have several.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        // SAFETY: a name of the library's, never changed.
        unsafe { static_str(self.format.name) }.split(',')
    }

    /// What FFmpeg's muxer says the type is, as `video/mp4`.
    #[must_use]
    pub fn mime_type(&self) -> Option<&'static str> {
        // SAFETY: null or a string of the library's, never changed.
        Some(unsafe { static_str(self.format.mime_type) }).filter(|mime| !mime.is_empty())
    }

    /// Readers may join at any keyframe: one muxer serves them all. Of the others each needs its own.
    #[must_use]
    pub fn joinable(&self) -> bool {
        self.row.joinable
    }

    /// Whether `track` can be put into it as it is.
    #[must_use]
    pub fn holds(&self, track: &Track) -> bool {
        if matches!(track.kind, Kind::Data) {
            return false;
        }
        let name = track.codec.name();
        if self.row.lacks.contains(&name) {
            return false;
        }
        if let (Some(only), Kind::Audio(audio)) = (self.row.sound, &track.kind)
            && only != (audio.sample_rate, audio.channels)
        {
            return false;
        }
        if !self.row.holds.is_empty() {
            return self.row.holds.contains(&name);
        }
        let Some(id) = track::codec_id(track.codec) else { return false };
        if id == self.default_id(track.video().is_some()) {
            return true;
        }
        // SAFETY: a constant of the library and a number. The codec is handed over as the integer it is.
        unsafe { crate::abi::avformat_query_codec(self.format, id, ffi::FF_COMPLIANCE_NORMAL) == 1 }
    }

    /// The only sample rate and number of channels that its sound may have.
    #[must_use]
    pub fn sound(&self) -> Option<(u32, u16)> {
        self.row.sound
    }

    /// The codec that pictures are coded in for it: the first choice that there is an encoder
    /// for. Nothing where it has no pictures.
    #[must_use]
    pub fn default_video(&self) -> Option<Codec> {
        self.default_codec(self.row.video, true)
    }

    /// The same of sound.
    #[must_use]
    pub fn default_audio(&self) -> Option<Codec> {
        self.default_codec(self.row.audio, false)
    }

    fn default_codec(&self, wishes: &'static [&'static str], video: bool) -> Option<Codec> {
        let wished = wishes.iter().map(|name| Codec::from_name(name));
        let own = Some(self.default_id(video)).filter(|id| *id != 0).map(track::codec_name);
        // What it holds, by name: where the muxer's own choice has no encoder in this build.
        let others = self.row.holds.iter().map(|name| Codec::from_name(name));
        let others = others.filter(|codec| track::is_video(*codec) == video);
        let can = |codec: &Codec| {
            let holds = self.row.holds.is_empty() || self.row.holds.contains(&codec.name());
            holds && track::codec_id(*codec).is_some_and(|id| track::find_encoder(id).is_some())
        };
        wished.chain(own).chain(others).find(can)
    }

    fn default_id(&self, video: bool) -> c_uint {
        // SAFETY: fields of a constant of the library, read as the integers they are.
        let id = unsafe { if video { int_of!(self.format.video_codec) } else { int_of!(self.format.audio_codec) } };
        id as c_uint
    }

    /// What it holds, for a sentence: `mpeg2video, h264 and mp2`.
    #[must_use]
    pub fn tell(&self) -> String {
        let mut names: Vec<&str> = self.row.holds.to_vec();
        if names.is_empty() {
            names = ["h264", "hevc", "mpeg4", "mjpeg", "vp8", "vp9", "av1", "flv1", "aac", "mp3", "opus", "vorbis"]
                .into_iter()
                .filter(|name| {
                    let track = Track { codec: Codec::from_name(name), ..Track::mjpeg(media::Size::default()) };
                    self.holds(&track)
                })
                .collect();
        }
        names.join(", ")
    }

    pub(super) fn flags(&self) -> c_int {
        self.format.flags
    }

    pub(super) fn as_ptr(&self) -> *const ffi::AVOutputFormat {
        self.format
    }
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Container({})", self.name())
    }
}

// SAFETY: a constant of the library, never changed.
unsafe impl Send for Container {}
// SAFETY: as above.
unsafe impl Sync for Container {}
