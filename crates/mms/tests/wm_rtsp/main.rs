//! Windows Media RTSP from outside: our client with our server over simulated links, our
//! client with scripted servers, and FFmpeg as a stranger with our server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests have sockets and a clock")]

#[path = "../../examples/wmrtsp_server/clip.rs"]
mod clip;
#[path = "../support/credentials.rs"]
mod credentials;
#[path = "../../examples/driver/mod.rs"]
mod driver;
#[path = "../../examples/wmrtsp_server/host.rs"]
mod host;
mod hostile;
mod link;
mod pair;
mod samples;
mod script;
mod sessions;
mod strangers;
