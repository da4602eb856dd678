//! A list with other URIs in it, for a client that is to find everything somewhere else.

use super::lines::{Lines, attributes};
use crate::Error;

/// The list `text` with `lead` of each of its URIs in the URI's place. Tags are written anew from what was
/// read of them, so that nobody reads another URI out of them than was changed here; what has no
/// place between quotes is left out, and so are comments.
///
/// # Errors
/// [`Error::Playlist`] for what is no list.
pub fn with_uris(text: &str, mut lead: impl FnMut(&str) -> String) -> Result<String, Error> {
    let mut out = String::from("#EXTM3U\n");
    for (_, line) in Lines::new(text)? {
        match line.strip_prefix('#') {
            None => out.push_str(&lead(line)),
            Some(tag) if !tag.starts_with("EXT") => continue,
            // The only tag whose value is free text.
            Some(tag) if tag.starts_with("EXTINF:") => out.push_str(line.split(',').next().unwrap_or(line)),
            Some(tag) => {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                out.push('#');
                out.push_str(name);
                if !value.is_empty() {
                    out.push(':');
                    out.push_str(&written(value, &mut lead));
                }
            }
        }
        // FFmpeg takes a duration for one where a comma follows.
        out.push_str(if line.starts_with("#EXTINF:") { ",\n" } else { "\n" });
    }
    Ok(out)
}

/// The value of a tag: attributes, or one word.
fn written(value: &str, lead: &mut impl FnMut(&str) -> String) -> String {
    if !value.contains('=') {
        return value.to_owned();
    }
    let mut attributes: Vec<String> = Vec::new();
    for (name, value) in self::attributes(value) {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_name || value.contains(['"', '\\']) || value.chars().any(char::is_control) {
            continue;
        }
        let is_word = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+@".contains(&byte));
        attributes.push(match name {
            "URI" => format!("URI=\"{}\"", lead(value)),
            // An enumerated word may not be quoted, and of a quoted one no client asks for the quotes.
            _ if is_word => format!("{name}={value}"),
            _ => format!("{name}=\"{value}\""),
        });
    }
    attributes.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(text: &str) -> String {
        with_uris(text, |uri| format!("<{uri}>")).unwrap()
    }

    #[test]
    fn every_uri_of_a_list_is_exchanged_and_the_rest_stays() {
        let main = "\u{feff}#EXTM3U\r\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a,b\",NAME=\"x\",URI=\"s.m3u8\"\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=1x2,AUDIO=\"a,b\"\n\nv.m3u8\n# http://x/\n";
        assert_eq!(
            led(main),
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a,b\",NAME=x,URI=\"<s.m3u8>\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=1x2,AUDIO=\"a,b\"\n<v.m3u8>\n"
        );
        let media = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-KEY:METHOD=AES-128,URI=\"k?a=b\",IV=0x0f\n\
                     #EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"7@9\"\n#EXT-X-BYTERANGE:75232@0\n#EXTINF:2.5,a title, URI=\"x\"\n\
                     0.ts\n#EXT-X-ENDLIST\n";
        assert_eq!(
            led(media),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-KEY:METHOD=AES-128,URI=\"<k?a=b>\",IV=0x0f\n\
             #EXT-X-MAP:URI=\"<i.mp4>\",BYTERANGE=7@9\n#EXT-X-BYTERANGE:75232@0\n#EXTINF:2.5,\n<0.ts>\n#EXT-X-ENDLIST\n"
        );
        assert!(with_uris("<html>", str::to_owned).is_err());
    }

    #[test]
    fn nobody_reads_another_uri_out_of_a_tag_than_was_exchanged() {
        for line in [
            "#EXT-X-KEY:METHOD=AES-128,X=\"\\\",URI=\"http://in/\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=http://in/",
            "#EXT-X-KEY:METHOD=AES-128, URI=\"http://in/\"",
            "#EXT-X-KEY:URI=\"http://in/",
            "#EXT-X-KEY:X Y=1,URI=\"http://in/\"",
        ] {
            let out = led(&format!("#EXTM3U\n{line}\n"));
            assert!(!out.contains("http://in/") || out.contains("URI=\"<http://in/>\""), "{line}: {out}");
            assert!(!out.contains('\\'), "{out}");
        }
    }
}
