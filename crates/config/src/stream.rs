//! Feeds, streams and redirects: what has a path.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Acl, Audio, Video};

/// Something that comes in, once, for all the streams that are made of it. `Debug` shows
/// its URL without the password.
#[derive(Clone, Default, PartialEq)]
pub struct Feed {
    /// Its path without the slash at the front: `cam2.ffm`.
    pub name: String,
    /// The line of the file it begins in.
    pub line: usize,
    /// The file of its ring; nothing: none was named.
    pub file: Option<PathBuf>,
    /// Most bytes of that file; 0 is no bound. Nothing: none was named
    /// ([`Feed::FILE_MAX_SIZE`]).
    pub file_max_size: Option<u64>,
    /// The file is played, never written.
    pub read_only: bool,
    /// The ring is emptied when a feeder comes.
    pub truncate: bool,
    /// A program that feeds it, with its arguments as they stand; empty: none.
    pub launch: Vec<String>,
    /// A URL that the relay reads by itself. Our extension.
    pub source: Option<String>,
    /// The names of files that it is recorded in, with strftime's letters.
    pub record: Option<String>,
    /// How long those files are.
    pub record_segment: Option<Duration>,
    /// What is kept of them: an age, a size, or both.
    pub record_keep: Option<String>,
    /// Who may feed and read it.
    pub acl: Acl,
}

impl Feed {
    /// ffserver's size of a ring, where a file names none.
    pub const FILE_MAX_SIZE: u64 = 5 << 20;
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, line, file, file_max_size, read_only, truncate, launch, source, acl, record, .. } = self;
        let hidden = |url: &String| media::Redacted(url).to_string();
        f.debug_struct("Feed")
            .field("name", name)
            .field("line", line)
            .field("file", file)
            .field("file_max_size", file_max_size)
            .field("read_only", read_only)
            .field("truncate", truncate)
            .field("launch", &launch.iter().map(hidden).collect::<Vec<_>>())
            .field("source", &source.as_ref().map(hidden))
            .field("acl", acl)
            .field("record", record)
            .finish_non_exhaustive()
    }
}

/// What a stream is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Origin {
    /// Nothing was named: right for status pages only.
    #[default]
    Nothing,
    /// A feed, by its name.
    Feed(String),
    /// A file, played from its beginning for each viewer.
    File {
        /// The file.
        path: PathBuf,
        /// Its container by FFmpeg's name, where it cannot be told from the content.
        input_format: Option<String>,
    },
}

/// Where a stream is sent without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multicast {
    /// The group.
    pub address: IpAddr,
    /// The port of the first track; each further one has the port after the next.
    pub port: u16,
    /// How many routers it passes; 0 keeps it on this machine.
    pub ttl: u8,
    /// A file is played again from its beginning.
    pub repeat: bool,
}

/// Something that goes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Its path without the slash at the front: `cam2.mjpeg`.
    pub name: String,
    /// The line of the file it begins in.
    pub line: usize,
    /// What it is made of.
    pub origin: Origin,
    /// The format, in ffserver's words: a muxer of FFmpeg, `jpeg` or `status`; guessed
    /// from the name where the file does not say. Nothing: neither says.
    pub format: Option<String>,
    /// The pictures.
    pub video: Video,
    /// The sound.
    pub audio: Audio,
    /// Leave the pictures out.
    pub no_video: bool,
    /// Leave the sound out.
    pub no_audio: bool,
    /// What is not said about the pictures and the sound is filled in as ffserver did
    /// where somebody has to be told it ([`Video::with_defaults`]).
    pub use_defaults: bool,
    /// How far back a viewer begins.
    pub preroll: Duration,
    /// A viewer is sent nothing before a keyframe.
    pub start_send_on_key: bool,
    /// A viewer is closed after so long.
    pub max_time: Option<Duration>,
    /// Key and value, for the container.
    pub metadata: Vec<(String, String)>,
    /// Sent to a group.
    pub multicast: Option<Multicast>,
    /// Who may see it.
    pub acl: Acl,
    /// A file of rules that decides in place of `acl`, read again when it changes; if it
    /// is not there, nobody may.
    pub dynamic_acl: Option<PathBuf>,
    /// The icon of a status page.
    pub favicon_url: Option<String>,
    /// `RTSPOption`, which ffserver read and used nowhere.
    pub rtsp_option: Option<String>,
}

impl Stream {
    /// A stream called `name` of which nothing else is known.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            line: 0,
            origin: Origin::Nothing,
            format: None,
            video: Video::default(),
            audio: Audio::default(),
            no_video: false,
            no_audio: false,
            use_defaults: true,
            preroll: Duration::ZERO,
            start_send_on_key: false,
            max_time: None,
            metadata: Vec::new(),
            multicast: None,
            acl: Acl::default(),
            dynamic_acl: None,
            favicon_url: None,
            rtsp_option: None,
        }
    }

    /// Whether it is a page about everything else.
    #[must_use]
    pub fn is_status(&self) -> bool {
        self.format.as_deref() == Some("status")
    }
}

/// A path that leads elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// Its path without the slash at the front.
    pub name: String,
    /// The line of the file it begins in.
    pub line: usize,
    /// Where it leads.
    pub url: String,
}
