//! Tokens of Pragma headers ([MS-WMSP] 2.2.1.4).

/// The tokens of one header: names, and values where there are some, without quotes.
///
/// Commas part them, but not inside quotes.
pub(super) fn tokens(header: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut quoted = false;
    header
        .split(move |c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .map(|token| match token.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (token.trim(), None),
        })
        .filter(|(name, _)| !name.is_empty())
}

/// The number that a value begins with. What follows it is not looked at: FFmpeg forgets the
/// line end after one and goes on with the next header.
pub(super) fn number<T: std::str::FromStr>(value: &str) -> Option<T> {
    let end = value.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    value[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_tokens_but_not_inside_quotes() {
        let header = r#"no-cache, client-id=7,features="broadcast, playlist" ,, timeout = 60000, "#;
        let expected = [
            ("no-cache", None),
            ("client-id", Some("7")),
            ("features", Some("broadcast, playlist")),
            ("timeout", Some("60000")),
        ];
        assert_eq!(tokens(header).collect::<Vec<_>>(), expected);
        assert_eq!(tokens("features=\"a,b").collect::<Vec<_>>(), [("features", Some("a,b"))]);
        assert_eq!(tokens("").count(), 0);
    }

    #[test]
    fn a_number_ends_where_its_digits_do() {
        assert_eq!(number::<u32>("0Connection: Close"), Some(0));
        assert_eq!(number::<u32>("4294967296"), None);
        assert_eq!(number::<u32>(""), None);
        assert_eq!(number::<u32>("-1"), None);
    }
}
