use proptest::prelude::*;

use super::*;

const BASE: &str = "http://example.org:8080/lists/today/cams.asx?token=1";

fn read(text: &str) -> Playlist {
    parse(text.as_bytes(), BASE).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The URLs of each entry.
fn urls(text: &str) -> Vec<Vec<String>> {
    read(text).entries.into_iter().map(|entry| entry.alternatives).collect()
}

fn one(text: &str) -> String {
    let urls = urls(text);
    assert_eq!((urls.len(), urls[0].len()), (1, 1), "{urls:?}");
    urls[0][0].clone()
}

#[test]
fn an_orderly_asx_gives_its_entries_in_order() {
    let list = read(
        "<ASX VERSION=\"3.0\">\r\n<TITLE>City\r\n  cams</TITLE>\r\n<PARAM NAME=\"Encoding\" VALUE=\"utf-8\"/>
        <!-- <ENTRY><REF HREF=\"mms://no\"/></ENTRY> -->
        <ENTRY CLIENTSKIP=\"no\" SKIPIFREF=\"yes\"><TITLE>An ad &amp; more</TITLE>
            <REF HREF=\"http://ads.example.org/a.wmv\"/><DURATION VALUE=\"00:00:15.5\"/></ENTRY>
        <ENTRY><STARTTIME VALUE=\"1:02:03\"/><REF HREF=\"mms://a/cam1?x=1&amp;y=2\"/><REF HREF=\"http://b/cam1\"/></ENTRY>
        <ENTRYREF HREF=\"more.asx\"/></ASX>",
    );
    assert_eq!(list.title.as_deref(), Some("City cams"));
    assert!(!list.endless);
    let [ad, cam, more] = &list.entries[..] else { panic!("{list:?}") };
    assert_eq!(ad.title.as_deref(), Some("An ad & more"));
    assert_eq!(ad.duration, Some(Duration::from_millis(15_500)));
    assert_eq!((ad.skippable, ad.skip_if_ref, ad.playlist_ref), (false, true, false));
    assert_eq!(cam.alternatives, ["mms://a/cam1?x=1&y=2", "http://b/cam1"]);
    assert_eq!(cam.start, Some(Duration::from_secs(3723)));
    assert_eq!((cam.skippable, cam.skip_if_ref, cam.title.as_ref()), (true, false, None));
    assert_eq!(more.alternatives, ["http://example.org:8080/lists/today/more.asx"]);
    assert!(more.playlist_ref);
}

#[test]
fn sloppy_tags_are_read_as_they_are_meant() {
    for text in [
        "<asx version = 3.0><entry><ref href = \"mms://h/c?a=1&b=2\" /></entry></asx>",
        "<Asx><Entry><Ref hReF=mms://h/c?a=1&b=2></Entry>",
        "<ASX><ENTRY><REF HREF=mms://h/c?a=1&b=2/></ENTRY></ASX>",
        "<ASX><ENTRY><REF HREF='mms://h/c?a=1&b=2'></REF>",
        "<asx><ref href=\"mms://h/c?a=1&#38;b=2\"/>",
        "<asx><entry href=\"mms://h/c?a=1&#x26;b=2\"/>",
        // The second quote is missing.
        "<asx><entry><ref href=\"mms://h/c?a=1&b=2 />\n<title>x</title></entry></asx>",
        // The tag does not end.
        "<asx><entry><ref href=\"mms://h/c?a=1&b=2\" <title>x</title></entry></asx>",
        // Lines broken within, and blanks around.
        "<asx><entry><ref href=\" mms://h/c?a=1\r\n&b=2 \"/></entry></asx>",
        "<?xml version=\"1.0\"?>\n<!DOCTYPE asx>\n<asx><entry><ref href=\"mms://h/c?a=1&b=2\"/></entry></asx>",
        "<!-- <html> -->\n<asx><abstract>5 < 6 </abstract><ref href=\"mms://h/c?a=1&b=2\"/></asx>",
        "<ASX><ENTRY><![CDATA[ <ref href=\"mms://no\"/> ]]><REF HREF=\"mms://h/c?a=1&b=2\"/></ENTRY></ASX>",
        "<!-- forgotten -> <asx> <entry> <ref href=\"mms://h/c?a=1&b=2\"/>",
        "<?wpl version=\"1.0\"?><smil><body><seq><media src=\"mms://h/c?a=1&amp;b=2\"/></seq></body></smil>",
    ] {
        assert_eq!(one(text), "mms://h/c?a=1&b=2", "{text}");
    }
}

#[test]
fn an_entity_needs_its_semicolon() {
    assert_eq!(
        one("<asx><ref href=\"mms://h/c?a&lt=1&quot&#;&#0;&#xD800;&verylongname;\"/>"),
        "mms://h/c?a&lt=1&quot&#;&#0;&#xD800;&verylongname;"
    );
}

#[test]
fn an_entry_that_is_not_closed_ends_where_the_next_begins() {
    assert_eq!(
        urls("<asx><entry><ref href=mms://a/1><entry><ref href=mms://a/2><ref href=mms://b/2>"),
        [vec!["mms://a/1"], vec!["mms://a/2", "mms://b/2"]]
    );
}

#[test]
fn any_encoding_is_understood() {
    let text = "<asx><title>Café</title><ref href=\"mms://h/c\"/></asx>";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    for bytes in [
        text.as_bytes().to_vec(),
        [&b"\xEF\xBB\xBF"[..], text.as_bytes()].concat(),
        [&b"\xFF\xFE"[..], &little].concat(),
        [&b"\xFE\xFF"[..], &big].concat(),
        little,
        big,
        latin,
    ] {
        let list = parse(&bytes, BASE).unwrap();
        assert_eq!(list.title.as_deref(), Some("Café"));
        assert_eq!(list.entries[0].alternatives, ["mms://h/c"]);
        assert_eq!(looks_like(&bytes), Some(Kind::Asx));
    }
}

#[test]
fn what_repeats_is_repeated_within_bounds() {
    let cam = |n| format!("<entry><ref href=mms://h/{n}></entry>");
    let twice = format!("<asx>{}<repeat count=2>{}{}</repeat>{}</asx>", cam(0), cam(1), cam(2), cam(3));
    let order: Vec<_> = urls(&twice).concat();
    assert_eq!(order, [0, 1, 2, 1, 2, 3].map(|n| format!("mms://h/{n}")));
    let endless = read(&format!("<asx><repeat>{}</repeat></asx>", cam(1)));
    assert_eq!((endless.entries.len(), endless.endless), (1, true));
    let nested =
        format!("<asx>{}{}{}</asx>", "<repeat count=99999999999>".repeat(5000), cam(1), "</repeat>".repeat(5000));
    assert!(read(&nested).entries.len() <= MAX_ENTRIES);
    let nested = format!("<asx>{}{}{}</asx>", "<repeat count=9999>".repeat(50), cam(1), "</repeat>".repeat(50));
    assert_eq!(read(&nested).entries.len(), MAX_ENTRIES);
}

#[test]
fn numbers_are_bounded() {
    let many = format!("<asx>{}</asx>", "<entryref href=a.asx/>".repeat(2 * MAX_ENTRIES));
    assert_eq!(read(&many).entries.len(), MAX_ENTRIES);
    let many: String = (0..2 * MAX_ALTERNATIVES).map(|n| format!("<ref href=mms://h/{n}>")).collect();
    assert_eq!(read(&format!("<asx><entry>{many}")).entries[0].alternatives.len(), MAX_ALTERNATIVES);
    let long = format!(
        "<asx><title>{}</title><entry><ref href=mms://h/{}><ref href=mms://h/1>",
        "é".repeat(999),
        "x".repeat(MAX_URL)
    );
    assert_eq!(one(&long), "mms://h/1");
    assert_eq!(read(&long).title.unwrap().chars().count(), MAX_TITLE);
    let error = parse(&vec![b' '; MAX_BYTES + 1], BASE).unwrap_err().to_string();
    assert_eq!(error, "playlist of 262145 bytes; at most 262144 are accepted");
}

#[test]
fn relative_references_are_resolved() {
    for (reference, url) in [
        ("cam", "http://example.org:8080/lists/today/cam"),
        ("./cam?x=../1", "http://example.org:8080/lists/today/cam?x=../1"),
        ("../cam", "http://example.org:8080/lists/cam"),
        ("../../../../cam/.", "http://example.org:8080/cam/"),
        ("/cam", "http://example.org:8080/cam"),
        ("//other/cam", "http://other/cam"),
        ("?cam=2", "http://example.org:8080/lists/today/cams.asx?cam=2"),
        ("MMS://Other/Cam 1", "MMS://Other/Cam 1"),
        ("my cam.wmv", "http://example.org:8080/lists/today/my cam.wmv"),
    ] {
        assert_eq!(one(&format!("<asx><ref href=\"{reference}\"/></asx>")), url);
    }
    let based = "<asx><base href=\"mms://media/all/\"><entry><ref href=\"cam\"/></entry></asx>";
    assert_eq!(one(based), "mms://media/all/cam");
    assert_eq!(parse(b"<asx><ref href=x>", "rtsp://h").unwrap().entries[0].alternatives, ["rtsp://h/x"]);
}

#[test]
fn a_playlist_from_the_network_names_no_file() {
    for reference in [
        "file:///etc/passwd",
        "C:\\cam.wmv",
        "\\\\server\\share",
        "javascript:x",
        "mms://",
        "http:///x",
        "///h/c",
        "//",
        "#",
    ] {
        let text = format!("<asx><entry><ref href=\"{reference}\"/><ref href=\"mms://h/c\"/></entry></asx>");
        assert_eq!(one(&text), "mms://h/c", "{reference}");
    }
    assert!(parse(b"<asx><ref href=//server/share/x.asf>", "file:///home/x.asx").is_err());
    let local = parse(b"<asx><ref href=cam.wmv><ref href=file:///a/b>", "file:///home/x.asx").unwrap();
    assert_eq!(local.entries[0].alternatives, ["file:///home/cam.wmv"]);
    assert_eq!(local.entries[1].alternatives, ["file:///a/b"]);
}

#[test]
fn a_reference_file_gives_alternatives_of_one_stream() {
    let text = "[Reference]\r\nRef1=http://server:80/path?MSWMExt=.asf\r\nREF2 = http://10.0.0.1:80/path?MSWMExt=.asf\r\nx=y\r\n";
    assert_eq!(urls(text), [["mmsh://server:80/path?MSWMExt=.asf", "mmsh://10.0.0.1:80/path?MSWMExt=.asf"]]);
    assert_eq!(urls("  [REFERENCE]\nref1=cam"), [["http://example.org:8080/lists/today/cam"]]);
}

#[test]
fn a_text_file_with_urls_is_a_playlist() {
    assert_eq!(one("mms://h/cam\r\n"), "mms://h/cam");
    assert_eq!(
        urls("#EXTM3U\n#EXTINF:-1,Cam\nmms://h/cam\n\nnot a url\nrtsp://h/cam"),
        [["mms://h/cam"], ["rtsp://h/cam"]]
    );
}

#[test]
fn what_is_no_playlist_is_refused_by_name() {
    for (text, reason) in [
        (
            "<!DOCTYPE html><html><head><title>404\nNot Found</title>",
            "the answer is a page for browsers titled \"404 Not Found\", not a stream",
        ),
        ("<HTML><body>", "the answer is a page for browsers, not a stream"),
        (
            "[Address]\r\nName=02x\r\n",
            "the answer announces a multicast (.nsc), which cannot be received; ask for the unicast URL",
        ),
        ("no such camera", "the answer is neither a stream nor a playlist"),
        ("", "the answer is neither a stream nor a playlist"),
        ("[Reference]\r\n", "the playlist names no stream"),
        ("<asx></asx>", "the playlist names no stream"),
    ] {
        assert_eq!(parse(text.as_bytes(), BASE).unwrap_err().to_string(), reason);
    }
}

#[test]
fn control_characters_are_no_part_of_urls_and_titles() {
    let list = read("<asx><title>a \u{16} b\u{16}c &#22; &#9;d</title><ref href=\"\u{16} mms://h/\u{7}c \u{16}\"/>");
    assert_eq!((list.title.as_deref(), &list.entries[0].alternatives[0][..]), (Some("a bc d"), "mms://h/c"));
}

#[test]
fn kinds_are_known_by_the_first_bytes() {
    assert_eq!(looks_like(b"\xEF\xBB\xBF \r\n<Asx"), Some(Kind::Asx));
    assert_eq!(looks_like(b"[reference]"), Some(Kind::Reference));
    assert_eq!(looks_like(b"[Address]"), Some(Kind::Nsc));
    assert_eq!(looks_like(b"rtsp://h/x"), Some(Kind::Url));
    assert_eq!(looks_like(b"<html lang=en>"), Some(Kind::Html));
    for bytes in [&b"$H\0\0"[..], b"0&\xB2u\x8Ef\xCF\x11", b"\xFF\xD8\xFF\xE0", b"[section]", b"<svg>", b"a:b", b""] {
        assert_eq!(looks_like(bytes), None);
    }
}

#[test]
fn what_we_write_is_escaped_and_can_be_read() {
    let urls = ["mms://h/cam?a=1&b=\"2\"<>".to_owned(), "http://h/cam".to_owned()];
    let text = asx("Tom & \"Jerry\" <live>\n", &urls);
    assert!(text.contains("<REF HREF=\"mms://h/cam?a=1&amp;b=&quot;2&quot;&lt;&gt;\"/>"), "{text}");
    let list = read(&text);
    assert_eq!(list.title.as_deref(), Some("Tom & \"Jerry\" <live>"));
    assert_eq!(list.entries[0].alternatives, urls);
}

proptest! {
    #[test]
    fn no_text_is_taken_badly(text in "(<|</|<!--|-->|<asx>|<entry>|<ref href=|<repeat count=3>|</repeat>|<title>|\"|'|&|mms://|[a-z/&;.\\[\\]]{0,3}|\n|=| |>){0,40}") {
        crate::fuzz::mms_playlist(text.as_bytes());
        crate::fuzz::mms_playlist(format!("<asx>{text}").as_bytes());
    }

    #[test]
    fn no_bytes_are_taken_badly(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz::mms_playlist(&bytes);
    }
}
