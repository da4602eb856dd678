//! docs/DIRECTIVES.md, from the table.

use super::directives::{Directive, Place, Standing, all};

const HEAD: &str = "\
# The directives of ffserver.conf

<!-- Printed by `headwater config directives`; a test compares. Change the tables in crates/config/src/ffserver instead. -->

Every directive of ffserver 3.4, and two of our own. Names are read in letters of either case; values may stand in
double or single quotes. Whole numbers may be decimal, hexadecimal (`0x1F`) or octal (`017`). A value out of its bounds
is an error with its line. What is done otherwise than ffserver did it stands in [FFSERVER.md](FFSERVER.md); the same in
a file of our own is [CONFIG.md](CONFIG.md).
";

/// What a directive does, and what holds without it.
fn halves(row: &Directive) -> (&'static str, &'static str) {
    match row.doc.split_once(" Default: ") {
        Some((what, default)) => (what, default.trim_end_matches('.')),
        None => (row.doc, ""),
    }
}

/// What is thought of it, in words.
fn remark(row: &Directive) -> String {
    match row.standing {
        Standing::Current => String::new(),
        Standing::Old(instead) => format!(" An old word, which is told as such: use `{instead}`."),
        Standing::NoEffect(why) => format!(" Without effect, which is told: {why}."),
        Standing::Gone(why) => format!(" An error: {why}."),
        Standing::Ours => " Our own: ffserver does not know it.".into(),
    }
}

/// The text of docs/DIRECTIVES.md.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for (place, title) in [
        (Place::Global, "Outside of sections"),
        (Place::Feed, "In `<Feed NAME>`"),
        (Place::Stream, "In `<Stream NAME>`"),
        (Place::Redirect, "In `<Redirect NAME>`"),
    ] {
        text.push_str(&format!("\n## {title}\n\n"));
        text.push_str("| directive | value | default | what it does |\n| --- | --- | --- | --- |\n");
        for row in all().filter(|row| row.place == place) {
            let (what, default) = halves(row);
            let value = match row.value.starts_with("nothing") {
                true => row.value.to_owned(),
                false => format!("{}; `{}`", row.value.replace('|', "\\|"), row.example),
            };
            text.push_str(&format!("| `{}` | {value} | {default} | {what}{} |\n", row.name, remark(row)));
        }
    }
    text
}
