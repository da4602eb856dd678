//! What must not get into a capture.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::capture::Secrets;
use media::{is_secret_name, unescaped};

use crate::location::Location;
use crate::{Access, Proxy, proxy};

/// Everything secret that is said of a source: in its URL, in its headers, of its proxy.
pub(super) fn of(url: &str, access: &Access) -> Secrets {
    let mut words = Vec::new();
    // Of `exec:`, each word may be a URL.
    let urls = url.strip_prefix("exec:").map_or_else(|| vec![url], |command| command.split_whitespace().collect());
    urls.into_iter().for_each(|url| of_url(url, &mut words));
    if let Proxy::Url(url) = &access.proxy {
        of_url(url, &mut words);
    }
    proxy::of_environment().for_each(|url| of_url(&url, &mut words));
    words.extend(access.password.clone());
    words.extend(access.headers.iter().map(|(_, value)| value.to_owned()));
    Secrets::new(words.iter().map(String::as_str), access.headers.iter().map(|(name, _)| name))
}

fn of_url(url: &str, words: &mut Vec<String>) {
    if let Ok(location) = Location::parse(url)
        && let (Some(user), Some(password)) = (&location.user, &location.password)
    {
        said(user, password, words);
    }
    // However a password is understood that has an `@` or a `/` in it: this is all that it may be.
    if let Some((_, rest)) = url.split_once("://")
        && let Some((login, _)) = rest.rsplit_once('@')
        && let Some((user, password)) = login.split_once(':')
    {
        said(user, password, words);
        said(&unescaped(user), &unescaped(password), words);
    }
    for part in url.split(['?', '&', '/', '\'', '"']) {
        // Of `user=me_password=xyz_channel=1` too, where nobody can tell what ends the value.
        if let Some((at, _)) = part.match_indices('=').find(|(at, _)| is_secret_name(&part[..*at])) {
            let value = &part[at + 1..];
            words.extend([value.to_owned(), unescaped(value)]);
            words.extend(value.split('_').next().map(str::to_owned));
        }
    }
}

fn said(user: &str, password: &str, words: &mut Vec<String>) {
    words.extend([STANDARD.encode(format!("{user}:{password}")), STANDARD.encode(password), password.to_owned()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_known_in_every_form_in_which_they_are_sent() {
        let mut access = Access::default();
        access.headers.add("X-Key", "key-of-mine").unwrap();
        let secrets = of("http://me:p@ss/w0rd@cam/x?token=tok%26en&a=b", &access);
        for said in ["p@ss/w0rd", "p%40ss%2Fw0rd", "bWU6cEBzcy93MHJk", "tok%26en", "tok&en", "key-of-mine"] {
            assert_eq!(secrets.out_of(&format!("< {said} >")), format!("< {} >", "*".repeat(said.len())), "{said}");
        }
        assert_eq!(secrets.out_of("http://cam/x?a=b"), "http://cam/x?a=b");
        let secrets = of("rtsp://cam/user=me_password=tlJwpbo6_channel=1.sdp?x", &access);
        assert_eq!(secrets.out_of("user me, password tlJwpbo6"), "user me, password ********");
        let secrets = of("exec:curl -s http://me:hunter2@cam/x", &access);
        assert_eq!(secrets.out_of("to hunter2"), "to *******");
    }
}
