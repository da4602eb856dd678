//! Clients that cannot keep up lose pictures; they never see old or torn ones.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt::set_socket_recv_buffer_size};

use crate::harness::{Part, Server, Stream, number};

/// Pictures of about 60 KB, 25 a second.
const PATTERN: &str = "test=pattern:?size=800x600&fps=25&quality=85";

/// A connection that holds next to nothing on the client's side, as a slow link does.
pub fn narrow(address: SocketAddr) -> TcpStream {
    let narrow = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    set_socket_recv_buffer_size(&narrow, 8 << 10).unwrap();
    connect(&narrow, &address).unwrap();
    TcpStream::from(narrow)
}

/// A reader of so many bytes a second.
struct Trickle {
    socket: TcpStream,
    bytes_per_s: f64,
    began: Instant,
    read: usize,
}

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let due = Duration::from_secs_f64(self.read as f64 / self.bytes_per_s);
        thread::sleep(due.saturating_sub(self.began.elapsed()));
        let most = into.len().min(4096);
        let count = self.socket.read(&mut into[..most])?;
        self.read += count;
        Ok(count)
    }
}

/// Seconds since a picture was taken.
fn age(part: &Part) -> f64 {
    let taken: f64 = part.header("X-Timestamp").parse().unwrap();
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - taken
}

/// Reads for a while at a fifth of the stream's rate.
fn read_slowly(server: &Server, path: &str, bytes_per_picture: usize) -> (String, Vec<(Part, f64)>) {
    let socket = narrow(server.address);
    let name = socket.local_addr().unwrap().to_string();
    let bytes_per_s = bytes_per_picture as f64 * 25.0 / 5.0;
    let trickle = |socket| Trickle { socket, bytes_per_s, began: Instant::now(), read: 0 };
    let mut stream = Stream::through(socket, path, trickle).unwrap();
    let began = Instant::now();
    let mut parts = Vec::new();
    while began.elapsed() < Duration::from_secs(6) {
        let part = stream.part().unwrap();
        let age = age(&part);
        parts.push((part, age));
    }
    // While it is still connected.
    let status = server.status();
    let client = status["clients"].as_array().unwrap().iter().find(|client| client["peer"] == name.as_str()).cloned();
    (client.map(|client| client.to_string()).unwrap_or_default(), parts)
}

#[test]
fn a_reader_at_a_fifth_of_the_rate_sees_new_whole_pictures_and_the_others_do_not_notice() {
    let server = Server::start([PATTERN]);
    let mut other = server.stream("/test.mjpeg");
    let bytes = other.parts(2)[1].data.len();
    thread::scope(|scope| {
        let slow = scope.spawn(|| read_slowly(&server, "/test.mjpeg", bytes));
        let (began, mut count) = (Instant::now(), 0);
        while !slow.is_finished() {
            other.part();
            count += 1;
        }
        let fps = f64::from(count) / began.elapsed().as_secs_f64();
        assert!((18.0..30.0).contains(&fps), "the other reader had {fps} a second");

        let (client, parts) = slow.join().unwrap();
        let client: serde_json::Value = serde_json::from_str(&client).expect("the slow client in /status.json");
        let (pictures, dropped) = (client["pictures"].as_u64().unwrap(), client["dropped"].as_u64().unwrap());
        assert!(dropped > 2 * pictures, "{client:#}");
        let numbers: Vec<_> = parts.iter().map(|(part, _)| number(&part.data).expect("a whole picture")).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        // All that lie between the first and the last were either sent or counted.
        let passed = u64::from(numbers[numbers.len() - 1] - numbers[0]);
        assert!(dropped + pictures + 15 >= passed, "{passed} pictures went by: {client:#}");
        let oldest = parts.iter().map(|(_, age)| *age).fold(0.0, f64::max);
        println!("{} pictures, the oldest {oldest:.2} s old at its last byte", parts.len());
        assert!(oldest < 1.5, "a picture was {oldest:.2} s old at its last byte");
    });
}

#[test]
fn max_age_is_kept_and_reported() {
    let server = Server::start([PATTERN]);
    let mut other = server.stream("/test.mjpeg");
    let bytes = other.parts(2)[1].data.len();
    drop(other);
    let (client, parts) = read_slowly(&server, "/test.mjpeg?max_age=500ms", bytes);
    assert!(!parts.is_empty());
    for (part, _) in &parts {
        let reported: u64 = part.header("X-Age").parse().unwrap();
        assert!(reported <= 500, "sent at an age of {reported} ms");
    }
    // The first pictures teach the relay how slow this client is.
    let late = parts.iter().skip(3).filter(|(_, age)| *age > 0.75).count();
    let ages: Vec<_> = parts.iter().map(|(_, age)| format!("{age:.2}")).collect();
    assert!(late * 10 <= parts.len(), "{late} of {} came too late: {ages:?}", parts.len());
    assert!(client.contains("\"max_age_ms\":500"), "{client}");
    let stream = server.stream("/test.mjpeg?max_age=500ms");
    assert_eq!(stream.header("X-Max-Age"), "500");
    assert!(server.get("/metrics").text().contains("headwater_client_late_total"));
}

#[test]
fn a_client_that_reads_nothing_is_counted_and_nobody_else_notices() {
    let server = Server::start([PATTERN]);
    let mut reader = server.stream("/test.mjpeg");
    let mut stuck = Stream::over(narrow(server.address), "/test.mjpeg").unwrap();
    stuck.part();
    // Until its socket has been full for long.
    reader.parts(75);
    let began = Instant::now();
    reader.parts(25);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?} for a second's pictures", began.elapsed());
    // What it had begun to take it still gets whole, and then the newest.
    let (last, mut newest) = (number(&reader.part().unwrap().data).unwrap(), 0);
    for _ in 0..4 {
        newest = number(&stuck.part().unwrap().data).unwrap();
    }
    assert!(newest >= last, "picture {newest} after {last} was there");
    let name = stuck.socket().local_addr().unwrap().to_string();
    let status = server.status();
    let client = status["clients"].as_array().unwrap().iter().find(|client| client["peer"] == name.as_str()).unwrap();
    assert!(client["dropped"].as_u64() > Some(50), "{client:#}");
}

#[test]
fn a_client_that_reads_nothing_for_half_a_minute_is_closed() {
    let server = Server::start([PATTERN]);
    let mut stuck = Stream::over(narrow(server.address), "/test.mjpeg").unwrap();
    stuck.part();
    let began = Instant::now();
    while server.source("test")["viewers"] == 1 {
        assert!(began.elapsed() < Duration::from_secs(45), "still there after {:?}", began.elapsed());
        thread::sleep(Duration::from_millis(200));
    }
    assert!(began.elapsed() > Duration::from_secs(25), "closed after {:?} already", began.elapsed());
}

#[test]
fn a_client_that_asks_and_reads_no_answer_for_half_a_minute_is_closed() {
    let server = Server::start([PATTERN]);
    let mut stuck = narrow(server.address);
    // More in answer than all buffers on the way hold.
    stuck.write_all(&b"GET /assets/page.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000)).unwrap();
    let began = Instant::now();
    // Requests are left over, so its end is a reset.
    while stuck.take_error().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(45), "still there after {:?}", began.elapsed());
        thread::sleep(Duration::from_millis(200));
    }
    assert!(began.elapsed() > Duration::from_secs(25), "closed after {:?} already", began.elapsed());
}
