//! Where user and password of a URL end.
//!
//! By the book (RFC 3986 section 3.2) that is at the last `@` before the first `/`, `?` or `#`. A
//! password that was typed as it is may have these, too, so each `@` behind them is looked at: the
//! reading that makes sense is taken if it is the only one, or plainly the likelier one. What can as
//! well be meant otherwise is refused, since a guess would send the password to a stranger.

use std::net::Ipv4Addr;

use super::host_and_port;

/// Ports that nobody's password begins with.
const USUAL: &[u16] = &[80, 81, 88, 443, 554, 1935, 7447, 8000, 8080, 8081, 8090, 8443, 8554, 10554];

/// Of more `@` than that none is looked at.
const MOST: usize = 64;

/// User and password, and what follows the `@` behind them.
pub(super) type Parts<'a> = (Option<&'a str>, &'a str);

/// By the book, whatever the host is then.
pub(super) fn by_the_book(rest: &str) -> Parts<'_> {
    parts(rest, rest[..end(rest)].rfind('@'))
}

/// As it was meant.
///
/// # Errors
/// The last host that it may be, where it may be several.
pub(super) fn as_meant(rest: &str) -> Result<Parts<'_>, String> {
    if rest.bytes().filter(|byte| *byte == b'@').count() > MOST {
        return Ok(by_the_book(rest));
    }
    let at = rest[..end(rest)].rfind('@');
    let host_at = |from: usize| host_and_port(&rest[from..from + end(&rest[from..])]).ok();
    let book = host_at(at.map_or(0, |at| at + 1));
    let later = rest.match_indices('@').map(|(at, _)| at).filter(|at| *at > end(rest));
    let later: Vec<_> = later.filter_map(|at| Some((at, host_at(at + 1)?))).collect();
    // Without a colon there is no password that could have it.
    let Some((last, (last_host, _))) = later.last().filter(|_| rest[..end(rest)].contains(':') || book.is_none())
    else {
        return Ok(parts(rest, at));
    };
    let mut likely = later.iter().filter(|(at, (host, port))| {
        let goes_on = port.is_some() || !rest[at + 1 + end(&rest[at + 1..])..].is_empty();
        is_address(&rest[at + 1..], host) || (host.contains('.') && goes_on)
    });
    let likely = likely.next().filter(|_| likely.next().is_none()).map(|(at, _)| *at);
    match book {
        Some((host, port))
            if is_address(&rest[at.map_or(0, |at| at + 1)..], &host)
                || port.is_some_and(|port| USUAL.contains(&port)) =>
        {
            Ok(parts(rest, at))
        }
        Some((host, None)) if at.is_some() && host.contains('.') => Ok(parts(rest, at)),
        // `http://admin:p@ss/w0rd@10.0.0.7/`: the host is hardly called `ss`.
        Some((_, None)) if at.is_some() => likely.map(|at| parts(rest, Some(at))).ok_or_else(|| last_host.clone()),
        // `http://admin:1/cret@10.0.0.7/`
        Some(_) => {
            let address = later.iter().find(|(at, (host, _))| Some(*at) == likely && is_address(&rest[at + 1..], host));
            address.map(|(at, _)| parts(rest, Some(*at))).ok_or_else(|| last_host.clone())
        }
        // `http://admin:se/cret@10.0.0.7/`: a port is a number.
        None if later.len() == 1 => Ok(parts(rest, Some(*last))),
        None => likely.map(|at| parts(rest, Some(at))).ok_or_else(|| last_host.clone()),
    }
}

/// Whether `host`, as which `text` begins, is plainly an address. IPv6 without brackets is not: `::` is soon typed.
fn is_address(text: &str, host: &str) -> bool {
    text.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

/// Where host and port end.
fn end(rest: &str) -> usize {
    rest.find(['/', '?', '#']).unwrap_or(rest.len())
}

fn parts(rest: &str, at: Option<usize>) -> Parts<'_> {
    match at {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Location, encode};

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
}
