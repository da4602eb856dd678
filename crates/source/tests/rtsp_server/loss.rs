//! UDP through a link that loses and reorders: no damaged picture passes as good, and no good one
//! is marked.
//!
//! The truth are the pictures of another client without such a link: each has an encoder of its
//! own, which makes the same of the same pictures. Equal to the last bit is good. Counts are printed:
//!
//!     cargo nextest run -p source -E 'test(loss::)' --success-output immediate

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use media::Codec;
use source::{Counters, Decoding, Options, Transport, Wanted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::{Server, next, open};

/// What a link does to every hundred datagrams.
#[derive(Clone, Copy)]
struct Link {
    lost: u64,
    late: u64,
    seed: u64,
}

impl Link {
    fn percent(&mut self) -> u64 {
        // Knuth's MMIX.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % 100
    }
}

/// Puts a link between a client and the RTSP server on this port; gives its address.
async fn between(port: u16, link: Link) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, port, link));
        }
    });
    address
}

/// Passes on what is said, with ports of our own in place of the client's.
async fn pass(client: TcpStream, port: u16, link: Link) {
    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut request = Vec::new();
    while from_client.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
        while let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let mut text = String::from_utf8(request.drain(..end + 4).collect()).unwrap();
            if let Some((_, rest)) = text.split_once("client_port=") {
                let ports = rest.split(['\r', ';']).next().unwrap().to_owned();
                let theirs: u16 = ports.split('-').next().unwrap().parse().unwrap();
                let (rtp, rtcp) = pair().await;
                let ours = rtp.local_addr().unwrap().port();
                tokio::spawn(carry(rtp, theirs, Some(link)));
                tokio::spawn(carry(rtcp, theirs + 1, None));
                text = text.replace(&format!("client_port={ports}"), &format!("client_port={ours}-{}", ours + 1));
            }
            to_server.write_all(text.as_bytes()).await.unwrap();
        }
    }
}

async fn pair() -> (UdpSocket, UdpSocket) {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = rtp.local_addr().unwrap().port();
        if port % 2 == 0
            && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1)).await
        {
            return (rtp, rtcp);
        }
    }
}

/// Carries datagrams to `port`, the late ones behind the next three.
async fn carry(socket: UdpSocket, port: u16, mut link: Option<Link>) {
    let socket = Arc::new(socket);
    let mut late: VecDeque<(u8, Vec<u8>)> = VecDeque::new();
    let mut buffer = vec![0; 65_536];
    let mut count = 0_u32;
    while let Ok(length) = socket.recv(&mut buffer).await {
        count += 1;
        let datagram = &buffer[..length];
        // The first second is for the first keyframe.
        let fate = link.as_mut().filter(|_| count > 60).map(|link| (link.percent(), link.lost, link.late));
        match fate {
            Some((percent, lost, _)) if percent < lost => continue,
            Some((percent, lost, delayed)) if percent < lost + delayed => late.push_back((3, datagram.to_vec())),
            _ => {
                let _ = socket.send_to(datagram, ("127.0.0.1", port)).await;
            }
        }
        late.iter_mut().for_each(|(wait, _)| *wait = wait.saturating_sub(1));
        while let Some((0, datagram)) = late.front() {
            let _ = socket.send_to(datagram, ("127.0.0.1", port)).await;
            late.pop_front();
        }
    }
}

#[derive(Default, Debug)]
struct Counts {
    missing: u32,
    good: u32,
    damaged: u32,
    good_but_marked: u32,
    damaged_but_not_marked: u32,
    /// Packets that were due by their numbers, and those that did not come.
    packets: (u64, u64),
}

impl Counts {
    /// The percentage of packets that did not come.
    fn lost(&self) -> f64 {
        self.packets.1 as f64 * 100.0 / self.packets.0 as f64
    }
}

/// Brightness of the pictures that a camera sends to a client of its own, by their numbers, and
/// whether they are marked; and what the source counted.
async fn seen(url: &str, codec: Codec, transport: Transport, most: u16) -> (Vec<(u16, Vec<u8>, bool)>, Counters) {
    let (source, mut cursor) = open(url, Options { transport, ..Options::default() });
    let (mut decoding, mut seen) = (Decoding::new(), Vec::new());
    loop {
        let mut entry = next(&mut cursor).await;
        // Readers of pictures wait for a keyframe after a loss; here the marks of packets are looked at.
        entry.packet.discontinuity = false;
        if decoding.adopt(&entry).is_err() {
            continue;
        }
        for picture in decoding.decode(&entry.packet, Wanted::Picture) {
            let luma = picture.frame.plane(0).unwrap();
            let number = formats::osd::read_number(luma.data, luma.stride, 320, 240);
            if number.is_some_and(|number| number > most) {
                assert_eq!(source.status().borrow().reconnects, 0);
                assert_eq!(source.status().borrow().tracks.video().unwrap().codec, codec);
                return (seen, source.counters());
            }
            let rows: Vec<u8> = (0..240).flat_map(|y| luma.data[y * luma.stride..][..320].to_vec()).collect();
            seen.push((number.unwrap_or(u16::MAX), rows, entry.packet.corrupt));
        }
    }
}

async fn counts(path: &str, codec: Codec, link: Link, most: u16) -> Counts {
    let server = Server::start(&[]);
    let plain = format!("rtsp://127.0.0.1:{}/{path}", server.port);
    let address = between(server.port, link).await;
    let lossy = format!("rtsp://{address}/{path}");
    let ((truth, plain), (seen, lossy)) =
        tokio::join!(seen(&plain, codec, Transport::Tcp, most), seen(&lossy, codec, Transport::Udp, most));
    let truth: std::collections::HashMap<u16, Vec<u8>> =
        truth.into_iter().map(|(number, rows, _)| (number, rows)).collect();
    assert!(plain.rtp_expected > u64::from(most) && plain.rtp_lost == 0, "{plain:?}");
    let packets = (lossy.rtp_expected, lossy.rtp_lost);
    let mut counts = Counts { missing: u32::from(most) + 1 - seen.len() as u32, packets, ..Counts::default() };
    for (number, rows, marked) in seen {
        match (truth.get(&number) == Some(&rows), marked) {
            (true, false) => counts.good += 1,
            (true, true) => counts.good_but_marked += 1,
            (false, true) => counts.damaged += 1,
            (false, false) => counts.damaged_but_not_marked += 1,
        }
    }
    println!("{path}, {} % lost, {} % late: {counts:?}", link.lost, link.late);
    counts
}

#[tokio::test]
async fn late_datagrams_are_put_in_order_and_nothing_is_marked() {
    for (path, codec) in [("h264", Codec::H264), ("jpeg", Codec::MJPEG)] {
        let counts = counts(path, codec, Link { lost: 0, late: 10, seed: 1 }, 100).await;
        assert_eq!((counts.good, counts.missing, counts.packets.1), (101, 0, 0), "{path}: {counts:?}");
    }
}

#[tokio::test]
async fn of_h264_no_damaged_picture_passes_and_no_good_one_is_marked() {
    let counts = counts("h264", Codec::H264, Link { lost: 4, late: 5, seed: 2 }, 300).await;
    assert_eq!((counts.damaged_but_not_marked, counts.good_but_marked), (0, 0), "{counts:?}");
    assert!(counts.good > 50 && counts.damaged > 20, "{counts:?}");
    assert!((2.0..6.0).contains(&counts.lost()), "{counts:?}");
}

#[tokio::test]
async fn of_h265_no_damaged_picture_passes_and_no_good_one_is_marked() {
    let counts = counts("h265", Codec::HEVC, Link { lost: 4, late: 5, seed: 3 }, 300).await;
    assert_eq!((counts.damaged_but_not_marked, counts.good_but_marked), (0, 0), "{counts:?}");
    assert!(counts.good > 50 && counts.damaged > 20, "{counts:?}");
    assert!((2.0..6.0).contains(&counts.lost()), "{counts:?}");
}

#[tokio::test]
async fn of_jpeg_only_whole_pictures_come() {
    let counts = counts("jpeg", Codec::MJPEG, Link { lost: 2, late: 5, seed: 4 }, 150).await;
    assert_eq!((counts.damaged_but_not_marked, counts.good_but_marked, counts.damaged), (0, 0, 0), "{counts:?}");
    assert!(counts.good > 50 && counts.missing > 5, "{counts:?}");
}
