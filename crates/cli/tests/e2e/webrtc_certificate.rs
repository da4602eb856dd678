//! WebRTC with peers whose certificate is of RSA, which is not taken: it is said, to both sides.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Input, Output, Rtc};

use crate::harness::http::ask;
use crate::harness::tools::{folder, wait};
use crate::harness::{SOON, Server, run, tool};

/// A peer of which only ICE is ours; DTLS is OpenSSL's, as it is in GStreamer, at a socket beside.
struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    beside: UdpSocket,
    openssl: Child,
    /// Where OpenSSL is, once it is known, and where Headwater is.
    at: Option<SocketAddr>,
    server: Option<SocketAddr>,
}

impl Peer {
    /// One that begins the handshake (`active`) or waits for it, and goes to `path`.
    fn new(server: &Server, path: &str, direction: Direction, is_active: bool, files: &Path) -> Self {
        let [socket, beside] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        for socket in [&socket, &beside] {
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        }
        let mut openssl = tool("openssl");
        let mut at = None;
        if is_active {
            openssl.args(["s_client", "-connect", &beside.local_addr().unwrap().to_string()]);
        } else {
            let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            openssl.args(["s_server", "-accept", &free.to_string()]);
            at = Some(free);
        }
        openssl.args(["-dtls1_2", "-use_srtp", "SRTP_AES128_CM_SHA1_80", "-cert"]).arg(files.join("rsa.pem"));
        openssl.arg("-key").arg(files.join("rsa.key"));
        // What has no more input goes away.
        openssl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut rtc = Rtc::builder().clear_codecs().enable_h264(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        let mut change = rtc.sdp_api();
        change.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending): (SdpOffer, _) = change.apply().unwrap();
        let setup = if is_active { "setup:active" } else { "setup:passive" };
        let offer = offer.to_sdp_string().replace("setup:actpass", setup);
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{offer}",
            server.address,
            offer.len()
        );
        let answer = ask(server.address, request.as_bytes()).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer.text()).unwrap()).unwrap();
        Self { rtc, socket, beside, openssl: openssl.spawn().unwrap(), at, server: None }
    }

    /// Says and takes what has come: messages of STUN by itself, and all else for OpenSSL.
    fn turn(&mut self) {
        let mut datagram = [0; 2048];
        loop {
            match self.rtc.poll_output().unwrap() {
                // Its own handshake goes nowhere.
                Output::Transmit(sent) if sent.contents[0] < 4 => {
                    self.socket.send_to(&sent.contents, sent.destination).unwrap();
                }
                Output::Transmit(_) | Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        if let Ok((size, from)) = self.socket.recv_from(&mut datagram) {
            self.server = Some(from);
            if datagram[0] < 4 {
                let to = self.socket.local_addr().unwrap();
                let received = Receive::new(Protocol::Udp, from, to, &datagram[..size]).unwrap();
                self.rtc.handle_input(Input::Receive(Instant::now(), received)).unwrap();
            } else if let Some(at) = self.at {
                self.beside.send_to(&datagram[..size], at).unwrap();
            }
        }
        // Until there is a way OpenSSL is not heard; it says it again.
        if let Some(server) = self.server
            && let Ok((size, from)) = self.beside.recv_from(&mut datagram)
        {
            self.at = Some(from);
            self.socket.send_to(&datagram[..size], server).unwrap();
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.openssl.kill();
        let _ = self.openssl.wait();
    }
}

/// Goes to `path` until the log says `sentence`, long before the way there would be given up.
fn is_told(path: &str, direction: Direction, is_active: bool, sentence: &str) -> Peer {
    let files = folder(&format!("webrtc-certificate-{}-{is_active}", &path[1..4]));
    let mut openssl = tool("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=webrtcbin", "-keyout"]);
    run(openssl.arg(files.join("rsa.key")).arg("-out").arg(files.join("rsa.pem"))).succeeded();
    let server = Server::start(["pic=pattern:?size=320x240&fps=10", "cam=push:"]);
    let mut peer = Peer::new(&server, path, direction, is_active, &files);
    let until = Instant::now() + SOON;
    while !server.log().contains(sentence) {
        peer.turn();
        assert!(Instant::now() < until, "{}", server.log());
    }
    assert_eq!(server.log().matches(sentence).count(), 1, "{}", server.log());
    // What was sent to it at last is handed over.
    for _ in 0..20 {
        peer.turn();
    }
    peer
}

const SHOWED_NONE: &str = "the peer showed no certificate of ECDSA, and DTLS here takes no other kind";

#[test]
fn a_viewer_whose_certificate_is_of_rsa_is_told_in_the_log_and_hears_it_itself() {
    let mut peer = is_told("/pic/whep", Direction::RecvOnly, true, SHOWED_NONE);
    let status = wait(&mut peer.openssl, SOON).expect("OpenSSL ends by the alert that came");
    assert!(!status.success());
}

#[test]
fn an_encoder_whose_certificate_is_of_rsa_is_told_in_the_log_and_hears_it_itself() {
    let mut peer = is_told("/cam/whip", Direction::SendOnly, true, SHOWED_NONE);
    let status = wait(&mut peer.openssl, SOON).expect("OpenSSL ends by the alert that came");
    assert!(!status.success());
}

#[test]
fn a_peer_that_waits_for_the_handshake_and_has_rsa_is_told_by_the_number_of_its_alert() {
    let sentence = "the peer ended the handshake of DTLS: alert 40, handshake_failure; certificates of ECDSA are taken";
    is_told("/cam/whip", Direction::SendOnly, false, sentence);
}
