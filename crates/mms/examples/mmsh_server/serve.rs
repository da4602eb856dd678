//! A server of files from the parts in `mms::http::server`: a thread a connection, one request
//! each. A file is sent as fast as the player reads it.

#![allow(clippy::disallowed_types, reason = "the sockets are here")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use asf::packet;
use bytes::{Bytes, BytesMut};
use mms::http::server::{Answer, Kind, Request, describe_head, frame_end, frame_header, frame_packet, play_head};
use mms::{Start, Thinning, playlist};

/// The longest head of a request, in bytes.
const MOST_HEAD: u64 = 16 << 10;
/// How long a player may take to send a request, and to read on.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers requests until the listener fails. `log` is given a line a request.
///
/// # Errors
/// When no connection can be taken any more.
pub fn run(listener: &TcpListener, folder: &Path, log: &(dyn Fn(String) + Sync)) -> io::Result<()> {
    thread::scope(|scope| {
        loop {
            let (stream, _) = listener.accept()?;
            scope.spawn(move || {
                if let Err(error) = connection(stream, folder, log) {
                    log(format!("connection: {error}"));
                }
            });
        }
    })
}

fn connection(mut stream: TcpStream, folder: &Path, log: &(dyn Fn(String) + Sync)) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let head = Head::read(&stream)?;
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let request = Request::of(&head.method, headers);
    log(format!("{} {} {:?}", head.method, head.target, request));
    match &request.kind {
        Kind::Describe | Kind::Play(_) => (),
        Kind::Options | Kind::KeepAlive | Kind::SelectStream(_) => return plain(&mut stream, "200 OK", "", ""),
        Kind::Log | Kind::Stop => return plain(&mut stream, "204 No Content", "", ""),
        _ => return plain(&mut stream, "501 Not Implemented", "", ""),
    }
    let name = head.target.split('?').next().unwrap_or_default().trim_start_matches('/');
    // One folder, no way out of it.
    let file = if name.contains(['/', '\\']) || name.starts_with('.') { None } else { Some(folder.join(name)) };
    let Some(clip) = file.and_then(|file| std::fs::read(file).ok()).and_then(|file| Clip::of(file.into())) else {
        return plain(&mut stream, "404 Not Found", "", "");
    };
    if !request.agent.speaks() {
        let url = format!("mms://{}{}", head.header("host"), head.target);
        return plain(&mut stream, "200 OK", "video/x-ms-asf", &playlist::asx(name, &[url]));
    }
    let answer = Answer {
        client_id: request.client_id.unwrap_or_else(new_client_id),
        broadcast: clip.header.is_broadcast(),
        seekable: !clip.header.is_broadcast(),
    };
    let mut out = BytesMut::new();
    frame_header(clip.header.bytes(), &mut out);
    let Kind::Play(order) = &request.kind else {
        let head = describe_head(answer, request.agent, out.len());
        return stream.write_all(&[&head[..], &out].concat());
    };
    let all: Vec<u8> = clip.header.streams.iter().map(|stream| stream.number).collect();
    let wanted =
        order.streams.as_ref().map_or_else(|| all.iter().map(|s| (*s, Thinning::All)).collect(), |s| s.of(&all));
    let wanted: Vec<u8> =
        wanted.into_iter().filter(|(_, thinning)| *thinning != Thinning::Nothing).map(|(s, _)| s).collect();
    let start = clip.find(order.start(clip.header.bytes().len() as u64, clip.header.file.max_packet));
    stream.write_all(&play_head(answer, request.agent))?;
    let mut sequence = 0u8;
    for (location, packet) in (0..).zip(&clip.packets).skip(start) {
        // Streams that are not wanted travel along where they share a packet with others.
        if !clip.concerns(packet, &wanted) {
            continue;
        }
        let packet = asf::padding::strip_padding(packet.clone());
        out.extend_from_slice(&frame_packet(location, sequence, packet.len()));
        out.extend_from_slice(&packet);
        sequence = sequence.wrapping_add(1);
        if out.len() > 64 << 10 {
            stream.write_all(&out.split())?;
        }
    }
    out.extend_from_slice(&frame_end(0));
    stream.write_all(&out)
}

fn plain(stream: &mut TcpStream, status: &str, content_type: &str, body: &str) -> io::Result<()> {
    let content_type =
        if content_type.is_empty() { String::new() } else { format!("Content-Type: {content_type}\r\n") };
    let length = body.len();
    write!(stream, "HTTP/1.0 {status}\r\n{content_type}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn new_client_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The head of a request.
struct Head {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads one, and the short body that statistics have.
    fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream.take(MOST_HEAD));
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_ascii_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let head = Self { method, target, headers };
        let length = head.header("content-length").parse().unwrap_or(0);
        io::copy(&mut reader.take(length), &mut io::sink())?;
        Ok(head)
    }

    fn header(&self, name: &str) -> &str {
        let find = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(find).map_or("", |(_, value)| value)
    }
}

/// A file, cut into its packets.
struct Clip {
    header: asf::Header,
    packets: Vec<Bytes>,
}

impl Clip {
    fn of(file: Bytes) -> Option<Self> {
        let end = asf::Header::whole(&file).ok()??;
        let header = asf::Header::parse(&file.get(..end).map(|_| file.slice(..end))?).ok()?;
        let size = header.packet_size();
        let data = header.data.map_or(0, |data| data.size).saturating_sub(asf::DATA_HEAD as u64);
        // A broadcast does not know how long it is.
        let most = if data == 0 { usize::MAX } else { (data / size as u64) as usize };
        let packets = (end..).step_by(size).take(most).take_while(|at| at + size <= file.len());
        let packets = packets.map(|at| file.slice(at..at + size)).collect();
        Some(Self { header, packets })
    }

    /// The number of the packet at which to begin.
    fn find(&self, start: Start) -> usize {
        match start {
            Start::Begin => 0,
            Start::Packet(number) => number as usize,
            Start::Time(time) => {
                let before = |packet: &Bytes| {
                    self.head(packet).is_none_or(|head| u128::from(head.send_time) <= time.as_millis())
                };
                self.packets.partition_point(before).saturating_sub(1)
            }
        }
    }

    fn head(&self, packet: &[u8]) -> Option<packet::Head> {
        packet::Head::parse(packet, self.header.packet_size()).ok()
    }

    /// Whether the packet holds something of the wanted streams.
    fn concerns(&self, packet: &[u8], wanted: &[u8]) -> bool {
        let Some(head) = self.head(packet) else { return true };
        head.payloads(packet).any(|payload| payload.is_ok_and(|payload| wanted.contains(&payload.stream)))
    }
}
