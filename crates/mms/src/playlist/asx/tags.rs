//! Tags and what stands between them, whatever the text is as XML.
//!
//! Every step goes forward and no byte is looked at more than a few times, so that no text
//! takes long.

use crate::playlist::text;

/// Most attributes of a tag that are heeded.
const MAX_ATTRIBUTES: usize = 16;

/// A piece of the text.
pub enum Token<'a> {
    /// A tag, its attributes with their escapes undone; `closed` if it ends by `/>`.
    Open { name: &'a str, attributes: Vec<(&'a str, String)>, closed: bool },
    /// The tag that ends an element.
    Close(&'a str),
    /// What stands between tags, as it is; never empty.
    Text(&'a str),
}

/// All pieces of a text, in order. Comments are left out.
pub struct Tags<'a> {
    rest: &'a str,
    /// No comment ends from here on, so none is looked for.
    endless_comment: bool,
}

impl<'a> Tags<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, endless_comment: false }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, mut part: impl FnMut(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c| !part(c)).unwrap_or(self.rest.len()))
    }

    /// Skips up to and with `end`, if it comes.
    fn skip_past(&mut self, end: &str) -> bool {
        let found = self.rest.find(end);
        if let Some(at) = found {
            self.take(at + end.len());
        }
        found.is_some()
    }

    fn comment(&mut self) {
        if self.endless_comment || !self.skip_past("-->") {
            self.endless_comment = true;
            if !self.skip_past(">") {
                self.rest = "";
            }
        }
    }

    fn tag(&mut self) -> Token<'a> {
        self.take(1);
        let end = self.rest.starts_with('/');
        if end {
            self.take(1);
        }
        // A declaration keeps its mark as part of its name.
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '!' | '?' | ':' | '-' | '_'));
        let mut attributes = Vec::new();
        let mut closed = false;
        loop {
            self.take_while(char::is_whitespace);
            match self.rest.chars().next() {
                None | Some('<') => break,
                Some('>') => {
                    self.take(1);
                    break;
                }
                Some('/') => {
                    closed = true;
                    self.take(1);
                }
                Some('=' | '"' | '\'') => {
                    self.take(1);
                }
                Some(_) => {
                    closed = false;
                    let name =
                        self.take_while(|c| !c.is_whitespace() && !matches!(c, '=' | '>' | '<' | '/' | '"' | '\''));
                    let value = self.value();
                    if attributes.len() < MAX_ATTRIBUTES {
                        attributes.push((name, text::unescape(value)));
                    }
                }
            }
        }
        if end { Token::Close(name) } else { Token::Open { name, attributes, closed } }
    }

    /// The value behind the name of an attribute, if there is one.
    fn value(&mut self) -> &'a str {
        let ahead = self.rest.trim_start();
        if !ahead.starts_with('=') {
            return "";
        }
        self.rest = ahead[1..].trim_start();
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                self.take(1);
                // A tag does not begin within quotes: the second of them was forgotten.
                match self.rest.find([quote, '<']) {
                    Some(at) if self.rest[at..].starts_with(quote) => {
                        let value = self.take(at);
                        self.take(1);
                        value
                    }
                    _ => self.bare_value(),
                }
            }
            _ => self.bare_value(),
        }
    }

    fn bare_value(&mut self) -> &'a str {
        let value = self.take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '<' | '"'));
        // `<REF HREF=mms://a/b/>`: the last slash belongs to the tag.
        if self.rest.starts_with('>') { value.strip_suffix('/').unwrap_or(value) } else { value }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if let Some(data) = self.rest.strip_prefix("<![CDATA[") {
                let data = &data[..data.find("]]>").unwrap_or(data.len())];
                self.take("<![CDATA[".len() + data.len());
                self.rest = self.rest.strip_prefix("]]>").unwrap_or(self.rest);
                if !data.is_empty() {
                    return Some(Token::Text(data));
                }
            } else if self.rest.starts_with("<!--") {
                self.take("<!--".len());
                self.comment();
            } else if begins_tag(self.rest) {
                return Some(self.tag());
            } else {
                // A lone `<` is text, too.
                let from = self.rest.chars().next().map_or(0, char::len_utf8);
                let mut end = from;
                while let Some(at) = self.rest[end..].find('<') {
                    if begins_tag(&self.rest[end + at..]) {
                        return Some(Token::Text(self.take(end + at)));
                    }
                    end += at + 1;
                }
                return Some(Token::Text(self.take(self.rest.len())));
            }
        }
    }
}

fn begins_tag(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('<') && chars.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
}
