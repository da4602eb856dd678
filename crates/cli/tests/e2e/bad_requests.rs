//! What clients do wrong: the right status and one sentence, and nobody else notices.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::harness::{Answer, Server, get, http, run, tool};

fn pattern() -> Server {
    Server::start(["cam=pattern:?size=320x240&fps=25"])
}

/// That an answer is a status and a sentence.
#[track_caller]
fn assert_says(answer: &Answer, status: u16, parts: &[&str]) {
    let text = answer.text();
    assert_eq!(answer.status, status, "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_wrong_parameter_is_answered_with_what_would_be_right() {
    let server = pattern();
    for extension in ["mjpeg", "jpg"] {
        for (query, parts) in [
            ("size=0x9999", &["size=0x9999", "WIDTHxHEIGHT"][..]),
            ("size=99999x2", &["size=99999x2", "8192"]),
            ("size=", &["size=", "WIDTHxHEIGHT"]),
            ("width=-5", &["width=-5", "expected"]),
            ("height=1e3", &["height=1e3", "expected"]),
            ("fps=0", &["fps=0", "expected"]),
            ("fps=NaN", &["fps=NaN", "expected"]),
            ("quality=abc", &["quality=abc", "1 to 100"]),
            ("quality=101", &["quality=101", "1 to 100"]),
            ("max_age=soon", &["max_age=soon", "500ms"]),
            ("qality=5", &["qality", "quality"]),
            ("quality=%31%30%31", &["quality=101", "1 to 100"]),
            ("quality=%00%ff", &["%00%ff", "escape"]),
            ("quality=5%", &["5%", "escape"]),
        ] {
            assert_says(&server.get(&format!("/cam.{extension}?{query}")), 400, parts);
        }
    }
    // A misspelt value as long as a book is not repeated in full.
    let long = server.get(&format!("/cam.mjpeg?size={}", "9".repeat(9000)));
    assert!(long.status == 400 && long.text().len() < 300, "{} {}", long.status, long.text());
}

#[test]
fn a_wrong_path_is_answered_with_what_is_there() {
    let server = pattern();
    assert_says(&server.get("/cam3.mjpeg"), 404, &["cam3", "there is cam"]);
    assert_says(&server.get("/cam.xyz"), 404, &["xyz", "mjpeg", "jpg"]);
    assert_says(&server.get("/cam.png"), 404, &["png", "did you mean /cam.jpg"]);
    assert!(server.get("/cam.png").text().len() < 300, "{}", server.get("/cam.png").text());
    assert_says(&server.get("/nothing"), 404, &["nothing", "cam"]);
    assert_says(&server.get("/../../etc/passwd"), 404, &["there is cam"]);
    assert_says(&server.get("/%2e%2e/cam.mjpeg"), 404, &["there is cam"]);
    let post = http::ask(
        server.address,
        b"POST /cam.mjpeg HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .unwrap();
    assert_says(&post, 405, &["GET, HEAD"]);
    assert_eq!(post.header("Allow"), "GET, HEAD");
    for path in ["/", "/cam", "/cam.jpg", "/nothing", "/status"] {
        let delete = format!("DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_says(&http::ask(server.address, delete.as_bytes()).unwrap(), 405, &["GET, HEAD"]);
    }
    assert_says(&server.get("/cam%.jpg"), 400, &["cam%", "escape"]);
    assert_says(&server.get("/cam%0a.jpg"), 400, &["escape"]);
    assert_eq!(server.get("/c%61m%2Ejpg?w%69dth=%31%36%30").status, 200);
}

#[test]
fn eight_kilobytes_of_garbage_are_answered_and_forgotten() {
    let server = pattern();
    let mut viewer = server.stream("/cam.mjpeg");
    let mut seed = 0x2545_f491_u32;
    let garbage: Vec<u8> = std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed.to_le_bytes()[1]
    })
    .take(8192)
    .collect();
    assert_says(&http::ask(server.address, &garbage).unwrap(), 400, &["does not begin with an HTTP method"]);
    let letters = [b"GARBAGE ".as_slice(), &[b'x'; 8184]].concat();
    let answer = http::ask(server.address, &[&letters, b"\r\n\r\n".as_slice()].concat()).unwrap();
    assert_says(&answer, 400, &["expected a line such as GET /cam.mjpeg HTTP/1.1"]);
    for byte in [0, b'G', b'g', b'\xff'] {
        let answer = http::ask(server.address, &[byte; 8192]).unwrap();
        assert_says(&answer, 400, &["does not begin with an HTTP method"]);
    }
    viewer.parts(5);
}

#[test]
fn a_client_that_begins_tls_is_told_to_use_http() {
    let server = pattern();
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 506]].concat();
    assert_says(&http::ask(server.address, &hello).unwrap(), 400, &["plain HTTP", "http://"]);
    // And a real one does not hang.
    let address = server.address.to_string();
    let openssl = run(tool("openssl").args(["s_client", "-connect", &address]));
    assert!(!openssl.status.success());
}

#[test]
fn a_request_with_huge_headers_is_too_large() {
    let server = pattern();
    for header in [format!("X-Long: {}\r\n", "a".repeat(40_000)), "X-Many: 1\r\n".repeat(500)] {
        let request = format!("GET /cam.jpg HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        let answer = http::ask(server.address, request.as_bytes()).unwrap();
        assert_says(&answer, 431, &["too large", "16 KiB", "64 lines"]);
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(40_000));
    let answer = http::ask(server.address, long.as_bytes()).unwrap();
    assert_says(&answer, 431, &["too large", "first line"]);
}

#[test]
fn a_request_that_cannot_be_read_is_answered_with_one_that_can() {
    let server = pattern();
    for (request, status, part) in [
        (&b"GET /cam.jpg HTTP/1.1\r\nno header\r\n\r\n"[..], 400, "header"),
        (b"GET /cam.jpg HTTP/9.9\r\n\r\n", 400, "version"),
        (b"GET cam.jpg\r\n\r\n", 400, "expected a line such as GET /cam.mjpeg HTTP/1.1"),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400, "expected a line such as GET /cam.mjpeg HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
    ] {
        assert_says(&http::ask(server.address, request).unwrap(), status, &[part]);
    }
    let mut half = http::connect(server.address).unwrap();
    half.write_all(b"GET /cam.jpg HTTP/1.1\r\nHost: x\r\n").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("the empty line"), "{answer}");
}

#[test]
fn half_a_request_or_none_and_then_silence_is_closed_in_time() {
    let server = pattern();
    let mut viewer = server.stream("/cam.mjpeg");
    let mut silent = http::connect(server.address).unwrap();
    let mut halves: Vec<_> = (0..50)
        .map(|_| {
            let mut socket = http::connect(server.address).unwrap();
            socket.write_all(b"GET /cam.mjpeg HTTP/1.1\r\nHost: ").unwrap();
            socket
        })
        .collect();
    let began = Instant::now();
    viewer.parts(25);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?} for a second's pictures", began.elapsed());
    // Twenty seconds are the relay's patience with a request.
    let mut rest = Vec::new();
    let _ = halves[0].read_to_end(&mut rest);
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.starts_with("HTTP/1.1 408 ") && rest.contains("not complete within 20s"), "{rest}");
    let waited = began.elapsed();
    assert!((Duration::from_secs(15)..Duration::from_secs(28)).contains(&waited), "closed after {waited:?}");
    silent.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    assert_eq!(silent.read(&mut [0]).expect("the end of a connection that said nothing"), 0);
    viewer.parts(25);
}

#[test]
fn old_and_terse_clients_are_served_as_well() {
    let server = pattern();
    let mut old = http::connect(server.address).unwrap();
    old.write_all(b"GET /cam.mjpeg HTTP/1.0\r\n\r\n").unwrap();
    let mut head = [0; 15];
    old.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.0 200 OK");
    let blank = http::ask(server.address, b"\r\nGET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(blank.status, 200);
    let snapshot = http::ask(server.address, b"GET /cam.jpg HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((snapshot.status, snapshot.header("Content-Type")), (200, "image/jpeg"));
    let head = http::ask(server.address, b"HEAD /cam.mjpeg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(head.unwrap().status, 200);
    let url = server.url("/cam.jpg");
    let curl = run(tool("curl").args(["-sS", "-I", &url])).succeeded();
    assert!(curl.text().contains("200 OK") && curl.text().contains("content-length: "), "{}", curl.text());
}

#[test]
fn what_is_asked_in_pieces_or_twice_on_one_connection_is_answered() {
    let server = pattern();
    let mut socket = http::connect(server.address).unwrap();
    for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" {
        socket.write_all(&[*byte]).unwrap();
    }
    let two = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /cam.mjpeg HTTP/1.1\r\nHost: x\r\n\r\n";
    socket.write_all(two).unwrap();
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while !all.windows(12).any(|window| window == b"--headwater\r") {
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&all);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
}

#[test]
fn more_connections_than_allowed_are_told_so() {
    let server = Server::start(["--max-connections", "5", "cam=pattern:"]);
    let _streams: Vec<_> = (0..5).map(|_| server.stream("/cam.mjpeg")).collect();
    let answer = get(server.address, "/cam.jpg", &[]);
    assert_says(&answer, 503, &["too many connections", "--max-connections"]);
    assert_eq!(answer.header("Retry-After"), "5");
    // Whoever watches the relay still sees it.
    for _ in 0..20 {
        for path in ["/healthz", "/status", "/status.json", "/metrics"] {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
    }
}
