//! Through whom HTTP is spoken.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use media::Redacted;

use crate::Error;
use crate::location::Location;

/// The port of a proxy whose URL has none.
pub(crate) const PORT: u16 = 3128;

/// Through whom HTTP is spoken.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// Through the one that `http_proxy` (for `https`: `https_proxy`) or `all_proxy` names,
    /// except to what `no_proxy` lists and to this machine itself.
    #[default]
    Environment,
    /// Through nobody.
    Direct,
    /// Through this one: `http://user:password@host:port`.
    Url(String),
}

impl Proxy {
    /// The proxy for `there`, if there is one.
    ///
    /// # Errors
    /// [`Error::BadUrl`] where its URL is none, or that of a kind we do not speak.
    pub(crate) fn for_location(&self, there: &Location) -> Result<Option<Location>, Error> {
        self.chosen(there, |name| std::env::var(name).ok())
    }

    fn chosen(&self, there: &Location, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Location>, Error> {
        let either = |name: &str| variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
        let url = match self {
            Self::Direct => None,
            Self::Url(url) => Some(url.clone()),
            Self::Environment if is_this_machine(&there.host) => None,
            Self::Environment if either("no_proxy").is_some_and(|list| excludes(&list, &there.host)) => None,
            // In capitals it is what a web server makes of a request's header `Proxy` for its
            // scripts, so that only small letters are believed.
            Self::Environment if there.scheme == "http" || there.scheme == "ws" => variable("http_proxy"),
            Self::Environment => either("https_proxy"),
        };
        let url = match self {
            Self::Environment if url.is_none() && !is_this_machine(&there.host) => {
                either("all_proxy").filter(|_| !either("no_proxy").is_some_and(|list| excludes(&list, &there.host)))
            }
            _ => url,
        };
        url.filter(|url| !url.trim().is_empty()).map(|url| parse(&url)).transpose()
    }
}

/// Every proxy that the environment names, whether it is used or not.
pub(crate) fn of_environment() -> impl Iterator<Item = String> {
    let names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    names.into_iter().filter_map(|name| std::env::var(name).ok())
}

fn parse(url: &str) -> Result<Location, Error> {
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let location = Location::parse(&whole)?;
    if location.scheme == "http" {
        return Ok(location);
    }
    Err(Error::BadUrl {
        what: format!("{}: a proxy of a kind that is not spoken here", Redacted(url)),
        hint: "expected http://host:port".into(),
    })
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether `no_proxy` lists `host`: itself, a domain it is in, or everything.
fn excludes(list: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let entry = entry.trim_start_matches('[').split(']').next().unwrap_or_default();
        entry == "*"
            || host == entry
            || host.strip_suffix(entry).is_some_and(|name| name.ends_with('.'))
            || entry.split_once('/').is_some_and(|(net, bits)| contains(net, bits, &host))
    })
}

/// Whether `host` is an address of the network `net`/`bits`.
fn contains(net: &str, bits: &str, host: &str) -> bool {
    let number = |text: &str| match text.parse().ok()? {
        IpAddr::V4(address) => Some((u128::from(address.to_bits()) << 96, 32)),
        IpAddr::V6(address) => Some((address.to_bits(), 128)),
    };
    match (number(net), number(host), bits.parse::<u32>()) {
        (Some((net, width)), Some((host, same)), Ok(bits)) if width == same && bits <= width => {
            (net ^ host).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl FromStr for Proxy {
    type Err = Error;

    /// A URL, or `none` for nobody.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text == "none" {
            return Ok(Self::Direct);
        }
        parse(text).map(|location| Self::Url(location.to_url()))
    }
}

/// Without its password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::Direct => f.write_str("Direct"),
            Self::Url(url) => write!(f, "Url({})", Redacted(url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(proxy: &Proxy, url: &str, variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        match proxy.chosen(&Location::parse(url).unwrap(), variable) {
            Ok(location) => location.map_or("-".into(), |location| location.to_string()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_environment_is_read_as_others_read_it() {
        let env =
            [("http_proxy", "p:1"), ("HTTPS_PROXY", "http://q:2"), ("no_proxy", "a.lan, .b.lan,10.0.0.0/8,fd00::/8")];
        for (url, expected) in [
            ("http://cam/", "http://p:1"),
            ("https://cam/", "http://q:2"),
            ("http://a.lan/", "-"),
            ("http://x.A.lan/", "-"),
            ("http://xa.lan/", "http://p:1"),
            ("http://x.b.lan/", "-"),
            ("http://10.1.2.3/", "-"),
            ("http://11.1.2.3/", "http://p:1"),
            ("http://[fd00::1]/", "-"),
            ("http://localhost/", "-"),
            ("http://127.0.0.1/", "-"),
            ("http://[::1]/", "-"),
        ] {
            assert_eq!(chosen(&Proxy::Environment, url, &env), expected, "{url}");
        }
        assert_eq!(chosen(&Proxy::Environment, "http://cam/", &[("no_proxy", "*"), ("http_proxy", "p:1")]), "-");
        assert_eq!(chosen(&Proxy::Environment, "http://cam/", &[("HTTP_PROXY", "p:1")]), "-");
        assert_eq!(chosen(&Proxy::Environment, "http://cam/", &[("all_proxy", "p:1")]), "http://p:1");
        assert_eq!(chosen(&Proxy::Direct, "http://cam/", &env), "-");
        assert_eq!(chosen(&Proxy::Url("http://r:3".into()), "http://127.0.0.1/", &env), "http://r:3");
        assert_eq!(
            chosen(&Proxy::Environment, "http://cam/", &[("http_proxy", "socks5://p:1")]),
            "socks5://p:1: a proxy of a kind that is not spoken here; expected http://host:port"
        );
    }

    #[test]
    fn a_proxy_hides_its_password() {
        let proxy: Proxy = "http://me:secret@p:1".parse().unwrap();
        assert_eq!(format!("{proxy:?}"), "Url(http://me:***@p:1)");
        assert_eq!("none".parse::<Proxy>().unwrap(), Proxy::Direct);
    }

    #[test]
    fn networks_contain_their_addresses_alone() {
        assert!(contains("0.0.0.0", "0", "1.2.3.4") && contains("1.2.3.4", "32", "1.2.3.4"));
        assert!(!contains("1.2.3.4", "33", "1.2.3.4") && !contains("1.2.3.4", "32", "1.2.3.5"));
        assert!(!contains("::", "0", "1.2.3.4"));
    }
}
