//! What users type is understood as they meant it, or refused.

use media::Redacted;

use super::{Location, encode};

/// Numbers that look random (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

#[test]
fn every_url_is_understood_as_it_was_meant_or_refused_with_how_to_write_it() {
    let letters = ['@', '#', '/', '?', ':', '%', 'a', 'x', '1', '7'];
    let hosts = ["cam", "10.0.0.7", "cam.local", "[fd00::7]", "localhost"];
    let (mut dice, mut understood, mut refused) = (Dice(7), 0, 0);
    for _ in 0..40_000 {
        let length = 1 + dice.below(8);
        let password: String = (0..length).map(|_| letters[dice.below(letters.len())]).collect();
        // By the book that is an escape.
        if password.split('%').skip(1).any(|part| part.len() > 1 && u8::from_str_radix(&part[..2], 16).is_ok()) {
            continue;
        }
        let (host, port) = (hosts[dice.below(hosts.len())], ["", ":554", ":4000"][dice.below(3)]);
        let path = ["", "/", "/h264?a=b", "/x@y=1"][dice.below(4)];
        let url = format!("rtsp://admin:{password}@{host}{port}{path}");
        let bare = host.trim_matches(['[', ']']);
        match Location::parse(&url) {
            Ok(found) => {
                assert_eq!((found.host.as_str(), found.password.as_deref()), (bare, Some(&*password)), "{url}");
                let shown = Redacted(&url).to_string();
                let behind = shown.strip_prefix("rtsp://admin:***@").unwrap_or_else(|| panic!("{url}: {shown}"));
                let behind = behind.strip_prefix(&format!("{host}{port}"));
                let behind = behind.unwrap_or_else(|| panic!("{url}: {shown}"));
                // What is shorter may be a part of the path by chance.
                assert!(password.len() < 3 || !behind.contains(&password), "{url}: {shown}");
                assert_eq!(Redacted(&shown).to_string(), shown, "{url}");
                understood += 1;
            }
            Err(error) => {
                let told = error.to_string();
                assert!(told.contains("%40") && told.contains("%2f"), "{url}: {told}");
                refused += 1;
            }
        }
        // How it is told to write it is understood.
        let url = format!("rtsp://admin:{}@{host}{port}{path}", encode(&password));
        let found = Location::parse(&url).unwrap();
        assert_eq!((found.host.as_str(), found.password.as_deref()), (bare, Some(&*password)), "{url}");
    }
    assert!(understood > refused, "{understood} understood, {refused} refused");
}

#[test]
fn two_hosts_are_refused_without_a_letter_of_the_password() {
    for (url, host) in [
        ("rtsp://us@er:p/w@cam/x@y", "y"),
        ("rtsp://admin:se@cret/word@cam/x", "cam"),
        ("rtsp://admin:1/cret@cam/x", "cam"),
        ("rtsp://admin:a/b@cret/c@cam/x", "cam"),
    ] {
        let told = Location::parse(url).unwrap_err().to_string();
        assert!(told.contains(&format!("@{host}")) && !told.contains("cret"), "{url}: {told}");
    }
    assert_eq!(Location::parse("rtsp://admin:p/w@10.0.0.5/live@main").unwrap().host, "10.0.0.5");
    assert_eq!(Location::parse("rtsp://10.0.0.5:4000/user=a_password=b@c").unwrap().host, "10.0.0.5");
}
