//! A presentation as Windows Media Services describe it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::rtsp::server::{Content, Kind};

/// The payload type of ASF packets.
pub(in crate::rtsp) const PAYLOAD_TYPE: u8 = 96;
/// The payload type of retransmissions.
const RETRANSMISSION: u8 = 97;
/// The control URL of retransmissions, by which clients know them ([MS-RTSP] note 3).
const RETRANSMISSION_CONTROL: &str = "rtx";

/// The control URL of a stream, below that of the whole.
pub(in crate::rtsp) fn control(stream: u8) -> String {
    format!("stream={stream}")
}

/// The stream that a URL names.
pub(in crate::rtsp) fn stream_of(url: &str) -> Option<u8> {
    last(url).strip_prefix("stream=")?.parse().ok()
}

/// Whether a URL names the retransmissions.
pub(in crate::rtsp) fn is_retransmission(url: &str) -> bool {
    last(url) == RETRANSMISSION_CONTROL
}

fn last(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// SDP for this URL, with a stream of retransmissions if there are datagrams.
pub(in crate::rtsp) fn write(content: &Content, base: &str, datagrams: bool) -> String {
    let total: u64 = content.streams.iter().map(|stream| u64::from(stream.bit_rate)).sum();
    let title = content.title.as_deref().filter(|title| !title.contains(char::is_control));
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns={}\r\nc=IN IP4 0.0.0.0\r\nb=AS:{}\r\nb=RS:0\r\nb=RR:0\r\na=maxps:{}\r\n\
         t=0 0\r\na=control:{base}/\r\n",
        title.unwrap_or("<No Title>"),
        total / 1000 + 1,
        content.packet_size
    );
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing into a string does not fail.
        let _ = write!(sdp, "{text}\r\n");
    };
    if let Some(duration) = content.duration {
        line(format_args!("a=range:npt=0.000-{:.3}", duration.as_secs_f64()));
    }
    let types = [
        (content.broadcast, "broadcast"),
        (!content.seekable, "notseekable"),
        (true, "notstridable"),
        (content.playlist, "playlist"),
    ];
    let types: Vec<_> = types.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    line(format_args!("a=type:{}", types.join(",")));
    line(format_args!("a=recvonly"));
    if let Some(title) = title {
        let list = format!("8,language,31,0,,5,title,31,{},{title}", title.len());
        let escaped = list.bytes().fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || byte == b',' {
                text.push(byte.into());
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
            text
        });
        line(format_args!("a=pgmpu:data:application/x-wms-contentdesc,{escaped}"));
    }
    line(format_args!("a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,{}", STANDARD.encode(&content.header)));
    for stream in &content.streams {
        let kind = match stream.kind {
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Other => "application",
        };
        line(format_args!("m={kind} 0 RTP/AVP {PAYLOAD_TYPE}\r\nb=AS:{}", stream.bit_rate / 1000 + 1));
        line(format_args!("a=rtpmap:{PAYLOAD_TYPE} x-asf-pf/1000"));
        line(format_args!("a=control:{}\r\na=stream:{}", control(stream.number), stream.number));
    }
    if datagrams {
        line(format_args!("m=application 0 RTP/AVP {RETRANSMISSION}"));
        line(format_args!("a=rtpmap:{RETRANSMISSION} x-wms-rtx/1000"));
        line(format_args!("a=control:{RETRANSMISSION_CONTROL}\r\na=stream:{}", super::FIRST_RETRANSMISSION));
    }
    sdp
}
