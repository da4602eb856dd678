//! Linux, tcp(7).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::SendState;

/// Bytes of `struct tcp_info` up to the last field we read (linux/tcp.h; Linux 4.19 has them
/// all, and fields are only ever added behind).
const LENGTH: usize = 216;

/// Where the fields are.
mod at {
    pub(super) const BYTES_ACKED: usize = 120;
    pub(super) const NOTSENT_BYTES: usize = 144;
    pub(super) const MIN_RTT: usize = 148;
    pub(super) const BYTES_SENT: usize = 200;
    pub(super) const BYTES_RETRANS: usize = 208;
}

pub(crate) fn send_state(socket: BorrowedFd<'_>) -> io::Result<SendState> {
    let mut info = [0u8; LENGTH];
    let mut length = LENGTH as libc::socklen_t;
    // SAFETY: the descriptor is open, since it is borrowed; `info` has `length` bytes, and the
    // kernel writes at most as many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < LENGTH {
        // An older kernel.
        return Err(io::ErrorKind::Unsupported.into());
    }
    let wide = |at: usize| info[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
    let narrow = |at: usize| info[at..at + 4].try_into().map_or(0, u32::from_ne_bytes);
    let sent_once = wide(at::BYTES_SENT).saturating_sub(wide(at::BYTES_RETRANS));
    Ok(SendState {
        unsent: narrow(at::NOTSENT_BYTES).into(),
        in_flight: sent_once.saturating_sub(wide(at::BYTES_ACKED)),
        // All ones until there is a measurement.
        round_trip: match narrow(at::MIN_RTT) {
            u32::MAX => Duration::ZERO,
            micros => Duration::from_micros(micros.into()),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::send_state;

    /// Waits for the state that comes sooner or later.
    fn until(socket: &TcpStream, reached: impl Fn(SendState) -> bool) -> SendState {
        for _ in 0..2000 {
            let state = send_state(socket).unwrap();
            if reached(state) {
                return state;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("never reached; now {:?}", send_state(socket));
    }

    #[test]
    fn what_has_arrived_is_not_in_flight_and_a_byte_is_acknowledged_when_all_was_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        writer.set_nodelay(true).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        writer.write_all(&[0; 20_000]).unwrap();
        let arrived = until(&writer, |state| state.in_flight == 0);
        assert_eq!(arrived.unsent, 0);
        assert!(arrived.round_trip < std::time::Duration::from_secs(1), "{arrived:?}");

        reader.read_exact(&mut [0; 20_000]).unwrap();
        writer.write_all(&[0; 1]).unwrap();
        reader.read_exact(&mut [0; 1]).unwrap();
        until(&writer, |state| state.in_flight == 0);
    }

    #[test]
    fn what_the_other_side_has_no_room_for_is_unsent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_reader, _) = listener.accept().unwrap();
        writer.set_nonblocking(true).unwrap();
        while writer.write(&[0; 65_536]).is_ok() {}
        until(&writer, |state| state.unsent > 0 && state.in_flight == 0);
    }
}
