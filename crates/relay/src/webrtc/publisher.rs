//! An encoder that pushes to a feed.

use std::net::SocketAddr;
use std::time::Instant;

use ::webrtc::Event;
use source::About;
use source::push::{Ending, UnitFeeder};

use super::peer::{Over, Peer};

/// Serves one to its end.
pub(super) async fn run(mut peer: Peer, feeder: UnitFeeder, name: String, by: SocketAddr, agent: Option<String>) {
    let about =
        About { protocol: "whip".into(), container: "webrtc".into(), server: agent, live: true, ..About::default() };
    let over = loop {
        let mut wrong = None;
        let take = |event| match event {
            Event::Tracks(tracks) => wrong = feeder.declare(about.clone(), tracks).err().or(wrong.take()),
            Event::Unit(unit) => _ = feeder.publish(unit),
            _ => {}
        };
        if let Err(over) = peer.drain(take).await {
            break over;
        }
        if let Some(error) = wrong {
            tracing::info!(feed = name, %error, "what a peer of WebRTC sends cannot be taken");
            break Over::Left;
        }
        let turn = tokio::select! {
            turn = peer.turn() => turn,
            () = feeder.keyframe_wanted() => peer.session.want_keyframe(Instant::now()).map_err(Over::from),
            () = feeder.unwanted() => Err(Over::Lost("nothing more is wanted")),
        };
        if let Err(over) = turn {
            break over;
        }
    };
    peer.leave().await;
    let ending = if matches!(over, Over::Left) { Ending::Whole } else { Ending::Broken };
    let taken = feeder.finish(ending).await;
    let (pictures, bytes) = (taken.pictures, taken.bytes);
    match taken.error {
        None => tracing::info!(feed = name, %by, pictures, bytes, "WebRTC sender is done"),
        Some(error) => tracing::info!(feed = name, %by, pictures, bytes, %error, %over, "WebRTC sender is done"),
    }
}
