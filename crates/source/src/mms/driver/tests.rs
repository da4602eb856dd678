use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use mms::Packet;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

const SOON: Duration = Duration::from_millis(50);

/// A session that repeats what it hears as packets. Of the server's words, `again` asks for a
/// new connection, `wrong` is an error, `late` sets a deadline that has passed, `soon` one that
/// another word takes back, and `ping` wants a long answer.
#[derive(Default)]
struct Echo {
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    deadline: Option<Instant>,
    /// Connections, closed connections, and who sent datagrams.
    log: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    fn hear(&mut self, bytes: &[u8]) -> Result<(), mms::Error> {
        self.deadline = None;
        match bytes {
            b"again" => self.transmits.push_back(Transmit::Connect),
            b"wrong" => return Err(mms::Error::Malformed { message: "Word", what: "wrong".into() }),
            b"late" => self.deadline = Some(Instant::now()),
            b"soon" => self.deadline = Some(Instant::now() + SOON),
            b"ping" => self.transmits.push_back(Transmit::Stream(Bytes::from_static(&[b'p'; 64 << 10]))),
            _ => {}
        }
        let data = Bytes::copy_from_slice(bytes);
        self.events.push_back(Event::Packet(Packet { location: 0, lost: 0, data }));
        Ok(())
    }

    fn log(&self, text: &str) {
        self.log.lock().unwrap().push(text.to_owned());
    }
}

impl Session for Echo {
    fn handle_connected(&mut self, _: Instant, local: IpAddr) -> Result<(), mms::Error> {
        self.log(&format!("connected {local}"));
        self.transmits.push_back(Transmit::Stream(Bytes::from_static(b"hello\n")));
        Ok(())
    }

    fn handle_bytes(&mut self, _: Instant, bytes: &[u8]) -> Result<(), mms::Error> {
        self.hear(bytes)
    }

    fn handle_datagram(&mut self, _: Instant, from: u16, datagram: &[u8]) -> Result<(), mms::Error> {
        let data = Bytes::copy_from_slice(datagram);
        self.transmits.push_back(Transmit::Datagram { port: from, data });
        self.hear(datagram)
    }

    fn handle_closed(&mut self, _: Instant) -> Result<(), mms::Error> {
        self.log("closed");
        Err(mms::Error::Closed { before: "the end" })
    }

    fn handle_timeout(&mut self, _: Instant) -> Result<(), mms::Error> {
        self.deadline = None;
        Err(mms::Error::Timeout { waiting_for: "word", after: Duration::from_secs(1) })
    }

    fn play(&mut self, _: Instant, _: &Play) -> Result<(), mms::Error> {
        Err(mms::Error::State { what: "no header was given" })
    }

    fn stop(&mut self, _: Instant) {
        self.transmits.push_back(Transmit::Stream(Bytes::from_static(b"goodbye\n")));
        self.transmits.push_back(Transmit::Connect);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

struct Pair {
    driver: Driver,
    listener: TcpListener,
    server: TcpStream,
    log: Arc<Mutex<Vec<String>>>,
}

async fn pair(udp: Option<UdpSocket>) -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let transmits = VecDeque::from([Transmit::Connect]);
    let session = Echo { transmits, ..Echo::default() };
    let log = Arc::clone(&session.log);
    let driver = Driver::new(
        Box::new(session),
        "mmst://cam/x".into(),
        Line::Direct,
        Wire::plain(client, None),
        udp.map(|udp| Datagrams::Real(udp, None)),
    )
    .unwrap();
    Pair { driver, listener, server, log }
}

/// The next event's text, or the error.
async fn next(driver: &mut Driver) -> String {
    match timeout(PATIENCE, driver.next(true)).await.expect("hangs") {
        Ok(Event::Packet(packet)) => String::from_utf8(packet.data.to_vec()).unwrap(),
        Ok(event) => format!("{event:?}"),
        Err(error) => format!("error: {error}"),
    }
}

/// What comes on `stream` up to a line's end or its end.
async fn line(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\n") && timeout(PATIENCE, stream.read(&mut byte)).await.expect("hangs").unwrap() > 0 {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn what_comes_is_handed_to_the_session_and_what_it_says_is_sent() {
    let Pair { mut driver, mut server, log, .. } = pair(None).await;
    server.write_all(b"one").await.unwrap();
    assert_eq!(next(&mut driver).await, "one");
    assert_eq!(line(&mut server).await, "hello\n");
    assert_eq!(*log.lock().unwrap(), ["connected 127.0.0.1"]);
}

#[tokio::test]
async fn leave_is_taken_and_the_connection_closed_when_the_driver_is_dropped() {
    let Pair { mut driver, mut server, .. } = pair(None).await;
    server.write_all(b"one").await.unwrap();
    next(&mut driver).await;
    // Bytes that nobody reads do not keep the farewell from coming.
    server.write_all(b"two").await.unwrap();
    drop(driver);
    assert_eq!(line(&mut server).await, "hello\n");
    assert_eq!(line(&mut server).await, "goodbye\n");
    assert_eq!(line(&mut server).await, "");
}

#[tokio::test]
async fn a_new_connection_goes_to_the_same_server_and_the_old_one_is_closed() {
    let Pair { mut driver, listener, mut server, .. } = pair(None).await;
    server.write_all(b"again").await.unwrap();
    assert_eq!(next(&mut driver).await, "again");
    let (mut second, _) = tokio::select! {
        accepted = listener.accept() => accepted.unwrap(),
        event = next(&mut driver) => panic!("{event}"),
    };
    assert_eq!(line(&mut server).await, "hello\n");
    assert_eq!(line(&mut server).await, "");
    second.write_all(b"two").await.unwrap();
    assert_eq!(next(&mut driver).await, "two");
    assert_eq!(line(&mut second).await, "hello\n");
}

#[tokio::test]
async fn a_server_that_is_gone_says_so_after_its_last_words() {
    let Pair { mut driver, mut server, log, listener } = pair(None).await;
    server.write_all(b"last").await.unwrap();
    drop((server, listener));
    assert_eq!(next(&mut driver).await, "last");
    let error = next(&mut driver).await;
    // It may see that we wrote before it reads that the server closed.
    assert!(error.contains("mmst://cam/x: ") && error.contains("is the camera on"), "{error}");
    assert_eq!(log.lock().unwrap().last().unwrap(), "closed");
}

#[tokio::test]
async fn an_error_and_a_deadline_end_it() {
    let Pair { mut driver, mut server, .. } = pair(None).await;
    server.write_all(b"wrong").await.unwrap();
    assert_eq!(next(&mut driver).await, "error: mmst://cam/x: Word: wrong");
    let Pair { mut driver, mut server, .. } = pair(None).await;
    server.write_all(b"late").await.unwrap();
    assert_eq!(next(&mut driver).await, "late");
    let error = next(&mut driver).await;
    assert!(error.contains("(mmst://cam/x: no word within 1s)"), "{error}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_again_is_an_error() {
    let Pair { mut driver, mut server, listener, .. } = pair(None).await;
    drop(listener);
    server.write_all(b"again").await.unwrap();
    assert_eq!(next(&mut driver).await, "again");
    let error = next(&mut driver).await;
    assert!(error.contains("connection refused"), "{error}");
}

#[tokio::test]
async fn datagrams_are_taken_from_the_server_only_and_sent_to_its_port() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let ours = udp.local_addr().unwrap();
    let Pair { mut driver, server: _server, .. } = pair(Some(udp)).await;
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(b"evil", ours).await.unwrap();
    server.send_to(b"good", ours).await.unwrap();
    assert_eq!(next(&mut driver).await, "good");
    let mut buffer = [0; 16];
    let received = tokio::select! {
        received = server.recv_from(&mut buffer) => received.unwrap(),
        event = next(&mut driver) => panic!("{event}"),
    };
    assert_eq!((&buffer[..received.0], received.1), (&b"good"[..], ours));
}

#[tokio::test]
async fn without_room_the_server_has_to_wait() {
    let Pair { mut driver, mut server, .. } = pair(None).await;
    server.write_all(b"one").await.unwrap();
    // Its greeting goes out, and nothing is read meanwhile.
    tokio::select! {
        greeting = line(&mut server) => assert_eq!(greeting, "hello\n"),
        event = driver.next(false) => panic!("{event:?}"),
    }
    assert_eq!(next(&mut driver).await, "one");
}

#[tokio::test]
async fn a_server_that_is_made_to_wait_is_not_found_silent() {
    let Pair { mut driver, mut server, .. } = pair(None).await;
    server.write_all(b"soon").await.unwrap();
    assert_eq!(next(&mut driver).await, "soon");
    server.write_all(b"one").await.unwrap();
    let paused = timeout(SOON * 3, driver.next(false)).await;
    assert!(paused.is_err(), "{paused:?}");
    assert_eq!(next(&mut driver).await, "one");
    // If it is silent once there is room again, it is.
    server.write_all(b"soon").await.unwrap();
    assert_eq!(next(&mut driver).await, "soon");
    let paused = timeout(SOON * 3, driver.next(false)).await;
    assert!(paused.is_err(), "{paused:?}");
    let error = next(&mut driver).await;
    assert!(error.contains("no word within 1s"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_read_is_not_read_either() {
    let Pair { mut driver, server, .. } = pair(None).await;
    let mut heard = 0;
    // Every ping is for 64 KiB; the sockets take a few megabytes.
    while let Ok(sent) = timeout(PATIENCE, server.writable()).await {
        sent.unwrap();
        match server.try_write(b"ping") {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => panic!("{error}"),
        }
        match timeout(Duration::from_millis(500), driver.next(true)).await {
            Ok(event) => drop(event.unwrap()),
            Err(_) => break,
        }
        heard += 1;
        assert!(heard < 1000, "64 MiB of answers wait");
    }
    assert!(driver.output.len() <= 2 * MOST_OUTPUT, "{}", driver.output.len());
}
