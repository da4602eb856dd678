//! Directives of where a stream comes from, and to whom it goes and how.

use super::directives::{ACL, Directive, PORT, Standing, stream};
use super::sections::StreamAsked;
use super::values;
use crate::Rule;

fn metadata(asked: &mut StreamAsked, key: &str, value: &str) {
    asked.stream.metadata.retain(|(known, _)| known != key);
    asked.stream.metadata.push((key.into(), value.into()));
}

pub(super) static STREAMS: &[Directive] = &[
    stream("Feed", "the name of a feed", "Feed cam2.ffm", "What the stream is made of: a feed.", |asked, values| {
        asked.feed = Some(values.owned()?);
        Ok(())
    }),
    stream(
        "File",
        "a file",
        "File /srv/show.asf",
        "What the stream is made of: a file, played for each viewer from its beginning.",
        |asked, values| {
            asked.file = Some(values.path()?);
            Ok(())
        },
    ),
    stream("ReadOnlyFile", "a file", "ReadOnlyFile /srv/show.asf", "The same.", |asked, values| {
        asked.file = Some(values.path()?);
        Ok(())
    }),
    stream(
        "Format",
        "a format, by FFmpeg's name",
        "Format mpjpeg",
        "The format: a muxer of FFmpeg, jpeg for one picture, status for a page about everything. Default: what the stream's name ends with.",
        |asked, values| {
            let name = values.text()?.to_owned();
            // Set all the same, so that one mistake is one problem.
            let wrong = super::formats::wrong(&name);
            asked.stream.format = Some(name);
            wrong.map_or(Ok(()), Err)
        },
    ),
    stream(
        "InputFormat",
        "a format, by FFmpeg's name",
        "InputFormat asf",
        "The container of File, where it cannot be told from its content.",
        |asked, values| {
            asked.input_format = Some(values.owned()?);
            Ok(())
        },
    ),
    stream(
        "Preroll",
        "seconds from 0",
        "Preroll 5",
        "How many seconds back a viewer begins, where the feed has them. Default: 0.",
        |asked, values| {
            asked.stream.preroll = values.read(values::seconds)?;
            Ok(())
        },
    ),
    stream("StartSendOnKey", "nothing", "StartSendOnKey", "Send a viewer nothing before a keyframe.", |asked, _| {
        asked.stream.start_send_on_key = true;
        Ok(())
    }),
    stream(
        "MaxTime",
        "seconds from 0",
        "MaxTime 100",
        "Close a viewer after so many seconds; 0 is never. Default: 0.",
        |asked, values| {
            asked.stream.max_time = Some(values.read(values::seconds)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
    stream(
        "ACL",
        ACL,
        "ACL allow 192.168.0.0 192.168.255.255",
        "Who may see it, by HTTP and RTSP; the first line that fits decides, and the opposite of the last one where none does. A path that is denied is answered as if it did not exist. Default: everybody.",
        |asked, values| {
            asked.stream.acl.rules.push(Rule::parse(values.0)?);
            Ok(())
        },
    ),
    stream(
        "DynamicACL",
        "a file",
        "DynamicACL /etc/ffserver-acl.conf",
        "A file of ACL lines that decides in place of the others; read again when it changes. If it is missing, nobody may.",
        |asked, values| {
            asked.stream.dynamic_acl = Some(values.path()?);
            Ok(())
        },
    ),
    stream(
        "Metadata",
        "a key and a value",
        "Metadata title \"A title\"",
        "Said in the container, where it has room for it.",
        |asked, values| {
            let key = values.owned()?;
            match values.0.get(1) {
                Some(value) => metadata(asked, &key, value),
                None => return Err(String::new()),
            }
            Ok(())
        },
    ),
    stream("Title", "a text", "Title \"A title\"", "The title.", |asked, values| {
        metadata(asked, "title", &values.rest()?);
        Ok(())
    })
    .but(Standing::Old("Metadata title")),
    stream("Author", "a text", "Author \"A name\"", "The author.", |asked, values| {
        metadata(asked, "author", &values.rest()?);
        Ok(())
    })
    .but(Standing::Old("Metadata author")),
    stream("Copyright", "a text", "Copyright \"2015 A name\"", "Whose it is.", |asked, values| {
        metadata(asked, "copyright", &values.rest()?);
        Ok(())
    })
    .but(Standing::Old("Metadata copyright")),
    stream("Comment", "a text", "Comment \"A remark\"", "A remark.", |asked, values| {
        metadata(asked, "comment", &values.rest()?);
        Ok(())
    })
    .but(Standing::Old("Metadata comment")),
    stream(
        "FaviconURL",
        "a URL",
        "FaviconURL http://pond1.gladstonefamily.net:8080/favicon.ico",
        "The icon of a status page.",
        |asked, values| {
            asked.stream.favicon_url = Some(values.owned()?);
            Ok(())
        },
    ),
    stream(
        "MulticastAddress",
        "an address of a group",
        "MulticastAddress 239.255.12.1",
        "Send the stream to this group from the start on.",
        |asked, values| {
            let address =
                values.read(|text| text.parse::<std::net::IpAddr>().ok().filter(std::net::IpAddr::is_multicast))?;
            asked.multicast.address = Some(address);
            Ok(())
        },
    ),
    stream(
        "MulticastPort",
        "a port from 1 to 65535",
        "MulticastPort 6000",
        "The port of the group; further tracks have every second one above. Default: 6000, 6100 and so on.",
        |asked, values| {
            asked.multicast.port = Some(values.int(PORT.0, PORT.1)?);
            Ok(())
        },
    ),
    stream(
        "MulticastTTL",
        "a number from 0 to 255",
        "MulticastTTL 16",
        "How many routers the packets pass; 0 keeps them on this machine. Default: 16.",
        |asked, values| {
            asked.multicast.ttl = Some(values.int(0, 255)?);
            Ok(())
        },
    ),
    stream("NoLoop", "nothing", "NoLoop", "A file sent to a group is played once.", |asked, _| {
        asked.multicast.no_loop = true;
        Ok(())
    }),
    stream("RTSPOption", "a text", "RTSPOption x", "An option for RTSP.", |asked, values| {
        asked.stream.rtsp_option = Some(values.owned()?);
        Ok(())
    })
    .but(Standing::NoEffect("ffserver read it and used it nowhere")),
    stream("NoAudio", "nothing", "NoAudio", "Leave the sound out.", |asked, _| {
        asked.stream.no_audio = true;
        Ok(())
    }),
    stream("NoVideo", "nothing", "NoVideo", "Leave the pictures out.", |asked, _| {
        asked.stream.no_video = true;
        Ok(())
    }),
    stream("UseDefaults", "nothing", "UseDefaults", "As the global one, for this stream.", |asked, _| {
        asked.stream.use_defaults = true;
        Ok(())
    }),
    stream("NoDefaults", "nothing", "NoDefaults", "As the global one, for this stream.", |asked, _| {
        asked.stream.use_defaults = false;
        Ok(())
    }),
];
