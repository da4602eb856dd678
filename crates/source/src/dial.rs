//! A TCP connection to a host with several addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

use crate::Error;

/// How long one address has before the next is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// Silence after which the system asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The addresses of `host`, in the order in which to try them.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let addresses = lookup_host((host, port)).await.map_err(|error| Error::from_io(host, &error))?;
    Ok(in_turns(addresses.collect()))
}

/// Connects to that one of the addresses of `host` that answers first. Without a deadline: the
/// supervisor has it.
pub(crate) async fn connect(host: &str, addresses: Vec<SocketAddr>) -> Result<TcpStream, Error> {
    let mut waiting = addresses.into_iter().peekable();
    let mut attempts = FuturesUnordered::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(async move { (address, connect_to(address).await) });
        }
        let more = waiting.peek().is_some();
        tokio::select! {
            Some((address, result)) = attempts.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Some(Error::from_io(&address.to_string(), &error)),
            },
            () = sleep(HEAD_START), if more => {}
            else => {}
        }
        if attempts.is_empty() && waiting.peek().is_none() {
            return Err(failure.unwrap_or_else(|| Error::Unreachable { what: format!("{host}: no address") }));
        }
    }
}

/// Connects to one address.
pub(crate) async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A picture must not wait for the next one. Neither option is worth failing for.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
    Ok(stream)
}

/// The addresses with the families in turns, beginning with that of the first.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (these, others): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut these, mut others) = (these.into_iter(), others.into_iter());
    std::iter::from_fn(|| Some([these.next(), others.next()]))
        .map_while(|pair| (pair != [None, None]).then_some(pair))
        .flatten()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let list = |text: &str| text.split(' ').map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(in_turns(list("[::1]:1 [::2]:1 1.1.1.1:1")), list("[::1]:1 1.1.1.1:1 [::2]:1"));
        assert_eq!(in_turns(Vec::new()), []);
    }
}
