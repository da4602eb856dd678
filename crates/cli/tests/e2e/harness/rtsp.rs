//! A client of RTSP that does what it is told, byte by byte.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::SOON;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// An RTP or RTCP packet that came in the connection.
#[derive(Clone, Debug)]
pub struct Interleaved {
    pub channel: u8,
    pub data: Vec<u8>,
}

impl Interleaved {
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.data[2], self.data[3]])
    }

    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.data[4], self.data[5], self.data[6], self.data[7]])
    }

    pub fn is_marked(&self) -> bool {
        self.data[1] & 0x80 != 0
    }
}

pub struct Client {
    pub socket: TcpStream,
    url: String,
    session: Option<String>,
    packets: VecDeque<Interleaved>,
    number: u32,
}

impl Client {
    /// Connects to a relay, for the stream `name`.
    pub fn connect(address: SocketAddr, name: &str) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let url = format!("rtsp://{address}/{name}");
        Self { socket, url, session: None, packets: VecDeque::new(), number: 0 }
    }

    /// Asks something about the stream, or about `rest` of it. Packets that come before the
    /// answer are kept.
    #[track_caller]
    pub fn ask(&mut self, method: &str, rest: &str, headers: &str) -> Reply {
        self.say(method, rest, headers);
        self.reply()
    }

    /// Asks without waiting for the answer.
    pub fn say(&mut self, method: &str, rest: &str, headers: &str) {
        self.number += 1;
        let session = self.session.as_ref().map(|id| format!("Session: {id}\r\n")).unwrap_or_default();
        let (url, number) = (&self.url, self.number);
        let text = format!("{method} {url}{rest} RTSP/1.0\r\nCSeq: {number}\r\n{session}{headers}\r\n");
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    /// The next answer.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let first = loop {
            match self.byte() {
                b'$' => self.keep(),
                first => break first,
            }
        };
        let mut head = vec![first];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte());
        }
        let head = String::from_utf8(head).unwrap();
        let mut reply = Reply { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: String::new() };
        let mut body = vec![0; reply.header("Content-Length").map_or(0, |length| length.parse().unwrap())];
        self.socket.read_exact(&mut body).unwrap();
        reply.body = String::from_utf8(body).unwrap();
        if let Some(session) = reply.header("Session") {
            self.session = session.split(';').next().map(str::to_owned);
        }
        reply
    }

    /// The next packet of a channel.
    #[track_caller]
    pub fn packet(&mut self, channel: u8) -> Interleaved {
        loop {
            if let Some(at) = self.packets.iter().position(|packet| packet.channel == channel) {
                return self.packets.remove(at).unwrap();
            }
            assert_eq!(self.byte(), b'$');
            self.keep();
        }
    }

    /// How many packets came before the last answer and were not looked at; none are left.
    pub fn forget(&mut self) -> usize {
        std::mem::take(&mut self.packets).len()
    }

    /// Sets up the first track over the connection, and plays.
    #[track_caller]
    pub fn play(&mut self) -> Reply {
        assert_eq!(self.ask("DESCRIBE", "", "Accept: application/sdp\r\n").status, 200);
        let set_up = self.ask("SETUP", "/streamid=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
        assert_eq!(set_up.status, 200, "{}", set_up.head);
        let played = self.ask("PLAY", "", "Range: npt=0.000-\r\n");
        assert_eq!(played.status, 200, "{}", played.head);
        played
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.socket.read_exact(&mut byte).unwrap();
        byte[0]
    }

    fn keep(&mut self) {
        let channel = self.byte();
        let length = u16::from_be_bytes([self.byte(), self.byte()]);
        let mut data = vec![0; length.into()];
        self.socket.read_exact(&mut data).unwrap();
        self.packets.push_back(Interleaved { channel, data });
    }
}
