//! ONVIF and WS-Discovery: what is said to a camera, and what its answers mean.
//!
//! Nothing here opens a socket or reads a clock. A request is a `String`, made by a function
//! of its service ([`device`], [`media`], [`ptz`]) and wrapped by [`envelope`]; an answer is the
//! bytes of a body, taken apart by the function of the same name with `read_` in front.
//! Discovery ([`discovery`]) is a datagram there and datagrams back.
//!
//! The order in which a camera is asked: [`device::SYSTEM_DATE_AND_TIME`] first, since it is
//! answered without a login, and the login ([`Login`]) holds the time by the camera's own clock;
//! then [`device::SERVICES`] or, of older ones, [`device::CAPABILITIES`]; then profiles, and the
//! addresses of the stream and of the snapshot.
//!
//! Answers are read by the local names of elements, whatever their namespaces: cameras mix
//! versions and prefixes, and no two services have an element of the same name in the same place
//! with different meanings. Everything in them is hostile until proven otherwise: [`xml`] has the
//! bounds.

#![forbid(unsafe_code)]

pub mod device;
pub mod discovery;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod login;
pub mod media;
pub mod ptz;
mod soap;
mod time;
pub mod xml;

pub use error::{Error, Fault};
pub use login::Login;
pub use soap::{envelope, read_body};
pub use time::Utc;
