//! Crowds.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::server::headwater;
use crate::harness::{Camera, Manner, Server, get, http, tool};

/// Connections to open: 10,000, or what this machine lets a process have.
fn as_many_as_possible() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let most = limit.maximum.map_or(10_000, |most| usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(300));
    if most < 10_000 {
        println!("this machine lets a process open {most} connections, so there are no 10,000");
    }
    most.min(10_000)
}

#[test]
fn ten_thousand_idle_connections_cost_next_to_nothing_and_a_viewer_keeps_its_rate() {
    let server = Server::start(["cam=pattern:?size=320x240&fps=25"]);
    let mut viewer = server.stream("/cam.mjpeg");
    viewer.parts(5);
    let (count, before) = (as_many_as_possible(), server.memory());
    let began = Instant::now();
    let idle: Vec<_> =
        (0..count).map(|at| http::connect(server.address).unwrap_or_else(|e| panic!("connection {at}: {e}"))).collect();
    println!("{count} connections in {:?}", began.elapsed());
    // What arrived meanwhile is passed over.
    viewer.parts(10);
    let began = Instant::now();
    viewer.parts(50);
    let fps = 50.0 / began.elapsed().as_secs_f64();
    // A machine that is busy with other tests may hold it up, but not by the crowd's measure.
    assert!((15.0..30.0).contains(&fps), "{fps} a second");
    let each = server.memory().saturating_sub(before) / count as u64;
    println!("{each} bytes a connection");
    assert!(each < 16 << 10, "{each} bytes a connection");
    // The last one is served as well as any.
    let mut last = idle.last().unwrap();
    last.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut last, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn three_hundred_who_come_at_once_see_a_picture_soon() {
    let camera = Camera::start(Manner::Pictures { fps: 10 });
    let server = Server::start([format!("camera={}", camera.url())]);
    server.stream("/camera.mjpeg").part();
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..300 {
            scope.spawn(|| server.stream("/camera.mjpeg").parts(3));
        }
    });
    // 200 ms for the first is the aim, which the benchmark measures; here three pictures
    // have 300 ms of their own, and the clients are threads on the same cores.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(camera.connections(), 1);
}

#[test]
fn a_crowd_larger_than_the_limit_of_open_files_is_told_so_and_takes_nothing_from_the_sources() {
    let program = headwater().get_program().to_owned();
    let mut command = tool("sh");
    command.args(["-c", "ulimit -n 128; exec \"$0\" \"$@\""]).arg(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "cam=pattern:?size=320x240&fps=25"]);
    let server = Server::run(command);
    let log = server.log();
    assert!(log.contains("than the 128 this system allows; serving 60 at most"), "{log}");
    let idle: Vec<_> = (0..100).map(|_| http::connect(server.address).unwrap()).collect();
    let answer = get(server.address, "/cam.jpg", &[]);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("too many connections"), "{}", answer.text());
    assert!(!server.log().contains("cannot accept"), "{}", server.log());
    drop(idle);
    crate::harness::eventually("a place", || (get(server.address, "/cam.jpg", &[]).status == 200).then_some(()));
}
