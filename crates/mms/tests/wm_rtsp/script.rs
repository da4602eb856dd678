//! Our client with a server that is a script.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mms::rtsp::Client;
use mms::{Config, Error, Event, Play, Session, Start, Thinning, Transmit};

use crate::pair::{self, LOCAL};
use crate::samples;

/// What a client says and is told, at an instant of our choice.
pub struct Script {
    pub client: Client,
    pub now: Instant,
}

/// A request of the client.
#[derive(Clone, Debug)]
pub struct Asked(pub String);

impl Asked {
    pub fn method(&self) -> &str {
        self.0.split(' ').next().unwrap()
    }

    pub fn url(&self) -> &str {
        self.0.split(' ').nth(1).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Script {
    /// A client that has connected.
    pub fn new(config: Config) -> Self {
        let mut script = Self { client: Client::new(config), now: Instant::now() };
        script.connect();
        script
    }

    pub fn connect(&mut self) {
        assert_eq!(self.client.poll_transmit(), Some(Transmit::Connect));
        self.client.handle_connected(self.now, LOCAL).unwrap();
    }

    /// A client that has got a description of this, and waits for [`Session::play`].
    pub fn described(config: Config, sdp: &str) -> Self {
        let mut script = Self::new(config);
        script.options();
        script.answer("Content-Type: application/sdp\r\n", sdp).unwrap();
        assert!(matches!(script.event(), Some(Event::Opened(_))));
        assert!(matches!(script.event(), Some(Event::Header(_))));
        script
    }

    /// A client that plays two streams over the connection.
    pub fn playing() -> Self {
        let mut script = Self::described(pair::config(false), &sdp());
        script.play();
        for channels in ["0-1", "2-3"] {
            let transport =
                format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels}\r\nSession: 7;timeout=30\r\n");
            script.answer(&transport, "").unwrap();
        }
        script.answer("Session: 7;timeout=30\r\n", "").unwrap();
        script
    }

    pub fn options(&mut self) {
        self.answer("Server: WMServer/9.0.0.1\r\n", "").unwrap();
    }

    pub fn play(&mut self) {
        self.client.play(self.now, &everything()).unwrap();
    }

    /// The client's next message; datagrams are skipped.
    pub fn asked(&mut self) -> Option<Asked> {
        loop {
            match self.client.poll_transmit()? {
                Transmit::Stream(bytes) => return Some(Asked(String::from_utf8(bytes.to_vec()).unwrap())),
                Transmit::Datagram { .. } => (),
                Transmit::Connect => panic!("another connection"),
            }
        }
    }

    pub fn event(&mut self) -> Option<Event> {
        self.client.poll_event()
    }

    pub fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        self.client.handle_bytes(self.now, bytes.as_ref())
    }

    /// Answers the client's next request with 200.
    pub fn answer(&mut self, headers: &str, body: &str) -> Result<(), Error> {
        self.status(200, headers, body)
    }

    pub fn status(&mut self, status: u16, headers: &str, body: &str) -> Result<(), Error> {
        let asked = self.asked().expect("a request");
        let cseq = asked.header("CSeq").unwrap().to_owned();
        let length = body.len();
        self.bytes(format!("RTSP/1.0 {status} Well\r\nCSeq: {cseq}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"))
    }

    /// A request of the server.
    pub fn request(&mut self, method: &str, headers: &str, body: &str) -> Result<(), Error> {
        let length = body.len();
        self.bytes(format!(
            "{method} rtsp://wm.example/ RTSP/1.0\r\nCSeq: 99\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    /// A frame with one whole ASF packet.
    pub fn packet(&mut self, channel: u8, sequence: u16, data: &[u8]) -> Result<(), Error> {
        self.bytes(frame(channel, &rtp(sequence, data)))
    }

    /// Lets the time pass until the client's deadline, and tells it.
    pub fn time_out(&mut self) -> Result<Duration, Error> {
        let deadline = self.client.poll_timeout().expect("a deadline");
        let waited = deadline - self.now;
        if let Some(before) = deadline.checked_sub(Duration::from_nanos(1)).filter(|before| *before >= self.now) {
            assert_eq!(self.client.handle_timeout(before), Ok(()), "not before its time");
        }
        self.now = deadline;
        self.client.handle_timeout(deadline).map(|()| waited)
    }
}

/// Both streams, all of them, from the begin.
pub fn everything() -> Play {
    let streams = vec![(1, Thinning::All), (2, Thinning::All)];
    Play { streams, start: Start::Begin, packet_size: 1000, pace: None }
}

/// What our server describes.
pub fn sdp() -> String {
    sdp_of(&samples::made_up(0).content.header)
}

pub fn sdp_of(header: &[u8]) -> String {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::STANDARD.encode(header);
    format!(
        "v=0\r\ns=x\r\na=maxps:1000\r\na=control:rtsp://wm.example/clip.wmv/\r\na=type:notstridable\r\n\
        a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,{header}\r\n\
        m=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:audio\r\na=stream:1\r\n\
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:video\r\na=stream:2\r\n\
        m=application 0 RTP/AVP 96\r\na=rtpmap:96 x-wms-rtx/1000\r\na=control:rtx\r\na=stream:65536\r\n"
    )
}

/// An RTP packet with one whole ASF packet, marker set.
pub fn rtp(sequence: u16, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32 + 4) | 0x4000_0000;
    let [high, low] = sequence.to_be_bytes();
    [&[0x80, 0xE0, high, low, 0, 0, 0, 0, 0, 0, 0, 9][..], &length.to_be_bytes(), data].concat()
}

pub fn frame(channel: u8, data: &[u8]) -> Bytes {
    let [high, low] = (data.len() as u16).to_be_bytes();
    [&[b'$', channel, high, low][..], data].concat().into()
}
