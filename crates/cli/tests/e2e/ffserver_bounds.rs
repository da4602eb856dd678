//! The bounds of a file for ffserver: viewers, connections, bandwidth.

use std::io::{Read, Write};

use crate::ffserver::{FEED, STATUS, STREAM, stream};
use crate::harness::http::{connect, get};
use crate::harness::{Server, eventually};

#[test]
fn one_viewer_too_many_is_told_in_ffservers_words_and_the_status_page_is_never_locked_out() {
    let text = [FEED, "MaxClients 2\nMaxHTTPConnections 3\n", STREAM, STATUS].concat();
    let server = Server::configured("max-clients", &text);
    let mut held = [server.stream("/cam2.mjpeg"), server.stream("/cam2.mjpeg")];
    held.iter_mut().for_each(|stream| _ = stream.part());
    let busy = server.get("/cam2.mjpeg");
    assert_eq!((busy.status, busy.header("retry-after")), (503, "5"));
    let sentence = "<p>The number of current connections is 3, and this exceeds the limit of 2.</p>";
    assert!(busy.text().contains(sentence), "{}", busy.text());
    // Every place is taken now, and one more: nobody else is served but those who ask how it is.
    let idle: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    let page = eventually("the status page", || {
        let page = server.get("/stat.html");
        (page.status == 200).then(|| page.text())
    });
    assert!(page.contains("Number of connections: 2 / 2"), "{page}");
    drop(idle);
    let [first, _second] = held;
    drop(first);
    eventually("a place", || {
        (get(server.address, "/stat.html?format=json", &[]).text().contains("\"connections\":1")).then_some(())
    });
    server.stream("/cam2.mjpeg").part().unwrap();
}

#[test]
fn a_crowd_that_comes_at_once_gets_no_more_places_than_there_are() {
    let text = [FEED, "MaxClients 3\n", STREAM, STATUS].concat();
    let server = Server::configured("crowd", &text);
    let crowd: Vec<_> = (0..40).map(|_| connect(server.address).unwrap()).collect();
    for mut socket in &crowd {
        socket.write_all(b"GET /cam2.mjpeg HTTP/1.1\r\nHost: cam\r\n\r\n").unwrap();
    }
    let status = |mut socket: &std::net::TcpStream| {
        let mut line = [0; 12];
        socket.read_exact(&mut line).unwrap();
        String::from_utf8_lossy(&line).into_owned()
    };
    let let_in = crowd.iter().map(status).filter(|line| line == "HTTP/1.1 200").count();
    assert_eq!(let_in, 3);
}

#[test]
fn bandwidth_is_counted_as_it_is_sent() {
    // A picture of the pattern has some 8 KB: at 20 a second more than 1 Mbit/s a viewer.
    let nominal = "VideoBitRate 100000";
    let text = [FEED, "MaxBandwidth 2000\nMaxClients 100\n", &stream("cam2.mjpeg", "mpjpeg", nominal), STATUS].concat();
    let server = Server::configured("bandwidth", &text);
    // By what the file says not one would fit.
    let mut held = server.stream("/cam2.mjpeg");
    held.part();
    let mut readers = Vec::new();
    let busy = eventually("too much", || {
        let socket = std::net::TcpStream::connect(server.address).unwrap();
        match crate::harness::Stream::over(socket, "/cam2.mjpeg") {
            Ok(stream) => {
                // Read, so that it is sent.
                readers.push(std::thread::spawn(move || {
                    let mut stream = stream;
                    while let Ok(Some(_)) = stream.try_part() {}
                }));
                None
            }
            Err(_) => Some(server.get("/cam2.mjpeg")),
        }
    });
    assert!(!readers.is_empty());
    assert_eq!(busy.status, 503);
    let text = busy.text();
    assert!(text.contains("kbit/s, and this exceeds the limit of 2000kbit/s.</p>"), "{text}");
    assert!(text.contains("<p>The bandwidth being served (including your stream) is "), "{text}");
    drop(server);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

#[test]
fn a_feed_above_the_bound_does_not_lock_out_streams_far_below_it() {
    let feed = "HTTPPort 8090\nMaxBandwidth 1000\n<Feed f.ffm>\nSource pattern:?size=640x480&fps=30\n</Feed>\n";
    let stream = |name: &str, lines: &str| format!("<Stream {name}>\nFeed f.ffm\n{lines}\nNoAudio\n</Stream>\n");
    let small = "VideoSize 160x128\nVideoFrameRate 5";
    let text = [
        feed.to_owned(),
        stream("test.mpg", "Format mpeg\nVideoBitRate 64\nVideoSize 160x128\nVideoFrameRate 25"),
        stream("live.mjpg", &format!("Format mpjpeg\n{small}")),
        stream("live.jpg", &format!("Format jpeg\n{small}")),
        STATUS.to_owned(),
    ]
    .concat();
    let server = Server::configured("above-the-bound", &text);
    let mut held = std::net::TcpStream::connect(server.address).unwrap();
    held.write_all(b"GET /test.mpg HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    held.read_exact(&mut first).unwrap();
    assert_eq!(String::from_utf8_lossy(&first), "HTTP/1.1 200");
    let reader = std::thread::spawn(move || std::io::copy(&mut held, &mut std::io::sink()));
    let kbit = |text: &str| {
        let (_, rest) = text.split_once("\"feeds\":")?;
        let (_, number) = rest.split_once("\"kbit\":")?;
        number[..number.find(',')?].parse::<u64>().ok()
    };
    eventually("the feed to be measured", || {
        let text = server.get("/stat.html?format=json").text();
        kbit(&text).filter(|kbit| *kbit > 1000).map(|_| ())
    });
    assert_eq!(server.get("/live.jpg").status, 200);
    let mut moving = server.stream("/live.mjpg");
    moving.part();
    drop((moving, server));
    reader.join().unwrap().ok();
}
