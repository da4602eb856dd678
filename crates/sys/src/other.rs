//! Systems that have not been taught yet.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::process::Command;

use crate::SendState;

pub(crate) fn send_state(_: BorrowedFd<'_>) -> io::Result<SendState> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn receive(_: BorrowedFd<'_>, _: &mut [u8], _: &mut Vec<(SocketAddr, usize)>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn end_with_thread(_: &mut Command) {}

pub(crate) fn video_call(_: BorrowedFd<'_>, _: u8, _: crate::webcam::Way, _: &mut [u32]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
