//! Keys of `[[stream]]`, its group, and `[[redirect]]`.

use std::net::{IpAddr, Ipv4Addr};

use super::feeds::{acl, tell_acl};
use super::given::tell_time;
use super::write::{path, table};
use super::{Key, Kind, keys};
use crate::{Multicast, Origin, Stream};

/// The group of a stream, which the first of its keys makes.
fn group(stream: &mut Stream) -> &mut Multicast {
    stream.multicast.get_or_insert(Multicast {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 6000,
        ttl: 16,
        repeat: true,
    })
}

pub(super) static STREAM: &[Key] = keys! { Stream on Stream;
    "name" / "<Stream NAME>": Kind::Text, "a path without the slash at its front", r#"name = "cam2.mjpeg""#,
        "Its path. Required.",
        |stream, given| { stream.name = given.text()?.trim_start_matches('/').to_owned(); Ok(()) },
        |stream| Some(stream.name.as_str().into());
    "feed" / "Feed": Kind::Text, "the name of a feed, or of a source", r#"feed = "cam2.ffm""#,
        "What the stream is made of.",
        |stream, given| {
            let feed = given.text()?.trim_start_matches('/').to_owned();
            stream.origin = Origin::Feed(feed);
            Ok(())
        },
        |stream| match &stream.origin { Origin::Feed(feed) => Some(feed.as_str().into()), _ => None };
    "file" / "File": Kind::Text, "a file", r#"file = "/srv/show.asf""#,
        "What the stream is made of: a file, played for each viewer from its beginning.",
        |stream, given| {
            if matches!(stream.origin, Origin::Feed(_)) {
                return Err("feed and file; remove one of them".into());
            }
            stream.origin = Origin::File { path: given.path()?, input_format: None };
            Ok(())
        },
        |stream| match &stream.origin { Origin::File { path: file, .. } => Some(path(file)), _ => None };
    "input_format" / "InputFormat": Kind::Text, "a format, by FFmpeg's name", r#"input_format = "asf""#,
        "The container of the file, where it cannot be told from its content.",
        |stream, given| match &mut stream.origin {
            Origin::File { input_format, .. } => { *input_format = Some(given.owned()?); Ok(()) }
            _ => Err("there is no file that it could be the format of; remove it".into()),
        },
        |stream| match &stream.origin { Origin::File { input_format, .. } => input_format.as_deref().map(Into::into), _ => None };
    "format" / "Format": Kind::Text, "a format, by FFmpeg's name", r#"format = "mpjpeg""#,
        "The format: a muxer of FFmpeg, `jpeg` for one picture, `rtp` for RTSP, `status` for a page about everything. Default: what the name ends with.",
        |stream, given| {
            let name = given.owned()?;
            let wrong = crate::ffserver::wrong_format(&name);
            stream.format = Some(name);
            wrong.map_or(Ok(()), Err)
        },
        |stream| stream.format.as_deref().map(Into::into);
    "no_video" / "NoVideo": Kind::Switch, "true or false", "no_video = true",
        "Leave the pictures out. Default: false.",
        |stream, given| { stream.no_video = given.switch()?; Ok(()) },
        |stream| stream.no_video.then_some(true.into());
    "no_audio" / "NoAudio": Kind::Switch, "true or false", "no_audio = true",
        "Leave the sound out. Default: false.",
        |stream, given| { stream.no_audio = given.switch()?; Ok(()) },
        |stream| stream.no_audio.then_some(true.into());
    "use_defaults" / "UseDefaults, NoDefaults": Kind::Switch, "true or false", "use_defaults = false",
        "An old ffmpeg that asks how to encode for this stream is told what is missing here: 64 kbit/s, 160x128, 5 pictures a second; 22050 Hz, one channel. Default: true.",
        |stream, given| { stream.use_defaults = given.switch()?; Ok(()) },
        |stream| (!stream.use_defaults).then_some(false.into());
    "preroll" / "Preroll": Kind::Text, "a time such as 5s", r#"preroll = "5s""#,
        "How far back a viewer begins, where the feed has it. Default: 0s.",
        |stream, given| { stream.preroll = given.time()?; Ok(()) },
        |stream| (!stream.preroll.is_zero()).then(|| tell_time(stream.preroll));
    "start_send_on_key" / "StartSendOnKey": Kind::Switch, "true or false", "start_send_on_key = true",
        "Send a viewer nothing before a keyframe; which is what is done anyway.",
        |stream, given| { stream.start_send_on_key = given.switch()?; Ok(()) },
        |stream| stream.start_send_on_key.then_some(true.into());
    "max_time" / "MaxTime": Kind::Text, "a time such as 100s", r#"max_time = "100s""#,
        "Close a viewer after so long. Default: never.",
        |stream, given| { stream.max_time = Some(given.time()?).filter(|time| !time.is_zero()); Ok(()) },
        |stream| stream.max_time.map(tell_time);
    "metadata" / "Metadata": Kind::Table, "a table of texts", r#"metadata = { title = "The bridge" }"#,
        "Said in the container, where it has room for it.",
        |stream, given| { stream.metadata = given.table()?; Ok(()) },
        |stream| table(&stream.metadata);
    "acl" / "ACL": Kind::List, "a list of allow or deny with an address, two of them for a range, a network or a name", r#"acl = ["deny 10.0.0.7", "allow 10.0.0.0/8"]"#,
        "Who may see it, by HTTP and RTSP; the first that fits decides, and the opposite of the last one where none does. Default: everybody. A path that is denied is answered as if it did not exist.",
        |stream, given| { stream.acl = acl(given)?; Ok(()) },
        |stream| tell_acl(&stream.acl);
    "dynamic_acl" / "DynamicACL": Kind::Text, "a file", r#"dynamic_acl = "/etc/headwater-acl.conf""#,
        "A file of lines such as `ACL allow 10.0.0.1` that decides in place of acl; read again when it changes. If it is missing, nobody may.",
        |stream, given| { stream.dynamic_acl = Some(given.path()?); Ok(()) },
        |stream| stream.dynamic_acl.as_deref().map(path);
    "favicon_url" / "FaviconURL": Kind::Text, "a URL", r#"favicon_url = "http://10.0.0.1/icon.png""#,
        "The icon of a status page.",
        |stream, given| { stream.favicon_url = Some(given.owned()?); Ok(()) },
        |stream| stream.favicon_url.as_deref().map(Into::into);
    "rtsp_option" / "RTSPOption": Kind::Text, "a text", r#"rtsp_option = "x""#,
        "Read and used nowhere, as by ffserver.",
        |stream, given| { stream.rtsp_option = Some(given.owned()?); Ok(()) },
        |stream| stream.rtsp_option.as_deref().map(Into::into);
};

pub(super) static MULTICAST: &[Key] = keys! { Multicast on Stream;
    "address" / "MulticastAddress": Kind::Text, "an address of a group", r#"address = "239.255.12.1""#,
        "The group. Required.",
        |stream, given| {
            let address = given.text()?.parse::<IpAddr>().ok().filter(IpAddr::is_multicast);
            group(stream).address = address.ok_or_else(String::new)?;
            Ok(())
        },
        |stream| stream.multicast.as_ref().map(|group| group.address.to_string().into());
    "port" / "MulticastPort": Kind::Integer(1, 65_535), "a port from 1 to 65535", "port = 6000",
        "The port of the first track; further tracks have every second one above. Default: 6000.",
        |stream, given| { group(stream).port = given.int(1, 65_535)?; Ok(()) },
        |stream| stream.multicast.as_ref().filter(|group| group.port != 6000).map(|group| i64::from(group.port).into());
    "ttl" / "MulticastTTL": Kind::Integer(0, 255), "a number from 0 to 255", "ttl = 16",
        "How many routers the packets pass; 0 keeps them on this machine. Default: 16.",
        |stream, given| { group(stream).ttl = given.int(0, 255)?; Ok(()) },
        |stream| stream.multicast.as_ref().filter(|group| group.ttl != 16).map(|group| i64::from(group.ttl).into());
    "repeat" / "NoLoop": Kind::Switch, "true or false", "repeat = false",
        "Play a file again from its beginning. Default: true.",
        |stream, given| { group(stream).repeat = given.switch()?; Ok(()) },
        |stream| stream.multicast.as_ref().filter(|group| !group.repeat).map(|_| false.into());
};

pub(super) static REDIRECT: &[Key] = keys! { Redirect on Redirect;
    "name" / "<Redirect NAME>": Kind::Text, "a path without the slash at its front", r#"name = "index.html""#,
        "Its path. Required.",
        |redirect, given| { redirect.name = given.text()?.trim_start_matches('/').to_owned(); Ok(()) },
        |redirect| Some(redirect.name.as_str().into());
    "url" / "URL": Kind::Text, "a URL", r#"url = "http://www.example/""#,
        "Where it leads. Required.",
        |redirect, given| { redirect.url = given.owned()?; Ok(()) },
        |redirect| Some(redirect.url.as_str().into());
};
