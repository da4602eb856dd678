//! A source that is served by name in every format.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Something that is opened and served at `/NAME.mjpeg`, `/NAME.jpg` and so on. ffserver had
/// nothing like it. `Debug` shows its URL without the password.
#[derive(Clone, Default, PartialEq)]
pub struct Source {
    /// What its URLs are called.
    pub name: String,
    /// The line of the file it begins in.
    pub line: usize,
    /// A URL, a file or a device.
    pub url: String,
    /// Longest wait for the first picture.
    pub timeout: Option<Duration>,
    /// Longest wait from one picture to the next.
    pub gap_timeout: Option<Duration>,
    /// How long it stays open after its last reader has gone.
    pub linger: Option<Duration>,
    /// Open from the start, watched or not.
    pub always_on: bool,
    /// A file is played once.
    pub once: bool,
    /// How RTP is carried: `auto`, `tcp`, `udp` or `http`.
    pub transport: Option<String>,
    /// Whether `exec:` may run its program.
    pub allow_exec: bool,
    /// Most connections to its host at a time, of all sources together.
    pub host_connections: Option<u16>,
    /// Most attempts and requests for single pictures a second to its host, of all sources together.
    pub host_rate: Option<u16>,
    /// Shortest time from one request for a single picture to the next.
    pub poll: Option<Duration>,
    /// Headers of HTTP requests, each as `NAME: VALUE`; they may be secret.
    pub headers: Vec<String>,
    /// What to be called in HTTP requests.
    pub user_agent: Option<String>,
    /// An HTTP proxy, or `none`; its URL may hold a password.
    pub proxy: Option<String>,
    /// Whose certificates are trusted.
    pub tls_ca: Option<PathBuf>,
    /// The SHA-256 of the certificate that is trusted.
    pub tls_pin: Option<String>,
    /// Any server is trusted.
    pub insecure: bool,
    /// A server outside may redirect to a network at home.
    pub redirects_inside: bool,
    /// Which streams of Windows Media are taken.
    pub streams: Option<String>,
    /// Format, size, rate and controls of a webcam.
    pub webcam: Vec<(String, String)>,
    /// Options of FFmpeg's demuxer or protocol.
    pub ffmpeg: Vec<(String, String)>,
    /// The ring on disk, for time shift.
    pub file: Option<PathBuf>,
    /// Most bytes of that ring.
    pub file_max_size: Option<u64>,
    /// The names of files that it is recorded in, with strftime's letters.
    pub record: Option<String>,
    /// How long those files are.
    pub record_segment: Option<Duration>,
    /// What is kept of them: an age, a size, or both.
    pub record_keep: Option<String>,
    /// Where the camera is moved by ONVIF; the URL may hold a password.
    pub ptz: Option<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, line, url, always_on, .. } = self;
        let url = media::Redacted(url);
        f.debug_struct("Source")
            .field("name", name)
            .field("line", line)
            .field("url", &url)
            .field("always_on", always_on)
            .finish_non_exhaustive()
    }
}
