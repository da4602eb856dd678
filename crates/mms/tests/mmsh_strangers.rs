//! MMS over HTTP against other people's programs, and against our own, by frame checksum.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "sockets, processes and their clock")]
#![allow(clippy::unwrap_used, reason = "in the tests' helpers too")]

use std::io::{BufWriter, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mms::{Config, Event, Limits, Play, Start, Thinning, http};
use strangers::{checksums, files, frames, name, numbered, numbers, program, program_of_nobody, run, samples};

#[path = "../examples/driver/mod.rs"]
mod driver;
#[path = "../examples/mmsh_server/serve.rs"]
mod serve;
#[path = "support/strangers.rs"]
mod strangers;

/// Our server of a clip's folder; it serves until the test ends.
fn server(clip: &Path) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let folder = clip.parent().unwrap().to_owned();
    thread::spawn(move || serve::run(&listener, &folder, &|_| ()));
    address
}

fn config(server: SocketAddr, path: &str) -> Config {
    Config {
        host: server.ip().to_string(),
        port: server.port(),
        path: path.to_owned(),
        user: None,
        password: None,
        udp_port: None,
        random: [0x42; 32],
        unix_time: 0,
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    }
}

/// What our client gets, as a file; and how it ended.
fn dump(server: SocketAddr, path: &str, start: Start, to: &Path) -> Result<(), String> {
    let config = config(server, path);
    let mut session = http::Client::new(&config);
    let mut driver = driver::Driver::new(&config.host, config.port, None).unwrap();
    let mut file = BufWriter::new(std::fs::File::create(to).unwrap());
    let mut packet_size = 0;
    let result = driver.run(&mut session, |session, event| {
        match event {
            Event::Header(bytes) => {
                let header = asf::Header::parse(&bytes)?;
                packet_size = header.file.max_packet;
                file.write_all(&bytes)?;
                let streams = header.streams.iter().map(|stream| (stream.number, Thinning::All)).collect();
                session.play(Instant::now(), &Play { streams, start, packet_size, pace: None })?;
            }
            Event::Packet(packet) => {
                assert_eq!(packet.lost, 0);
                let whole = asf::padding::restore_padding(packet.data, packet_size);
                file.write_all(&whole.ok_or("no ASF packet")?)?;
            }
            Event::Ended => return Ok(ControlFlow::Break(())),
            _ => (),
        }
        Ok(ControlFlow::Continue(()))
    });
    file.flush().unwrap();
    result.map_err(|error| error.to_string())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Lets a program save every numbered clip from our server: all frames must be in what it saved.
fn every_frame_is_saved_by(save: impl Fn(&str, &Path)) {
    let scratch = tempfile::tempdir().unwrap();
    for clip in numbered() {
        let saved = scratch.path().join("saved.asf");
        let _ = std::fs::remove_file(&saved);
        save(&format!("mmsh://{}/{}", server(&clip), name(&clip)), &saved);
        assert!(saved.exists(), "{}: nothing was saved", name(&clip));
        assert_eq!(frames(text(&saved)), frames(text(&clip)), "{}", name(&clip));
    }
}

#[test]
fn ffmpeg_plays_every_frame_of_every_clip() {
    for clip in numbered() {
        let url = format!("mmsh://{}/{}", server(&clip), name(&clip));
        assert_eq!(frames(&url), frames(text(&clip)), "{}", name(&clip));
    }
}

#[test]
fn libmms_reads_every_frame_of_every_clip() {
    let scratch = tempfile::tempdir().unwrap();
    let dump = scratch.path().join("mmsx_dump");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mmsx_dump.c");
    let built = run(program("cc", "gcc").args([&source, Path::new("-o"), &dump]).arg("-lmms"));
    assert!(built.status.success(), "install libmms-dev: {}", String::from_utf8_lossy(&built.stderr));
    every_frame_is_saved_by(|url, saved| {
        run(program(text(&dump), "").arg(url).arg(saved));
    });
}

#[test]
fn mplayer_reads_every_frame_of_every_clip() {
    every_frame_is_saved_by(|url, saved| {
        run(program("mplayer", "mplayer").args(["-really-quiet", "-dumpstream", "-dumpfile"]).arg(saved).arg(url));
    });
}

#[test]
fn vlc_reads_every_frame_of_every_clip() {
    every_frame_is_saved_by(|url, saved| {
        let mut vlc = program_of_nobody("cvlc", "vlc-bin and vlc-plugin-base", saved.parent().unwrap());
        run(vlc.args(["--no-color", "-q", url, "--demux", "dump", "--demuxdump-file"]).arg(saved).arg("vlc://quit"));
    });
}

#[test]
fn our_client_reads_every_frame_of_every_sample() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let all = samples().map_or_else(numbered, |folder| files(&folder));
    // Those of tinytag are cut off within a packet, of which a server sends nothing.
    let is_clip = |clip: &&PathBuf| !name(clip).ends_with(".md") && !name(clip).ends_with(".py");
    let mut played = 0;
    for clip in all.iter().filter(is_clip).filter(|clip| !name(clip).starts_with("tinytag")) {
        let expected = frames(text(clip));
        if expected.is_empty() {
            continue;
        }
        dump(server(clip), &format!("/{}", name(clip)), Start::Begin, &saved)
            .unwrap_or_else(|error| panic!("{}: {error}", name(clip)));
        assert_eq!(frames(text(&saved)), expected, "{}", name(clip));
        played += 1;
    }
    assert!(played > 0);
}

#[test]
fn a_recording_begins_where_it_is_told_to() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let clip = numbered().remove(0);
    let all = numbers(text(&clip));
    for start in [Start::Time(Duration::from_secs(2)), Start::Packet(9)] {
        dump(server(&clip), &format!("/{}", name(&clip)), start, &saved).unwrap();
        let some = numbers(text(&saved));
        assert!(some.len() < all.len() && !some.is_empty(), "{} of {} frames", some.len(), all.len());
        // Up to the first keyframe there may be anything.
        let whole = some.iter().rev().take_while(|number| number.is_some()).count();
        assert_eq!(some[some.len() - whole..], all[all.len() - whole..], "{start:?}");
        assert!(whole * 2 > some.len(), "{start:?}: {whole} of {}", some.len());
    }
}

#[test]
fn a_browser_is_given_a_playlist() {
    let clip = numbered().remove(0);
    let server = server(&clip);
    let mut stream = TcpStream::connect(server).unwrap();
    write!(stream, "GET /{} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: Mozilla/5.0\r\n\r\n", name(&clip)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let expected = format!("<REF HREF=\"mms://{server}/{}\"/>", name(&clip));
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains(&expected), "{answer}");
}

#[test]
fn what_is_not_there_is_an_error_that_says_so() {
    let clip = numbered().remove(0);
    let scratch = tempfile::tempdir().unwrap();
    for path in ["/none.wmv", "/../Cargo.toml", "/"] {
        let error = dump(server(&clip), path, Start::Begin, &scratch.path().join("saved.asf")).unwrap_err();
        assert!(error.starts_with("the server answered 404 Not Found; it has no such stream"), "{error}");
    }
}

/// One that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A stranger as a server, killed at the end.
struct Stranger {
    process: Child,
    address: SocketAddr,
}

impl Stranger {
    /// VLC serves a clip once, in real time; `how` comes before its output.
    fn vlc(clip: &Path, how: &str, scratch: &Path) -> Self {
        let address = free_address();
        let copy = scratch.join(name(clip));
        std::fs::copy(clip, &copy).unwrap();
        let output = format!("#{how}std{{access=mmsh,mux=asfh,dst={address}}}");
        let mut vlc: Command = program_of_nobody("cvlc", "vlc-bin and vlc-plugin-base", scratch);
        vlc.args(["--no-color", "-q"]).arg(copy).args(["--sout", &output, "vlc://quit"]);
        let process = vlc.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, address }
    }

    /// FFmpeg sends a clip as the plain file that it is, to whoever comes first.
    fn ffmpeg(clip: &Path) -> Self {
        let address = free_address();
        let mut ffmpeg = program("ffmpeg", "ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-i", text(clip), "-map", "0", "-c", "copy", "-f", "asf"]);
        ffmpeg.args(["-listen", "1", &format!("http://{address}/")]);
        Self { process: ffmpeg.spawn().unwrap(), address }
    }

    /// Our client joins as soon as there is something, and reads to the end; VLC's is a closed
    /// connection.
    fn save(&self, to: &Path) {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let error = match dump(self.address, "/", Start::Begin, to) {
                Err(error) if error != "the server closed the connection before the end of the content" => error,
                _ => return,
            };
            // Not there yet, or nothing to send yet.
            assert!(Instant::now() < patience, "{error}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // By a signal that `timeout` hands on to the program under it.
        let _ = Command::new("kill").arg(self.process.id().to_string()).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }
}

fn clip(with: &str) -> PathBuf {
    let clips = numbered();
    clips.iter().find(|clip| name(clip).contains(with)).unwrap_or(&clips[0]).clone()
}

#[test]
fn our_client_plays_a_plain_file_from_ffmpeg() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    for clip in numbered() {
        Stranger::ffmpeg(&clip).save(&saved);
        let (all, some) = (frames(text(&clip)), frames(text(&saved)));
        assert_eq!(checksums(&some), checksums(&all), "{}", name(&clip));
    }
}

#[test]
fn our_client_joins_vlc_and_gets_its_frames_bit_for_bit() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = clip("numbered-mpeg4");
    let saved = scratch.path().join("saved.asf");
    Stranger::vlc(&clip, "", scratch.path()).save(&saved);
    let (all, some) = (frames(text(&clip)), frames(text(&saved)));
    let (all, some) = (checksums(&all), checksums(&some));
    // It joins in the middle: what comes before a keyframe cannot be right.
    let first = some.iter().position(|frame| all.contains(frame)).expect("no frame is right");
    let at = all.iter().position(|frame| *frame == some[first]).unwrap();
    assert_eq!(some[first..], all[at..][..some.len() - first]);
    assert!(some.len() - first >= 30, "{} of {} frames", some.len() - first, all.len());
}

#[test]
fn our_client_joins_what_vlc_encodes_and_finds_the_frames_in_order() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = clip("numbered-wmv2-640x480");
    let saved = scratch.path().join("saved.asf");
    Stranger::vlc(&clip, "transcode{vcodec=WMV2,vb=1500,acodec=none}:", scratch.path()).save(&saved);
    let numbers: Vec<u16> = numbers(text(&saved)).into_iter().flatten().collect();
    assert!(numbers.len() >= 20, "{numbers:?}");
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}
