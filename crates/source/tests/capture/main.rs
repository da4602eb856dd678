//! What cameras sent, captured and played again: the same pictures with the same marks, the same
//! errors, and no secret in the file.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod broken;
mod http;
mod support;
#[path = "../common/tls_front.rs"]
mod tls_front;
mod ways;
