//! What only the operating system knows, behind one module a system.
//!
//! Everything here is safe to call; a system that cannot answer says
//! [`std::io::ErrorKind::Unsupported`], and callers then do without. It is the second
//! crate with `unsafe`, since no library asks the kernel for these.

#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

pub mod datagrams;
pub mod webcam;

use std::io;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as system;

/// How much of what was written to a TCP socket has got how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendState {
    /// Bytes in this host's kernel that are not sent yet.
    pub unsent: u64,
    /// Bytes sent that the other host has not acknowledged.
    pub in_flight: u64,
    /// The shortest time an acknowledgement took of late: the way there and back.
    pub round_trip: Duration,
}

/// Asks the kernel about a TCP socket.
///
/// # Errors
/// What the system says; [`io::ErrorKind::Unsupported`] where it cannot know.
pub fn send_state(socket: &impl AsFd) -> io::Result<SendState> {
    system::send_state(socket.as_fd())
}

/// Lets what `command` starts end with the thread that starts it, by SIGKILL, however that
/// ends. The children of the child are not ended.
///
/// A process that ends takes its threads with it; a thread that ends while the process
/// goes on does it as well, so start the child on one that lives as long as the child is to.
/// On systems other than Linux nothing is done.
pub fn end_with_thread(command: &mut Command) {
    system::end_with_thread(command);
}
