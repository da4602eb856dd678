//! docs/CONFIG.md, from the table.

use super::{Section, keys_of};

const HEAD: &str = "\
# headwater.toml

<!-- Printed by `headwater config docs`; a test compares. Change the table in crates/config/src/native instead. -->

`headwater serve -f headwater.toml` serves what this file says. It can say all that `ffserver.conf` can, and more:
`headwater config import ffserver.conf > headwater.toml` translates one, and loses nothing.
`headwater config check FILE` tells everything that is wrong with either kind, with the line. A file whose name ends with
`.toml` is read as described here, any other as [ffserver.conf](FFSERVER.md).

```toml
[server]
http = [\":8090\"]                # this machine only; \"0.0.0.0:8090\" is every network

[[source]]                      # a camera in every format: /front.mjpeg, /front.jpg, /front.asf ...
name = \"front\"
url = \"rtsp://user:password@10.0.0.5/stream\"

[[feed]]                        # filled by: ffmpeg -i ... -f mpegts http://localhost:8090/cam2.ffm
name = \"cam2.ffm\"
acl = [\"allow 127.0.0.1\"]

[[stream]]
name = \"cam2.mjpeg\"
feed = \"cam2.ffm\"
format = \"mpjpeg\"

[stream.video]
size = \"640x480\"
```

Editors that know JSON schemas complete and check the file: `headwater config schema > headwater.schema.json`.

Sizes and rates may have a unit: `k`, `M`, `G`, which is 1024 for bytes and 1000 for bits. Times have one: `ms`, `s`, `m`, `h`.
";

/// The text of docs/CONFIG.md.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for section in Section::ALL {
        text.push_str(&format!("\n## `{}`\n\n{}\n\n", section.header(), section.doc()));
        text.push_str("| key | value | what it does | in ffserver.conf |\n| --- | --- | --- | --- |\n");
        for key in keys_of(section) {
            let ffserver: Vec<_> =
                key.ffserver.split(", ").filter(|name| !name.is_empty()).map(|name| format!("`{name}`")).collect();
            text.push_str(&format!(
                "| `{}` | {}; `{}` | {} | {} |\n",
                key.name,
                key.value.replace('|', "\\|"),
                key.example,
                key.doc,
                ffserver.join(", ")
            ));
        }
    }
    text
}
