//! Whether a host that is away takes connections again.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Host;
use crate::location::Location;
use crate::scheme::Scheme;

/// How often a host that was unreachable is asked for a sign of life between attempts.
const KNOCK_INTERVAL: Duration = Duration::from_millis(500);

/// Ends when the host of `url` takes a TCP connection again: a camera that is switched
/// on is seen within half a second however long it was off, while the attempts
/// themselves, which cost it more, keep to their back-off. Of several sources of a host one
/// looks, and tells the others.
pub(crate) async fn sign_of_life(url: &str, scheme: &Scheme, host: Option<&Host>) {
    let Some(host) = host else { return knock(url, scheme).await };
    tokio::select! {
        () = async {
            let _turn = host.knocking.lock().await;
            knock(url, scheme).await;
        } => host.is_back(),
        () = host.back() => {}
    }
}

async fn knock(url: &str, scheme: &Scheme) {
    let (Some(port), Ok(location)) = (scheme.port, Location::parse(url)) else {
        return std::future::pending().await;
    };
    let port = location.port.unwrap_or(port);
    let answers = async || {
        sleep(KNOCK_INTERVAL).await;
        matches!(timeout(KNOCK_INTERVAL, TcpStream::connect((&*location.host, port))).await, Ok(Ok(_)))
    };
    if answers().await {
        // It was there all the time and hung up on us for some other reason: then the
        // back-off is what it asks for.
        return std::future::pending().await;
    }
    while !answers().await {}
}
