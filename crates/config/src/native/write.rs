//! A configuration as the text of a headwater.toml.

use std::path::Path;

use ::toml::Value;

use super::{Access, Section, keys_of};
use crate::{Config, Stream};

/// The text that [`super::parse`] makes `config` of: every key that says something, in the order
/// of [`super::KEYS`]. Names that were resolved to addresses stand there as names.
#[must_use]
pub fn write(config: &Config) -> String {
    let mut text = String::from("#:schema headwater.schema.json\n");
    part(&mut text, Section::Server, |access| match access {
        Access::Server(pair) => (pair.write)(config),
        _ => None,
    });
    for source in &config.sources {
        part(&mut text, Section::Source, |access| match access {
            Access::Source(pair) => (pair.write)(source),
            _ => None,
        });
    }
    for feed in &config.feeds {
        part(&mut text, Section::Feed, |access| match access {
            Access::Feed(pair) => (pair.write)(feed),
            _ => None,
        });
    }
    for stream in &config.streams {
        for section in [Section::Stream, Section::Video, Section::Audio, Section::Multicast] {
            part(&mut text, section, |access| of_stream(access, stream));
        }
    }
    for redirect in &config.redirects {
        part(&mut text, Section::Redirect, |access| match access {
            Access::Redirect(pair) => (pair.write)(redirect),
            _ => None,
        });
    }
    text
}

fn of_stream(access: &Access, stream: &Stream) -> Option<Value> {
    match access {
        Access::Stream(pair) => (pair.write)(stream),
        _ => None,
    }
}

/// One table; nothing where none of its keys says anything, unless it is one of several.
fn part(text: &mut String, section: Section, value: impl Fn(&Access) -> Option<Value>) {
    let lines: Vec<_> =
        keys_of(section).filter_map(|key| Some(format!("{} = {}\n", key.name, value(&key.access)?))).collect();
    let is_item = section.header().starts_with("[[");
    if lines.is_empty() && !is_item {
        return;
    }
    text.push_str(&format!("\n{}\n", section.header()));
    text.extend(lines);
}

pub(super) fn path(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// A list, where it has anything.
pub(super) fn texts(texts: impl Iterator<Item = String>) -> Option<Value> {
    let texts: Vec<_> = texts.collect();
    (!texts.is_empty()).then(|| texts.into())
}

pub(super) fn pairs(pairs: &[(String, String)]) -> Option<Value> {
    texts(pairs.iter().map(|(name, value)| format!("{name}={value}")))
}

pub(super) fn table(entries: &[(String, String)]) -> Option<Value> {
    let table: ::toml::Table = entries.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    (!table.is_empty()).then_some(Value::Table(table))
}
