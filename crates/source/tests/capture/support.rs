//! Captures of sources, and what is seen of a source up to its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use feed::{Entry, Start};
use formats::capture::{Reader, Record};
use source::{Capture, Error, Options, State, Status, Supervisor};
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What stands in the URLs of the tests, and must stand nowhere else.
pub const PASSWORD: &str = "hunt/er2";

/// A folder for one capture.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self) -> PathBuf {
        self.0.path().join("cam.hwc")
    }

    pub fn options(&self, options: Options) -> Options {
        Options { capture: Some(Capture { path: self.file(), bytes: Capture::BYTES }), ..options }
    }

    pub fn url(&self, query: &str) -> String {
        format!("replay:{}{query}", self.file().display())
    }

    /// All records of the capture, and how many bytes are left over.
    pub fn records(&self) -> (Vec<Record>, usize) {
        let mut reader = Reader::new();
        reader.handle_bytes(&std::fs::read(self.file()).unwrap());
        let records = std::iter::from_fn(|| reader.poll().unwrap().map(|placed| placed.record)).collect();
        (records, reader.left())
    }
}

/// One picture or piece of sound, as a reader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub track: u8,
    pub key: bool,
    pub corrupt: bool,
    pub discontinuity: bool,
    /// Since the first one.
    pub pts_us: i64,
    pub bytes: usize,
    pub digest: u64,
}

/// What came of a source: its packets, and how the attempt ended.
#[derive(Debug)]
pub struct Watched {
    pub seen: Vec<Seen>,
    pub error: Option<Error>,
}

impl Watched {
    /// Without times, for comparing with what came over a network.
    pub fn untimed(&self) -> Vec<Seen> {
        self.seen.iter().map(|seen| Seen { pts_us: 0, ..seen.clone() }).collect()
    }
}

fn digest(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Opens it, and sees `most` packets or all up to its end or failure.
pub async fn watch(url: &str, options: Options, most: usize) -> Watched {
    ffmpeg::init();
    let options = Options { repeat_files: false, ..options };
    let source = Supervisor::new("cam", url, options).unwrap();
    let mut cursor = source.feed().cursor(Start::Oldest);
    let mut status = source.status();
    let mut seen = Vec::new();
    let mut first = None;
    let over = |status: &Status| matches!(status.state, State::Waiting(_) | State::Ended) || status.error.is_some();
    let watching = async {
        while seen.len() < most {
            let next = tokio::select! {
                biased;
                next = cursor.next() => next,
                _ = status.wait_for(over) => break,
            };
            let Ok(Entry { packet, lost, .. }) = next else { break };
            assert_eq!(lost, 0, "the test is too slow for its feed");
            let zero = *first.get_or_insert(packet.pts);
            seen.push(Seen {
                track: packet.track.0,
                key: packet.key,
                corrupt: packet.corrupt,
                discontinuity: packet.discontinuity,
                pts_us: (packet.pts.as_nanos() - zero.as_nanos()) / 1000,
                bytes: packet.data.len(),
                digest: digest(&packet.data),
            });
        }
    };
    timeout(PATIENCE, watching).await.unwrap_or_else(|_| panic!("{url} hangs"));
    let error = source.status().borrow().error.clone();
    drop(source);
    assert!(Capture::written(PATIENCE));
    Watched { seen, error }
}

/// No form of `secrets` is in the file.
pub fn assert_absent(file: &Path, secrets: &[&str]) {
    let bytes = std::fs::read(file).unwrap();
    let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    for secret in secrets {
        let escaped: String = secret
            .bytes()
            .map(|byte| match byte.is_ascii_alphanumeric() {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect();
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("admin:{secret}"));
        let forms = [secret.as_bytes(), escaped.as_bytes(), escaped.to_lowercase().as_bytes(), &wide, basic.as_bytes()]
            .map(<[u8]>::to_vec);
        for form in forms {
            assert!(!has(&form), "{} is in the capture", form.escape_ascii());
        }
    }
}
