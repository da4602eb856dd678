//! Escapes of URLs, and of HTML and XML.

use std::borrow::Cow;

use super::Refusal;

/// Text of a URL without its percent-escapes (RFC 3986 section 2.1). A plus is a plus: no
/// value has a blank in it.
pub(crate) fn unescape(text: &str) -> Result<Cow<'_, str>, Refusal> {
    if !text.contains('%') {
        return Ok(text.into());
    }
    let refuse = || {
        let text: String = text.chars().take(40).collect();
        Refusal::bad_request(format!(
            "{text}: expected every % to begin an escape such as %2E, of printable UTF-8 text"
        ))
    };
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(refuse()),
            },
            other => other,
        });
    }
    // What it says may be repeated in a sentence, which has one line.
    let plain = String::from_utf8(plain).ok().filter(|plain| !plain.contains(char::is_control));
    plain.map(Cow::Owned).ok_or_else(refuse)
}

/// For the fuzzer: what a text with escapes is refused with, if it is.
pub(crate) fn check(text: &str) -> Option<String> {
    unescape(text).map_or_else(|refusal| Some(refusal.into_what()), |plain| text.contains('%').then(|| plain.into()))
}

/// `text` in HTML and in XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(unescape("a%2Eb%2eb%C3%a9%252E+").unwrap(), "a.b.b\u{e9}%2E+");
        assert_eq!(unescape("a+b").unwrap(), "a+b");
    }
}
