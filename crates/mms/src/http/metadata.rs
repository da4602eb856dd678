//! What an $M frame tells ([MS-WMSP] 2.2.3.6).

use std::time::Duration;

use super::pragma::{number, tokens};

/// The parts of a description that matter to a player.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metadata {
    /// The value of `features`.
    pub features: Option<String>,
    /// The id of the playlist entry.
    pub entry: Option<u32>,
    pub title: Option<String>,
    pub duration: Option<Duration>,
}

/// The most characters of a title.
const MOST_TITLE: usize = 200;

impl Metadata {
    /// Reads what can be read; a description is no reason to refuse a stream.
    pub(super) fn parse(payload: &[u8]) -> Self {
        let end = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
        let mut metadata = Self::default();
        for (name, value) in tokens(&String::from_utf8_lossy(&payload[..end])) {
            match name {
                "features" => metadata.features = value.map(str::to_owned),
                "playlist-gen-id" => metadata.entry = value.and_then(number),
                _ => (),
            }
        }
        let mut rest = payload.get(end + 1..).unwrap_or_default();
        while let Some((name, value)) = pair(&mut rest) {
            match name {
                b"WMS_CONTENT_DESCRIPTION_TITLE" => metadata.title = text(value),
                b"title" if metadata.title.is_none() => metadata.title = text(value),
                b"WMS_CONTENT_DESCRIPTION_PLAYLIST_ENTRY_DURATION" => {
                    let ms = std::str::from_utf8(value).ok().and_then(number).filter(|ms| *ms != 0);
                    metadata.duration = ms.map(Duration::from_millis);
                }
                _ => (),
            }
        }
        metadata
    }
}

/// The next name and value: `<length>,<name>,<type>,<length>,<value>` ([MS-WMSP] 2.2.4).
fn pair<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    // Between two pairs is a comma, between two languages a line end.
    *rest = rest.trim_ascii_start();
    *rest = rest.strip_prefix(b",").unwrap_or(rest);
    let length = field(rest)?;
    let name = counted(rest, length)?;
    *rest = rest.strip_prefix(b",")?;
    let _type = field(rest)?;
    let length = field(rest)?;
    Some((name, counted(rest, length)?))
}

/// A number and the comma behind it.
fn field(rest: &mut &[u8]) -> Option<usize> {
    let comma = rest.iter().position(|byte| *byte == b',')?;
    let value = std::str::from_utf8(&rest[..comma]).ok()?.trim().parse().ok()?;
    *rest = &rest[comma + 1..];
    Some(value)
}

fn counted<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (value, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(value)
}

fn text(value: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()).take(MOST_TITLE).collect();
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read() {
        let payload = b"playlist-gen-id=2587, broadcast-id=0, features=\"broadcast,playlist\"\0\
            8,language,31,0,,9,copyright,31,7,\xC2\xA9 1999,5,title,31,5,other,\
            29,WMS_CONTENT_DESCRIPTION_TITLE,31,11,Cam, on air,\
            47,WMS_CONTENT_DESCRIPTION_PLAYLIST_ENTRY_DURATION,3,4,1500\r\n\
            8,language,31,2,de,5,title,31,6,andere\r\n";
        let expected = Metadata {
            features: Some("broadcast,playlist".into()),
            entry: Some(2587),
            title: Some("Cam, on air".into()),
            duration: Some(Duration::from_millis(1500)),
        };
        assert_eq!(Metadata::parse(payload), expected);
        for length in 0..payload.len() {
            let _ = Metadata::parse(&payload[..length]);
        }
    }

    #[test]
    fn lengths_that_lie_end_the_description() {
        let title = |rest: &str| Metadata::parse(format!("features=\"\"\0{rest}").as_bytes()).title;
        assert_eq!(title("5,title,31,3,abc").as_deref(), Some("abc"));
        assert_eq!(title("5,title,31,4,abc"), None);
        assert_eq!(title("18446744073709551615,title,31,3,abc"), None);
        assert_eq!(title("-5,title,31,3,abc"), None);
        assert_eq!(title("5,title,31,3,\u{1b}[2"), Some("[2".into()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[0-9,a-z=\0 \"]{0,100}") {
            let _ = Metadata::parse(&bytes);
            let _ = Metadata::parse(text.as_bytes());
        }
    }
}
