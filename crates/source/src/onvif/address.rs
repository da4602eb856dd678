//! Where a camera says that its stream is, and where it is.
//!
//! Cameras write the address that they think they have: one behind a router the inner one, one
//! that was never told a host's name 0.0.0.0, and a hostile one whatever suits it. Of what it says
//! only RTSP and HTTP are taken, this machine never at the word of another one, and where the
//! address cannot be right, the one that answered takes its place.

use std::net::IpAddr;

use crate::Error;
use crate::http::names_this_machine;
use crate::location::Location;

/// What is to be done with an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is on the host that answered.
    Same(Location),
    /// It cannot be right: that of the host that answered is in its place.
    Replaced(Location),
    /// It is another host's, which may be or not.
    Other(Location),
}

/// Where a stream or a snapshot may be.
const SCHEMES: &[&str] = &["rtsp", "rtsps", "http", "https"];

/// Reads what the camera `here` says. `remote`: it is on another machine.
pub(super) fn settle(uri: &str, here: &Location, remote: bool) -> Result<Settled, Error> {
    let wrong = |what: String| Error::Server { status: 0, what };
    let there = Location::parse(uri)
        .map_err(|error| wrong(format!("{here} names no address of a stream: {}", error.what())))?;
    if !SCHEMES.contains(&&*there.scheme) {
        let scheme: String = there.scheme.chars().take(20).collect();
        return Err(wrong(format!("{here} says that its stream is at a {scheme}: URL, which is not opened")));
    }
    if there.host.eq_ignore_ascii_case(&here.host) {
        return Ok(Settled::Same(there));
    }
    let inner = |host: &str| host.parse::<IpAddr>().is_ok_and(is_inner);
    let nowhere = is_nowhere(&there.host)
        || remote && names_this_machine(&there.host)
        // Reached from outside, it tells its address inside.
        || inner(&there.host) && !inner(&here.host) && here.host.parse::<IpAddr>().is_ok();
    Ok(match nowhere {
        true => Settled::Replaced(Location { host: here.host.clone(), ..there }),
        false => Settled::Other(there),
    })
}

/// An address that no host has.
fn is_nowhere(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|address| match address.to_canonical() {
        IpAddr::V4(address) => address.is_unspecified() || address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_unspecified() || address.is_multicast(),
    })
}

/// An address of a network at home.
fn is_inner(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_link_local() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback(),
    }
}

/// The path of a service, which is asked on the host and port that answered, whatever else stands
/// there.
pub(super) fn path_of(address: &str) -> Option<String> {
    let location = Location::parse(address).ok()?;
    Some(location.target().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(uri: &str, here: &str, remote: bool) -> String {
        match settle(uri, &Location::parse(here).unwrap(), remote) {
            Ok(Settled::Same(there)) => format!("same {}", there.to_url()),
            Ok(Settled::Replaced(there)) => format!("replaced {}", there.to_url()),
            Ok(Settled::Other(there)) => format!("other {}", there.to_url()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_address_that_cannot_be_right_is_replaced_by_the_one_that_answered() {
        let cam = "http://10.0.0.7:8080/onvif";
        for (uri, expected) in [
            ("rtsp://10.0.0.7:554/a?b", "same rtsp://10.0.0.7:554/a?b"),
            ("rtsp://0.0.0.0/a", "replaced rtsp://10.0.0.7/a"),
            ("rtsp://[::]:8554/a", "replaced rtsp://10.0.0.7:8554/a"),
            ("rtsp://127.0.0.1/a", "replaced rtsp://10.0.0.7/a"),
            ("http://localhost/a.jpg", "replaced http://10.0.0.7/a.jpg"),
            ("rtsp://169.254.3.4/a", "replaced rtsp://10.0.0.7/a"),
            ("rtsp://192.168.1.3/a", "other rtsp://192.168.1.3/a"),
            ("rtsp://cam.lan/a", "other rtsp://cam.lan/a"),
        ] {
            assert_eq!(settled(uri, cam, true), expected);
        }
        assert_eq!(settled("rtsp://192.168.1.3/a", "http://203.0.113.5/", true), "replaced rtsp://203.0.113.5/a");
        // A camera on this machine may say so.
        assert_eq!(settled("rtsp://127.0.0.1/a", "http://localhost/", false), "other rtsp://127.0.0.1/a");
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for uri in
            ["file:///etc/passwd", "mms://10.0.0.7/a", "pattern:", "ftp://10.0.0.7/a", "", "rtsp://", "/etc/passwd"]
        {
            let told = settled(uri, "http://10.0.0.7/", true);
            assert!(told.contains("which is not opened") || told.contains("names no address"), "{uri}: {told}");
        }
    }
}
