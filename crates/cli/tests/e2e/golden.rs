//! The answers of ffserver 3.4.2 as they were recorded, and ours beside them.
//!
//! A row is a request byte by byte with what must stand in our answer; the words of both
//! are the rows of the table in docs/FFSERVER.md, which is compared with this one.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::harness::http::connect;
use crate::harness::tools::root;
use crate::harness::{Server, eventually};

/// One request of the account.
struct Row {
    /// As the document calls it.
    request: &'static str,
    ffserver: &'static str,
    ours: &'static str,
    /// What is sent, with `\n` for line ends and HOST for the address, and what has to stand in
    /// the answer; `!` in front: what must not.
    sent: &'static [(&'static str, &'static [&'static str])],
}

const fn row(
    request: &'static str,
    ffserver: &'static str,
    ours: &'static str,
    sent: &'static [(&'static str, &'static [&'static str])],
) -> Row {
    Row { request, ffserver, ours, sent }
}

const MISSING: &str = "<title>404 Not Found</title>\n</head>\n<body>File '/nope.html' not found</body>\n</html>\n";
const DENIED: &str = "<body>File '/secret.mjpeg' not found</body>";

static ROWS: &[Row] = &[
    row(
        "`GET /`",
        "as `/index.html`",
        "the same",
        &[("GET / HTTP/1.0\n\n", &[" 404 ", "<body>File '/index.html' not found</body>"])],
    ),
    row(
        "an unknown path",
        "404, `File '/nope.html' not found`",
        "the same page",
        &[("GET /nope.html?a=b HTTP/1.1\nHost: x\nConnection: close\n\n", &[" 404 Not Found", MISSING])],
    ),
    row(
        "a denied path",
        "the same 404 as an unknown one",
        "the same, for every method",
        &[
            ("GET /secret.mjpeg HTTP/1.0\n\n", &[" 404 Not Found", DENIED]),
            ("POST /secret.mjpeg HTTP/1.0\nContent-Length: 0\n\n", &[" 404 Not Found", DENIED]),
            ("DELETE /secret.mjpeg HTTP/1.0\n\n", &[" 404 Not Found", DENIED]),
        ],
    ),
    row(
        "`<Redirect>`",
        "`301 Moved`, `Location`, a link",
        "301, the same text",
        &[(
            "GET /old.html HTTP/1.0\n\n",
            &[
                " 301 ",
                "\nlocation: http://www.ffmpeg.org/\n",
                "You should be <a href=\"http://www.ffmpeg.org/\">redirected</a>.",
            ],
        )],
    ),
    row(
        "a stream",
        "HTTP/1.0 200 to HTTP/1.1 too; `multipart/x-mixed-replace;boundary=ffserver`; parts with `Content-type` and `Content-length`",
        "HTTP/1.1 200 (1.0 to 1.0); the boundary is `headwater`; parts also tell their time",
        &[
            (
                "GET /cam2.mjpeg HTTP/1.1\nHost: x\n\n",
                &[
                    " 200 OK\n",
                    "Content-Type: multipart/x-mixed-replace;boundary=headwater\n",
                    "\n\n--headwater\nContent-Type: image/jpeg\nContent-Length: ",
                ],
            ),
            ("GET /cam2.mjpeg HTTP/1.0\n\n", &["HTTP/1.0 200 OK\n"]),
        ],
    ),
    row(
        "a stream without a feeder, nothing recorded",
        "200, `--ffserver`, then silence until one comes",
        "the same",
        &[("GET /e.mjpeg HTTP/1.1\nHost: x\n\n", &[" 200 OK\n", "\n\n--headwater\n", "!Content-Length"])],
    ),
    row(
        "`GET` of a feed without a feeder",
        "200, 4096 bytes that tell an encoder, then the connection stays",
        "200, the same 4096 bytes, with a length; nobody reads the raw feed",
        &[(
            "GET /e.ffm HTTP/1.1\nHost: x\nUser-Agent: Lavf/57.83.100\nRange: bytes=0-\nConnection: close\nIcy-MetaData: 1\n\n",
            &[" 200 OK\n", "\ncontent-type: application/x-octet-stream\n", "\ncontent-length: 4096\n", "\n\nFFM2"],
        )],
    ),
    row(
        "`POST` to a stream or status page",
        "404, `POST command not handled`",
        "405 with `Allow`",
        &[
            ("POST /cam2.mjpeg HTTP/1.0\nContent-Length: 0\n\n", &[" 405 ", "\nallow: GET, HEAD\n"]),
            ("POST /stat.html HTTP/1.0\nContent-Length: 0\n\n", &[" 405 ", "\nallow: GET, HEAD\n"]),
        ],
    ),
    row(
        "`POST` to a feed from a denied address",
        "404, `File '/e.ffm' not found`",
        "the same",
        &[("POST /closed.ffm HTTP/1.0\nContent-Length: 1\n\nx", &[" 404 ", "File '/closed.ffm' not found"])],
    ),
    row(
        "`POST` without chunks",
        "closed at the first byte of the body",
        "taken, in any framing, and answered at its end",
        &[("POST /e.ffm HTTP/1.1\nHost: x\nContent-Length: 5\nConnection: close\n\nhello", &[" 415 "])],
    ),
    row(
        "`POST` of something else than FFM",
        "closed after 4096 bytes",
        "any container is taken; else 415 with a sentence",
        &[(
            "POST /e.ffm HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nConnection: close\n\n5\nhello\n0\n\n",
            &[" 415 Unsupported Media Type", "a text was sent"],
        )],
    ),
    row(
        "`Expect: 100-continue`",
        "no 100, and no answer to a feeder ever",
        "100, and an answer at the end",
        &[(
            "POST /e.ffm HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 5\nConnection: close\n\nhello",
            &["HTTP/1.1 100 Continue\n\nHTTP/1.1 415 "],
        )],
    ),
    row(
        "`HEAD`",
        "closed without an answer",
        "200, and no body",
        &[
            ("HEAD /cam2.mjpeg HTTP/1.1\nHost: x\nConnection: close\n\n", &[" 200 OK\n", "!JFIF"]),
            ("HEAD /stat.html HTTP/1.1\nHost: x\nConnection: close\n\n", &[" 200 OK\n", "!<html"]),
        ],
    ),
    row(
        "`OPTIONS`",
        "closed without an answer",
        "405 with `Allow`; a page where the path is unknown",
        &[("OPTIONS /cam2.mjpeg HTTP/1.1\nHost: x\nConnection: close\n\n", &[" 405 ", "\nallow: GET, HEAD\n"])],
    ),
    row(
        "`get`, binary, HTTP/2, no version",
        "closed without an answer",
        "400 with a sentence",
        &[
            ("get / HTTP/1.1\nHost: x\n\n", &[" 400 "]),
            ("\u{1}\u{2}\u{3} / HTTP/1.1\nHost: x\n\n", &[" 400 "]),
            ("GET / HTTP/2.0\nHost: x\n\n", &[" 400 "]),
            ("GET /\n\n", &[" 400 "]),
        ],
    ),
    row(
        "whole URL, percent-encoding",
        "404",
        "understood",
        &[
            ("GET http://HOST/stat.html HTTP/1.1\nHost: x\nConnection: close\n\n", &[" 200 OK\n"]),
            ("GET /stat%2ehtml HTTP/1.0\n\n", &[" 200 OK\n"]),
        ],
    ),
    row("line ends without CR", "taken", "the same", &[("GET /stat.html HTTP/1.0\u{0}\u{0}", &[" 200 OK\n"])]),
    row(
        "a path without `/` in front",
        "taken",
        "the same",
        &[("GET stat.html HTTP/1.0\n\n", &[" 200 OK\n", "Available Streams"])],
    ),
    row(
        "`X.asx`",
        "`200 ASX Follows`",
        "200, the same body",
        &[(
            "GET /cam.asx?a=1 HTTP/1.1\nHost: cam.example:8090\nConnection: close\n\n",
            &[
                " 200 OK\n",
                "\ncontent-type: video/x-ms-asf\n",
                "\n\n<ASX Version=\"3\">\n<ENTRY><REF HREF=\"http://cam.example:8090/cam.asf?a=1\"/></ENTRY>\n</ASX>\n",
            ],
        )],
    ),
    row(
        "`X.asf`, not Windows Media Player",
        "`200 ASF Redirect follows`, a reference to itself",
        "the ASF file",
        &[("GET /cam.asf HTTP/1.1\nHost: x\n\n", &[" 200 OK\n", "Content-Type: video/x-ms-asf\n", "![Reference]"])],
    ),
    row(
        "`X.asf`, Windows Media Player",
        "MMS over HTTP, `Server: Cougar 4.1.0.3923`",
        "MMS over HTTP, `Server: Rex/9.0.0.2980`",
        &[(
            "GET /cam.asf HTTP/1.0\nHost: x\nUser-Agent: NSPlayer/7.10.0.3059\nPragma: no-cache,rate=1.000\n\n",
            &["HTTP/1.0 200 OK\n", "Server: Rex/9.0.0.2980\n", "Pragma: client-id=", "features=\"broadcast"],
        )],
    ),
    row(
        "`X.ram`, `X.rpm`",
        "`200 RAM Follows`",
        "200; the first line names Headwater",
        &[(
            "GET /cam.ram HTTP/1.1\nHost: x\nConnection: close\n\n",
            &[" 200 OK\n", "\ncontent-type: audio/x-pn-realaudio\n", "\n\n# headwater/", "\nhttp://x/cam.rm\n"],
        )],
    ),
    row(
        "`X.rtsp`",
        "`200 RTSP Redirect follows`, `rtsp://HOST:PORT/NAME`",
        "200, the same body",
        &[(
            "GET /live.rtsp HTTP/1.1\nHost: cam.example:8090\nConnection: close\n\n",
            &["\ncontent-type: application/x-rtsp\n", "\n\nrtsp://cam.example:5554/live\n"],
        )],
    ),
    row(
        "`X.sdp`",
        "`200 OK`, the SDP",
        "the same",
        &[(
            "GET /live.sdp HTTP/1.1\nHost: x\nConnection: close\n\n",
            &[" 200 OK\n", "\ncontent-type: application/sdp\n", "\n\nv=0\n", "\nm=video "],
        )],
    ),
    row(
        "a redirector without `Host`",
        "404 `ASX/RAM file not handled`",
        "400 with a sentence",
        &[("GET /cam.asx HTTP/1.0\n\n", &[" 400 ", "a Host header is needed"])],
    ),
    row(
        "`?buffer=` or `?date=` that cannot be read, a negative one",
        "live; 404 for a date",
        "400 with a sentence",
        &[
            ("GET /cam2.mjpeg?buffer=x HTTP/1.0\n\n", &[" 400 ", "buffer"]),
            ("GET /cam2.mjpeg?buffer=-1 HTTP/1.0\n\n", &[" 400 ", "buffer"]),
            ("GET /cam2.mjpeg?date=x HTTP/1.0\n\n", &[" 400 ", "date"]),
        ],
    ),
    row(
        "anything else in the query",
        "not looked at",
        "the same",
        &[("GET /cam2.mjpeg?x=1&size=80x60 HTTP/1.0\n\n", &["HTTP/1.0 200 OK\n"])],
    ),
    row(
        "the status page",
        "200, `text/html`, `Pragma: no-cache`",
        "the same tables; also JSON",
        &[
            (
                "GET /stat.html HTTP/1.0\n\n",
                &[
                    " 200 OK\n",
                    "\ncontent-type: text/html",
                    "\npragma: no-cache\n",
                    "Available Streams",
                    "Connection Status",
                ],
            ),
            ("GET /stat.html?format=json HTTP/1.0\n\n", &["\ncontent-type: application/json\n", "\"max_clients\":50"]),
        ],
    ),
];

/// What takes more than a request; by whom it is tested stands behind it.
static OTHERS: &[[&str; 3]] = &[
    // ffserver_bounds::one_viewer_too_many_…
    [
        "over `MaxClients`",
        "503, closed without reading the request; not logged",
        "503 with the same sentence and `Retry-After`; logged",
    ],
    // ffserver_bounds::bandwidth_is_counted_as_it_is_sent
    ["over `MaxBandwidth`", "503; feeders too", "the same sentence, and `Retry-After`; feeders never"],
    // ffserver::the_how_to_works_…
    ["the feeder ends", "most viewers are closed", "they stay"],
    ["a second feeder", "404, `This feed is already being received.`", "409, from whom it is being received"],
    // bad_requests
    ["a request of more than 8191 bytes", "reset", "431 over 16 KiB"],
    ["not complete in time", "closed after 15 s", "408 after 20 s"],
    // past, ffserver
    [
        "a stream without a feeder, something recorded",
        "the last one or two pictures, then silence",
        "silence; `?buffer=` has them",
    ],
    ["`?buffer=` longer than the ring", "live", "the oldest keyframe"],
    ["`MaxTime 2`", "closed after 2.04 s", "closed at the first picture after 2 s, or within a second"],
    // ffserver::rtsp_has_the_streams_…
    ["RTSP of a stream that is denied", "played", "404, as one that does not exist"],
    ["RTSP over `MaxClients` or `MaxBandwidth`", "played", "453"],
];

const TEXT: &str = "HTTPPort 8090\nRTSPPort 5554\nMaxBandwidth 1000000\nMaxClients 50\n\
    <Feed cam2.ffm>\nSource pattern:?size=160x120&fps=20\n</Feed>\n<Feed e.ffm>\n</Feed>\n\
    <Feed closed.ffm>\nACL allow 127.0.0.77\n</Feed>\n\
    <Stream cam2.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\n</Stream>\n\
    <Stream secret.mjpeg>\nFeed cam2.ffm\nFormat mpjpeg\nACL allow 127.0.0.77\n</Stream>\n\
    <Stream e.mjpeg>\nFeed e.ffm\nFormat mpjpeg\nVideoSize 320x240\nVideoFrameRate 25\n</Stream>\n\
    <Stream cam.asf>\nFeed cam2.ffm\nFormat asf\n</Stream>\n<Stream cam.rm>\nFeed cam2.ffm\nFormat rm\n</Stream>\n\
    <Stream live>\nFeed cam2.ffm\nFormat rtp\n</Stream>\n\
    <Stream stat.html>\nFormat status\n</Stream>\n<Redirect old.html>\nURL http://www.ffmpeg.org/\n</Redirect>\n";

/// Sends a request; what is answered until all `needs` are there or the connection ends, with
/// `\n` for line ends.
fn exchange(address: SocketAddr, sent: &str, needs: &[&str]) -> String {
    let bytes = sent.replace("HOST", &address.to_string()).replace('\n', "\r\n").replace('\0', "\n");
    let mut socket: TcpStream = connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let _ = socket.write_all(bytes.as_bytes());
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    eventually(sent, || {
        let over = match socket.read(&mut piece) {
            Ok(0) => true,
            Ok(count) => {
                answer.extend_from_slice(&piece[..count]);
                false
            }
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        };
        let text = String::from_utf8_lossy(&answer).replace('\r', "");
        let all = needs.iter().all(|need| need.starts_with('!') || text.contains(need));
        (over || all).then_some(text)
    })
}

#[test]
fn each_request_of_the_account_is_answered_as_the_document_says() {
    let server = Server::configured_with("golden-http", TEXT, &["--rtsp", "127.0.0.1:0"]);
    let mut wrong = Vec::new();
    for row in ROWS {
        for (sent, needs) in row.sent {
            let answer = exchange(server.address, sent, needs);
            for need in *needs {
                let (text, is_wanted) = need.strip_prefix('!').map_or((*need, true), |text| (text, false));
                if answer.contains(text) != is_wanted {
                    let what = if is_wanted { "no" } else { "there is" };
                    let head: String = answer.chars().take(600).collect();
                    wrong.push(format!("{}: {what} {text:?} in the answer to {sent:?}\n{head}", row.request));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_viewer_that_says_something_or_closes_its_half_of_the_connection() {
    let server = Server::configured("golden-viewer", TEXT);
    let mut socket = connect(server.address).unwrap();
    socket.write_all(b"GET /cam2.mjpeg HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    socket.read_exact(&mut [0; 20_000]).unwrap();
    // ffserver closed the connection at the first byte.
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    socket.read_exact(&mut [0; 100_000]).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    // Half a connection is none: whoever closes his side is gone.
    eventually("the end", || matches!(socket.read_to_end(&mut rest), Ok(_) | Err(_)).then_some(()));
}

#[test]
fn the_document_has_the_same_table() {
    let text = std::fs::read_to_string(root().join("docs/FFSERVER.md")).unwrap();
    let rows = ROWS.iter().map(|row| [row.request, row.ffserver, row.ours]).chain(OTHERS.iter().copied());
    let rows: Vec<String> = rows.map(|cells| format!("| {} |", cells.join(" | "))).collect();
    let begin = text.find("## Requests, side by side").unwrap();
    let section = &text[begin..begin + text[begin + 3..].find("\n## ").unwrap() + 3];
    let told: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(told == rows, "docs/FFSERVER.md: the table of requests is to be\n{}", rows.join("\n"));
}
