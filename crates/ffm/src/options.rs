//! Options of encoders as one text: `key=value,key=value`.

/// Reads a text that a zero may end. What has no `=` is left out; a backslash takes the
/// next letter as it is.
pub(crate) fn parse(bytes: &[u8]) -> Vec<(String, String)> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let (mut options, mut key, mut word) = (Vec::new(), None, String::new());
    let mut letters = text.chars();
    loop {
        let letter = letters.next();
        match letter {
            Some('\\') => word.extend(letters.next()),
            Some('=') if key.is_none() => key = Some(std::mem::take(&mut word)),
            Some(',') | None => {
                let value = std::mem::take(&mut word);
                options.extend(key.take().filter(|key: &String| !key.is_empty()).map(|key| (key, value)));
                if letter.is_none() {
                    return options;
                }
            }
            Some(letter) => word.push(letter),
        }
    }
}

/// Appends the text of `options`, with its zero.
pub(crate) fn write(options: &[(String, String)], out: &mut Vec<u8>) {
    for (at, (key, value)) in options.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        escape(key, out);
        out.push(b'=');
        escape(value, out);
    }
    out.push(0);
}

fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes().filter(|byte| *byte != 0) {
        if matches!(byte, b',' | b'=' | b'\\' | b'\'') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes())
    }

    #[test]
    fn options_are_read_as_ffmpeg_writes_them_and_come_back() {
        for text in ["time_base=1/25,b=10240000,video_size=320x240", "rc_eq=tex^qComp", "a=b\\,c\\=d\\\\,e="] {
            let mut out = Vec::new();
            write(&pairs(text), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{text}\0"));
        }
        assert_eq!(pairs("a=b\\,c,d=e=f").len(), 2);
        assert_eq!(pairs("a=b\\,c,d=e=f")[1].1, "e=f");
        assert_eq!(pairs("=x,,nothing,\\"), []);
        assert_eq!(parse(b"a=1\0b=2"), [("a".to_owned(), "1".to_owned())]);
    }
}
