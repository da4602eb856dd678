//! A file for ffserver and what `config import` makes of it, served side by side.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::containers::with_sound;
use crate::harness::http::ask;
use crate::harness::rtsp;
use crate::harness::server::headwater;
use crate::harness::tools::folder;
use crate::harness::{Answer, Server, eventually, run, size, tool};

/// Every directive that a server can show, but for groups, which two servers cannot share.
fn everything(folder: &Path) -> String {
    let (source, file) =
        (with_sound().display().to_string(), crate::harness::clips::MJPEG.path().display().to_string());
    let at = |name: &str| folder.join(name).display().to_string();
    std::fs::write(at("rules"), "ACL allow 127.0.0.1\n").unwrap();
    std::fs::write(at("nobody"), "ACL deny 127.0.0.1\n").unwrap();
    std::fs::write(at("video.ffpreset"), "qmin=4\n").unwrap();
    std::fs::write(at("audio.ffpreset"), "ab=64000\n").unwrap();
    format!(
        "HTTPPort 8090\nHTTPBindAddress 127.0.0.1\nRTSPPort 5554\nRTSPBindAddress 127.0.0.1\nMaxHTTPConnections 3000\n\
         MaxClients 4\nMaxBandwidth 900000\nNoDaemon\nNoDefaults\nUseDefaults\nCustomLog {log}\nCustomLogFormat combined\n\
         <Feed f.ffm>\nSource {source}\nACL allow 127.0.0.1\n</Feed>\n\
         <Feed pushed.ffm>\nFile {ring}\nFileMaxSize 5M\nTruncate\nACL deny 10.0.0.0 10.0.0.255\nACL allow localhost\n</Feed>\n\
         <Feed launched.ffm>\nLaunch /bin/sh -c 'sleep 1000'\n</Feed>\n\
         <Stream a.mjpeg>\nFeed f.ffm\nFormat mpjpeg\nVideoSize 160x120\nVideoFrameRate 5\nVideoBitRate 500\nVideoBufferSize 100\n\
         VideoQMin 3\nVideoQMax 31\nVideoIntraOnly\nStrict -1\nNoAudio\nPreroll 1\nStartSendOnKey\n</Stream>\n\
         <Stream b.ts>\nFeed f.ffm\nVideoCodec mpeg2video\nVideoBitRate 250\nVideoBufferSize 100\nVideoBitRateRange 100-400\nVideoBitRateTolerance 300\nVideoGopSize 12\n\
         VideoQDiff 5\nVideoHighQuality\nLumiMask 0.5\nDarkMask 0.25\nDctFastint\nIdctSimple\nBitExact\nDebug 0\n\
         AVOptionVideo trellis 1\nAVPresetVideo {video}\nAudioCodec mp2\nAudioBitRate 128\nAudioChannels 2\nAudioSampleRate 48000\n\
         AVPresetAudio {audio}\nMetadata genre \"Street scene\"\nTitle The street\nAuthor A\nComment C\nMaxTime 100\n</Stream>\n\
         <Stream c.avi>\nFeed f.ffm\nVideoCodec mpeg4\nVideo4MotionVector\nQscale 4\nPixelFormat yuv420p\nVideoTag DX50\nNoDefaults\n\
         AVOptionAudio b 64k\n</Stream>\n\
         <Stream d.asf>\nFeed f.ffm\nFormat asf\nVideoCodec wmv2\nVideoSize 160x120\nMaxTime 1\n</Stream>\n\
         <Stream e.mp3>\nFeed f.ffm\nNoVideo\nCopyright B\n</Stream>\n\
         <Stream f.mov>\nFeed f.ffm\n</Stream>\n\
         <Stream still.jpg>\nFeed f.ffm\nFormat jpeg\nVideoSize 160x120\n</Stream>\n\
         <Stream g.rtp>\nFeed f.ffm\nFormat rtp\nVideoCodec mpeg4\nVideoSize 160x120\nNoAudio\nRTSPOption x\n</Stream>\n\
         <Stream file.mjpeg>\nFile {file}\nFormat mpjpeg\nInputFormat avi\n</Stream>\n\
         <Stream secret.mjpeg>\nFeed f.ffm\nFormat mpjpeg\nACL deny 10.0.0.0 10.0.0.255\nACL allow 127.0.0.77\n</Stream>\n\
         <Stream rules.mjpeg>\nFeed f.ffm\nFormat mpjpeg\nDynamicACL {rules}\n</Stream>\n\
         <Stream nobody.mjpeg>\nFeed f.ffm\nFormat mpjpeg\nDynamicACL {nobody}\n</Stream>\n\
         <Stream stat.html>\nFormat status\nFaviconURL http://x/i.ico\nACL allow 127.0.0.1\n</Stream>\n\
         <Redirect old.html>\nURL http://www.ffmpeg.org/?a&b\n</Redirect>\n",
        log = at("access.log"),
        ring = at("ring"),
        video = at("video.ffpreset"),
        audio = at("audio.ffpreset"),
        rules = at("rules"),
        nobody = at("nobody"),
    )
}

/// Both servers: by the file, and by what it is translated to.
fn both() -> [Server; 2] {
    let serve = |folder: &Path, file: &str| {
        let mut command = headwater();
        command.args(["serve", "--listen", "127.0.0.1:0", "--rtsp", "127.0.0.1:0", "--file"]).arg(folder.join(file));
        Server::run(command)
    };
    let (own, other) = (folder("import-a"), folder("import-b"));
    std::fs::write(own.join("ffserver.conf"), everything(&own)).unwrap();
    std::fs::write(other.join("ffserver.conf"), everything(&other)).unwrap();
    let told = run(headwater().args(["config", "import"]).arg(other.join("ffserver.conf"))).succeeded().text();
    std::fs::write(other.join("headwater.toml"), &told).unwrap();
    [serve(&own, "ffserver.conf"), serve(&other, "headwater.toml")]
}

/// What of an answer is to be the same: all but what tells addresses, times and names of files.
fn head(answer: &Answer) -> (u16, BTreeMap<String, String>) {
    let kept = ["content-type", "cache-control", "location", "allow", "content-disposition", "retry-after"];
    let headers = kept.iter().filter_map(|name| {
        let value = answer.header(name);
        (!value.is_empty()).then(|| ((*name).to_owned(), value.to_owned()))
    });
    (answer.status, headers.collect())
}

/// Without numbers, which count, and places.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let count = |key: &str| {
                ["pid", "generated", "bytes", "address", "since", "launches"].iter().any(|k| key.contains(k))
            };
            let kept = map.iter().filter(|(key, _)| !count(key)).map(|(key, value)| (key.clone(), bare(value)));
            Value::Object(kept.collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(bare).collect()),
        Value::Number(_) => Value::Null,
        Value::String(text) if text.contains("import-") || text.contains("127.0.0.1:") => Value::Null,
        other => other.clone(),
    }
}

#[test]
fn a_file_and_its_translation_give_the_same_answers() {
    let servers = both();
    let same = |what: &str, of: &dyn Fn(&Server) -> String| {
        let [first, second] = [of(&servers[0]), of(&servers[1])];
        assert_eq!(first, second, "{what}");
        first
    };
    // Requests that are over at once, with what they say.
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/nope.html"),
        ("GET", "/secret.mjpeg"),
        ("GET", "/nobody.mjpeg"),
        ("GET", "/old.html"),
        ("POST", "/a.mjpeg"),
        ("POST", "/stat.html"),
        ("GET", "/d.asx"),
        ("GET", "/g.rtsp"),
        ("GET", "/g.rtp"),
        ("GET", "/f.ffm"),
        ("GET", "/pushed.ffm"),
        ("GET", "/launched.ffm"),
        ("GET", "/a.mjpeg?buffer=x"),
        ("GET", "/a.mjpeg?from=00:00:00"),
        ("GET", "/still.jpg?from=00:00:00"),
        ("HEAD", "/a.mjpeg"),
        ("HEAD", "/b.ts"),
        ("HEAD", "/c.avi"),
        ("HEAD", "/d.asf"),
        ("HEAD", "/e.mp3"),
        ("HEAD", "/f.mov"),
        ("HEAD", "/file.mjpeg"),
        ("HEAD", "/rules.mjpeg"),
        ("GET", "/still.jpg"),
    ] {
        same(path, &|server| {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: example.com:80\r\nContent-Length: 0\r\n\r\n");
            let answer = ask(server.address, request.as_bytes()).unwrap();
            let said = answer
                .text()
                .replace(&server.rtsp().to_string(), "RTSP")
                .replace(&server.rtsp().port().to_string(), "RTSP");
            let said = if path.ends_with(".jpg") { String::new() } else { said };
            format!("{method} {path}: {:?} {said}", head(&answer))
        });
    }
    // Streams: codecs, sizes, rates, tags, metadata.
    for path in ["/b.ts", "/c.avi", "/d.asf", "/e.mp3", "/f.mov"] {
        same(path, &|server| {
            let mut ffprobe = tool("ffprobe");
            ffprobe.args(["-v", "error", "-show_entries"]);
            ffprobe.arg("stream=codec_name,codec_tag_string,width,height,pix_fmt,sample_rate,channels:format_tags");
            run(ffprobe.args(["-of", "flat", &server.url(path)])).succeeded().text()
        });
    }
    for path in ["/a.mjpeg", "/file.mjpeg", "/rules.mjpeg"] {
        same(path, &|server| format!("{path} {:?}", size(&server.stream(path).part().unwrap().data)));
    }
    same("the session description", &|server| {
        let answer = rtsp::Client::connect(server.rtsp(), "g.rtp").ask("DESCRIBE", "", "");
        let kept = answer
            .body
            .lines()
            .filter(|line| ["s=", "i=", "m=", "a=rtpmap", "a=fmtp"].iter().any(|of| line.starts_with(of)));
        format!("{} {:?}", answer.status, kept.collect::<Vec<_>>())
    });
    let status = |server: &Server| serde_json::from_slice::<Value>(&server.get("/stat.html?format=json").body).unwrap();
    let once_alone = |server: &Server| {
        eventually("the viewers before to be gone", || Some(status(server)).filter(|whole| whole["connections"] == 0))
    };
    // Limits: four viewers and no more.
    same("the limit", &|server| {
        once_alone(server);
        let _held: Vec<_> = (0..4).map(|_| server.stream("/rules.mjpeg")).collect();
        let refused = server.get("/rules.mjpeg");
        format!("{:?} {}", head(&refused), refused.text())
    });
    same("the status", &|server| {
        let mut whole = once_alone(server);
        whole["connections_list"] = Value::Null;
        format!("{:#}", bare(&whole))
    });
}
