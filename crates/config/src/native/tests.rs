//! Keys read, written and read again.

use super::*;
use crate::ffserver::{self, Place, Standing};

const SMALL: &str = "\
[[source]]
name = \"front\"
url = \"pattern:\"

[[feed]]
name = \"cam2.ffm\"

[[stream]]
name = \"cam2.mjpeg\"
feed = \"cam2.ffm\"

[[redirect]]
name = \"r\"
url = \"http://x/\"
";

/// The same as if it had all stood in one line.
fn without_lines(mut config: Config) -> Config {
    config.sources.iter_mut().for_each(|source| source.line = 0);
    config.feeds.iter_mut().for_each(|feed| feed.line = 0);
    config.streams.iter_mut().for_each(|stream| stream.line = 0);
    config.redirects.iter_mut().for_each(|redirect| redirect.line = 0);
    config
}

fn good(text: &str) -> Config {
    let parsed = parse(text);
    assert!(parsed.is_usable(), "{text}\n{:#?}", parsed.problems);
    without_lines(parsed.config)
}

fn errors(text: &str) -> Vec<String> {
    parse(text).problems.iter().map(ToString::to_string).collect()
}

/// A file with the example of `key` in it, and nothing else there.
fn with(key: &Key) -> String {
    let header = key.section.header();
    let besides = match (key.section, key.name) {
        (Section::Source, "name") => "url = \"pattern:\"",
        (Section::Source, "url") => "name = \"front\"",
        (Section::Source, "record_segment" | "record_keep") => {
            "name = \"front\"\nurl = \"pattern:\"\nrecord = \"a.mp4\""
        }
        (Section::Source, _) => "name = \"front\"\nurl = \"pattern:\"",
        (Section::Feed, "name") => "",
        (Section::Feed, "record_segment" | "record_keep") => "name = \"cam2.ffm\"\nrecord = \"a.mp4\"",
        (Section::Feed, _) => "name = \"cam2.ffm\"",
        (Section::Stream, "name") => "feed = \"cam2.ffm\"",
        (Section::Stream, "feed") => "name = \"cam2.mjpeg\"",
        (Section::Stream, "file") => "name = \"show.asf\"",
        (Section::Stream, "input_format") => "name = \"show.asf\"\nfile = \"show\"",
        (Section::Stream, _) => "name = \"cam2.mjpeg\"\nfeed = \"cam2.ffm\"",
        (Section::Multicast, "address") | (Section::Server | Section::Video | Section::Audio, _) => "",
        (Section::Multicast, _) => "address = \"239.255.12.1\"",
        (Section::Redirect, "name") => "url = \"http://x/\"",
        (Section::Redirect, _) => "name = \"r\"",
    };
    let feed = "[[feed]]\nname = \"cam2.ffm\"\n";
    match key.section {
        Section::Video | Section::Audio | Section::Multicast => {
            format!(
                "{feed}[[stream]]\nname = \"cam2.mjpeg\"\nfeed = \"cam2.ffm\"\n{header}\n{besides}\n{}\n",
                key.example
            )
        }
        Section::Stream => format!("{feed}{header}\n{besides}\n{}\n", key.example),
        _ => format!("{header}\n{besides}\n{}\n", key.example),
    }
}

fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().flat_map(|rows| rows.iter())
}

#[test]
fn every_example_is_read_says_something_and_is_written_again() {
    for key in all() {
        assert!(key.example.starts_with(&format!("{} = ", key.name)), "{}", key.example);
        assert!(!key.value.is_empty() && key.doc.ends_with('.'), "{}", key.name);
        let text = with(key);
        let config = good(&text);
        let written = write(&config);
        assert_eq!(good(&written), config, "{text}\n{written}");
        let line = written.lines().find(|line| line.starts_with(&format!("{} = ", key.name)));
        let is_default = ["http", "port", "ttl", "start_send_on_key"].contains(&key.name);
        assert!(line.is_some() || is_default, "{} is not written:\n{written}", key.name);
    }
}

#[test]
fn every_directive_of_ffserver_has_its_key() {
    let known: Vec<&str> = all().flat_map(|key| key.ffserver.split(", ")).collect();
    for row in ffserver::DIRECTIVES.iter().flat_map(|rows| rows.iter()) {
        // Sections are tables here, ReadOnlyFile of a stream is File, and one port is a list.
        let has_other_name = row.name == "UseDefaults" || row.name == "NoDefaults";
        if matches!(row.standing, Standing::Current | Standing::Ours) && !has_other_name {
            assert!(known.contains(&row.name), "{} has no key", row.name);
        }
    }
}

#[test]
fn what_every_directive_says_is_kept_by_writing_and_reading() {
    for row in ffserver::DIRECTIVES.iter().flat_map(|rows| rows.iter()) {
        if matches!(row.standing, Standing::Gone(_)) {
            continue;
        }
        let at = |place: Place, other: &str| if row.place == place { row.example.to_owned() } else { other.to_owned() };
        let redirect = at(Place::Redirect, "URL http://x/");
        let origin = match row.name {
            "File" | "ReadOnlyFile" if row.place == Place::Stream => "",
            "Feed" => "",
            "InputFormat" => "File show.asf",
            _ => "Feed cam2.ffm",
        };
        let group =
            if row.name.starts_with("Multicast") || row.name == "NoLoop" { "MulticastAddress 239.255.1.1" } else { "" };
        let text = format!(
            "HTTPPort 1024\nRTSPPort 1025\nMaxClients 7\n{}\n<Feed cam2.ffm>\n{}\n</Feed>\n<Stream s.asf>\n{origin}\n{group}\n{}\n</Stream>\n<Redirect r>\n{redirect}\n</Redirect>\n",
            at(Place::Global, ""),
            at(Place::Feed, ""),
            at(Place::Stream, ""),
        );
        let read = ffserver::parse(&text);
        assert!(read.is_usable(), "{text}{:#?}", read.problems);
        let config = without_lines(read.config);
        let written = write(&config);
        assert_eq!(good(&written), config, "{text}\n{written}");
    }
}

#[test]
fn texts_with_quotes_lines_and_other_letters_come_back_as_they_were() {
    let mut config = good(SMALL);
    config.streams[0].metadata =
        vec![("z".into(), "a \"b\" \\ 'c'\n[d]\té \u{1}".into()), ("a b".into(), String::new())];
    config.streams[0].video.options =
        vec![("rc_eq".into(), "tex^qComp=1".into()), ("x264opts".into(), "a=1:b=2".into())];
    config.feeds[0].launch = vec!["sh".into(), "-c".into(), "echo \"\"\" '''".into(), String::new()];
    let written = write(&config);
    assert_eq!(good(&written), config, "{written}");
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let text = "\
[server]
http = [\"8090\"]
max_clients = 0
max_client = 5
acl = []

[[strem]]

[[feed]]
file_max_size = \"5X\"
acl = [\"permit 10.0.0.1\"]

[[stream]]
name = \"a.mjpeg\"
feed = \"b\"
file = \"c\"
format = \"mpjpg\"
video = 3

[[stream]]
name = \"a.mjpeg\"
max_time = \"3x\"
[stream.video]
size = \"720x\"
qmim = 3
";
    let told = errors(text).join("\n");
    for expected in [
        "line 2: http: the first item is \"8090\": expected ADDRESS:PORT, as in http = [\":8090\"]",
        "line 3: max_clients = 0: expected a number from 1 to 65535, as in max_clients = 1000",
        "line 4: unknown key max_client in [server]; did you mean max_clients?",
        "line 5: unknown key acl in [server]; it belongs into [[feed]]",
        "line 7: unknown section or key strem; did you mean stream?",
        "line 9: [[feed]]: name is missing",
        "line 10: file_max_size = \"5X\": expected bytes, or a size",
        "line 11: acl: the first item, \"permit 10.0.0.1\": ACL permit: expected allow or deny",
        "line 13: [[stream]] a.mjpeg: there is no feed called b; add a [[feed]] or [[source]] of that name",
        "line 16: file: feed and file; remove one of them",
        "line 17: format: unknown format mpjpg; did you mean mpjpeg?",
        "line 18: video: expected a table; write [stream.video] above its keys",
        "line 20: [[stream]] a.mjpeg: what it is made of is missing; add feed or file",
        "line 20: [[stream]] a.mjpeg: [[stream]] on line 13 has that name; give one of them another",
        "line 22: max_time = \"3x\": expected a time such as 100s, as in max_time = \"100s\"",
        "line 24: size = \"720x\": expected WIDTHxHEIGHT",
        "line 25: unknown key qmim in [stream.video]; did you mean qmin?",
    ] {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
    assert_eq!(told.lines().count(), 17, "{told}");
}

#[test]
fn what_follows_from_a_mistake_is_not_told_as_another() {
    for (text, expected) in [
        (
            "[[source]]\nname = \"a\"\nurll = \"pattern:\"\n",
            "line 3: unknown key urll in [[source]]; did you mean url?",
        ),
        ("[[source]]\nname = \"a\"\nurl = 5\n", "line 3: url = 5: expected a URL"),
        (
            "[[source]]\nnmae = \"a\"\nurl = \"x\"\n[[stream]]\nname = \"b.jpg\"\nfeed = \"a\"\n",
            "line 2: unknown key nmae",
        ),
        ("[server]\nhttp = []\nrtps = [\":1\"]\n", "line 3: unknown key rtps in [server]; did you mean rtsp?"),
        (
            "[[feed]]\nname = \"f\"\n[[stream]]\nname = \"b\"\nfeed = \"f\"\nfromat = \"jpeg\"\n",
            "line 6: unknown key fromat",
        ),
        ("[[feed]]\nname = \"f\"\n[[stream]]\nname = \"b.jpg\"\nfeeed = \"f\"\n", "line 5: unknown key feeed"),
        (
            "[[source]]\nname = \"a\"\nurl = \"x\"\nrecrd = \"a.mp4\"\nrecord_keep = \"1d\"\n",
            "line 4: unknown key recrd",
        ),
    ] {
        let told = errors(text);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{text}{told:#?}");
    }
}

#[test]
fn of_a_list_the_item_is_told_and_its_line() {
    let source = |key: &str| format!("[[source]]\nname = \"a\"\nurl = \"x\"\n{key}\n");
    for (key, expected) in [
        (
            "headers = [\n\"A: b\",\n\"c\",\n]",
            "line 6: headers: the second item is \"c\": expected NAME: VALUE, as in headers = ",
        ),
        (
            "webcam = [\"a=b\", \"c=d\", \"e\"]",
            "line 4: webcam: the third item is \"e\": expected NAME=VALUE, as in webcam = ",
        ),
        ("headers = [7]", "line 4: headers: the first item is 7: expected NAME: VALUE"),
        ("headers = \"A: b\"", "line 4: headers = \"A: b\": expected a list of NAME: VALUE"),
    ] {
        let told = errors(&source(key));
        assert!(told.len() == 1 && told[0].starts_with(expected), "{key}: {told:#?}");
    }
}

#[test]
fn how_a_recording_is_cut_says_nothing_without_one() {
    let told = errors(
        "[[source]]\nname = \"a\"\nurl = \"x\"\nrecord_segment = \"7d\"\n[[feed]]\nname = \"f\"\nrecord_keep = \"500MiB\"\n",
    );
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with(
        "line 1: [[source]] a: record_segment is there without record, so nothing would be recorded; add"
    ));
    assert!(told[1].starts_with("line 5: [[feed]] f: record_keep is there without record"));
    let told = errors(
        "[[source]]\nname = \"a\"\nurl = \"x\"\nrecord = \"a.mp4\"\nrecord_segment = \"0s\"\nrecord_keep = \"7\"\n",
    );
    assert!(
        told[0].starts_with("line 5: record_segment = \"0s\": expected a time such as 10m, 24h or 7d"),
        "{told:#?}"
    );
    assert!(told[1].starts_with("line 6: record_keep: \"7\": expected an age such as 30m"), "{told:#?}");
}

#[test]
fn where_a_file_stops_to_be_toml_is_told_and_nothing_of_what_follows() {
    let of = |text: &str| errors(text);
    assert!(of("[server]\nhttp = [\nmax_clients = 3\n")[0].starts_with("line 2: unclosed array"));
    for (text, begin) in [
        ("[server]\nhttp = [\":4791\"\n[[source]]\nname=front\n", "line 2: unclosed array"),
        (
            "[[source]]\nname = front\nurl = \"a\"\n[[stream]]\nnonsense = 3\n",
            "line 2: invalid boolean, expected `false` (a text stands in quotes",
        ),
        ("[[source]]\nname = \"front\nurl = \"a\"\n", "line 2: "),
    ] {
        let told = of(text);
        assert!(told.len() == 1 && told[0].starts_with(begin), "{told:?}");
    }
    let told = errors("server = 3\nfeed = 4\n[[stream]]\nnam = \"a\"\n").join("\n");
    assert!(
        told.contains("line 1: server: expected a table") && told.contains("line 2: feed: expected a list of tables"),
        "{told}"
    );
    assert!(told.contains("line 4: "), "{told}");
}

#[test]
fn ten_thousand_streams_are_read() {
    let mut text = String::from("[[feed]]\nname = \"f\"\n");
    text.extend((0..10_000).map(|number| format!("[[stream]]\nname = \"s{number}.mjpeg\"\nfeed = \"f\"\n")));
    let config = good(&text);
    assert_eq!(config.streams.len(), 10_000);
    assert_eq!(config.streams[9_999].name, "s9999.mjpeg");
}

#[test]
fn the_reference_is_the_one_in_the_documents() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIG.md");
    let text = std::fs::read_to_string(path).expect("docs/CONFIG.md");
    assert!(
        text == reference(),
        "docs/CONFIG.md is out of date; write it anew with: headwater config docs > docs/CONFIG.md"
    );
}

#[test]
fn the_schema_knows_every_key_and_its_kind() {
    let schema = schema();
    for key in all() {
        let properties = &schema["properties"];
        let within = match key.section {
            Section::Server => &properties["server"],
            Section::Source => &properties["source"]["items"],
            Section::Feed => &properties["feed"]["items"],
            Section::Stream => &properties["stream"]["items"],
            Section::Video => &properties["stream"]["items"]["properties"]["video"],
            Section::Audio => &properties["stream"]["items"]["properties"]["audio"],
            Section::Multicast => &properties["stream"]["items"]["properties"]["multicast"],
            Section::Redirect => &properties["redirect"]["items"],
        };
        let found = &within["properties"][key.name];
        let text = found.to_string();
        assert!(
            found["description"].is_string() && (text.contains("type") || text.contains("enum")),
            "{}: {text}",
            key.name
        );
    }
}
