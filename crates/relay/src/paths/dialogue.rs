//! What an old ffmpeg is told that asks a feed how to encode.
//!
//! FFmpeg up to 3.4 GETs the feed before it sends anything, reads a header of FFM, and
//! encodes one stream for each that stands in it, with the options that stand there:
//! what the streams of the configuration ask for that are made of the feed.

use ::config::{Config, Origin, Stream};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::server::Refusal;

/// The Content-Type of ffserver's answer.
const CONTENT_TYPE: &str = "application/x-octet-stream";

/// The answer to a GET of the feed `name`.
pub(super) fn answer(config: &Config, name: &str) -> Response {
    match header(config, name) {
        Ok(header) => {
            ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], header).into_response()
        }
        Err(what) => Refusal::new(StatusCode::NOT_FOUND, format!("{name}: {what}")).into_response(),
    }
}

fn header(config: &Config, name: &str) -> Result<Vec<u8>, String> {
    let mut streams: Vec<ffm::Stream> = Vec::new();
    for stream in config.streams.iter().filter(|stream| !stream.is_status()) {
        if !matches!(&stream.origin, Origin::Feed(feed) if feed == name) {
            continue;
        }
        for wanted in [video(stream)?, sound(stream)?].into_iter().flatten() {
            // Streams that ask for the same share what is sent.
            if !streams.contains(&wanted) && streams.len() < ffm::MAX_STREAMS {
                streams.push(wanted);
            }
        }
    }
    if streams.is_empty() {
        return Err("no stream is made of this feed, so that nothing says how to encode; \
                    send it with -f mpegts, or with -override_ffserver"
            .into());
    }
    ffm::Header { streams, write_index: 0 }.write().map_err(|error| error.to_string())
}

fn video(stream: &Stream) -> Result<Option<ffm::Stream>, String> {
    let usual = usual(stream).and_then(|(_, video, _)| *video);
    let Some(codec) = stream.video.codec.as_deref().or(usual).filter(|_| !stream.no_video) else { return Ok(None) };
    let video = if stream.use_defaults { stream.video.with_defaults() } else { stream.video.clone() };
    coded(stream, codec, video.bit_rate, video.avoptions()).map(Some)
}

fn sound(stream: &Stream) -> Result<Option<ffm::Stream>, String> {
    let usual = usual(stream).and_then(|(_, _, sound)| *sound);
    let Some(codec) = stream.audio.codec.as_deref().or(usual).filter(|_| !stream.no_audio) else { return Ok(None) };
    let audio = if stream.use_defaults { stream.audio.with_defaults() } else { stream.audio.clone() };
    coded(stream, codec, audio.bit_rate, audio.avoptions()).map(Some)
}

fn coded(
    stream: &Stream,
    encoder: &str,
    bit_rate: Option<u64>,
    options: Vec<(String, String)>,
) -> Result<ffm::Stream, String> {
    let codec = ENCODERS.iter().find(|(known, _)| *known == encoder).map_or(encoder, |(_, codec)| codec);
    let coded = ffm::Stream::new(codec).ok_or_else(|| {
        format!("{} wants {encoder}, which cannot be fed in FFM; send it with -f mpegts", stream.name)
    })?;
    let bit_rate = bit_rate.and_then(|rate| u32::try_from(rate).ok()).unwrap_or(0);
    Ok(ffm::Stream { bit_rate, options, ..coded })
}

/// Encoders that are not called as their codec.
const ENCODERS: &[(&str, &str)] = &[
    ("libx264", "h264"),
    ("libx264rgb", "h264"),
    ("libx265", "hevc"),
    ("libvpx", "vp8"),
    ("libvpx-vp9", "vp9"),
    ("libtheora", "theora"),
    ("libxvid", "mpeg4"),
    ("msmpeg4", "msmpeg4v3"),
    ("flv", "flv1"),
    ("libmp3lame", "mp3"),
    ("libvorbis", "vorbis"),
    ("libfdk_aac", "aac"),
    ("libfaac", "aac"),
    ("libtwolame", "mp2"),
    ("libopencore_amrnb", "amr_nb"),
];

type Usual = (&'static [&'static str], Option<&'static str>, Option<&'static str>);

/// Of formats, what FFmpeg's muxers carry unless they are told otherwise: pictures and sound.
static USUAL: &[Usual] = &[
    (&["mpjpeg", "mjpeg", "jpeg", "singlejpeg"], Some("mjpeg"), None),
    (&["asf", "asf_stream"], Some("msmpeg4v3"), Some("wmav2")),
    (&["flv", "swf"], Some("flv1"), Some("mp3")),
    (&["mpegts"], Some("mpeg2video"), Some("mp2")),
    (&["mpeg"], Some("mpeg1video"), Some("mp2")),
    (&["vob"], Some("mpeg2video"), Some("mp2")),
    (&["mpeg1video"], Some("mpeg1video"), None),
    (&["mpeg2video"], Some("mpeg2video"), None),
    (&["h264"], Some("h264"), None),
    (&["rawvideo"], Some("rawvideo"), None),
    (&["gif"], Some("gif"), None),
    (&["matroska", "mp4", "mov"], Some("h264"), Some("aac")),
    (&["webm"], Some("vp8"), Some("vorbis")),
    (&["ogg"], Some("theora"), Some("vorbis")),
    (&["avi"], Some("mpeg4"), Some("mp3")),
    (&["m4v"], Some("mpeg4"), None),
    (&["rm"], Some("rv10"), Some("ac3")),
    (&["rtp"], Some("mpeg4"), Some("pcm_mulaw")),
    (&["mp2"], None, Some("mp2")),
    (&["mp3"], None, Some("mp3")),
    (&["adts"], None, Some("aac")),
    (&["wav"], None, Some("pcm_s16le")),
    (&["au"], None, Some("pcm_s16be")),
];

fn usual(stream: &Stream) -> Option<&'static Usual> {
    let format = stream.format.as_deref()?;
    USUAL.iter().find(|(formats, ..)| formats.contains(&format))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(streams: &str) -> Result<Vec<ffm::Stream>, String> {
        let text = format!("HTTPPort 8090\n<Feed cam2.ffm>\n</Feed>\n<Feed other.ffm>\n</Feed>\n{streams}");
        let config = ::config::ffserver::parse(&text).config;
        let header = header(&config, "cam2.ffm")?;
        ffm::Header::parse(header.first_chunk().unwrap())
            .map(|header| header.streams)
            .map_err(|error| error.to_string())
    }

    fn stream(name: &str, lines: &str) -> String {
        format!("<Stream {name}>\nFeed cam2.ffm\n{lines}\n</Stream>\n")
    }

    #[test]
    fn the_how_to_is_told_what_ffserver_told() {
        let lines = "Format mpjpeg\nVideoBitRate 10240\nVideoBufferSize 20480\nVideoFrameRate 25\n\
                     VideoSize 320x240\nVideoQMin 3\nVideoQMax 31\nNoAudio\nStrict -1";
        let streams = told(&stream("cam2.mjpeg", lines)).unwrap();
        assert_eq!((streams.len(), streams[0].codec, streams[0].bit_rate), (1, 8, 10_240_000));
        for (key, value) in [
            ("time_base", "1/25"),
            ("b", "10240000"),
            ("bufsize", "167772160"),
            ("video_size", "320x240"),
            ("qmin", "3"),
            ("qmax", "31"),
            ("strict", "-1"),
            ("bt", "2560000"),
            ("maxrate", "20480000"),
        ] {
            assert_eq!(streams[0].option(key), Some(value), "{key}");
        }
    }

    #[test]
    fn streams_that_ask_for_the_same_share_it_and_encoders_are_codecs() {
        let text = [
            stream("a.mjpeg", "Format mpjpeg\nVideoSize 320x240"),
            stream("b.mjpeg", "Format mjpeg\nVideoSize 320x240"),
            stream("c.flv", "Format flv\nVideoCodec libx264\nNoAudio"),
            stream("d.mp3", "Format mp3\nAudioCodec libmp3lame\nNoVideo"),
            "<Stream e.asf>\nFeed other.ffm\nFormat asf\n</Stream>\n<Stream stat.html>\nFormat status\n</Stream>\n"
                .into(),
        ];
        let names: Vec<_> =
            told(&text.concat()).unwrap().iter().map(|stream| ffm::name_of(stream.codec).unwrap()).collect();
        assert_eq!(names, ["mjpeg", "h264", "mp3"]);
    }

    #[test]
    fn a_feed_that_says_nothing_of_encoding_is_told_so() {
        assert!(told("").unwrap_err().contains("no stream is made of this feed"));
        let error = told(&stream("a.nut", "Format nut\nVideoCodec cinepak\nNoAudio")).unwrap_err();
        assert!(error.contains("a.nut wants cinepak, which cannot be fed in FFM"), "{error}");
    }

    #[test]
    fn what_is_usual_has_a_number() {
        let codecs = USUAL.iter().flat_map(|(_, video, sound)| [*video, *sound]).flatten();
        for codec in codecs.chain(ENCODERS.iter().map(|(_, codec)| *codec)) {
            assert!(ffm::id_of(codec).is_some(), "{codec}");
        }
    }
}
