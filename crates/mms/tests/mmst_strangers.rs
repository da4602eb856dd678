//! MMS over TCP and UDP: other people's programs as clients of our server, and our client as
//! well, by frame checksum.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "sockets, processes and their clock")]
#![allow(clippy::unwrap_used, reason = "in the tests' helpers too")]

use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use mms::{Config, Event, Limits, Play, Start, Thinning, tcp};
use serve::{Ask, Listener, Options};
use strangers::{checksums, files, frames, name, numbered, numbers, program, program_of_nobody, run, samples};

#[path = "../examples/driver/mod.rs"]
mod driver;
#[path = "../examples/mmst_server/serve.rs"]
mod serve;
#[path = "support/strangers.rs"]
mod strangers;

/// Fast enough for a test, slow enough for the buffers of a UDP socket.
const UDP_SPEED: f64 = 10.0;

/// Our server of a folder; it serves until the test ends.
fn server(options: Options) -> SocketAddr {
    let listener = Listener::bind(Ipv4Addr::LOCALHOST.into(), 0).unwrap();
    let address = listener.address();
    thread::spawn(move || listener.serve(&options));
    address
}

fn serving(clip: &Path) -> Options {
    // Not too long for whoever waits for the end of the connection, and long enough to ask for
    // datagrams that were lost at the end.
    Options { folder: clip.parent().unwrap().to_owned(), linger_seconds: 1, ..Options::default() }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What our client saw.
#[derive(Debug, Default)]
struct Seen {
    lost: u32,
    headers: usize,
}

/// What our client gets, as a file.
fn dump(server: SocketAddr, path: &str, to: &Path, set: impl Fn(&mut Config), start: Start) -> Result<Seen, String> {
    let mut config = Config {
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
    };
    set(&mut config);
    let udp = config.udp_port.map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    config.udp_port = udp.as_ref().map(|socket| socket.local_addr().unwrap().port());
    let mut session = tcp::Client::new(config.clone());
    let mut driver = driver::Driver::new(&config.host, config.port, udp).unwrap();
    let mut file = BufWriter::new(std::fs::File::create(to).unwrap());
    let (mut packet_size, mut seen) = (0, Seen::default());
    let result = driver.run(&mut session, |session, event| {
        match event {
            Event::Header(bytes) => {
                let header = asf::Header::parse(&bytes)?;
                packet_size = header.file.max_packet;
                seen.headers += 1;
                if seen.headers == 1 {
                    file.write_all(&bytes)?;
                }
                let streams = header.streams.iter().map(|stream| (stream.number, Thinning::All)).collect();
                session.play(Instant::now(), &Play { streams, start, packet_size, pace: None })?;
            }
            Event::Packet(packet) => {
                seen.lost += packet.lost;
                let whole = asf::padding::restore_padding(packet.data, packet_size);
                file.write_all(&whole.ok_or("no ASF packet")?)?;
            }
            Event::Ended => return Ok(ControlFlow::Break(())),
            Event::Moved(urls) => return Err(format!("moved to {urls:?}").into()),
            _ => (),
        }
        Ok(ControlFlow::Continue(()))
    });
    file.flush().unwrap();
    result.map(|()| seen).map_err(|error| error.to_string())
}

fn plainly(_: &mut Config) {}

fn by_udp(config: &mut Config) {
    config.udp_port = Some(0);
}

/// Lets a program save every numbered clip from our server: all frames must be in what it saved.
fn every_frame_is_saved_by(scheme: &str, speed: Option<f64>, save: impl Fn(&str, &Path)) {
    let scratch = tempfile::tempdir().unwrap();
    for clip in numbered() {
        let saved = scratch.path().join("saved.asf");
        let _ = std::fs::remove_file(&saved);
        let server = server(Options { speed, ..serving(&clip) });
        save(&format!("{scheme}://{server}/{}", name(&clip)), &saved);
        assert!(saved.exists(), "{}: nothing was saved", name(&clip));
        assert_eq!(frames(text(&saved)), frames(text(&clip)), "{}", name(&clip));
    }
}

/// Frames as FFmpeg gets them from `url`, of which it is told how many pictures there are: it
/// does not know the end of a broadcast by itself.
fn first_frames(url: &str, count: usize) -> Vec<String> {
    let mut command = program("ffmpeg", "ffmpeg");
    command.args(["-nostdin", "-v", "error", "-threads", "1", "-i", url, "-map", "0"]);
    let output = run(command.args(["-frames:v", &count.to_string(), "-f", "framemd5", "-"]));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn ffmpeg_plays_every_frame_of_every_clip() {
    for clip in numbered() {
        for strip in [false, true] {
            let url = format!("mmst://{}/{}", server(Options { strip, ..serving(&clip) }), name(&clip));
            let expected = frames(text(&clip));
            let seen = match name(&clip).contains("broadcast") {
                true => first_frames(&url, expected.len()),
                false => frames(&url),
            };
            assert_eq!(seen, expected, "{}", name(&clip));
        }
    }
}

/// A program that saves what libmms reads.
fn libmms(scratch: &Path) -> PathBuf {
    let dump = scratch.join("mmsx_dump");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mmsx_dump.c");
    let built = run(program("cc", "gcc").args([&source, Path::new("-o"), &dump]).arg("-lmms"));
    assert!(built.status.success(), "install libmms-dev: {}", String::from_utf8_lossy(&built.stderr));
    dump
}

#[test]
fn libmms_reads_every_frame_of_every_clip() {
    let scratch = tempfile::tempdir().unwrap();
    let dump = libmms(scratch.path());
    every_frame_is_saved_by("mmst", None, |url, saved| {
        run(program(text(&dump), "").arg(url).arg(saved));
    });
}

/// It is the one stranger that knows of stream changes, and answers them.
#[test]
fn libmms_follows_a_stream_change_to_other_codecs() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let clips = numbered();
    let (first, next) = (&clips[clips.len() / 2], clips.last().unwrap());
    let folder = scratch.path().join("clips");
    std::fs::create_dir(&folder).unwrap();
    for clip in [first, next] {
        std::fs::copy(clip, folder.join(name(clip))).unwrap();
    }
    let server = server(Options { folder, next: Some(name(next).to_owned()), ..serving(first) });
    let url = format!("mmst://{server}/{}", name(first));
    run(program(text(&libmms(scratch.path())), "").arg(url).arg(&saved));
    // One file behind the other, each without its index.
    let both = std::fs::read(&saved).unwrap();
    let header = [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11];
    let at = both.windows(8).rposition(|window| window == header).unwrap();
    for (clip, bytes) in [(first, &both[..at]), (next, &both[at..])] {
        std::fs::write(&saved, bytes).unwrap();
        assert_eq!(frames(text(&saved)), frames(text(clip)), "{}", name(clip));
    }
}

/// The checksums of the pictures that MPlayer shows.
fn shown_by_mplayer(url: &str, scratch: &Path) -> String {
    let sums = scratch.join("sums");
    let _ = std::fs::remove_file(&sums);
    let mut mplayer = program("mplayer", "mplayer");
    mplayer.args(["-really-quiet", "-benchmark", "-nosound", "-vo", &format!("md5sum:outfile={}", text(&sums)), url]);
    run(&mut mplayer);
    std::fs::read_to_string(&sums).unwrap_or_default()
}

/// With -dumpstream MPlayer loses the last 1152 bytes of what it got by MMS over TCP.
#[test]
fn mplayer_shows_every_frame_of_every_clip() {
    let scratch = tempfile::tempdir().unwrap();
    for clip in numbered() {
        let url = format!("mmst://{}/{}", server(serving(&clip)), name(&clip));
        let expected = shown_by_mplayer(text(&clip), scratch.path());
        assert!(expected.lines().count() > 30, "{}: {expected}", name(&clip));
        assert_eq!(shown_by_mplayer(&url, scratch.path()), expected, "{}", name(&clip));
    }
}

fn vlc(url: &str, saved: &Path) {
    let mut vlc = program_of_nobody("cvlc", "vlc-bin and vlc-plugin-base", saved.parent().unwrap());
    run(vlc.args(["--no-color", "-q", url, "--demux", "dump", "--demuxdump-file"]).arg(saved).arg("vlc://quit"));
}

#[test]
fn vlc_reads_every_frame_of_every_clip() {
    every_frame_is_saved_by("mmst", None, vlc);
}

/// VLC always listens on port 7000.
#[test]
fn vlc_reads_every_frame_of_every_clip_by_udp() {
    every_frame_is_saved_by("mmsu", Some(UDP_SPEED), vlc);
}

/// Samples of which there are frames to compare.
fn playable() -> Vec<(PathBuf, Vec<String>)> {
    let all = samples().map_or_else(numbered, |folder| files(&folder));
    // Those of tinytag are cut off within a packet, of which a server sends nothing.
    let is_clip = |clip: &PathBuf| {
        let name = name(clip);
        !name.ends_with(".md") && !name.ends_with(".py") && !name.starts_with("tinytag")
    };
    let clips = all.into_iter().filter(is_clip).map(|clip| (clip.clone(), frames(text(&clip))));
    clips.filter(|(_, frames)| !frames.is_empty()).collect()
}

#[test]
fn our_client_reads_every_frame_of_every_sample() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    for (clip, expected) in playable() {
        for strip in [false, true] {
            let server = server(Options { strip, ..serving(&clip) });
            let path = format!("/{}", name(&clip));
            let seen = dump(server, &path, &saved, plainly, Start::Begin)
                .unwrap_or_else(|error| panic!("{}: {error}", name(&clip)));
            assert_eq!((seen.lost, seen.headers), (0, 1));
            assert_eq!(frames(text(&saved)), expected, "{}", name(&clip));
        }
    }
}

#[test]
fn our_client_reads_every_frame_although_datagrams_are_lost_and_overtaken() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    for clip in numbered() {
        let speed = Some(UDP_SPEED);
        let server = server(Options { speed, drop_udp: 30, reorder_udp: 30, ..serving(&clip) });
        let path = format!("/{}", name(&clip));
        let seen = dump(server, &path, &saved, by_udp, Start::Begin)
            .unwrap_or_else(|error| panic!("{}: {error}", name(&clip)));
        assert_eq!((seen.lost, seen.headers), (0, 1), "{}", name(&clip));
        assert_eq!(frames(text(&saved)), frames(text(&clip)), "{}", name(&clip));
    }
}

#[test]
fn a_recording_begins_where_it_is_told_to() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let clip = numbered().remove(0);
    let all = numbers(text(&clip));
    for start in [Start::Time(Duration::from_secs(2)), Start::Packet(9)] {
        dump(server(serving(&clip)), &format!("/{}", name(&clip)), &saved, plainly, start).unwrap();
        let some = numbers(text(&saved));
        assert!(some.len() < all.len() && !some.is_empty(), "{} of {} frames", some.len(), all.len());
        // Up to the first keyframe there may be anything.
        let whole = some.iter().rev().take_while(|number| number.is_some()).count();
        assert_eq!(some[some.len() - whole..], all[all.len() - whole..], "{start:?}");
        assert!(whole * 2 > some.len(), "{start:?}: {whole} of {}", some.len());
    }
}

#[test]
fn a_stream_change_goes_on_with_the_next_clip() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let clip = numbered().remove(0);
    let next = Some(name(&clip).to_owned());
    let set_by: [fn(&mut Config); 2] = [plainly, by_udp];
    for set in set_by {
        let speed = Some(UDP_SPEED);
        let server = server(Options { next: next.clone(), speed, ..serving(&clip) });
        let seen = dump(server, &format!("/{}", name(&clip)), &saved, set, Start::Begin).unwrap();
        assert_eq!((seen.lost, seen.headers), (0, 2));
        // The same header twice: what was saved is both, one after the other.
        let expected = frames(text(&clip));
        let both = std::fs::metadata(&saved).unwrap().len();
        let one = std::fs::metadata(&clip).unwrap().len();
        assert!(both > one * 3 / 2, "{both} of twice {one} bytes");
        assert_eq!(checksums(&frames(text(&saved)))[..10], checksums(&expected)[..10]);
    }
}

#[test]
fn only_who_knows_the_password_gets_in() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let clip = numbered().remove(0);
    let path = format!("/{}", name(&clip));
    let expected = frames(text(&clip));
    for ask in [Ask::Basic, Ask::Ntlm] {
        let server = server(Options { ask, ..serving(&clip) });
        let with = |password: &'static str| {
            move |config: &mut Config| {
                (config.user, config.password) = (Some("eve".to_owned()), Some(password.to_owned()));
            }
        };
        dump(server, &path, &saved, with("sécret pass"), Start::Begin).unwrap();
        assert_eq!(frames(text(&saved)), expected, "{ask:?}");
        let wrong = dump(server, &path, &saved, with("guess"), Start::Begin).unwrap_err();
        let none = dump(server, &path, &saved, plainly, Start::Begin).unwrap_err();
        println!("{wrong}\n{none}");
        assert!(wrong.contains("password") && none.contains("password"), "{wrong}\n{none}");
    }
}

#[test]
fn what_is_elsewhere_or_nowhere_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let clip = numbered().remove(0);
    let redirect = Some("mmst://other.example/cam".to_owned());
    let elsewhere = server(Options { redirect, ..serving(&clip) });
    let error = dump(elsewhere, "/cam", &saved, plainly, Start::Begin).unwrap_err();
    assert_eq!(error, "moved to [\"mmst://other.example/cam\"]");
    let nowhere = server(serving(&clip));
    for path in ["/none.wmv", "/../Cargo.toml", "/"] {
        let error = dump(nowhere, path, &saved, plainly, Start::Begin).unwrap_err();
        assert!(error.contains("the server has no such stream"), "{error}");
    }
}

#[test]
fn a_server_that_goes_away_is_noticed() {
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved.asf");
    let clip = numbered().remove(0);
    let server = server(Options { close_after: Some(10), ..serving(&clip) });
    let error = dump(server, &format!("/{}", name(&clip)), &saved, plainly, Start::Begin).unwrap_err();
    assert!(error.starts_with("the server closed the connection before"), "{error}");
}
