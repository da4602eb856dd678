//! What a section says of format and codecs, as what serves it.

use ::config::{Config, Named, Origin, Problem, Severity, Stream};
use media::{Codec, Encoding, Wish};

use super::presets;
use crate::output::container;
use crate::output::fate::Place;
use crate::output::{Carries, FORMATS, Format, OTHERS};

/// How a stream is served.
pub(super) struct Served {
    /// Nothing: by RTSP.
    pub(super) format: Option<&'static Format>,
    pub(super) encoding: Encoding,
    /// What is to be said about it all the same.
    pub(super) warnings: Vec<Problem>,
}

/// What is called so in a configuration, by the extension of our own URLs.
const WORDS: &[(&str, &str)] = &[
    ("mpjpeg", "mjpeg"),
    ("mjpeg", "mjpg"),
    ("singlejpeg", "singlejpeg"),
    ("jpeg", "jpg"),
    ("asf", "asf"),
    ("asf_stream", "asf"),
    ("mpegts", "ts"),
    ("mp4", "mp4"),
    ("matroska", "mkv"),
    ("webm", "webm"),
    ("flv", "flv"),
    ("ogg", "ogg"),
    ("avi", "avi"),
    ("mpeg", "mpg"),
    ("nut", "nut"),
    ("mp3", "mp3"),
    ("mp2", "mp2"),
    ("adts", "aac"),
    ("wav", "wav"),
    ("au", "au"),
    ("gif", "gif"),
    ("swf", "swf"),
    ("rm", "rm"),
];

/// What only RTSP serves.
const RTP: &str = "rtp";

fn format(word: &str) -> Option<&'static Format> {
    match WORDS.iter().find(|(known, _)| *known == word) {
        Some((_, extension)) => FORMATS.iter().chain(OTHERS).find(|format| format.extension == *extension),
        None => container::other(word),
    }
}

/// What streams of `config` ask for that is not served, and what is not as it seems.
pub(crate) fn unserved(config: &Config) -> Vec<Problem> {
    let filled = presets::filled(config);
    let mut problems = filled.as_ref().err().cloned().unwrap_or_default();
    let config = filled.as_ref().unwrap_or(config);
    let streams = config.streams.iter().filter(|stream| !stream.is_status());
    problems.extend(streams.clone().filter_map(absent_file));
    problems.extend(streams.flat_map(|stream| match served(stream) {
        Ok(served) => served.warnings,
        Err(problem) => vec![problem],
    }));
    problems
}

/// What a stream is to be made of, and is not there. It may come later, so that is no error.
fn absent_file(stream: &Stream) -> Option<Problem> {
    let Origin::File { path, .. } = &stream.origin else { return None };
    // What has a protocol in front is asked for when somebody comes.
    let is_url = path.to_str().is_some_and(|path| path.contains("://"));
    (!is_url && !path.exists()).then(|| {
        let message = format!(
            "<Stream {}>: File {}: there is no such file, so viewers get an error until there is one",
            stream.name,
            path.display()
        );
        problem(stream.line, Severity::Warning, message)
    })
}

fn problem(line: usize, severity: Severity, message: String) -> Problem {
    Problem { line, severity, message }
}

/// What libavcodec knows by a name.
fn named(name: &str) -> Option<Named> {
    ffmpeg::codec_of(name).map(|codec| Named { codec, is_video: ffmpeg::is_video(codec) })
}

/// How `stream` is served.
///
/// # Errors
/// When its format or a codec is not served, or the one has no place for the other.
pub(super) fn served(stream: &Stream) -> Result<Served, Problem> {
    let word = stream.format.as_deref().unwrap_or_default();
    let wrong = |what: String| problem(stream.line, Severity::Error, format!("<Stream {}>: {what}", stream.name));
    let format = match format(word) {
        None if word != RTP => {
            let known: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            return Err(wrong(format!(
                "Format {word} is not served; there are {}, {RTP}, status, and other muxers of this FFmpeg that write a stream",
                known.join(", ")
            )));
        }
        format => format,
    };
    if let Origin::File { input_format: Some(demuxer), .. } = &stream.origin
        && !ffmpeg::has_demuxer(demuxer)
    {
        return Err(wrong(format!(
            "InputFormat {demuxer}: the FFmpeg in use reads no such format (see ffmpeg -demuxers)"
        )));
    }
    let encoding = stream.encoding(&named)?;
    let video = encoding.video.coded().and_then(|variant| variant.codec);
    let audio = encoding.audio.coded().and_then(|coding| coding.codec);
    let carries = format.map_or(Carries::Tracks(Place::Rtp), |format| format.carries);
    let said = [("VideoCodec", video, stream.video.codec_at.0), ("AudioCodec", audio, stream.audio.codec_at.0)];
    if let Carries::Tracks(place) = carries
        && !place.is_of_use()
    {
        return Err(wrong(format!("Format {word}: {} has no encoder for what it holds", ffmpeg::version())));
    }
    if let Some(name) = stream.video.pixel_format.as_deref().filter(|name| !ffmpeg::has_pixel_format(name)) {
        return Err(wrong(format!(
            "PixelFormat {name}: unknown; expected a name such as yuv420p (see ffmpeg -pix_fmts)"
        )));
    }
    let mut warnings = Vec::new();
    for (directive, options) in [("AVOptionVideo", &stream.video.options), ("AVOptionAudio", &stream.audio.options)] {
        for (name, _) in options.iter().filter(|(name, _)| !ffmpeg::has_codec_option(name)) {
            let what = format!(
                "<Stream {}>: {directive} {name}: no codec of {} has such an option; it has no effect",
                stream.name,
                ffmpeg::version()
            );
            warnings.push(problem(stream.line, Severity::Warning, what));
        }
    }
    for (directive, codec, line) in said.into_iter().filter_map(|(what, codec, line)| Some((what, codec?, line))) {
        let misfit = |what: String| problem(line, Severity::Error, format!("{directive} {codec}: {what}"));
        match carries {
            Carries::Jpegs if codec != Codec::MJPEG && ffmpeg::is_video(codec) => {
                return Err(misfit(format!(
                    "Format {word} is JPEG pictures; write VideoCodec mjpeg, or another Format"
                )));
            }
            Carries::Tracks(place) if !place.takes(codec) => {
                return Err(misfit(format!("Format {word} has no place for it; it holds {}", place.tell())));
            }
            Carries::Tracks(_) if !ffmpeg::has_encoder(codec) => {
                let what = format!(
                    "{directive} {codec}: {} has no encoder of it; it is served if the feed brings it",
                    ffmpeg::version()
                );
                warnings.push(problem(line, Severity::Warning, what));
            }
            _ => {}
        }
    }
    if carries == Carries::Jpegs && encoding.video == Wish::Off {
        return Err(wrong(format!("NoVideo leaves nothing of Format {word}; remove it")));
    }
    Ok(Served { format, encoding, warnings })
}
