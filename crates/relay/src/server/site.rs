//! Whether a page in somebody's browser may have a request done here.
//!
//! A browser in this network does what pages of the whole internet say. Two tricks of theirs are
//! stopped here, for every route that changes something, before it is looked at further. A page
//! of another site sends a request: its browser says so in `Origin` (RFC 6454 section 7). Or the
//! page's own name is made to lead to this machine (DNS rebinding), and it and we are one site to
//! the browser: then `Host` is a name that nobody here has ever given us. Addresses, names
//! without a dot and those that are never given to anybody on the internet cannot be used for that;
//! further ones are given by the user.
//!
//! Programs have no pages: what does not come from a browser passes, by whatever name.

use axum::http::{HeaderMap, Method, Request, StatusCode, header};

use super::Refusal;

/// Ends of names that nobody on the internet can have: RFC 6761 section 6.3, RFC 6762 section 3,
/// RFC 8375, and `internal`, which ICANN has set aside.
const OURS_ALONE: [&str; 4] = ["localhost", "local", "home.arpa", "internal"];
/// Headers that browsers send, and pages cannot keep them from it.
const OF_BROWSERS: [&str; 4] = ["origin", "referer", "sec-fetch-site", "sec-fetch-mode"];
/// What programs have in their `User-Agent` that call themselves `Mozilla/5.0` as browsers do: OBS
/// Studio, which sends by WHIP.
const OF_PROGRAMS: &str = "OBS-Studio/";

/// What this server is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    /// By the user.
    given: Vec<String>,
    /// By its machine.
    own: Option<String>,
}

impl Site {
    /// One that is called `given`; `*` for whatever somebody says.
    pub(crate) fn new(given: &[String]) -> Self {
        let given = given.iter().map(|name| plain(name)).collect();
        // Linux's; elsewhere names with a dot are given by the user.
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        Self { given, own: own.map(|own| plain(own.trim())).filter(|own| !own.is_empty()) }
    }

    /// Why a request may not be done, if it may not.
    ///
    /// What only reads is done for anybody, unless the user has said what we are called.
    pub(crate) fn refuses<B>(&self, request: &Request<B>) -> Option<Refusal> {
        let (headers, path) = (request.headers(), request.uri().path());
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if (!reads || !self.given.is_empty())
            && is_of_browser(headers)
            && let Some(name) = text(headers, header::HOST).map(plain)
            && !self.is_ours(&name)
        {
            let name: String = name.chars().take(80).collect();
            return Some(Refusal::new(
                StatusCode::FORBIDDEN,
                format!(
                    "a browser asks for this by the name {name}, which may be somebody's who leads it here without its \
                     user knowing (DNS rebinding); if the name is yours, serve --host {name}, or hosts in [server] of \
                     headwater.toml, says so"
                ),
            ));
        }
        // WebRTC has a list of its own.
        if !reads && crate::webrtc::path(path.trim_start_matches('/')).is_none() && self.is_from_elsewhere(headers) {
            let what = "a page of another site may not do this; behind a proxy, serve --host says what the site is \
                        called";
            return Some(Refusal::new(StatusCode::FORBIDDEN, what));
        }
        None
    }

    /// Whether a browser says that a page of another site asks.
    pub(crate) fn is_from_elsewhere(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) {
            return false;
        }
        let Some((_, origin)) = text(headers, header::ORIGIN).and_then(|origin| origin.split_once("://")) else {
            return true;
        };
        // A proxy before us may put another name in Host; the page's own is one that the user gave.
        text(headers, header::HOST) != Some(origin) && !self.given.contains(&plain(origin))
    }

    fn is_ours(&self, name: &str) -> bool {
        let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
        let is_alone = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        is_address
            || !name.contains('.')
            || OURS_ALONE.iter().any(|end| is_alone(end))
            || self.own.as_deref() == Some(name)
            || self.given.iter().any(|given| given == name || given == "*")
    }
}

/// Whether headers are those of a browser.
fn is_of_browser(headers: &HeaderMap) -> bool {
    OF_BROWSERS.iter().any(|name| headers.contains_key(*name))
        || text(headers, header::USER_AGENT)
            .is_some_and(|agent| agent.starts_with("Mozilla/") && !agent.contains(OF_PROGRAMS))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The name in a `Host`, without its port and the dot of the root.
fn plain(host: &str) -> String {
    let name = match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(site: &Site, request: &str) -> Option<u16> {
        let mut words = request.split(' ');
        let mut made = Request::builder().method(words.next().unwrap()).uri(words.next().unwrap());
        for pair in words {
            let (name, value) = pair.split_once('=').unwrap();
            made = made.header(name, value);
        }
        site.refuses(&made.body(()).unwrap()).map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn a_browser_that_was_led_here_by_a_foreign_name_changes_nothing() {
        let site = Site { given: Vec::new(), own: Some("relay.example.com".into()) };
        for host in
            ["10.0.0.7:8090", "[::1]:8090", "localhost:8090", "relay", "Relay.local", "a.home.arpa.", "x.localhost"]
        {
            let request = format!("POST /cam/ptz Host={host} Origin=http://{host}");
            assert_eq!(status(&site, &request), None, "{host}");
        }
        assert_eq!(status(&site, "POST /cam/ptz host=relay.example.com:8090 user-agent=Mozilla/5.0"), None);
        for host in ["evil.example:8090", "10.0.0.7.evil.example", "notlocal.", "elocal", "evil.xlocal", "1.2.3.4.5"] {
            for mark in ["origin=http://HOST", "user-agent=Mozilla/5.0", "sec-fetch-site=same-origin", "referer=x"] {
                for path in ["/cam/ptz", "/cam/whep", "/cam/whip/0f", "/feed"] {
                    let request = format!("POST {path} host={host} {}", mark.replace("HOST", host));
                    let expected = (host.contains('.') && host != "notlocal.").then_some(403);
                    assert_eq!(status(&site, &request), expected, "{request}");
                }
            }
        }
        // Programs go by any name; pictures are for anybody.
        assert_eq!(status(&site, "PUT /feed host=evil.example user-agent=Lavf/60"), None);
        assert_eq!(status(&site, "GET /cam.jpg host=evil.example user-agent=Mozilla/5.0"), None);
    }

    #[test]
    fn obs_studio_is_no_browser_whatever_it_says() {
        let agent = "Mozilla/5.0 (OBS-Studio/30.1.2; Windows x86_64; en-US)";
        let request = |origin: Option<&str>| {
            let made = Request::post("/cam/whip").header("host", "relay.example").header("user-agent", agent);
            let made = origin.into_iter().fold(made, |made, origin| made.header("origin", origin));
            Site::default().refuses(&made.body(()).unwrap()).is_some()
        };
        assert_eq!((request(None), request(Some("http://relay.example"))), (false, true));
    }

    #[test]
    fn whoever_says_what_the_site_is_called_has_reading_looked_at_too() {
        let site = Site::new(&["Cams.Example.com".into()]);
        assert_eq!(status(&site, "GET /cam.jpg host=cams.example.com user-agent=Mozilla/5.0"), None);
        assert_eq!(status(&site, "GET /cam.jpg host=evil.example user-agent=Mozilla/5.0"), Some(403));
        assert_eq!(status(&site, "GET /cam.jpg host=evil.example user-agent=VLC/3"), None);
        // Behind a proxy that has put its own name for us there.
        let proxied = "POST /cam/ptz host=127.0.0.1:8090 origin=https://cams.example.com";
        assert_eq!(status(&site, proxied), None);
        assert_eq!(status(&Site::default(), proxied), Some(403));
        assert_eq!(status(&Site::new(&["*".into()]), "POST /x host=a.example origin=http://a.example"), None);
    }

    #[test]
    fn a_page_of_another_site_is_told_by_its_origin() {
        let site = Site::default();
        for (origin, refused) in [
            ("", None),
            (" origin=http://relay:8090", None),
            (" origin=https://evil.example", Some(403)),
            (" origin=null", Some(403)),
        ] {
            for path in ["/cam/ptz", "/feed", "/cam"] {
                assert_eq!(status(&site, &format!("POST {path} host=relay:8090{origin}")), refused, "{path} {origin}");
            }
            assert_eq!(status(&site, &format!("GET /cam.jpg host=relay:8090{origin}")), None);
            assert_eq!(status(&site, &format!("POST /cam/whep host=relay:8090{origin}")), None, "its own list");
        }
    }
}
