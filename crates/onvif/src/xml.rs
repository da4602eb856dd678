//! XML from a stranger, as a small tree.
//!
//! No document type is read, so there are no entities but the five of XML 1.0 section 4.6 and
//! characters by number: nothing in an answer can grow. Size, depth, elements and attributes are
//! bounded before anything is built of them.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::Error;

/// Most bytes of an answer.
pub const MAX_BYTES: usize = 1 << 20;
/// Most elements inside of each other.
pub const MAX_DEPTH: usize = 32;
/// Most elements of an answer. A recorder with 64 channels has some 5000.
pub const MAX_ELEMENTS: usize = 32 << 10;
/// Most attributes of an element.
pub const MAX_ATTRIBUTES: usize = 32;

/// An element with what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Without the prefix.
    pub name: String,
    /// Local names and values of the attributes.
    pub attributes: Vec<(String, String)>,
    /// All text directly in it, with the blanks at both ends cut off.
    pub text: String,
    /// The elements directly in it.
    pub children: Vec<Element>,
}

impl Element {
    /// The first child called `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children called `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of the first child and so on, by names.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text at `path`; `None` for an empty one.
    #[must_use]
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|element| &*element.text).filter(|text| !text.is_empty())
    }

    /// The number at `path`.
    #[must_use]
    pub fn number_at<T: std::str::FromStr>(&self, path: &[&str]) -> Option<T> {
        self.text_at(path)?.parse().ok()
    }

    /// The value of the attribute `name`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// Reads `bytes` into a tree.
///
/// # Errors
/// [`Error::NotXml`] for what is not well-formed, has a document type or an unknown entity, or is
/// past a bound.
pub fn parse(bytes: &[u8]) -> Result<Element, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(wrong(0, format!("{} bytes of XML, at most {MAX_BYTES} are read", bytes.len())));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Firmware pads answers with zeros and line breaks.
    let bytes = bytes.trim_ascii_start();
    let end = bytes.iter().rposition(|byte| *byte != 0 && !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let mut reader = Reader::from_reader(&bytes[..end]);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0;
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        let event = event.map_err(|error| wrong(reader.error_position(), error.to_string()))?;
        match event {
            Event::Start(start) => {
                count += 1;
                if open.len() >= MAX_DEPTH || count > MAX_ELEMENTS {
                    let what =
                        format!("more than {MAX_ELEMENTS} elements, or {MAX_DEPTH} of them inside of each other");
                    return Err(wrong(at, what));
                }
                open.push(begun(&start, at)?);
            }
            Event::End(_) => {
                let Some(mut done) = open.pop() else { return Err(wrong(at, "an end without a beginning".into())) };
                done.text = done.text.trim().to_owned();
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Ok(done),
                }
            }
            Event::Text(text) => add(&mut open, &String::from_utf8_lossy(&text)),
            Event::CData(text) => add(&mut open, &String::from_utf8_lossy(&text)),
            Event::GeneralRef(reference) => add(&mut open, resolved(&reference, at)?.encode_utf8(&mut [0; 4])),
            Event::DocType(_) => return Err(wrong(at, "a document type, which no answer of a camera has".into())),
            Event::Eof => return Err(wrong(at, "it ends in its midst".into())),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// `text` with what has a meaning in XML escaped.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML 1.0 has no way to write the others (section 2.2).
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

fn wrong(at: u64, what: String) -> Error {
    // A parser quotes what it found, which may be long.
    Error::NotXml { at, what: what.chars().filter(|c| !c.is_control()).take(200).collect() }
}

fn local(name: &[u8]) -> String {
    let name = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    String::from_utf8_lossy(name).into_owned()
}

fn begun(start: &BytesStart<'_>, at: u64) -> Result<Element, Error> {
    let mut element = Element { name: local(start.name().as_ref()), ..Element::default() };
    // Duplicates are looked for by comparing each with all others otherwise.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| wrong(at, error.to_string()))?;
        if element.attributes.len() >= MAX_ATTRIBUTES {
            return Err(wrong(at, format!("more than {MAX_ATTRIBUTES} attributes")));
        }
        let value = String::from_utf8_lossy(&attribute.value);
        let value = quick_xml::escape::unescape(&value).map_err(|error| wrong(at, error.to_string()))?;
        element.attributes.push((local(attribute.key.as_ref()), value.into_owned()));
    }
    Ok(element)
}

fn add(open: &mut [Element], text: &str) {
    // Text around the outermost element is none of ours.
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>, at: u64) -> Result<char, Error> {
    if let Some(c) = reference.resolve_char_ref().map_err(|error| wrong(at, error.to_string()))? {
        return Ok(c);
    }
    match &**reference {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        other => Err(wrong(at, format!("the entity {}, which nobody has declared", String::from_utf8_lossy(other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_without_its_prefixes() {
        let text = b"\xef\xbb\xbf<?xml version='1.0'?>\n<a:x xmlns:a='u' a:t='1 &amp; 2'><!-- c --><b> p&lt;&#x41;<![CDATA[<q>]]> </b><c/></a:x>\0\n";
        let tree = parse(text).unwrap();
        assert_eq!((&*tree.name, tree.attribute("t"), tree.text_at(&["b"])), ("x", Some("1 & 2"), Some("p<A<q>")));
        assert!(tree.child("c").is_some() && tree.text_at(&["c"]).is_none());
    }

    #[test]
    fn nothing_in_it_can_grow() {
        let bomb = r#"<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>"#;
        let told = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert!(told(bomb).contains("a document type"), "{}", told(bomb));
        assert!(told("<l>&b;</l>").contains("entity b"));
        assert!(told("<l t='&b;'/>").contains('b'));
        assert!(told(&"<a>".repeat(MAX_DEPTH + 1)).contains("inside of each other"));
        assert!(told(&format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS))).contains("elements"));
        let attributes: String = (0..=MAX_ATTRIBUTES).map(|at| format!(" a{at}='1'")).collect();
        assert!(told(&format!("<a{attributes}/>")).contains("attributes"));
        assert!(told(&format!("<a>{}</a>", " ".repeat(MAX_BYTES))).contains("bytes of XML"));
    }

    #[test]
    fn what_is_no_xml_is_told() {
        for text in ["", "no", "<a>", "<a></b>", "</a>", "<a", "<a b></a>", "<a>&#xFFFFFFFF;</a>"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_escaped_is_read_back() {
        let text = "p@ss<w>&\"o'\u{1}rd";
        let tree = parse(format!("<a>{}</a>", escape(text)).as_bytes()).unwrap();
        assert_eq!(tree.text, "p@ss<w>&\"o'rd");
    }
}
