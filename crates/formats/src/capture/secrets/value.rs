//! From the begin of a secret value to its end, byte by byte.

/// What a CDATA section begins with, behind `<!`.
const CDATA: &[u8] = b"[CDATA[";

/// Where one is in a value that is to be taken out, if in any. The lengths of what is around it do
/// not change, and neither does what ends it: what is played is taken apart as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum State {
    /// In none.
    #[default]
    Plain,
    /// In a header's value, up to the end of its line.
    Header,
    /// Behind that: a line that begins with a blank goes on with it (RFC 9112 section 5.2).
    HeaderEnd {
        /// The line feed was there.
        fed: bool,
    },
    /// In a parameter of a URL or a form.
    Parameter,
    /// Behind the `=` of an attribute, or of words that somebody wrote.
    Attribute,
    /// In quotes of this kind.
    Quoted(u8),
    /// In a tag of XML, behind its name.
    Tag {
        /// The last was a `/`.
        closes: bool,
    },
    /// In an element of XML.
    Element,
    /// Behind a `<` in it.
    ElementEnd,
    /// In so many bytes of what a CDATA section begins with.
    Opening(u8),
    /// In a CDATA section, behind so many `]`.
    Verbatim(u8),
    /// Behind the colon of a member of a JSON object.
    Member,
    /// In its string.
    Text {
        /// The last was a backslash.
        escaped: bool,
    },
    /// In its number, or word.
    Bare,
    /// In what a message of NTLM is, to the message's end.
    Message,
    /// In what is of no concern to anybody from here on.
    Rest,
}

/// What becomes of a byte.
enum Act {
    Mask,
    Keep,
    /// It does not belong to the value.
    End,
}

impl State {
    /// Masks what belongs to the value that goes on at `at`; gives where it ends, if not with the
    /// bytes, and behind what was masked last.
    pub(super) fn run(&mut self, bytes: &mut [u8], at: usize) -> (usize, usize) {
        let mut masked = at;
        for (at, byte) in bytes.iter_mut().enumerate().skip(at) {
            match self.take(*byte) {
                Act::Mask => (*byte, masked) = (b'*', at + 1),
                Act::Keep => {}
                Act::End => {
                    *self = Self::Plain;
                    return (at, masked);
                }
            }
        }
        (bytes.len(), masked)
    }

    fn take(&mut self, byte: u8) -> Act {
        let (next, act) = match (*self, byte) {
            (Self::Plain, _) => (Self::Plain, Act::End),
            (Self::Header, b'\r') => (Self::HeaderEnd { fed: false }, Act::Keep),
            (Self::Header, b'\n') => (Self::HeaderEnd { fed: true }, Act::Keep),
            (Self::HeaderEnd { fed: false }, b'\n') => (Self::HeaderEnd { fed: true }, Act::Keep),
            (Self::HeaderEnd { .. }, b' ' | b'\t') => (Self::Header, Act::Keep),
            (Self::HeaderEnd { .. }, _) => (*self, Act::End),
            (Self::Parameter, byte) if is_value_end(byte) => (*self, Act::End),
            (Self::Attribute, b'"' | b'\'') => (Self::Quoted(byte), Act::Keep),
            (Self::Attribute, byte) if is_value_end(byte) => (*self, Act::End),
            (Self::Attribute, _) => (Self::Parameter, Act::Mask),
            (Self::Quoted(quote), byte) if byte == quote || is_control(byte) => (*self, Act::End),
            (Self::Tag { closes: false }, b'>') => (Self::Element, Act::Keep),
            (Self::Tag { .. }, b'<' | b'>') => (*self, Act::End),
            (Self::Tag { .. } | Self::Element, byte) if is_control(byte) => (*self, Act::End),
            (Self::Tag { .. }, byte) => (Self::Tag { closes: byte == b'/' }, Act::Keep),
            (Self::Element, b'<') => (Self::ElementEnd, Act::Keep),
            (Self::ElementEnd, b'!') => (Self::Opening(0), Act::Keep),
            (Self::ElementEnd, _) => (*self, Act::End),
            (Self::Verbatim(2..), b'>') => (Self::Element, Act::Keep),
            (Self::Opening(count), byte) if CDATA.get(usize::from(count)) == Some(&byte) => match count + 1 {
                count if usize::from(count) < CDATA.len() => (Self::Opening(count), Act::Keep),
                _ => (Self::Verbatim(0), Act::Keep),
            },
            (Self::Opening(_), _) => (*self, Act::End),
            (Self::Verbatim(count), b']') => (Self::Verbatim(count.saturating_add(1)), Act::Keep),
            (Self::Verbatim(_), _) => (Self::Verbatim(0), Act::Mask),
            (Self::Member, b' ' | b'\t' | b'\r' | b'\n') => (*self, Act::Keep),
            (Self::Member, b'"') => (Self::Text { escaped: false }, Act::Keep),
            // What is in there has names of its own.
            (Self::Member, b'{' | b'[' | b',' | b'}') => (*self, Act::End),
            (Self::Member, _) => (Self::Bare, Act::Mask),
            (Self::Text { escaped: false }, b'"') => (*self, Act::End),
            (Self::Text { .. }, byte) if is_control(byte) => (*self, Act::End),
            (Self::Text { escaped }, byte) => (Self::Text { escaped: !escaped && byte == b'\\' }, Act::Mask),
            (Self::Bare, b',' | b'}' | b']') => (*self, Act::End),
            (Self::Bare, byte) if byte.is_ascii_whitespace() || is_control(byte) => (*self, Act::End),
            (Self::Header | Self::Parameter | Self::Quoted(_) | Self::Element | Self::Bare, _) => (*self, Act::Mask),
            (Self::Message | Self::Rest, _) => (*self, Act::Mask),
        };
        *self = next;
        act
    }
}

fn is_value_end(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"&\"'<>#\0".contains(&byte)
}

/// Whether it stands in no text.
fn is_control(byte: u8) -> bool {
    byte < b' ' && !byte.is_ascii_whitespace() || byte == 0x7f
}
