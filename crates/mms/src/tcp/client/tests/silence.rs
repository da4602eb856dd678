//! Deadlines: an error when they are reached, and not one nanosecond before.

use super::opening::in_every_state;
use super::*;

/// The error that silence leads to, and when, with whatever is tried before.
fn silence(bench: &mut Bench) -> Option<(String, Duration)> {
    let zero = bench.now;
    while let Some(deadline) = bench.client.poll_timeout() {
        assert!(deadline > bench.now, "a deadline in the past");
        assert_eq!(bench.client.handle_timeout(deadline - Duration::from_nanos(1)), Ok(()));
        assert_eq!(bench.client.poll_timeout(), Some(deadline));
        bench.now = deadline;
        if let Err(error) = bench.client.handle_timeout(deadline) {
            assert_eq!(bench.client.poll_timeout(), None);
            return Some((error.to_string(), deadline - zero));
        }
    }
    None
}

#[test]
fn silence_is_an_error_at_the_deadline_and_not_before() {
    for (waiting_for, mut bench) in in_every_state() {
        let after = match waiting_for {
            "" => {
                assert_eq!(silence(&mut bench), None);
                continue;
            }
            // And the time that 18 bytes take at 64 kbit/s.
            "ASF file header" => "11.002s",
            "next entry of the server's playlist" => "60s",
            _ => "10s",
        };
        let (error, waited) = silence(&mut bench).unwrap();
        assert_eq!(error, format!("no {waiting_for} within {after}"));
        assert_eq!(format!("{waited:?}"), after);
    }
}

#[test]
fn the_answer_is_waited_for_as_long_as_the_user_says() {
    let mut bench = Bench::connected(Config { reply_timeout: Duration::from_millis(1500), ..config() });
    bench.tell(connected_ex("9.0")).unwrap();
    let told = silence(&mut bench);
    assert_eq!(told, Some(("no answer to FunnelInfo within 1.5s".into(), Duration::from_millis(1500))));
}

#[test]
fn pings_do_not_answer_a_request() {
    let mut bench = Bench::connected(config());
    let deadline = bench.client.poll_timeout();
    bench.now += seconds(5);
    bench.tell(MacToViewer::Ping).unwrap();
    assert_eq!(bench.client.poll_timeout(), deadline);
}

#[test]
fn a_server_that_falls_silent_in_mid_stream_is_found_although_it_pings() {
    let mut bench = Bench::playing();
    bench.data(packet(10, 0, 0)).unwrap();
    let zero = bench.now;
    bench.now += seconds(9);
    bench.tell(MacToViewer::Ping).unwrap();
    assert_eq!(bench.client.poll_timeout(), Some(zero + seconds(10)));
    let told = bench.wait(seconds(2)).unwrap_err();
    assert_eq!(told.to_string(), "no data within 10s");
    assert_eq!(bench.names(), ["Pong", "StopPlaying", "Logging", "CloseFile"]);
    assert_eq!(bench.story(), "0");
}

#[test]
fn a_picture_in_20_seconds_is_no_silence_once_the_rate_is_known() {
    let mut bench = Bench::playing();
    bench.now += seconds(9);
    bench.data(packet(10, 0, 0)).unwrap();
    bench.wait(seconds(20)).unwrap();
    bench.data(packet(10, 1, 1)).unwrap();
    for at in 2..10 {
        bench.wait(seconds(30)).unwrap();
        bench.tell(MacToViewer::Ping).unwrap();
        bench.wait(seconds(29)).unwrap();
        bench.data(packet(10, at, at)).unwrap();
    }
    assert_eq!(bench.wait(seconds(60)).unwrap_err().to_string(), "no byte from the server within 60s");
}

#[test]
fn a_deadline_that_is_told_late_is_one_still() {
    let mut bench = Bench::playing();
    let late = bench.now + seconds(3600);
    assert_eq!(bench.client.handle_timeout(late).unwrap_err().to_string(), "no byte from the server within 60s");
    assert_eq!(bench.client.handle_timeout(late), Ok(()), "it is told once");
}

#[test]
fn nothing_is_waited_for_before_the_connection_stands() {
    assert_eq!(Bench::new(config()).client.poll_timeout(), None);
}
