//! Configurations that are odd, or meet something odd on the disk: what is served all the same.

use crate::harness::tools::folder;
use crate::harness::{Server, eventually, size};

const STREAMS: &str =
    "<Stream a.mjpeg>\nFeed f\nFormat mpjpeg\n</Stream>\n<Stream stat.html>\nFormat status\n</Stream>\n";

fn recorded(ring: &std::path::Path, line: &str) -> String {
    format!(
        "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f>\nSource pattern:?size=160x120&fps=20\n{line} {}\n</Feed>\n{STREAMS}",
        ring.display()
    )
}

#[test]
fn what_stands_in_the_place_of_a_ring_is_left_alone_told_and_the_feed_goes_on_live() {
    let folder = folder("odd-rings");
    let (feed, other, future) = (folder.join("cam2.ffm"), folder.join("other"), folder.join("future"));
    std::fs::write(&feed, b"FFM2\0\0\x10\0 of ffserver's").unwrap();
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("letter.txt"), b"dear").unwrap();
    // A ring of today, whose version becomes that of tomorrow.
    {
        let server = Server::configured("odd-rings-made", &recorded(&future, "File"));
        server.stream("/a.mjpeg").part().unwrap();
        eventually("the ring", || future.join("ring").exists().then_some(()));
    }
    let mut marker = std::fs::read(future.join("ring")).unwrap();
    marker[8] = 2;
    std::fs::write(future.join("ring"), &marker).unwrap();
    for (at, told) in [
        (&feed, "a feed file of ffserver, where the folder of a ring is to be"),
        (&other, "a folder with other files (letter.txt)"),
        (&future, "a ring of format 2"),
    ] {
        let server = Server::configured("odd-rings-served", &recorded(at, "File"));
        assert_eq!(size(&server.stream("/a.mjpeg").part().unwrap().data), (160, 120));
        eventually(told, || server.log().contains(told).then_some(()));
        let page = eventually("the page", || {
            let page = server.get("/stat.html").text();
            page.contains("not recorded: ").then_some(page)
        });
        assert!(page.contains("live"), "{page}");
        // Viewers who ask for the past are there live, or told.
        server.stream("/a.mjpeg?buffer=5").part().unwrap();
    }
    assert_eq!(std::fs::read(&feed).unwrap(), b"FFM2\0\0\x10\0 of ffserver's");
    assert_eq!(std::fs::read(other.join("letter.txt")).unwrap(), b"dear");
    assert_eq!(std::fs::read(future.join("ring")).unwrap(), marker);
}

#[test]
fn of_two_streams_with_one_name_each_visitor_gets_the_first_that_lets_it_in() {
    let stream = |size: &str, acl: &str| {
        format!("<Stream one.mjpeg>\nFeed f\nFormat mpjpeg\nVideoSize {size}\n{acl}\n</Stream>\n")
    };
    let feed = "HTTPPort 8090\nMaxBandwidth 1000000\n<Feed f>\nSource pattern:?size=320x240&fps=20\n</Feed>\n";
    let text = [feed, &stream("80x60", "ACL allow 127.0.0.77"), &stream("160x120", "ACL allow 127.0.0.1")].concat();
    let server = Server::configured("one-name", &text);
    assert_eq!(size(&server.stream("/one.mjpeg").part().unwrap().data), (160, 120));
    // Where the second can never be reached, that is a mistake.
    let file = folder("one-name-wrong").join("ffserver.conf");
    std::fs::write(&file, [feed, &stream("80x60", ""), &stream("160x120", "")].concat()).unwrap();
    let told = crate::harness::run(crate::harness::server::headwater().args(["config", "check"]).arg(&file));
    assert_eq!(told.status.code(), Some(2), "{}", told.err);
    assert!(told.err.contains("<Stream one.mjpeg> is never reached"), "{}", told.err);
}

#[test]
fn a_check_finds_every_source_that_can_never_be_opened() {
    let file = folder("never-opened").join("headwater.toml");
    let text = "[[source]]\nname = \"typo\"\nurl = \"htp://10.0.0.5/x\"\n\n[[source]]\nname = \"pin\"\n\
        url = \"https://10.0.0.5/x\"\ntls_pin = \"abc\"\n\n[[source]]\nname = \"good\"\nurl = \"pattern:\"\n";
    std::fs::write(&file, text).unwrap();
    let told = crate::harness::run(crate::harness::server::headwater().args(["config", "check"]).arg(&file));
    assert_eq!(told.status.code(), Some(2), "{}", told.err);
    for part in ["headwater.toml:1: error: typo: ", "htp", "headwater.toml:5: error: pin: tls_pin: "] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    assert!(!told.err.contains("good"), "{}", told.err);
}
