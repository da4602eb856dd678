//! RTMP in: encoders that send to `rtmp://HOST:PORT/live/NAME` feed the feed of that name.
//!
//! What comes is put into FLV, in which RTMP's messages are tags as they are, and goes the way of
//! a body that is `PUT`: one sender at a time, the same access rules, the same demuxer. Playing by
//! RTMP is not offered. The protocol is taken apart by `rml_rtmp`; what it would follow without
//! bound is looked at before (`rtmp::dialogue`).

mod dialogue;
mod door;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use source::push::{Ending, Feeder, Hint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

pub(crate) use self::dialogue::check as fuzzed;
use self::dialogue::{Deed, Dialogue};
use self::door::{Door, Waiting};
use crate::server::{Failures, Place, Shared, listen, stopped};
use crate::{Relay, feeds};

/// How long a client may take in all to say what it wants to send, and the kernel to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes read at a time.
const READ: usize = 64 << 10;

/// An address that RTMP is taken on.
pub(crate) struct Listener(TcpListener);

impl Listener {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        listen(address).map(Self)
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// Takes whoever comes.
    pub(crate) async fn run(self, relay: Arc<Relay>, shared: Arc<Shared>) {
        let mut failures = Failures::default();
        let (door, held) = (Arc::<Door>::default(), Arc::<AtomicU64>::default());
        loop {
            match self.0.accept().await {
                Ok((socket, peer)) => {
                    let waiting = match door.come(peer.ip()) {
                        Ok(waiting) => waiting,
                        Err(why) => {
                            relay.refusals.tell("RTMP", peer, None, &why);
                            continue;
                        }
                    };
                    let Some(place) = shared.steady_place() else {
                        relay.refusals.tell("RTMP", peer, None, "there are too many connections");
                        continue;
                    };
                    let relay = Arc::clone(&relay);
                    let dialogue = Dialogue::new(Arc::clone(&held));
                    tokio::spawn(async move { serve(socket, peer, (place, waiting), dialogue, &relay).await });
                }
                Err(error) => failures.tell_and_wait(&error).await,
            }
        }
    }
}

/// The sender, once it sends.
struct Sending {
    feeder: Feeder,
    name: String,
}

/// Serves one connection to its end, and tells what came of it.
async fn serve(
    mut socket: TcpStream,
    peer: SocketAddr,
    (mut place, waiting): (Place, Waiting),
    mut dialogue: Dialogue,
    relay: &Relay,
) {
    let (mut waiting, due) = (Some(waiting), Instant::now() + PATIENCE);
    let mut sending: Option<Sending> = None;
    let mut asked = None;
    let mut buffer = BytesMut::new();
    let ended = loop {
        let refusal = act(&mut socket, peer, relay, &mut dialogue, &mut sending, &mut asked).await;
        match refusal {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(why) => break Err(why),
        }
        if sending.is_some() {
            waiting.take();
        }
        buffer.reserve(READ);
        let unwanted = async {
            match &sending {
                Some(sending) => sending.feeder.unwanted().await,
                None => tokio::time::sleep_until(due).await,
            }
        };
        let read = tokio::select! {
            read = socket.read_buf(&mut buffer) => read,
            () = unwanted => match &sending {
                Some(_) => break Err("nothing more is wanted".into()),
                None => break Err(format!("it did not say within {PATIENCE:?} what it wants to send")),
            },
            () = stopped(&mut place.stopping) => break Err("the server ends".into()),
        };
        match read {
            Ok(count) if count > 0 => {
                if let Err(why) = dialogue.handle(&buffer.split()) {
                    break Err(why);
                }
            }
            // It has asked for nothing, or only to be sent something.
            _ if sending.is_none() => break Ok(()),
            Ok(_) => break Err("the sender hung up".into()),
            Err(error) => break Err(error.to_string()),
        }
    };
    match (sending, ended) {
        (Some(Sending { feeder, name }), ended) => {
            let ending = if ended.is_ok() { Ending::Whole } else { Ending::Broken };
            feeds::finish(relay, feeder, ending, &name, peer, "RTMP").await;
        }
        (None, Err(why)) => relay.refusals.tell("RTMP", peer, asked.as_deref(), &why),
        (None, Ok(())) => {}
    }
}

/// Does what the dialogue has come to; `false` when it is over in order.
async fn act(
    socket: &mut TcpStream,
    peer: SocketAddr,
    relay: &Relay,
    dialogue: &mut Dialogue,
    sending: &mut Option<Sending>,
    asked: &mut Option<String>,
) -> Result<bool, String> {
    while let Some(deed) = dialogue.deeds.pop_front() {
        match deed {
            Deed::Answer(bytes) => send(socket, &bytes).await?,
            Deed::Publish { request, name, agent } => {
                if sending.is_some() {
                    return Err("a second stream in one connection".into());
                }
                *asked = Some(name.clone());
                match feeder(relay, peer, &name, agent).await {
                    Ok(feeder) => {
                        dialogue.accept(request)?;
                        *sending = Some(Sending { feeder, name });
                    }
                    Err(why) => {
                        dialogue.refuse(request, &why)?;
                        while let Some(Deed::Answer(bytes)) = dialogue.deeds.pop_front() {
                            send(socket, &bytes).await?;
                        }
                        return Err(why);
                    }
                }
            }
            Deed::Data(bytes) => {
                if let Some(sending) = sending
                    && !sending.feeder.write(bytes).await
                {
                    return Err("nothing more is wanted".into());
                }
            }
            Deed::Over => return Ok(false),
        }
    }
    Ok(true)
}

async fn send(socket: &mut TcpStream, bytes: &Bytes) -> Result<(), String> {
    match timeout(PATIENCE, socket.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the sender does not listen".into()),
    }
}

/// The feed called `name`, for who asks from `peer`.
async fn feeder(relay: &Relay, peer: SocketAddr, name: &str, agent: Option<String>) -> Result<Feeder, String> {
    let feed = feeds::asked_for(relay, peer, name)?;
    let content_type = Some("video/x-flv".into());
    let hint = Hint { by: peer.to_string(), protocol: "RTMP", agent, content_type };
    feed.feeder(hint).await.map_err(|error| error.to_string())
}
