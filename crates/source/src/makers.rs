//! `axis://user:password@host`: cameras by the name of their maker.
//!
//! What a maker's usual URLs are stands in one [`TABLE`], which docs/CAMERAS.md repeats; a test
//! compares them. A URL of a maker becomes one of RTSP or HTTP before anything is opened, so the
//! rest of the program knows nothing of makers.

mod table;

use media::Redacted;

use crate::Error;
use crate::Sink;
use crate::location::Location;
use crate::scheme::{Connection, Request, Scheme, scheme_of};

pub use table::TABLE;

/// A maker's URLs.
///
/// A template is a URL with `{host}` in it, and what is put in for the wishes: `{channel}`,
/// `{channel:02}` with two digits at least, `{channel-1}` counted from 0, `{path}` for what the
/// user wrote behind the host.
#[derive(Debug)]
pub struct Maker {
    /// What the URL begins with, without `://`.
    pub names: &'static [&'static str],
    /// Whose cameras those are.
    pub makes: &'static str,
    /// The best picture of the first channel.
    pub main: &'static str,
    /// A smaller one, where there is one.
    pub sub: Option<&'static str>,
    /// The same of another channel, where its URL has another form than the first one's.
    pub others: Option<(&'static str, Option<&'static str>)>,
    /// Where that is written.
    pub source: &'static str,
    /// What has to be known of it.
    pub remark: &'static str,
}

/// All names of all makers, as a row of [`crate::SCHEMES`] wants them.
pub(crate) static SCHEME: Scheme = Scheme {
    names: table::NAMES,
    example: "axis://user:password@host?channel=2&stream=sub",
    doc: "a camera by its maker's usual URL: docs/CAMERAS.md has all of them",
    port: None,
    captured: false,
    check: |url| expand(url).map(|_| ()),
    connect,
};

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        match expand(&request.url) {
            Ok(Some(url)) => match scheme_of(&url) {
                Some(scheme) => (scheme.connect)(Request { url: url.into(), ..request }, sink).await,
                None => unsupported(&request.url),
            },
            Ok(None) => unsupported(&request.url),
            Err(error) => error,
        }
    })
}

fn unsupported(url: &str) -> Error {
    Error::Unsupported { what: format!("{}: no maker is known by this name", Redacted(url)) }
}

/// The maker whose URL it is.
#[must_use]
pub fn maker_of(url: &str) -> Option<&'static Maker> {
    let name = url.trim().split_once("://")?.0.to_ascii_lowercase();
    TABLE.iter().find(|maker| maker.names.contains(&&*name))
}

/// What a maker's URL becomes: with user and password, so not to be shown. `None` for a URL that
/// is none of a maker.
///
/// # Errors
/// [`Error::BadUrl`] for wishes that the maker's cameras cannot meet, or that make no sense.
pub fn expand(url: &str) -> Result<Option<String>, Error> {
    let Some(maker) = maker_of(url) else { return Ok(None) };
    let location = Location::parse(url)?;
    let bad = |what: &str, hint: &str| Error::BadUrl { what: format!("{}: {what}", Redacted(url)), hint: hint.into() };
    let wish = Wish::of(&location).map_err(|(what, hint)| bad(&what, hint))?;
    let (main, sub) = match maker.others {
        Some(others) if wish.channel > 1 => others,
        _ => (maker.main, maker.sub),
    };
    let template = match wish.sub {
        false => main,
        true => sub.ok_or_else(|| {
            bad(
                "these cameras have no second stream that is known",
                "leave stream=sub away, or give the stream's own URL",
            )
        })?,
    };
    if wish.channel > 1 && !template.contains("{channel") {
        return Err(bad("these cameras have one channel", "leave channel= away, or give the stream's own URL"));
    }
    let path = location.path_and_query.split('?').next().unwrap_or_default().trim_start_matches('/');
    match (path.is_empty(), template.contains("{path}")) {
        (false, false) => {
            return Err(bad(
                &format!("the path is put there by headwater, and here is one already: /{path}"),
                "leave it away, or write rtsp:// or http:// for a URL of your own",
            ));
        }
        (true, true) => return Err(bad("something is missing behind the host", maker.remark)),
        _ => {}
    }
    Ok(Some(filled(template, &location, &wish, path)?))
}

/// Puts everything into a template. The user's port goes before the template's.
fn filled(template: &str, location: &Location, wish: &Wish, path: &str) -> Result<String, Error> {
    let channel = wish.channel;
    let text = template
        .replace("{host}", "host")
        .replace("{channel:02}", &format!("{channel:02}"))
        .replace("{channel-1}", &(channel - 1).to_string())
        .replace("{channel}", &channel.to_string())
        .replace("{path}", path);
    let usual = Location::parse(&text)?;
    let there = Location {
        user: location.user.clone(),
        password: location.password.clone(),
        host: location.host.clone(),
        port: location.port.or(usual.port),
        ..usual
    };
    Ok(there.to_url())
}

/// What the user wants of a camera.
struct Wish {
    channel: u16,
    sub: bool,
}

impl Wish {
    /// Most channels of a recorder.
    const MOST: u16 = 256;

    fn of(location: &Location) -> Result<Self, (String, &'static str)> {
        let mut wish = Self { channel: 1, sub: false };
        let query = location.path_and_query.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (key, value) {
                ("channel", digits) => {
                    let number = digits.parse().ok().filter(|number| (1..=Self::MOST).contains(number));
                    wish.channel =
                        number.ok_or_else(|| (format!("channel={digits}"), "expected a number from 1 to 256"))?;
                }
                ("stream", "main") => wish.sub = false,
                ("stream", "sub") => wish.sub = true,
                ("stream", other) => return Err((format!("stream={other}"), "expected main or sub")),
                (other, _) => {
                    return Err((
                        format!("nothing is known of {other}"),
                        "expected channel=NUMBER and stream=main or sub",
                    ));
                }
            }
        }
        Ok(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(url: &str) -> String {
        match expand(url) {
            Ok(Some(url)) => url,
            Ok(None) => "none".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_makers_url_becomes_one_that_can_be_opened() {
        for (url, expected) in [
            ("hikvision://admin:p@ss/w:rd@10.0.0.7", "rtsp://admin:p%40ss%2Fw%3Ard@10.0.0.7/Streaming/Channels/101"),
            ("hikvision://10.0.0.7:8554/?channel=12&stream=sub", "rtsp://10.0.0.7:8554/Streaming/Channels/1202"),
            ("Dahua://[fe80::1]?channel=2", "rtsp://[fe80::1]/cam/realmonitor?channel=2&subtype=0"),
            ("reolink://cam?stream=sub", "rtsp://cam/Preview_01_sub"),
            ("foscam://cam", "rtsp://cam:88/videoMain"),
            ("foscam://cam:554", "rtsp://cam:554/videoMain"),
            ("hanwha://cam", "rtsp://cam/profile2/media.smp"),
            ("hanwha://cam?channel=3&stream=sub", "rtsp://cam/2/profile3/media.smp"),
            ("unifi://nvr/AbC123", "rtsp://nvr:7447/AbC123"),
            ("esp32cam://10.0.0.9", "http://10.0.0.9:81/stream"),
            ("headwater://10.0.0.2/front", "http://10.0.0.2:8090/front.mkv"),
            ("headwater://10.0.0.2:9000/front", "http://10.0.0.2:9000/front.mkv"),
            ("rtsp://cam/x", "none"),
        ] {
            assert_eq!(expanded(url), expected, "{url}");
        }
    }

    #[test]
    fn wishes_that_cannot_be_met_are_told_without_the_password() {
        for (url, part) in [
            ("esp32cam://admin:hunter2@cam?channel=2", "one channel"),
            ("esp32cam://admin:hunter2@cam?stream=sub", "no second stream"),
            ("hikvision://admin:hunter2@cam/x", "one already: /x"),
            ("hikvision://admin:hunter2@cam?channel=0", "a number from 1 to 256"),
            ("hikvision://admin:hunter2@cam?stream=third", "main or sub"),
            ("hikvision://admin:hunter2@cam?profile=1", "nothing is known of profile"),
            ("unifi://admin:hunter2@nvr", "missing behind the host"),
        ] {
            let told = expanded(url);
            assert!(told.contains(part) && !told.contains("hunter2"), "{url}: {told}");
        }
    }

    #[test]
    fn every_row_is_sound_and_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CAMERAS.md");
        let text = std::fs::read_to_string(path).expect("docs/CAMERAS.md");
        let all: Vec<_> = TABLE.iter().flat_map(|maker| maker.names.iter().copied()).collect();
        assert_eq!(all, table::NAMES, "the names of the scheme are those of the table");
        for maker in TABLE {
            let names: Vec<_> = maker.names.iter().map(|name| format!("`{name}`")).collect();
            let shown = |template: Option<&str>| template.map_or("–".into(), |template| format!("`{template}`"));
            let row = format!(
                "| {} | {} | {} | {} | [source]({}) |",
                names.join(", "),
                maker.makes,
                shown(Some(maker.main)),
                shown(maker.sub),
                maker.source
            );
            assert!(text.contains(&row), "docs/CAMERAS.md has not this row:\n{row}");
            if let Some((main, sub)) = maker.others {
                let row = format!("| `{}` | {} | {} |", maker.names[0], shown(Some(main)), shown(sub));
                assert!(text.contains(&row), "docs/CAMERAS.md has not this row:\n{row}");
            }
            assert!(text.contains(maker.remark), "docs/CAMERAS.md does not say: {}", maker.remark);
            // Ours is our own document.
            assert!(maker.source.starts_with("https://") || maker.source == "API.md#containers");
            for name in maker.names {
                let path = if maker.main.contains("{path}") { "/token" } else { "" };
                let url = expand(&format!("{name}://me:pw@cam{path}")).unwrap().unwrap();
                let scheme = scheme_of(&url).unwrap();
                assert!(["rtsp", "rtsps", "http", "https"].contains(&scheme.names[0]), "{url}");
                assert!(url.contains("://me:pw@cam") && !url.contains(['{', '}']), "{url}");
                assert_eq!((scheme.check)(&url), Ok(()));
            }
        }
    }
}
