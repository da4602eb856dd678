//! What to do about a failure of this very URL: with its address in it, to be copied.

use media::Redacted;

use crate::location::Location;
use crate::{Error, Phase, makers};

/// Ports that are mostly those of RTSP.
const RTSP: &[u16] = &[554, 8554, 7447, 10554];
/// And of HTTP.
const HTTP: &[u16] = &[80, 81, 8000, 8080, 8081, 443];

/// What to do in this case; `None` where what [`super::CODES`] says will do. Holds no password:
/// USER:PASSWORD stands where they go.
pub(super) fn of(code: &str, url: &str, error: &Error) -> Option<String> {
    if code == "url-no-protocol" {
        return with_protocol(url);
    }
    if url.starts_with("exec:")
        && let Some(advice) = of_a_program(code)
    {
        return Some(advice.into());
    }
    if code == "file-missing"
        && let Some(advice) = without_colon(url)
    {
        return Some(advice);
    }
    if let Error::BadUrl { hint, what } = error
        && (code == "url-not-understood"
            || (code == "url-unknown-protocol" && hint.starts_with("did you mean"))
            || (code == "url-port" && !what.contains("number")))
    {
        return Some(sentence(hint));
    }
    if code == "url-port" && !url.contains('@') {
        return Some("A port is a number from 1 to 65535, without letters.".into());
    }
    let location = Location::parse(url).ok()?;
    let written = |scheme: &str| written(&location, scheme);
    let is_rtsp = location.scheme.starts_with("rtsp");
    let bare = Location { port: None, path_and_query: String::new(), ..location.clone() };
    let host = plain(&bare).split_once("://").map(|(_, host)| host.to_owned()).unwrap_or_default();
    Some(match code {
        "login-wanted" => format!(
            "Write user and password into the URL: {}. They are mostly those of the camera's web page.",
            with_login(&location)
        ),
        "path-unknown" if makers::maker_of(url).is_some() => format!(
            "Cameras of this maker differ. Try onvif://USER:PASSWORD@{host}, which asks the camera itself, or look the path up in its manual."
        ),
        "path-unknown" if location.scheme.starts_with("onvif") => return None,
        "path-unknown" if location.scheme.starts_with("mms") => {
            "The server is there, and knows no stream of this name. The page or the .asx file that plays it names it as it is called.".into()
        }
        "path-unknown" => format!(
            "The camera is there, and calls its stream otherwise. Try onvif://USER:PASSWORD@{host}, which asks it, or its maker's name: hikvision://USER:PASSWORD@{host}, dahua://…, axis://… (docs/CAMERAS.md)"
        ),
        "is-a-page" if names_pictures(error) => {
            "Try the addresses that the page takes its pictures from, named above.".into()
        }
        "is-a-page" => format!(
            "This is the page for people. Look at the picture in a browser, and copy its address; or try onvif://USER:PASSWORD@{host}, which asks the camera."
        ),
        "is-a-login-page" => format!(
            "The page wants to be logged in to by hand, which works in browsers only. Take the stream's own URL, or onvif://USER:PASSWORD@{host}, which asks the camera."
        ),
        "tls-expected" => {
            format!("The port is an encrypted one: write {}.", written(if is_rtsp { "rtsps" } else { "https" }))
        }
        "not-tls" => format!(
            "The port is not an encrypted one: write {}, or give the port that is.",
            written(if is_rtsp { "rtsp" } else { "http" })
        ),
        "other-protocol" if location.scheme.starts_with("rtmp") => {
            "Another service has that port. That of RTMP is mostly 1935.".into()
        }
        "other-protocol" => other_protocol(&location, error)?,
        "name-not-served" if location.scheme.starts_with("http") => {
            let there = Location { user: None, path_and_query: "/NAME.mjpeg".into(), ..location.clone() };
            format!(
                "It is another Headwater, and has no source of that name. Take one of those that it names, as in {}.",
                plain(&there)
            )
        }
        "mute" if matches!(error, Error::Timeout { phase: Phase::Tls, .. }) => format!(
            "It says nothing to encryption; perhaps the port is not an encrypted one: {}.",
            written(if is_rtsp { "rtsp" } else { "http" })
        ),
        "mute" | "hung-up" if is_rtsp && location.port.is_some_and(|port| HTTP.contains(&port)) => format!(
            "Port {} is mostly one of HTTP: try {}, or the camera's port for RTSP, mostly 554.",
            location.port?,
            written("http")
        ),
        "mute" | "hung-up" if location.scheme == "http" && location.port.is_some_and(|port| RTSP.contains(&port)) => {
            format!("Port {} is mostly one of RTSP: try {}.", location.port?, written("rtsp"))
        }
        "camera-refuses" | "hung-up" if location.scheme.starts_with("rtmp") => {
            "Look up how the server's streams are called for those who watch, and by which protocol: the address to send to may be another one."
                .into()
        }
        "hung-up" if location.scheme == "rtsp" => format!(
            "It hangs up at once; it may speak TLS there: try {}. If that does not help, close other programs that watch the camera.",
            written("rtsps")
        ),
        "mute" if location.scheme.starts_with("rtmp") && error.what().contains("handshake of RTMP") => {
            "Something takes the connection and says nothing: is the port that of the server of RTMP? It is 1935 where the URL has none."
                .into()
        }
        "mute" if location.scheme.starts_with("rtmp") => {
            "The server is there, and says nothing of this stream: is its name, the last part of the URL, spelled right, and is somebody sending it? Ask the server's page which streams it has."
                .into()
        }
        "hung-up" if location.scheme == "http" => format!(
            "It answers and hangs up at once. Close other programs that watch the camera; if that does not help, try {}.",
            written("https")
        ),
        "redirects-inside" if error.what().contains("to a network at home") => {
            "If the address named above is the camera's own, write it in place of this one. From elsewhere it cannot be reached; at home, --redirects-inside (in a configuration file redirects_inside = true) lets the camera send you there."
                .into()
        }
        "not-onvif" => format!(
            "Switch ONVIF on in the camera's settings, and write its port if it has one of its own: onvif://USER:PASSWORD@{host}:PORT. Or give the stream's own URL."
        ),
        _ => return None,
    })
}

/// Of what begins with a host: the same with the protocols that it may be meant by, the likelier one
/// first.
fn with_protocol(url: &str) -> Option<String> {
    let location = Location::parse(&format!("rtsp://{url}")).ok()?;
    let bare = Location { port: None, path_and_query: String::new(), user: None, password: None, ..location.clone() };
    let is_http = location.port.is_some_and(|port| HTTP.contains(&port));
    let [first, second] = if is_http { ["http", "rtsp"] } else { ["rtsp", "http"] };
    let (first, second) = (written(&location, first), written(&location, second));
    let asked = plain(&Location { scheme: "onvif".into(), ..bare });
    Some(format!("Write the protocol in front: {first} or {second}. If you do not know it, try {asked}."))
}

/// Of a program whose output is the stream.
fn of_a_program(code: &str) -> Option<&'static str> {
    Some(match code {
        "file-missing" => "Is its name right, and is it installed? `command -v PROGRAM` tells where it is.",
        "garbage" | "ended" | "hung-up" => {
            "The program ended; its last words stand above. Run the same command in a terminal to see all that it says."
        }
        "stalls" | "no-picture" => {
            "The program runs, and sends no pictures. Run the same command in a terminal to see what it says."
        }
        _ => return None,
    })
}

/// A hint as a sentence of its own.
fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}{}", letters.as_str(), if hint.ends_with(['?', '.']) { "" } else { "." })
}

/// A `rtsp//host`, which looks like a file.
fn without_colon(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("//")?;
    let known = crate::scheme::scheme_of(&format!("{scheme}://{rest}"))?;
    let is_one = known.names.contains(&scheme) && !rest.is_empty() && scheme != "file";
    is_one.then(|| format!("If it is no file, write {}.", Redacted(&format!("{scheme}://{rest}"))))
}

/// What speaks there, where it has said so.
fn other_protocol(location: &Location, error: &Error) -> Option<String> {
    let said = error.what();
    if said.contains("this port speaks HTTP") {
        let rtsp = Location { port: None, ..location.clone() };
        return Some(format!(
            "Write {}, or give the camera's port for RTSP, mostly 554: {}.",
            written(location, "http"),
            written(&rtsp, &location.scheme)
        ));
    }
    said.contains("this port speaks RTSP").then(|| format!("Write {}.", written(location, "rtsp")))
}

/// Whether the sentence names where the page has its pictures from.
fn names_pictures(error: &Error) -> bool {
    error.what().contains("it shows pictures from")
}

/// The URL by another protocol, with the login's place where there was one.
fn written(location: &Location, scheme: &str) -> String {
    let there = Location { scheme: scheme.into(), ..location.clone() };
    match location.user {
        Some(_) => with_login(&there),
        None => plain(&there),
    }
}

/// The URL without user and password, and with the zone of an address, which means something here.
fn plain(location: &Location) -> String {
    Redacted(&Location { user: None, password: None, ..location.clone() }.to_url()).to_string()
}

/// The URL with the places for user and password in it.
fn with_login(location: &Location) -> String {
    plain(location).replacen("://", "://USER:PASSWORD@", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_very_url_to_write_and_never_a_password() {
        let what = |text: &str| text.to_owned();
        let told = |code: &str, url: &str, said: &str| {
            let error = Error::Broken { what: what(said) };
            let told = of(code, url, &error).unwrap_or_default();
            assert!(!told.contains("hunter2"), "{told}");
            told
        };
        for (code, url, said, part) in [
            ("login-wanted", "rtsp://10.0.0.5:8554/a?b", "", "URL: rtsp://USER:PASSWORD@10.0.0.5:8554/a?b."),
            ("login-wanted", "onvif://10.0.0.5", "", "onvif://USER:PASSWORD@10.0.0.5."),
            ("login-wanted", "http://[fe80::1%eth0]:81/x", "", "http://USER:PASSWORD@[fe80::1%eth0]:81/x"),
            ("path-unknown", "rtsp://a:hunter2@10.0.0.5:8554/x", "", "onvif://USER:PASSWORD@10.0.0.5,"),
            ("path-unknown", "mms://10.0.0.5/x", "", ".asx file"),
            ("path-unknown", "rtsp://10.0.0.5/x", "", "hikvision://USER:PASSWORD@10.0.0.5,"),
            ("path-unknown", "rtsp://[fd00::5]:8554/x", "", "hikvision://USER:PASSWORD@[fd00::5],"),
            ("path-unknown", "tapo://10.0.0.5", "", "Cameras of this maker differ"),
            ("tls-expected", "http://a:hunter2@cam:8443/x", "", "https://USER:PASSWORD@cam:8443/x"),
            ("not-tls", "rtsps://cam/x", "", "rtsp://cam/x"),
            ("other-protocol", "rtsp://cam:80/x", "this port speaks HTTP", "Write http://cam:80/x, or"),
            ("other-protocol", "rtsp://cam:80/x", "this port speaks HTTP", "554: rtsp://cam/x."),
            ("other-protocol", "http://cam:554/x", "this port speaks RTSP", "Write rtsp://cam:554/x."),
            ("hung-up", "http://cam:554/x", "", "try rtsp://cam:554/x"),
            ("hung-up", "rtsp://a:hunter2@cam/x", "", "try rtsps://USER:PASSWORD@cam/x."),
            ("mute", "rtmp://a:hunter2@cam/live/x", "", "is its name, the last part of the URL"),
            ("camera-refuses", "rtmp://cam/live/x", "", "for those who watch"),
            ("mute", "rtsp://cam:8080/x", "", "try http://cam:8080/x"),
            ("other-protocol", "rtmp://cam:80/live/x", "", "mostly 1935"),
            ("name-not-served", "http://a:hunter2@cam:80/x.mjpeg", "", "as in http://cam:80/NAME.mjpeg."),
            ("redirects-inside", "http://cam/x", "redirects to a network at home", "--redirects-inside"),
            ("not-onvif", "onvif://cam:81", "", "onvif://USER:PASSWORD@cam:PORT"),
        ] {
            let told = told(code, url, said);
            assert!(told.contains(part), "{code} {url}: {told}");
            assert!(told.ends_with(['.', ')']), "{told}");
        }
        assert_eq!(told("well", "rtsp://cam/", ""), "");
        assert_eq!(told("file-missing", "rtsp//cam/x", ""), "If it is no file, write rtsp://cam/x.");
        assert_eq!(told("file-missing", "clips//x.mp4", ""), "");
        assert!(told("garbage", "exec:false", "").contains("same command in a terminal"));
        let hint = "have one started: exec:sh -c 'a | b'";
        let shell = Error::BadUrl { what: "exec: | is for a shell".into(), hint: hint.into() };
        let advice = of("url-not-understood", "exec:a | b", &shell).unwrap();
        assert_eq!(advice, "Have one started: exec:sh -c 'a | b'.");
    }
}
