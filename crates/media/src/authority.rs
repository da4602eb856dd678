//! Where user and password of a URL end.
//!
//! By the book (RFC 3986 section 3.2) that is at the last `@` before the first `/`, `?` or `#`. A
//! password that was typed as it is may have these, too, so each `@` behind them is looked at: the
//! reading that makes sense is taken if it is the only one, or plainly the likelier one. What can as
//! well be meant otherwise is refused, since a guess would send the password to a stranger.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ports that nobody's password begins with.
const USUAL: &[u16] = &[80, 81, 88, 443, 554, 1935, 7447, 8000, 8080, 8081, 8090, 8443, 8554, 10554];

/// Of more `@` than that none is looked at.
const MOST: usize = 64;

/// User and password, and what follows the `@` behind them.
pub type Parts<'a> = (Option<&'a str>, &'a str);

/// By the book, whatever the host is then. `rest` is what follows the `://`.
#[must_use]
pub fn by_the_book(rest: &str) -> Parts<'_> {
    parts(rest, rest[..end(rest)].rfind('@'))
}

/// As it was meant.
///
/// # Errors
/// The last host that it may be, where it may be several.
pub fn as_meant(rest: &str) -> Result<Parts<'_>, String> {
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
pub(crate) fn end(rest: &str) -> usize {
    rest.find(['/', '?', '#']).unwrap_or(rest.len())
}

fn parts(rest: &str, at: Option<usize>) -> Parts<'_> {
    match at {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

/// What [`host_and_port`] says of a name that is none.
pub const NO_NAME: &str = "not a host name";

/// A host, IPv6 without its brackets, and its port if there is one.
///
/// # Errors
/// What is wrong with it.
pub fn host_and_port(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("no ] after the IPv6 address")?;
        let (address, zone) = host.split_once("%25").or_else(|| host.split_once('%')).unwrap_or((host, ""));
        address.parse::<Ipv6Addr>().map_err(|_| "no IPv6 address between [ and ]")?;
        // The name of an interface (RFC 6874 section 2).
        if !zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte)) {
            return Err("no interface behind the % of the IPv6 address");
        }
        let host = if zone.is_empty() { address.to_owned() } else { format!("{address}%{zone}") };
        (host, port)
    } else {
        if let Ok(address @ IpAddr::V6(_)) = authority.parse() {
            return Ok((address.to_string(), None));
        }
        let end = authority.find(':').unwrap_or(authority.len());
        let (host, port) = authority.split_at(end);
        if host.is_empty() {
            return Err("no host");
        }
        if !host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')) {
            return Err(NO_NAME);
        }
        (host.to_owned(), port)
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port > 0).ok_or("a port is a number from 1 to 65535")?)
        }
        _ => return Err("a port is a number"),
    };
    Ok((host, port))
}
