//! Linux: tcp(7), recvmmsg(2), prctl(2), and the calls of linux/videodev2.h.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::SendState;
use crate::datagrams::{MOST, MOST_BYTES};
use crate::webcam::Way;

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

/// Takes datagrams, each into [`MOST_BYTES`] of `bytes`.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    arrived: &mut Vec<(SocketAddr, usize)>,
) -> io::Result<()> {
    // SAFETY: all of these are plain data in C, for which zeros are valid.
    let (mut names, mut vectors, mut messages) = unsafe {
        (
            MaybeUninit::<[libc::sockaddr_storage; MOST]>::zeroed().assume_init(),
            MaybeUninit::<[libc::iovec; MOST]>::zeroed().assume_init(),
            MaybeUninit::<[libc::mmsghdr; MOST]>::zeroed().assume_init(),
        )
    };
    let mut count = 0;
    for (((name, vector), message), room) in
        names.iter_mut().zip(&mut vectors).zip(&mut messages).zip(bytes.chunks_exact_mut(MOST_BYTES))
    {
        *vector = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        message.msg_hdr.msg_name = (&raw mut *name).cast();
        message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        message.msg_hdr.msg_iov = &raw mut *vector;
        message.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: the descriptor is open, since it is borrowed; `count` messages have a name and a vector each
    // that outlive the call, and the vectors lie in `bytes`, which is borrowed for us alone.
    let taken = unsafe {
        libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, libc::MSG_DONTWAIT, std::ptr::null_mut())
    };
    let taken = usize::try_from(taken).map_err(|_| io::Error::last_os_error())?;
    for (name, message) in names.iter().zip(&messages).take(taken) {
        arrived.push((address(name), message.msg_len as usize));
    }
    Ok(())
}

/// Nowhere, for what is no address of the internet.
fn address(name: &libc::sockaddr_storage) -> SocketAddr {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: a storage is large enough and aligned for every kind of address, and the kernel says
            // that it wrote this one; all its bits are valid anyway.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let host = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            SocketAddr::new(host.into(), u16::from_be(name.sin_port))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let host = Ipv6Addr::from(name.sin6_addr.s6_addr);
            SocketAddrV6::new(host, u16::from_be(name.sin6_port), name.sin6_flowinfo, name.sin6_scope_id).into()
        }
        _ => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
    }
}

pub(crate) fn end_with_thread(command: &mut Command) {
    let parent = std::process::id();
    let ask = move || {
        // SAFETY: PR_SET_PDEATHSIG takes a number and touches no memory of ours.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // Who has ended before the call is not noticed any more (prctl(2)).
        // SAFETY: getppid only returns a number.
        match u32::try_from(unsafe { libc::getppid() }) == Ok(parent) {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    };
    // SAFETY: between fork and exec only prctl and getppid are called, which are system calls
    // and no more; nothing is allocated or locked, and errors are numbers of the system's.
    unsafe { command.pre_exec(ask) };
}

/// Call `number` of Video4Linux, whose structure is `words`: numbers of 32 bits, and texts that
/// fill some of them.
pub(crate) fn video_call(device: BorrowedFd<'_>, number: u8, way: Way, words: &mut [u32]) -> io::Result<()> {
    let direction = match way {
        Way::Out => libc::_IOR::<()>(0, 0),
        Way::Both => libc::_IOWR::<()>(0, 0),
    };
    // The size of a structure is in the number of its call (asm-generic/ioctl.h).
    let size = size_of_val(words) as libc::Ioctl;
    let request = direction | (size << 16) | (libc::Ioctl::from(b'V') << 8) | libc::Ioctl::from(number);
    loop {
        // SAFETY: the descriptor is open, since it is borrowed. The kernel, or a driver by way of
        // it, reads and writes as many bytes as the request says, which are those of `words`, and
        // none of the calls of `webcam` has a pointer among them; any words are valid ones.
        let result = unsafe { libc::ioctl(device.as_raw_fd(), request, words.as_mut_ptr()) };
        match result {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => return Ok(()),
        }
    }
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

    /// The state of a process, as proc(5) has it; nothing when there is none.
    fn process_state(pid: u32) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    #[test]
    fn a_child_ends_with_the_thread_that_started_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            crate::end_with_thread(command.arg("600"));
            let child = command.spawn().unwrap();
            assert!(!matches!(process_state(child.id()), None | Some('Z')));
            child
        })
        .join()
        .unwrap();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
    }
}
