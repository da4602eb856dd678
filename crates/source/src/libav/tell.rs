//! What FFmpeg is told of [`Access`], in its own options; and what it tells of what it cannot open.

use std::time::Duration;

use media::Redacted;

use crate::location::Location;
use crate::{Access, Error, Trust};

/// Schemes that FFmpeg speaks HTTP for.
const HTTP: &[&str] = &["http", "https", "hls", "dash"];
/// Schemes that it speaks TLS for.
pub(super) const TLS: &[&str] = &["https", "rtsps", "rtmps", "tls"];

/// Within which time a call by SRT is turned down by whoever is there; nobody is waited for longer.
const TURNED_DOWN: Duration = Duration::from_secs(1);

/// Whether FFmpeg can do what is asked of it.
///
/// # Errors
/// [`Error::Unsupported`] for a certificate that is to be known by its SHA-256, and what
/// [`crate::Proxy`] says of a URL that is none.
pub(super) fn check(url: &str, access: &Access) -> Result<(), Error> {
    let scheme = url.split_once("://").map(|(name, _)| name.to_ascii_lowercase()).unwrap_or_default();
    if TLS.contains(&&*scheme) && matches!(access.trust, Trust::Pin(_)) {
        let place = Redacted(url);
        let what = format!(
            "{place}: FFmpeg, which opens this, cannot tell a certificate by its SHA-256; \
             give the certificate itself as the authority (--tls-ca)"
        );
        return Err(Error::Unsupported { what });
    }
    if HTTP.contains(&&*scheme)
        && let Ok(location) = Location::parse(url)
    {
        access.proxy.for_location(&location)?;
    }
    Ok(())
}

/// Sets the options for a URL of `scheme`.
pub(super) fn access(scheme: &str, url: &str, access: &Access, set: &mut impl FnMut(&str, &str)) {
    if HTTP.contains(&scheme) {
        set("user_agent", access.user_agent.as_deref().unwrap_or(crate::http::AGENT));
        let lines = access.headers.lines();
        if !lines.is_empty() {
            set("headers", &lines);
        }
        // An empty one keeps FFmpeg from asking the environment by rules of its own.
        let proxy = Location::parse(url).ok().and_then(|location| access.proxy.for_location(&location).ok().flatten());
        set("http_proxy", &proxy.map(|proxy| proxy.to_url()).unwrap_or_default());
    }
    if TLS.contains(&scheme) {
        set("tls_verify", if access.trust == Trust::Anybody { "0" } else { "1" });
        if let Trust::File(path) = &access.trust {
            set("ca_file", &path.to_string_lossy());
        }
    }
}

/// Why nobody has taken a call by SRT that was given up after `waited`. The library says the same of
/// nobody there as of somebody who turns us down, and only the latter comes at once.
pub(super) fn untaken(url: &str, waited: Duration) -> Error {
    let place = Redacted(url);
    match waited < TURNED_DOWN {
        true => Error::Server {
            status: 0,
            what: format!("{place}: the call is turned down; are passphrase and streamid right?"),
        },
        false => Error::Unreachable { what: format!("{place}: nothing answers, timed out after {waited:.1?}") },
    }
}

/// What it means that a server of RTMP answers the handshake and no more: nginx-rtmp and others wait
/// for somebody to send what is wanted.
pub(super) const UNSENT: &str =
    "the server is there and plays nothing of that name; is the name right, and is somebody sending it?";

/// What it means that it does not even answer that.
pub(super) const MUTE: &str =
    "something takes the connection and does not answer the handshake of RTMP; is the port that of the server?";

/// The beginning of a handshake, C0 and C1 (RTMP specification, sections 5.2.2 and 5.2.3). Its random bytes are zeros.
pub(super) const HANDSHAKE: &[u8] = &{
    let mut hello = [0; 1 + 1536];
    hello[0] = 3;
    hello
};

/// Where FFmpeg tells what a server of RTMP has answered.
const ANSWERED: &str = "Server error: ";

/// Why a server of RTMP does not play: in its own words where it has said something.
pub(super) fn rtmp(url: &str, error: ffmpeg::Error) -> Error {
    let place = Redacted(url);
    let ffmpeg::Error::Other { detail, .. } = &error else { return super::explain(url, error) };
    let detail = detail.as_deref().unwrap_or_default();
    match detail.split_once(ANSWERED) {
        Some((_, said)) => Error::Server { status: 0, what: format!("{place}: the server says: {}", Redacted(said)) },
        // What cannot be reached has a sentence of FFmpeg's.
        None if detail.is_empty() => Error::Ended {
            what: Some(format!("{place}: the server hangs up before it plays; has it an application of that name?")),
        },
        None => super::explain(url, error),
    }
}

/// What libavformat makes nothing of, by what it says: `demuxer: words; demuxer: words`.
pub(super) fn no_video(said: &str) -> String {
    let guessed = said.contains("detected only with low score");
    if said.contains("moov atom not found") && !guessed {
        return "its index is missing (moov): the recording was cut off before it was complete".into();
    }
    // Without the list of names of a demuxer in front, and what follows from there being none.
    let words = said.split("; ").find(|words| !words.contains("low score")).filter(|_| !guessed);
    let words = words.map(|words| words.rsplit_once(": ").map_or(words, |(_, words)| words).trim());
    let words = words.filter(|words| !words.is_empty()).map(|words| format!(" ({words})")).unwrap_or_default();
    format!("no video, or of a kind that FFmpeg does not know{words}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Headers, Proxy};

    fn told(url: &str, of: &Access) -> String {
        let scheme = url.split_once("://").unwrap().0;
        let mut told = Vec::new();
        access(scheme, url, of, &mut |name, value| told.push(format!("{name}={value:?}")));
        told.join(" ")
    }

    #[test]
    fn ffmpeg_is_told_what_it_understands() {
        let mut headers = Headers::default();
        headers.add("X-Key", "1").unwrap();
        let access = Access {
            user_agent: Some("me".into()),
            headers,
            trust: Trust::File("/ca.pem".into()),
            proxy: Proxy::Url("http://p:1".into()),
            ..Access::default()
        };
        let http = r#"user_agent="me" headers="X-Key: 1\r\n" http_proxy="http://p:1""#;
        let tls = r#"tls_verify="1" ca_file="/ca.pem""#;
        assert_eq!(told("http://cam/x", &access), http);
        assert_eq!(told("https://cam/x", &access), format!("{http} {tls}"));
        assert_eq!(told("rtsps://cam/x", &access), tls);
        assert_eq!(told("rtsp://cam/x", &access), "");
        let access = Access { trust: Trust::Anybody, ..Access::default() };
        assert_eq!(told("rtmps://cam/x", &access), r#"tls_verify="0""#);
    }

    #[test]
    fn what_is_no_video_is_told_in_one_short_sentence() {
        let names = "mov,mp4,m4a,3gp,3g2,mj2";
        let low = format!("{names}: Format {names} detected only with low score of 1, misdetection possible!");
        for (said, expected) in [
            (format!("{low}; {names}: moov atom not found"), "no video, or of a kind that FFmpeg does not know"),
            (String::new(), "no video, or of a kind that FFmpeg does not know"),
            (
                format!("{names}: moov atom not found"),
                "its index is missing (moov): the recording was cut off before it was complete",
            ),
            (
                "matroska,webm: EBML header parsing failed".into(),
                "no video, or of a kind that FFmpeg does not know (EBML header parsing failed)",
            ),
        ] {
            assert_eq!(no_video(&said), expected);
        }
    }

    #[test]
    fn what_a_server_of_rtmp_answers_is_told_in_its_own_words() {
        let told = |detail: Option<&str>| {
            let other = ffmpeg::Error::Other { call: "open", code: -1, detail: detail.map(str::to_owned) };
            rtmp("rtmp://me:secret@cam/live/x", other).to_string()
        };
        let said = told(Some("rtmp: Server error: nothing is played here; take http://"));
        assert_eq!(said, "rtmp://me:***@cam/live/x: the server says: nothing is played here; take http://");
        let nothing = told(None);
        assert!(nothing.contains("the server hangs up before it plays"), "{nothing}");
        assert!(told(Some("tcp: no")).contains("tcp: no"));
    }

    #[test]
    fn a_call_that_nobody_takes_is_told_from_one_that_is_turned_down() {
        let url = "srt://cam:9000?passphrase=hunter2hunter2";
        let silent = untaken(url, Duration::from_secs(3));
        assert!(matches!(&silent, Error::Unreachable { what } if what.contains("timed out after 3.0s")), "{silent}");
        let turned_down = untaken(url, Duration::from_millis(50));
        assert!(matches!(&turned_down, Error::Server { what, .. } if what.contains("passphrase and streamid right")));
        assert!(!format!("{silent} {turned_down}").contains("hunter2"));
    }

    #[test]
    fn a_pin_is_refused_where_ffmpeg_would_ignore_it() {
        let access = Access { trust: Trust::Pin("ab".repeat(32).parse().unwrap()), ..Access::default() };
        assert!(check("rtsps://me:secret@cam/x", &access).unwrap_err().to_string().contains("rtsps://me:***@cam/x"));
        assert_eq!(check("rtsp://cam/x", &access), Ok(()));
    }
}
