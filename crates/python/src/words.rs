//! Advice in Python's words: what lies below names options as the command line calls them.

use std::borrow::Cow;

/// What the command line calls it, and what it is here.
const WORDS: [(&str, &str); 10] = [
    ("--allow-exec allows it, or allow_exec = true for this source in headwater.toml", "allow_exec=True allows it"),
    ("--redirects-inside", "redirects_inside=True"),
    ("--insecure", "tls_verify=False"),
    ("(--tls-ca)", "(tls_verify=\"FILE.pem\")"),
    ("--user and --password", "user= and password="),
    ("by --ffmpeg", "by options="),
    ("--transport tcp", "transport=\"tcp\""),
    ("--transport udp", "transport=\"udp\""),
    ("--transport", "transport="),
    ("; --capture FILE makes one", "; `headwater probe --capture FILE` makes one"),
];

/// Before the fingerprint of a certificate.
const PIN: &str = "--tls-pin ";

/// `text` with the names that options have in Python.
pub(crate) fn in_python(text: &str) -> Cow<'_, str> {
    // Most texts name none.
    if !text.contains("--") {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_owned();
    for (there, here) in WORDS {
        text = text.replace(there, here);
    }
    if let Some((before, after)) = text.split_once(PIN) {
        let end = after.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(after.len());
        let (digits, rest) = after.split_at(end);
        text = format!("{before}tls_verify=\"sha256:{digits}\"{rest}");
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_called_what_it_is_in_python() {
        let pinned = in_python("cam:443: signed itself (0.02 s); trust this one alone: --tls-pin 00aaFF");
        assert_eq!(pinned, "cam:443: signed itself (0.02 s); trust this one alone: tls_verify=\"sha256:00aaFF\"");
        assert_eq!(in_python("give --insecure if that"), "give tls_verify=False if that");
        assert_eq!(in_python("http://cam/a--b: --tls-pin "), "http://cam/a--b: tls_verify=\"sha256:\"");
        assert!(matches!(in_python("no such host"), Cow::Borrowed(_)));
    }
}
