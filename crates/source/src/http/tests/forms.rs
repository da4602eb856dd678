//! All forms of MJPEG in `tests/data/mjpeg_forms.json`, which the tests in Python read too.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Table {
    usual: Form,
    forms: Vec<Row>,
}

/// What differs from the usual.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    head: Option<String>,
    first: Option<String>,
    before: Option<String>,
    after: Option<String>,
    pictures: Option<Vec<String>>,
    chunk: Option<usize>,
    write: Option<usize>,
    quirk: Option<Quirk>,
}

/// One kind of server.
#[derive(Clone, Deserialize)]
struct Form {
    #[serde(default)]
    name: String,
    head: String,
    first: String,
    before: String,
    after: String,
    pictures: Vec<String>,
    chunk: usize,
    write: usize,
    quirk: Quirk,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Quirk {
    None,
    Redirect,
    Basic,
    Digest,
    /// Some pictures are damaged, with both ends in place.
    Damage,
}

fn forms() -> Vec<Form> {
    let table: Table = serde_json::from_str(include_str!("../../../../../tests/data/mjpeg_forms.json")).unwrap();
    let usual = &table.usual;
    let form = |row: Row| Form {
        name: row.name,
        head: row.head.unwrap_or_else(|| usual.head.clone()),
        first: row.first.unwrap_or_else(|| usual.first.clone()),
        before: row.before.unwrap_or_else(|| usual.before.clone()),
        after: row.after.unwrap_or_else(|| usual.after.clone()),
        pictures: row.pictures.unwrap_or_else(|| usual.pictures.clone()),
        chunk: row.chunk.unwrap_or(usual.chunk),
        write: row.write.unwrap_or(usual.write),
        quirk: row.quirk.unwrap_or(usual.quirk),
    };
    table.forms.into_iter().map(form).collect()
}

fn picture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/data/jpeg");
    std::fs::read(folder.join(name).with_extension("jpg")).unwrap()
}

impl Form {
    fn pictures(&self) -> Vec<Vec<u8>> {
        let mut pictures: Vec<_> = self.pictures.iter().cycle().take(40).map(|name| picture(name)).collect();
        if self.quirk == Quirk::Damage {
            pictures.iter_mut().step_by(10).for_each(|picture| picture[1000..1040].fill(0xAA));
        }
        pictures
    }

    fn answer(&self) -> Vec<Option<Vec<u8>>> {
        let mut body = self.first.as_bytes().to_vec();
        for picture in self.pictures() {
            let length = picture.len();
            let mut before = self.before.clone();
            for (word, length) in [("{length}", length), ("{short}", length - 500), ("{long}", length + 500)] {
                before = before.replace(word, &length.to_string());
            }
            body.extend([before.as_bytes(), &picture, self.after.as_bytes()].concat());
        }
        if self.chunk > 0 {
            let chunks = body.chunks(self.chunk);
            body = chunks.flat_map(|c| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat()).collect();
            body.extend(b"0\r\n\r\n");
        }
        let whole = [self.head.as_bytes(), &body].concat();
        let write = if self.write == 0 { whole.len() } else { self.write };
        whole.chunks(write).map(|piece| Some(piece.to_vec())).collect()
    }

    /// Serves it at `/video`, and everything else as the quirk wants it.
    async fn serve(self) -> SocketAddr {
        serve(move |_, request| {
            let say = |text: &str| vec![Some(format!("HTTP/1.1 {text}\r\nContent-Length: 0\r\n\r\n").into_bytes())];
            let authorized = |with: &str| request.contains(&format!("Authorization: {with}"));
            match self.quirk {
                Quirk::Redirect if request.starts_with("GET /video ") => say("302 Found\r\nLocation: there?x=1"),
                Quirk::Redirect if !request.starts_with("GET /there?x=1 ") => say("404 Not Found"),
                Quirk::Basic if !authorized("Basic YWRtaW46cEBzcy93OnJkIzE=") => {
                    say("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\"")
                }
                Quirk::Digest if !authorized("Digest username=\"admin\"") => {
                    say("401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\", qop=\"auth\"")
                }
                _ => self.answer(),
            }
        })
        .await
    }
}

// As of Sony SNC-EB640 and Panasonic HE40 (dashes in the head): docs/CAMERAS.md.
#[tokio::test]
async fn every_picture_of_every_server_arrives_bit_for_bit() {
    let mut failed = Vec::new();
    let forms = forms();
    assert_eq!(forms.len(), 41);
    for form in forms {
        let address = form.clone().serve().await;
        let (pictures, error) = open(&format!("http://admin:p@ss/w:rd#1@{address}/video")).run().await;
        let expected = form.pictures().into_iter().map(|picture| {
            let picture = Bytes::from(picture);
            let bare = jpeg::info(&picture).is_ok_and(|info| !info.has_huffman);
            (
                if bare { jpeg::with_huffman(picture.clone()) } else { picture.clone() },
                jpeg::info(&picture).unwrap().size,
            )
        });
        if pictures != expected.collect::<Vec<_>>() || error != (Error::Ended { what: None }) {
            failed.push(format!("{}: {} pictures, then {error}", form.name, pictures.len()));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
