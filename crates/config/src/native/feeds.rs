//! Keys of `[[source]]` and `[[feed]]`.

use super::given::{Given, tell_amount, tell_time};
use super::write::{pairs, path, texts};
use super::{Key, Kind, Told, keys};
use crate::{Acl, Rule};

const BYTES: u64 = 1024;
/// The least that a ring may have, in bytes.
const LEAST: u64 = 16_384;

fn ring_size(given: &Given<'_>) -> Told<u64> {
    let size = given.amount(BYTES, 0, 1_000_000_000_000_000)?;
    if size == 0 || size >= LEAST { Ok(size) } else { Err(String::new()) }
}

/// What is kept of a recording in files, as it is written.
fn kept(given: &Given<'_>) -> Told<String> {
    let text = given.owned()?;
    media::quantity::age_and_bytes(&text)?;
    Ok(text)
}

pub(super) fn acl(given: &Given<'_>) -> Told<Acl> {
    let rule = |text: &str| Rule::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    Ok(Acl { rules: given.items(rule)? })
}

pub(super) fn tell_acl(acl: &Acl) -> Option<::toml::Value> {
    texts(acl.rules.iter().map(ToString::to_string))
}

pub(super) static SOURCE: &[Key] = keys! { Source on Source;
    "name" / "": Kind::Text, "letters, digits, _ and -", r#"name = "front""#,
        "What its URLs are called. Required.",
        |source, given| { source.name = given.owned()?; Ok(()) },
        |source| Some(source.name.as_str().into());
    "url" / "": Kind::Text, "a URL, a file or a device", r#"url = "rtsp://user:password@10.0.0.5/stream""#,
        "What to open. Required.",
        |source, given| { source.url = given.owned()?; Ok(()) },
        |source| Some(source.url.as_str().into());
    "timeout" / "": Kind::Text, "a time such as 10s", r#"timeout = "10s""#,
        "Longest wait for the first picture: name, connection, handshake and data together. Default: 10s.",
        |source, given| { source.timeout = Some(given.some_time()?); Ok(()) },
        |source| source.timeout.map(tell_time);
    "gap_timeout" / "": Kind::Text, "a time such as 10s", r#"gap_timeout = "5s""#,
        "Longest wait from one picture to the next. Default: 10s.",
        |source, given| { source.gap_timeout = Some(given.some_time()?); Ok(()) },
        |source| source.gap_timeout.map(tell_time);
    "linger" / "": Kind::Text, "a time such as 5s", r#"linger = "1m""#,
        "How long it stays open after its last reader has gone. Default: 5s.",
        |source, given| { source.linger = Some(given.time()?); Ok(()) },
        |source| source.linger.map(tell_time);
    "always_on" / "": Kind::Switch, "true or false", "always_on = true",
        "Open it at the start and keep it open, watched or not. Default: false.",
        |source, given| { source.always_on = given.switch()?; Ok(()) },
        |source| source.always_on.then_some(true.into());
    "once" / "": Kind::Switch, "true or false", "once = true",
        "Play a file once instead of for ever. Default: false.",
        |source, given| { source.once = given.switch()?; Ok(()) },
        |source| source.once.then_some(true.into());
    "transport" / "": Kind::Choice(&["auto", "tcp", "udp", "http"]), "auto, tcp, udp or http", r#"transport = "udp""#,
        "How RTP is carried. Default: auto, which is TCP, and UDP where the camera refuses that.",
        |source, given| {
            let text = given.text()?;
            source.transport = Some(["auto", "tcp", "udp", "http"].contains(&text).then(|| text.to_owned()).ok_or_else(String::new)?);
            Ok(())
        },
        |source| source.transport.as_deref().map(Into::into);
    "allow_exec" / "": Kind::Switch, "true or false", "allow_exec = true",
        "Whether a url that begins with exec: may run its program. Default: false.",
        |source, given| { source.allow_exec = given.switch()?; Ok(()) },
        |source| source.allow_exec.then_some(true.into());
    "host_connections" / "": Kind::Integer(1, 1000), "a number from 1 to 1000", "host_connections = 1",
        "Most connections to its host at a time, of all sources there together; a further source waits until one has gone. Default: any number.",
        |source, given| { source.host_connections = Some(given.int(1, 1000)?); Ok(()) },
        |source| source.host_connections.map(|most| i64::from(most).into());
    "host_rate" / "": Kind::Integer(1, 1000), "a number from 1 to 1000", "host_rate = 10",
        "Most attempts and requests for single pictures a second to its host, of all sources there together. Default: 50.",
        |source, given| { source.host_rate = Some(given.int(1, 1000)?); Ok(()) },
        |source| source.host_rate.map(|most| i64::from(most).into());
    "poll" / "": Kind::Text, "a time such as 200ms", r#"poll = "1s""#,
        "Shortest time from one request for a single picture to the next. Default: 200ms.",
        |source, given| { source.poll = Some(given.time()?); Ok(()) },
        |source| source.poll.map(tell_time);
    "headers" / "": Kind::List, "a list of NAME: VALUE", r#"headers = ["X-Key: 1234"]"#,
        "Headers for HTTP requests; they go to the host of the url alone.",
        |source, given| {
            source.headers = given.items(|text| match text.contains(':') {
                true => Ok(text.to_owned()),
                false => Err(String::new()),
            })?;
            Ok(())
        },
        |source| texts(source.headers.iter().cloned());
    "user_agent" / "": Kind::Text, "a name", r#"user_agent = "viewer""#,
        "What to be called in HTTP requests. Default: headwater with its version.",
        |source, given| { source.user_agent = Some(given.owned()?); Ok(()) },
        |source| source.user_agent.as_deref().map(Into::into);
    "proxy" / "": Kind::Text, "http://HOST:PORT, or none", r#"proxy = "http://user:password@10.0.0.1:3128""#,
        "An HTTP proxy. Default: what http_proxy, https_proxy and no_proxy of the environment say.",
        |source, given| { source.proxy = Some(given.owned()?); Ok(()) },
        |source| source.proxy.as_deref().map(Into::into);
    "tls_ca" / "": Kind::Text, "a path", r#"tls_ca = "/etc/headwater/cameras.pem""#,
        "Trust servers whose certificates are in this PEM file, or signed by one in it, and no other. Default: the system's authorities.",
        |source, given| { source.tls_ca = Some(given.path()?); Ok(()) },
        |source| source.tls_ca.as_deref().map(path);
    "tls_pin" / "": Kind::Text, "64 hexadecimal digits", r#"tls_pin = "6f1ed002ab5595859014ebf0951522d96f1ed002ab5595859014ebf0951522d9""#,
        "Trust the server whose certificate has this SHA-256, and no other; goes before tls_ca.",
        |source, given| { source.tls_pin = Some(given.owned()?); Ok(()) },
        |source| source.tls_pin.as_deref().map(Into::into);
    "insecure" / "": Kind::Switch, "true or false", "insecure = true",
        "Trust any server, where neither tls_ca nor tls_pin is given; told in the log and in the status. Default: false.",
        |source, given| { source.insecure = given.switch()?; Ok(()) },
        |source| source.insecure.then_some(true.into());
    "redirects_inside" / "": Kind::Switch, "true or false", "redirects_inside = true",
        "Let a server outside redirect to a network at home, as a camera does that is found by a name outside and knows itself by its address at home. Default: false.",
        |source, given| { source.redirects_inside = given.switch()?; Ok(()) },
        |source| source.redirects_inside.then_some(true.into());
    "streams" / "": Kind::Text, "best, smallest, max=300k (bit/s), or numbers as 1,3", r#"streams = "max=300k""#,
        "Which streams of Windows Media to take. Default: best.",
        |source, given| { source.streams = Some(given.owned()?); Ok(()) },
        |source| source.streams.as_deref().map(Into::into);
    "webcam" / "": Kind::List, "a list of NAME=VALUE", r#"webcam = ["size=1280x720", "rate=30", "brightness=10"]"#,
        "Format, size, rate and controls of a webcam, as behind the ? of its url. Default: as it is set.",
        |source, given| { source.webcam = given.pairs()?; Ok(()) },
        |source| pairs(&source.webcam);
    "ffmpeg" / "": Kind::List, "a list of NAME=VALUE", r#"ffmpeg = ["analyzeduration=1000000"]"#,
        "Options for FFmpeg's demuxer or protocol.",
        |source, given| { source.ffmpeg = given.pairs()?; Ok(()) },
        |source| pairs(&source.ffmpeg);
    "ptz" / "": Kind::Text, "onvif://USER:PASSWORD@HOST", r#"ptz = "onvif://user:password@10.0.0.5""#,
        "Let whoever reaches the relay move the camera by POST /NAME/ptz, and ask it there, by whatever protocol its pictures come. Default: it is not moved.",
        |source, given| { source.ptz = Some(given.owned()?); Ok(()) },
        |source| source.ptz.as_deref().map(Into::into);
    "file" / "": Kind::Text, "a path", r#"file = "/var/lib/headwater/front""#,
        "Keep what comes in in a ring on disk, for time shift, over restarts too. Default: none.",
        |source, given| { source.file = Some(given.path()?); Ok(()) },
        |source| source.file.as_deref().map(path);
    "file_max_size" / "": Kind::Amount, "bytes, or a size such as \"200k\", \"5M\" or \"1.5G\", at least 16k; 0 for no bound", r#"file_max_size = "10G""#,
        "Most that the ring may grow to; the oldest gives way. Default: 5M.",
        |source, given| { source.file_max_size = Some(ring_size(given)?); Ok(()) },
        |source| source.file_max_size.map(|size| tell_amount(size, BYTES));
    "record" / "": Kind::Text, "names with strftime's letters", r#"record = "/srv/front-%Y%m%d-%H%M.mp4""#,
        "Record it in files as it comes, all the time; the extension says what kind: mp4, mkv, ts, asf, avi, mov, webm. See RECORD.md. Default: none.",
        |source, given| { source.record = Some(given.owned()?); Ok(()) },
        |source| source.record.as_deref().map(Into::into);
    "record_segment" / "": Kind::Text, "a time such as 10m, 24h or 7d", r#"record_segment = "10m""#,
        "Begin another file so often, by the clock: 10m at :00, :10, :20, 24h at midnight, 7d on Mondays. Default: one file.",
        |source, given| { source.record_segment = Some(given.some_time()?); Ok(()) },
        |source| source.record_segment.map(tell_time);
    "record_keep" / "": Kind::Text, "an age such as 12h, 7d or 4w, a size such as 500M or 100GB, or both with a comma", r#"record_keep = "7d,100GB""#,
        "Remove older files of this name. Default: none is removed.",
        |source, given| { source.record_keep = Some(kept(given)?); Ok(()) },
        |source| source.record_keep.as_deref().map(Into::into);
};

pub(super) static FEED: &[Key] = keys! { Feed on Feed;
    "name" / "<Feed NAME>": Kind::Text, "a path without the slash at its front", r#"name = "cam2.ffm""#,
        "Its path, which a feeder sends to by PUT or POST. Required.",
        |feed, given| { feed.name = given.text()?.trim_start_matches('/').to_owned(); Ok(()) },
        |feed| Some(feed.name.as_str().into());
    "source" / "Source": Kind::Text, "a URL", r#"source = "rtsp://10.0.0.5/stream""#,
        "Read this URL in place of waiting for a feeder, as long as somebody watches.",
        |feed, given| { feed.source = Some(given.owned()?); Ok(()) },
        |feed| feed.source.as_deref().map(Into::into);
    "launch" / "Launch": Kind::List, "a list: a program and its arguments", r#"launch = ["ffmpeg", "-i", "rtsp://10.0.0.5/stream"]"#,
        "Run this program, which feeds; the feed's URL is put behind its arguments. When it ends it is run again.",
        |feed, given| {
            feed.launch = given.list()?;
            if feed.launch.first().is_none_or(String::is_empty) { Err(String::new()) } else { Ok(()) }
        },
        |feed| texts(feed.launch.iter().cloned());
    "file" / "File": Kind::Text, "a path", r#"file = "/var/lib/headwater/cam2.ffm""#,
        "Keep what came in in this ring on disk, for time shift, over restarts too. Default: the memory holds a moment only.",
        |feed, given| { feed.file = Some(given.path()?); Ok(()) },
        |feed| feed.file.as_deref().map(path);
    "read_only" / "ReadOnlyFile": Kind::Switch, "true or false", "read_only = true",
        "Play the file again and again, as if it came in; the folder of a ring is there for time shift. Never written to. Default: false.",
        |feed, given| { feed.read_only = given.switch()?; Ok(()) },
        |feed| feed.read_only.then_some(true.into());
    "file_max_size" / "FileMaxSize": Kind::Amount, "bytes, or a size such as \"200k\", \"5M\" or \"1.5G\", at least 16k; 0 for no bound", r#"file_max_size = "1G""#,
        "Most that the file may grow to; the oldest gives way. Default: 5M.",
        |feed, given| { feed.file_max_size = Some(ring_size(given)?); Ok(()) },
        |feed| feed.file_max_size.map(|size| tell_amount(size, BYTES));
    "truncate" / "Truncate": Kind::Switch, "true or false", "truncate = true",
        "Empty the file when a feeder comes. Default: false.",
        |feed, given| { feed.truncate = given.switch()?; Ok(()) },
        |feed| feed.truncate.then_some(true.into());
    "record" / "": Kind::Text, "names with strftime's letters", r#"record = "/srv/front-%Y%m%d-%H%M.mp4""#,
        "Record it in files as it comes, all the time; the extension says what kind: mp4, mkv, ts, asf, avi, mov, webm. See RECORD.md. Default: none.",
        |feed, given| { feed.record = Some(given.owned()?); Ok(()) },
        |feed| feed.record.as_deref().map(Into::into);
    "record_segment" / "": Kind::Text, "a time such as 10m, 24h or 7d", r#"record_segment = "10m""#,
        "Begin another file so often, by the clock: 10m at :00, :10, :20, 24h at midnight, 7d on Mondays. Default: one file.",
        |feed, given| { feed.record_segment = Some(given.some_time()?); Ok(()) },
        |feed| feed.record_segment.map(tell_time);
    "record_keep" / "": Kind::Text, "an age such as 12h, 7d or 4w, a size such as 500M or 100GB, or both with a comma", r#"record_keep = "7d,100GB""#,
        "Remove older files of this name. Default: none is removed.",
        |feed, given| { feed.record_keep = Some(kept(given)?); Ok(()) },
        |feed| feed.record_keep.as_deref().map(Into::into);
    "acl" / "ACL": Kind::List, "a list of allow or deny with an address, two of them for a range, a network or a name", r#"acl = ["allow 127.0.0.1", "allow 10.0.0.0/8"]"#,
        "Who may send and read the feed; the first that fits decides, and the opposite of the last one where none does. Default: everybody.",
        |feed, given| { feed.acl = acl(given)?; Ok(()) },
        |feed| tell_acl(&feed.acl);
};
