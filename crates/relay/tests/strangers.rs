//! A crowd that says by RTMP that large pictures come, to no feed and without an end, and what is kept of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use relay::{Config, Relay, Server, SourceConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Many more than are let wait.
const CROWD: usize = 600;
/// What each would have kept: one message.
const EACH: usize = 8 << 20;
/// Surely not forgotten, on a machine that does much else.
const SOON: Duration = Duration::from_secs(60);

/// Bytes of memory of this process that are in use.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Shakes hands (RTMP 1.0 section 5.2), and sends the begin of a message that is longer than what follows;
/// how much of that was sent until the server hung up.
async fn swell(address: SocketAddr, each: Arc<Vec<u8>>) -> usize {
    let Ok(mut socket) = TcpStream::connect(address).await else { return 0 };
    let greeting = [&[3][..], &[0; 1536]].concat();
    if socket.write_all(&greeting).await.is_err() {
        return 0;
    }
    let mut answer = vec![0; 1 + 2 * 1536];
    if socket.read_exact(&mut answer).await.is_err() {
        return 0;
    }
    let chunk_size = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
    let head = [6, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0];
    let begin = [&answer[1..1537], &chunk_size[..], &head[..]].concat();
    if socket.write_all(&begin).await.is_err() {
        return 0;
    }
    let mut sent = 0;
    for slice in each.chunks(64 << 10) {
        match socket.write(slice).await {
            Ok(count) => sent += count,
            Err(_) => return sent,
        }
    }
    sent
}

#[tokio::test]
async fn of_a_crowd_that_sends_to_no_feed_next_to_nothing_is_kept_and_an_encoder_is_heard_behind_it() {
    let sources = [SourceConfig { name: "cam".into(), url: "push:".into(), options: source::Options::default() }];
    let config = Config { listen: vec![], rtmp: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() };
    let relay = Relay::new(&sources).unwrap();
    let server = Server::bind(Arc::clone(&relay), &config).unwrap();
    let address = server.rtmp_addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async { drop(stopped.await) }));
    let each = Arc::new(vec![7; EACH]);
    let before = memory();
    let mut crowd: JoinSet<usize> = (0..CROWD).map(|_| swell(address, Arc::clone(&each))).collect();
    let mut most = 0;
    let all = async {
        while let Some(sent) = crowd.join_next().await {
            // All but the little that it may say lay in sockets.
            assert!(sent.unwrap() < EACH, "a stranger was read to its end");
            most = most.max(memory());
        }
    };
    timeout(SOON, all).await.expect("a stranger was kept");
    let grown = most.saturating_sub(before) >> 20;
    assert!(grown < 192, "{CROWD} strangers took {grown} MiB");
    // Their places are free again.
    let mut encoder = std::process::Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-re",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=25",
            "-c:v",
            "libx264",
        ])
        .args(["-preset", "ultrafast", "-g", "10", "-f", "flv", &format!("rtmp://{address}/live/cam")])
        .spawn()
        .expect("ffmpeg has to be installed");
    let mut status = relay.source("cam").unwrap().status();
    let live = timeout(SOON, status.wait_for(|status| matches!(status.state, source::State::Live))).await;
    encoder.kill().unwrap();
    encoder.wait().unwrap();
    live.expect("an encoder that comes later is not heard").unwrap();
    drop(stop);
    timeout(SOON, served).await.expect("the server did not end").unwrap();
}
