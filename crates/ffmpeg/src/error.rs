//! What can go wrong, told apart as far as a user can do something about it.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use crate::{ffi, log};

/// Why a call into libav* or libjpeg-turbo failed.
///
/// `detail` is what the library logged on the way, passwords hidden.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such file, device or resource; a server's 404.
    #[error("not found{}", Because(detail))]
    NotFound {
        /// What the library logged.
        detail: Option<String>,
    },
    /// The server wants another user or password: its 401 or 403.
    #[error("the server refused the user or password{}", Because(detail))]
    Unauthorized {
        /// What the library logged.
        detail: Option<String>,
    },
    /// The system does not let us open the file or device.
    #[error("permission denied{}", Because(detail))]
    PermissionDenied {
        /// What the library logged.
        detail: Option<String>,
    },
    /// Another program uses the device.
    #[error("the device is in use by another program{}", Because(detail))]
    Busy {
        /// What the library logged.
        detail: Option<String>,
    },
    /// The address to listen on is taken.
    #[error("the address is in use by another program{}", Because(detail))]
    InUse {
        /// What the library logged.
        detail: Option<String>,
    },
    /// The host answers, but nothing listens on the port.
    #[error("connection refused: nothing listens on that port{}", Because(detail))]
    Refused {
        /// What the library logged.
        detail: Option<String>,
    },
    /// There is no way to the host, or no host of that name.
    #[error("the host cannot be reached{}", Because(detail))]
    Unreachable {
        /// What the library logged.
        detail: Option<String>,
    },
    /// The peer ended a connection that was up.
    #[error("the connection was closed by the other side{}", Because(detail))]
    Closed {
        /// What the library logged.
        detail: Option<String>,
    },
    /// The server answered with an error that is none of the above.
    #[error("the server answered {}{}", Status(*status), Because(detail))]
    Server {
        /// The HTTP or RTSP status where known, else 0.
        status: u16,
        /// What the library logged.
        detail: Option<String>,
    },
    /// The bytes are not what they should be.
    #[error("{call}: the data is not valid{}", Because(detail))]
    InvalidData {
        /// The function that found out.
        call: &'static str,
        /// What the library logged.
        detail: Option<String>,
    },
    /// This FFmpeg cannot speak the URL's protocol.
    #[error("this build of FFmpeg lacks the protocol of that URL{}", Because(detail))]
    ProtocolNotFound {
        /// What the library logged.
        detail: Option<String>,
    },
    /// FFmpeg's library of devices cannot be loaded.
    #[error("{detail}")]
    DeviceLibrary {
        /// What is missing, and where it is to be had.
        detail: String,
    },
    /// This FFmpeg cannot read the container format.
    #[error("this build of FFmpeg lacks a demuxer for {format}")]
    DemuxerNotFound {
        /// The format asked for.
        format: String,
    },
    /// This FFmpeg cannot write the container format.
    #[error("this build of FFmpeg lacks a muxer for {format}")]
    MuxerNotFound {
        /// The format asked for.
        format: String,
    },
    /// A codec that the container has no place for.
    #[error("{container} does not hold {codec}; it holds {holds}")]
    NoPlace {
        /// The container's name.
        container: &'static str,
        /// The codec.
        codec: media::Codec,
        /// What it does hold.
        holds: String,
    },
    /// This FFmpeg cannot decode the codec.
    #[error("{}", match .codec.name() {
        "unknown" => "the video is in a codec that FFmpeg does not know".to_owned(),
        codec => format!("this build of FFmpeg lacks a decoder for {codec}"),
    })]
    DecoderNotFound {
        /// The codec asked for.
        codec: media::Codec,
    },
    /// This FFmpeg cannot encode to the codec.
    #[error("this build of FFmpeg lacks an encoder for {codec}")]
    EncoderNotFound {
        /// The codec asked for.
        codec: media::Codec,
    },
    /// There is no way from one pixel format to the other.
    #[error("cannot convert pictures from {from} to {to}")]
    Unconvertible {
        /// Pixel format of the picture at hand.
        from: String,
        /// Pixel format wanted.
        to: String,
    },
    /// A value given to us makes no sense.
    #[error("{what}: found {found}, expected {expected}")]
    Argument {
        /// Which.
        what: &'static str,
        /// What it was.
        found: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// libjpeg-turbo's complaint.
    #[error("not a JPEG picture that can be read: {message}")]
    Jpeg {
        /// In its words.
        message: String,
    },
    /// The interrupt callback said to give up.
    #[error("interrupted")]
    Interrupted,
    /// No answer in time.
    #[error("no answer in time{}", Because(detail))]
    TimedOut {
        /// What the library logged.
        detail: Option<String>,
    },
    /// Out of memory, or a size beyond all limits.
    #[error("out of memory")]
    NoMemory,
    /// Anything else, in libav*'s words.
    #[error("{call} failed: {}{}", Words(*code), Because(detail))]
    Other {
        /// The function that failed.
        call: &'static str,
        /// AVERROR code.
        code: i32,
        /// What the library logged.
        detail: Option<String>,
    },
}

impl Error {
    /// The AVERROR `code` that `call` returned, explained by what this thread logged since
    /// [`log::begin`].
    pub(crate) fn from_code(call: &'static str, code: c_int) -> Self {
        let detail = log::take();
        let status = detail.as_deref().and_then(status_in);
        let says = |words: &[&str]| detail.as_deref().is_some_and(|d| words.iter().any(|word| d.contains(word)));
        match code {
            ffi::AVERROR_EXIT => Self::Interrupted,
            ffi::AVERROR_HTTP_NOT_FOUND => Self::NotFound { detail },
            ffi::AVERROR_HTTP_UNAUTHORIZED | ffi::AVERROR_HTTP_FORBIDDEN => Self::Unauthorized { detail },
            ffi::AVERROR_HTTP_BAD_REQUEST
            | ffi::AVERROR_HTTP_TOO_MANY_REQUESTS
            | ffi::AVERROR_HTTP_OTHER_4XX
            | ffi::AVERROR_HTTP_SERVER_ERROR => Self::Server { status: status.unwrap_or(0), detail },
            ffi::AVERROR_PROTOCOL_NOT_FOUND => Self::ProtocolNotFound { detail },
            ffi::AVERROR_INVALIDDATA | ffi::AVERROR_EOF => Self::InvalidData { call, detail },
            _ => match -code {
                libc::ENOENT | libc::ENODEV | libc::ENXIO => Self::NotFound { detail },
                libc::EACCES | libc::EPERM => Self::PermissionDenied { detail },
                libc::EBUSY => Self::Busy { detail },
                libc::EADDRINUSE => Self::InUse { detail },
                libc::ECONNREFUSED => Self::Refused { detail },
                libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EADDRNOTAVAIL | libc::ENETDOWN => {
                    Self::Unreachable { detail }
                }
                // What libavformat/tcp.c returns for a name that does not resolve.
                libc::EIO if says(&["resolve hostname"]) => Self::Unreachable { detail },
                libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED => Self::Closed { detail },
                libc::ETIMEDOUT => Self::TimedOut { detail },
                libc::ENOMEM => Self::NoMemory,
                _ => match status {
                    Some(401 | 403) => Self::Unauthorized { detail },
                    Some(404) => Self::NotFound { detail },
                    Some(status) => Self::Server { status, detail },
                    None => Self::Other { call, code, detail },
                },
            },
        }
    }

    /// The status with which a server has answered (HTTP, RTSP), as far as the library tells.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Server { status, .. } => Some(*status).filter(|status| *status > 0),
            Self::NotFound { detail } | Self::Unauthorized { detail } => detail.as_deref().and_then(status_in),
            _ => None,
        }
    }

    /// What the library logged about it, passwords hidden.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::NotFound { detail }
            | Self::Unauthorized { detail }
            | Self::PermissionDenied { detail }
            | Self::Busy { detail }
            | Self::InUse { detail }
            | Self::Refused { detail }
            | Self::Unreachable { detail }
            | Self::Closed { detail }
            | Self::Server { detail, .. }
            | Self::InvalidData { detail, .. }
            | Self::ProtocolNotFound { detail }
            | Self::TimedOut { detail }
            | Self::Other { detail, .. } => detail.as_deref(),
            _ => None,
        }
    }
}

/// The one place that looks at return codes: `rc` itself unless it is negative.
pub(crate) fn check(call: &'static str, rc: c_int) -> Result<c_int, Error> {
    if rc < 0 { Err(Error::from_code(call, rc)) } else { Ok(rc) }
}

/// `method DESCRIBE failed: 503 …` (rtsp.c), `HTTP error 503 …` (http.c): the status.
fn status_in(detail: &str) -> Option<u16> {
    ["failed: ", "HTTP error "].iter().find_map(|lead| {
        let (_, rest) = detail.split_once(lead)?;
        let digits = rest.get(..3)?;
        let ends = !rest[3..].starts_with(|c: char| c.is_ascii_digit());
        digits.parse().ok().filter(|status| ends && (300..700).contains(status))
    })
}

/// The library's log lines as the end of a sentence.
struct Because<'a>(&'a Option<String>);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|detail| write!(f, " ({detail})"))
    }
}

struct Status(u16);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("with an error"),
            status => write!(f, "{status}"),
        }
    }
}

/// An AVERROR code in words.
struct Words(c_int);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text: [c_char; 128] = [0; 128];
        // SAFETY: `text` is as long as we say; av_strerror ends it with a zero in any case.
        let words = unsafe {
            ffi::av_strerror(self.0, text.as_mut_ptr(), text.len());
            CStr::from_ptr(text.as_ptr())
        };
        write!(f, "{}", words.to_string_lossy())
    }
}
