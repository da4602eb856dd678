//! The JSON schema, with which editors complete and check a headwater.toml.

use serde_json::{Map, Value, json};

use super::{Key, Kind, Section, keys_of};

/// The schema, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut stream = table(Section::Stream);
    for within in [Section::Video, Section::Audio, Section::Multicast] {
        stream["properties"][within.key()] = table(within);
    }
    let list = |item: Value| json!({ "type": "array", "items": item });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "headwater.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "server": table(Section::Server),
            "source": list(table(Section::Source)),
            "feed": list(table(Section::Feed)),
            "stream": list(stream),
            "redirect": list(table(Section::Redirect)),
        },
    })
}

fn table(section: Section) -> Value {
    let properties: Map<_, _> = keys_of(section).map(|key| (key.name.to_owned(), of(key))).collect();
    let required: Vec<_> = keys_of(section).filter(|key| key.doc.ends_with("Required.")).map(|key| key.name).collect();
    json!({
        "type": "object",
        "description": section.doc(),
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn of(key: &Key) -> Value {
    let mut value = match key.kind {
        Kind::Text if key.name == "rate" => json!({ "type": ["string", "number"] }),
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Choice(texts) => json!({ "enum": texts }),
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Number(least, most) if least == f64::MIN && most == f64::MAX => json!({ "type": "number" }),
        Kind::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
        Kind::Amount => json!({ "type": ["integer", "string"], "pattern": "^[0-9]+(\\.[0-9]+)?[kKmMgG]?$" }),
        Kind::List => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Table => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    };
    value["description"] = format!("{} Expected: {}.", key.doc, key.value).into();
    value
}
