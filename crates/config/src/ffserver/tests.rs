//! A file read, line by line and whole.

use super::*;
use crate::{Feed, Origin, Redirect, Severity, Stream};

/// `lines` where they belong, in a file that is right otherwise.
fn at(place: Place, lines: &str) -> Parsed {
    let global = if place == Place::Global { lines } else { "" };
    let feed = if place == Place::Feed { lines } else { "" };
    let stream = if place == Place::Stream { lines } else { "" };
    let redirect = if place == Place::Redirect { lines } else { "URL http://x/" };
    parse(&format!(
        "HTTPPort 1024\nRTSPPort 1025\n{global}\n<Feed f.ffm>\n{feed}\n</Feed>\n<Stream s.asf>\nFeed f.ffm\n{stream}\n</Stream>\n\
         <Redirect r>\n{redirect}\n</Redirect>\n"
    ))
}

fn good(place: Place, lines: &str) -> Config {
    let parsed = at(place, lines);
    assert!(parsed.is_usable(), "{lines}: {:#?}", parsed.problems);
    parsed.config
}

fn told(parsed: &Parsed, severity: Severity) -> Vec<String> {
    parsed.problems.iter().filter(|problem| problem.severity == severity).map(ToString::to_string).collect()
}

fn errors(text: &str) -> Vec<String> {
    told(&parse(text), Severity::Error)
}

/// What differs from a file without the line, as a list of fields.
fn effect(place: Place, lines: &str) -> String {
    let fields = |config: &Config| -> Vec<String> {
        let text = format!("{config:#?}");
        text.lines().map(|line| line.trim().to_owned()).collect()
    };
    let usual = if place == Place::Redirect { "URL http://x/" } else { "" };
    let (with, mut without) = (fields(&good(place, lines)), fields(&good(place, usual)));

    let mut new = Vec::new();
    for line in with {
        match without.iter().position(|other| *other == line) {
            Some(place) => _ = without.remove(place),
            None => new.push(line),
        }
    }
    let new: Vec<String> = new.into_iter().filter(|line| !line.starts_with("line:")).collect();
    new.join(" ")
}

/// Directive, what it changes.
const GOLDEN: &[(Place, &str, &str)] = &[
    (Place::Global, "HTTPPort 8090", "port: 8090,"),
    (Place::Global, "Port 8090", "port: 8090,"),
    (Place::Global, "httpport 0x1F9A", "port: 8090,"),
    (Place::Global, "HTTPBindAddress 127.0.0.1", "host: Some( \"127.0.0.1\", ),"),
    (Place::Global, "HTTPBindAddress 0.0.0.0", ""),
    (Place::Global, "BindAddress ::1", "host: Some( \"::1\", ),"),
    (Place::Global, "RTSPPort 5554", "port: 5554,"),
    (Place::Global, "RTSPBindAddress cam.example", "host: Some( \"cam.example\", ),"),
    (Place::Global, "MaxHTTPConnections 3000", "max_connections: 3000,"),
    (Place::Global, "MaxClients 1000", "max_clients: 1000,"),
    (Place::Global, "MaxBandwidth 50000", "max_bandwidth_kbit: 50000,"),
    (Place::Global, "CustomLog -", "custom_log: Some( Stdout, ),"),
    (Place::Global, "CustomLog \"/var/log/a b.log\"", "custom_log: Some( File( \"/var/log/a b.log\", ), ),"),
    (Place::Global, "CustomLogFormat combined", "log_format: Combined,"),
    (Place::Global, "UseDefaults", ""),
    (Place::Global, "NoDefaults", "use_defaults: false,"),
    (Place::Global, "NoDaemon", ""),
    (Place::Feed, "File /tmp/f.ffm", "file: Some( \"/tmp/f.ffm\", ),"),
    (Place::Feed, "ReadOnlyFile /tmp/f.ffm", "file: Some( \"/tmp/f.ffm\", read_only: true, ),"),
    (Place::Feed, "Truncate", "truncate: true,"),
    (Place::Feed, "Truncate 0", ""),
    (Place::Feed, "FileMaxSize 5M", "file_max_size: Some( 5242880, ),"),
    (Place::Feed, "FileMaxSize 1.5G", "file_max_size: Some( 1610612736, ),"),
    (Place::Feed, "FileMaxSize 5000000", "file_max_size: Some( 5000000, ),"),
    (Place::Feed, "FileMaxSize 0", "file_max_size: Some( 0, ),"),
    (Place::Feed, "Launch ffmpeg -i 'a b' -an", "launch: [ \"ffmpeg\", \"-i\", \"a b\", \"-an\", ],"),
    (Place::Feed, "ACL allow 10.0.0.1", "rules: [ Rule { verdict: Allow, who: Range( 10.0.0.1, 10.0.0.1, ), }, ], },"),
    (Place::Feed, "Source rtsp://a:b@cam/x", "source: Some( \"rtsp://a:***@cam/x\", ),"),
    (Place::Stream, "Feed f.ffm", ""),
    (Place::Stream, "Format mpjpeg", "\"mpjpeg\","),
    (Place::Stream, "Preroll 2.5", "preroll: 2.5s,"),
    (Place::Stream, "StartSendOnKey", "start_send_on_key: true,"),
    (Place::Stream, "MaxTime 100", "max_time: Some( 100s, ),"),
    (Place::Stream, "MaxTime 0", ""),
    (
        Place::Stream,
        "ACL deny 10.0.0.0 10.0.0.255",
        "rules: [ Rule { verdict: Deny, who: Range( 10.0.0.0, 10.0.0.255, ), }, ],",
    ),
    (Place::Stream, "DynamicACL /etc/acl", "dynamic_acl: Some( \"/etc/acl\", ),"),
    (Place::Stream, "Metadata genre \"Street scene\"", "metadata: [ ( \"genre\", \"Street scene\", ), ],"),
    (Place::Stream, "Title The street", "metadata: [ ( \"title\", \"The street\", ), ],"),
    (Place::Stream, "Author A", "metadata: [ ( \"author\", \"A\", ), ],"),
    (Place::Stream, "Copyright B", "metadata: [ ( \"copyright\", \"B\", ), ],"),
    (Place::Stream, "Comment C", "metadata: [ ( \"comment\", \"C\", ), ],"),
    (Place::Stream, "FaviconURL http://x/i.ico", "favicon_url: Some( \"http://x/i.ico\", ),"),
    (
        Place::Stream,
        "MulticastAddress 239.255.12.1",
        "multicast: Some( Multicast { address: 239.255.12.1, port: 6000, ttl: 16, repeat: true, }, ),",
    ),
    (
        Place::Stream,
        "MulticastAddress 239.255.12.1\nMulticastPort 7000",
        "multicast: Some( Multicast { address: 239.255.12.1, port: 7000, ttl: 16, repeat: true, }, ),",
    ),
    (
        Place::Stream,
        "MulticastAddress 239.255.12.1\nMulticastTTL 0",
        "multicast: Some( Multicast { address: 239.255.12.1, port: 6000, ttl: 0, repeat: true, }, ),",
    ),
    (
        Place::Stream,
        "MulticastAddress 239.255.12.1\nNoLoop",
        "multicast: Some( Multicast { address: 239.255.12.1, port: 6000, ttl: 16, repeat: false, }, ),",
    ),
    (Place::Stream, "RTSPOption x", "rtsp_option: Some( \"x\", ),"),
    (Place::Stream, "NoAudio", "no_audio: true,"),
    (Place::Stream, "NoVideo", "no_video: true,"),
    (Place::Stream, "UseDefaults", ""),
    (Place::Stream, "NoDefaults", "use_defaults: false,"),
    (Place::Stream, "VideoCodec mpeg4", "codec: Some( \"mpeg4\", ),"),
    (Place::Stream, "VideoBitRate 10240", "bit_rate: Some( 10240000, ),"),
    (Place::Stream, "VideoBitRateRange 100-400", "bit_rate_range: Some( ( 100000, 400000, ), ),"),
    (Place::Stream, "VideoBitRateTolerance 100", "bit_rate_tolerance: Some( 100000, ),"),
    (Place::Stream, "VideoBitRateRangeTolerance 100", "bit_rate_tolerance: Some( 100000, ),"),
    (Place::Stream, "VideoBufferSize 20480", "buffer_bits: Some( 167772160, ),"),
    (Place::Stream, "VideoFrameRate 30000/1001", "rate: Some( Ratio { num: 30000, den: 1001, }, ),"),
    (Place::Stream, "VideoSize hd720", "size: Some( Size { width: 1280, height: 720, }, ),"),
    (Place::Stream, "VideoGopSize 12", "gop: Some( 12, ),"),
    (Place::Stream, "VideoIntraOnly", "gop: Some( 1, ),"),
    (Place::Stream, "VideoQMin 3", "qmin: Some( 3, ),"),
    (Place::Stream, "VideoQMax 31", "qmax: Some( 31, ),"),
    (Place::Stream, "VideoQDiff 5", "qdiff: Some( 5, ),"),
    (Place::Stream, "Qscale 4", "qscale: Some( 4.0, ),"),
    (Place::Stream, "PixelFormat yuv420p", "pixel_format: Some( \"yuv420p\", ),"),
    (Place::Stream, "VideoTag DX50", "tag: Some( [ 68, 88, 53, 48, ], ),"),
    (Place::Stream, "VideoHighQuality", "high_quality: true,"),
    (Place::Stream, "Video4MotionVector", "four_motion_vectors: true,"),
    (Place::Stream, "LumiMask 0.5", "lumi_mask: Some( 0.5, ),"),
    (Place::Stream, "DarkMask 0.25", "dark_mask: Some( 0.25, ),"),
    (Place::Stream, "DctFastint", "dct_fastint: true,"),
    (Place::Stream, "IdctSimple", "idct_simple: true,"),
    (Place::Stream, "BitExact", "bit_exact: true,"),
    (Place::Stream, "Debug 1", "debug: Some( 1, ), debug: Some( 1, ),"),
    (Place::Stream, "Strict -1", "strict: Some( -1, ), strict: Some( -1, ),"),
    (Place::Stream, "AVOptionVideo libx264:preset fast", "options: [ ( \"preset\", \"fast\", ), ],"),
    (Place::Stream, "AVOptionAudio profile aac_low", "options: [ ( \"profile\", \"aac_low\", ), ],"),
    (Place::Stream, "AVPresetVideo a.ffpreset", "presets: [ \"a.ffpreset\", ],"),
    (Place::Stream, "AVPresetAudio b.ffpreset", "presets: [ \"b.ffpreset\", ],"),
    (Place::Stream, "AudioCodec mp2", "codec: Some( \"mp2\", ),"),
    (Place::Stream, "AudioBitRate 128", "bit_rate: Some( 128000, ),"),
    (Place::Stream, "AudioChannels 2", "channels: Some( 2, ),"),
    (Place::Stream, "AudioSampleRate 44100", "sample_rate: Some( 44100, ),"),
    (Place::Redirect, "URL http://www.ffmpeg.org/", "url: \"http://www.ffmpeg.org/\","),
];

/// Without closing brackets, which are alike wherever they stand.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| word.contains(|c: char| !"()[]{},".contains(c))).collect()
}

#[test]
fn every_directive_does_what_it_says() {
    for (place, lines, expected) in GOLDEN {
        assert_eq!(words(&effect(*place, lines)), words(expected), "{lines}");
    }
}

#[test]
fn every_directive_is_tried_and_documented() {
    // Those that another origin needs have tests of their own.
    let apart = ["File", "ReadOnlyFile", "InputFormat", "LoadModule"];
    for row in directives::all() {
        let tried = GOLDEN.iter().any(|(place, lines, _)| {
            *place == row.place && lines.split_whitespace().any(|word| word.eq_ignore_ascii_case(row.name))
        });
        assert!(tried || apart.contains(&row.name), "{} has no golden line", row.name);
        assert!(row.doc.ends_with('.') && !row.value.is_empty() && row.example.starts_with(row.name), "{}", row.name);
        let parsed = at(row.place, row.example);
        let is_value_wrong = told(&parsed, Severity::Error).iter().any(|told| told.contains("expected"));
        assert!(!is_value_wrong, "{}: {:#?}", row.example, parsed.problems);
    }
}

#[test]
fn a_value_that_is_wrong_is_told_with_what_was_expected() {
    for (place, line, told) in [
        (Place::Global, "HTTPPort 0", "line 3: HTTPPort 0: expected a port from 1 to 65535, as in HTTPPort 8090"),
        (Place::Global, "HTTPPort 65536", "line 3: HTTPPort 65536: expected a port"),
        (Place::Global, "MaxBandwidth 9", "line 3: MaxBandwidth 9: expected kbit/s from 10 to 10000000"),
        (Place::Global, "MaxClients many", "line 3: MaxClients many: expected a number from 1 to 65535"),
        (Place::Global, "CustomLogFormat apache", "line 3: CustomLogFormat apache: expected ffserver or combined"),
        (Place::Global, "LoadModule x.so", "line 3: LoadModule: loadable modules are no longer supported"),
        (Place::Global, "CustomLog", "line 3: CustomLog: expected a file"),
        (Place::Feed, "FileMaxSize 16383", "line 5: FileMaxSize 16383: expected a size such as 200K"),
        (Place::Feed, "ACL permit 10.0.0.1", "line 5: ACL permit: expected allow or deny"),
        (Place::Stream, "VideoSize 720x", "line 9: VideoSize 720x: expected WIDTHxHEIGHT, or a name such as hd720"),
        (Place::Stream, "VideoSize 0x0", "line 9: VideoSize 0x0: expected WIDTHxHEIGHT"),
        (Place::Stream, "VideoFrameRate 0", "line 9: VideoFrameRate 0: expected pictures a second"),
        (Place::Stream, "VideoBitRateRange 400-100", "line 9: VideoBitRateRange 400-100: expected kbit/s from and to"),
        (Place::Stream, "VideoTag DIVX5", "line 9: VideoTag DIVX5: expected four letters"),
        (Place::Stream, "Format mpjepg", "line 9: Format mpjepg: unknown format mpjepg; did you mean mpjpeg?"),
        (
            Place::Stream,
            "Format mpegvideo",
            "line 9: Format mpegvideo: unknown format mpegvideo; did you mean mpeg1video?",
        ),
        (
            Place::Stream,
            "MulticastAddress 10.0.0.1",
            "line 9: MulticastAddress 10.0.0.1: expected an address of a group",
        ),
        (Place::Stream, "Metadata title", "line 9: Metadata title: expected a key and a value"),
        (Place::Stream, "AVOptionVideo g 1\nAVOptionVideo g 2", "line 10: AVOptionVideo g 2: g was given before"),
        (Place::Redirect, "URL", "line 12: URL: expected a URL"),
    ] {
        let parsed = at(place, line);
        let found = super::tests::told(&parsed, Severity::Error);
        assert!(found.first().is_some_and(|found| found.starts_with(told)), "{line}: {found:#?}");
    }
}

#[test]
fn flags_of_an_encoder_may_be_given_more_than_once() {
    let config = good(Place::Stream, "AVOptionVideo flags +global_header\nAVOptionVideo flags -loop\nBitExact");
    let options = config.streams[0].video.avoptions();
    assert_eq!(options, [("flags".to_owned(), "+bitexact+global_header-loop".to_owned())]);
}

#[test]
fn what_a_stream_leaves_out_has_no_options_of_both() {
    let config = good(Place::Stream, "NoAudio\nStrict -1\nDebug 1");
    let stream = &config.streams[0];
    assert_eq!((stream.video.strict, stream.video.debug), (Some(-1), Some(1)));
    assert_eq!((stream.audio.strict, stream.audio.debug), (None, None));
    let written = crate::native::write(&config);
    assert!(!written.contains("[stream.audio]"), "{written}");
}

#[test]
fn the_options_of_a_stream_of_a_file_are_not_called_without_effect() {
    let parsed = parse("HTTPPort 8090\n<Stream a.mjpeg>\nFile a.avi\nFormat mpjpeg\nVideoSize 160x120\n</Stream>\n");
    assert!(parsed.is_usable(), "{:#?}", parsed.problems);
    assert_eq!(told(&parsed, Severity::Warning), [""; 0]);
}

#[test]
fn the_how_tos_own_file_is_read() {
    let parsed = parse(include_str!("../../tests/data/howto.conf"));
    assert!(parsed.is_usable(), "{:#?}", parsed.problems);
    let Config { http, max_clients, feeds, streams, redirects, .. } = &parsed.config;
    assert_eq!((http[0].host.as_deref(), http[0].port, *max_clients), (None, 8090, 10));
    let [Feed { name, file_max_size: Some(0x4000_0000), .. }] = &feeds[..] else { panic!("{feeds:#?}") };
    assert_eq!(name, "cam2.ffm");
    let [Stream { name, origin: Origin::Feed(feed), video, no_audio: true, .. }, status] = &streams[..] else {
        panic!("{streams:#?}")
    };
    assert_eq!((name.as_str(), feed.as_str()), ("cam2.mjpeg", "cam2.ffm"));
    assert!(status.is_status());
    assert_eq!(redirects[..], [Redirect { name: "index.html".into(), line: 35, url: "http://www.ffmpeg.org/".into() }]);
    // What the program itself wrote into the feed's header.
    let options: Vec<_> =
        video.with_defaults().avoptions().iter().map(|(key, value)| format!("{key}={value}")).collect();
    for expected in [
        "time_base=1/25",
        "b=10240000",
        "bufsize=167772160",
        "video_size=320x240",
        "qmin=3",
        "qmax=31",
        "strict=-1",
        "bt=2560000",
        "maxrate=20480000",
    ] {
        assert!(options.contains(&expected.to_owned()), "{expected}: {options:?}");
    }
    let warnings = told(&parsed, Severity::Warning);
    assert_eq!(
        warnings,
        [
            "line 1: Port is an old word; use HTTPPort instead",
            "line 2: BindAddress is an old word; use HTTPBindAddress instead"
        ]
    );
    // Each difference once, with the line that it is about.
    let notices: Vec<usize> = parsed
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Notice)
        .map(|problem| problem.line)
        .collect();
    assert_eq!(notices, [1, 4, 5, 8, 9, 26, 32]);
}

#[test]
fn what_web_pages_do_to_a_file_is_told_with_how_to_mend_it() {
    // Brackets that are lost, and nothing else is told of those sections.
    assert_eq!(
        errors(
            "HTTPPort 8090\nFeed cam2.ffm\nFile /tmp/cam2.ffm\n/Feed\nStream cam2.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n"
        ),
        [
            "line 2: Feed cam2.ffm: the brackets are missing; write <Feed cam2.ffm>",
            "line 4: /Feed: the brackets are missing; write </Feed>",
            "line 5: Stream cam2.mjpeg: the brackets are missing; write <Stream cam2.mjpeg>",
        ]
    );
    assert_eq!(
        errors("HTTPPort 8090\n<Feed cam2.ffm\n</Feed\n"),
        [
            "line 2: <Feed cam2.ffm: the closing bracket is missing; write <Feed cam2.ffm>",
            "line 3: </Feed: the closing bracket is missing; write </Feed>",
        ]
    );
    // Lines that are gone as a whole.
    let told = errors(
        "HTTPPort 8090\nFile /tmp/cam2.ffm\nFileMaxSize 5M\nACL allow 127.0.0.1\n\n<Stream stat.html>\nFormat status\n</Stream>\n",
    );
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("line 2: File belongs into <Feed NAME>; is that line missing above?"), "{told:#?}");
    // Typography and HTML.
    let told = errors(
        "HTTPPort 8090\n&lt;Feed cam2.ffm&gt;\n</Feed>\n<Stream a.asf>\nFeed cam2.ffm\nTitle “A title”\nStrict –1\nVideoSize 320×240\nMaxTime\u{a0}5\n</Stream>\n",
    );
    assert_eq!(
        told,
        [
            "line 2: &lt; stands for < in the source of a web page and means nothing here; write: <Feed cam2.ffm>",
            "line 6: U+201C is a typographic quote, where \" is needed; write: Title \"A title\"",
            "line 7: U+2013 is a typographic dash, where - is needed; write: Strict -1",
            "line 8: U+00D7 is a sign of multiplication, where x is needed; write: VideoSize 320x240",
            "line 9: U+00A0 is a blank that does not break, where a plain blank is needed; write: MaxTime 5",
        ]
    );
    // In proper quotes they are text.
    assert!(at(Place::Stream, "Metadata title \"He said “no” – twice\"").is_usable());
}

#[test]
fn all_problems_are_told_at_once() {
    let told = errors(
        "HTTPPrt 8090\n<Feed a.ffm>\nFileMaxSise 5M\n<Stream b>\nFeed c.ffm\nVideoQMim 3\n</Feed>\n<Streem x>\n</Redirect>\n<Feed a.ffm>\n</Feed>\n<Redirect r>\n</Redirect>\n<Stream>\nFormat status",
    );
    assert_eq!(
        told,
        [
            "neither HTTPPort nor RTSPPort is there, so nothing would be served; add a line such as HTTPPort 8090",
            "line 1: unknown directive HTTPPrt; did you mean HTTPPort?",
            "line 3: unknown directive FileMaxSise; did you mean FileMaxSize?",
            "line 4: <Stream b> begins before </Feed> ends <Feed a.ffm>; sections do not nest",
            "line 4: <Stream b>: Format is missing, and the name does not tell it",
            "line 4: <Stream b>: there is no feed called c.ffm; did you mean a.ffm?",
            "line 6: unknown directive VideoQMim; did you mean VideoQMin?",
            "line 7: </Feed> where <Stream b> is to be ended; write </Stream>",
            "line 8: unknown section <Streem x>; did you mean Stream?",
            "line 9: </Redirect> ends nothing; is the line <Redirect NAME> missing above?",
            "line 10: <Feed a.ffm> was there already on line 2; give one of them another name",
            "line 13: <Redirect r>: URL is missing",
            "line 14: <Stream>: a name is missing; expected such as <Stream cam2.mjpeg>",
            "line 14: <Stream > is never ended; write </Stream> behind its last line",
        ]
    );
}

#[test]
fn sections_are_checked_when_they_are_whole() {
    for (lines, told) in [
        ("File /x.asf", "<Stream s.asf>: Feed and File; remove one of them"),
        ("NoAudio\nNoVideo", "<Stream s.asf>: NoAudio and NoVideo leave nothing"),
        ("VideoQMin 9\nVideoQMax 5", "<Stream s.asf>: VideoQMin 9 is above VideoQMax 5"),
    ] {
        let found = super::tests::told(&at(Place::Stream, lines), Severity::Error);
        assert!(found.iter().any(|found| found.contains(told)), "{lines}: {found:#?}");
    }
    assert_eq!(
        errors("HTTPPort 8090\nMaxClients 3000\n"),
        ["MaxClients 3000 is more than MaxHTTPConnections 2000; raise the latter, too"]
    );
    assert_eq!(errors("HTTPPort 8090\nMaxClients 3000\nMaxHTTPConnections 3000\n"), [""; 0]);
    let file = parse("HTTPPort 8090\n<Stream a.asf>\nFile /srv/a.asf\nInputFormat asf\n</Stream>\n");
    assert_eq!(
        file.config.streams[0].origin,
        Origin::File { path: "/srv/a.asf".into(), input_format: Some("asf".into()) }
    );
    assert!(file.is_usable());
}

#[test]
fn a_name_that_stands_twice_is_for_those_whom_the_first_does_not_let_in() {
    let two = |acl: &str| {
        parse(&format!(
            "HTTPPort 8090\n<Feed f>\n</Feed>\n<Stream a.asf>\nFeed f\n{acl}\n</Stream>\n<Stream a.asf>\nFeed f\n</Stream>\n"
        ))
    };
    assert!(!two("").is_usable());
    let limited = two("ACL allow 10.0.0.0/8");
    assert!(limited.is_usable());
    assert!(
        told(&limited, Severity::Notice)
            .iter()
            .any(|told| told.starts_with("line 8: <Stream a.asf> is served to those whom"))
    );
}

#[test]
fn ten_thousand_streams_are_read() {
    let mut text = String::from("HTTPPort 8090\n<Feed f.ffm>\n</Feed>\n");
    for number in 0..10_000 {
        text.push_str(&format!("<Stream s{number}.mjpeg>\nFeed f.ffm\nFormat mpjpeg\nVideoSize 640x480\nNoAudio\nACL allow 10.0.0.0 10.0.0.255\n</Stream>\n"));
    }
    let parsed = parse(&text);
    assert!(parsed.is_usable());
    assert_eq!(parsed.config.streams.len(), 10_000);
}

#[test]
fn the_table_is_the_one_in_the_documents() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DIRECTIVES.md");
    let text = std::fs::read_to_string(path).expect("docs/DIRECTIVES.md");
    assert!(
        text == reference(),
        "docs/DIRECTIVES.md is out of date; write it anew with: headwater config directives > docs/DIRECTIVES.md"
    );
    for row in directives::all() {
        assert!(text.contains(&format!("| `{}` |", row.name)), "{}", row.name);
    }
}
