//! Sources: a URL in, a [`feed::Feed`] of packets out, for ever.
//!
//! A row of [`SCHEMES`] runs *one* connection and returns when it ends or fails; the
//! [`Supervisor`] alone decides when to open, how long to wait, and when to try again.
//! What a connection brings goes through its [`Sink`], which puts it on the feed's own
//! timeline. [`Variants`] gives the pictures of a source as JPEG, passed through or
//! transcoded, only while somebody reads them.

#![forbid(unsafe_code)]

mod access;
mod archive;
mod backoff;
mod bookmark;
mod deadlines;
mod decoding;
mod dial;
pub mod discover;
pub mod doctor;
mod error;
mod exec;
mod file;
mod files;
#[doc(hidden)]
pub mod fuzz;
mod http;
mod journal;
mod libav;
mod line;
mod listener;
mod location;
pub mod makers;
mod manners;
mod mixed;
mod mms;
pub mod onvif;
mod pace;
mod packets;
mod past;
mod pattern;
mod picture;
mod progress;
mod proxy;
pub mod push;
mod recode;
mod recording;
mod replay;
mod rtsp;
mod scheme;
mod sink;
mod status;
mod supervisor;
mod thread;
mod timeline;
mod tls;
mod transcode;
mod variants;
mod vitals;
pub mod webcam;
mod wire;

pub use access::{Access, Headers, Pin, Trust};
pub use archive::{Recorded, Since};
pub use asf::Rule;
pub use backoff::Backoff;
pub use decoding::{Decoded, Decoding, Wanted};
pub use error::{Error, Phase};
pub use file::is_missing_file;
pub use journal::{Entry as JournalEntry, Note};
pub use line::Capture;
pub use manners::Manners;
pub use mixed::{Fate, Mixed, Plan, Planner};
pub use packets::Packets;
pub use past::Clip;
pub use picture::{Picture, Pictures};
pub use progress::Counters;
pub use proxy::Proxy;
pub use recode::Recoding;
pub use record::{Keep, Options as FileOptions, Pattern, Status as FileStatus};
pub use recording::Recording;
pub use ring::Config as Record;
pub use scheme::{Request, SCHEMES, Scheme, scheme_of};
pub use sink::Sink;
pub use status::{About, State, Status};
pub use supervisor::Supervisor;
pub use thread::{Stop, on_thread, wait_for};
pub use variants::Variants;
pub use vitals::Vitals;

use std::time::Duration;

/// How a source is opened and kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest wait from the start of an attempt to its first picture: resolving,
    /// connecting, handshake and data together.
    pub open_timeout: Duration,
    /// Longest wait from one picture to the next.
    pub gap_timeout: Duration,
    /// How long a source stays open after its last reader has gone.
    pub linger: Duration,
    /// Open from the start and for ever, readers or not.
    pub always_on: bool,
    /// Start a file again at its end. Off, the source ends there. Either way it is
    /// played in real time.
    pub repeat_files: bool,
    /// As whom and how servers are asked, and whom they have to prove to be.
    pub access: Access,
    /// The shortest time from one request for a single picture to the next.
    pub poll: Duration,
    /// How RTP is carried.
    pub transport: Transport,
    /// Which streams of Windows Media are taken, where several carry the same content.
    pub streams: Rule,
    /// Which video track of a file, or of what libavformat reads: 0 is the first one.
    pub video_track: usize,
    /// When and how often it is opened again.
    pub backoff: Backoff,
    /// How much is asked of its host by all sources together.
    pub manners: Manners,
    /// Whether `exec:` may run programs.
    pub allow_exec: bool,
    /// Format, size, rate and controls of a webcam, name and value, as behind the `?` of its URL,
    /// which comes before these.
    pub webcam: Vec<(String, String)>,
    /// Private options for libavformat, name and value, as on ffmpeg's command line.
    pub libav: Vec<(String, String)>,
    /// The container of a file, by the name of FFmpeg's demuxer, where its content does not tell.
    pub demuxer: Option<String>,
    /// Take what has sound and no pictures, such as a radio station. Off, that is an error.
    pub sound_alone: bool,
    /// What the feed remembers.
    pub limits: feed::Limits,
    /// Record what it sends while it is open or fed, in a ring on disk, for readers who begin
    /// in the past.
    pub record: Option<Record>,
    /// Empty the recording when a feeder comes; of a source that opens something by itself, at
    /// the start.
    pub truncate: bool,
    /// Record what it sends in files, without coding it anew; it is kept open for that.
    pub files: Option<record::Options>,
    /// Keep what is said on its connections, for `replay:`.
    pub capture: Option<Capture>,
    /// Where it is moved, where that is not where its pictures come from; whoever reaches the relay may
    /// then move it.
    pub ptz: Option<onvif::Address>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            open_timeout: Duration::from_secs(10),
            gap_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(5),
            always_on: false,
            repeat_files: true,
            access: Access::default(),
            poll: Duration::from_millis(200),
            transport: Transport::Auto,
            streams: Rule::default(),
            video_track: 0,
            backoff: Backoff::default(),
            manners: Manners::default(),
            allow_exec: false,
            webcam: Vec::new(),
            libav: Vec::new(),
            demuxer: None,
            sound_alone: false,
            limits: feed::Limits::default(),
            record: None,
            truncate: false,
            files: None,
            capture: None,
            ptz: None,
        }
    }
}

/// How RTP is carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// TCP first, UDP where the camera refuses that.
    #[default]
    Auto,
    /// In the RTSP connection.
    Tcp,
    /// In datagrams of its own; TCP where the camera refuses that or none come.
    Udp,
    /// In the RTSP connection, and that in two requests of HTTP (port 80 unless given, 443 with TLS).
    Http,
}

impl Transport {
    /// All of them, by what users call them.
    pub const NAMED: [(&str, Self); 4] =
        [("auto", Self::Auto), ("tcp", Self::Tcp), ("udp", Self::Udp), ("http", Self::Http)];

    /// The one that users call so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, transport)| *transport)
    }

    /// What users call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, known)| *known == self).map_or("auto", |(name, _)| name)
    }
}
