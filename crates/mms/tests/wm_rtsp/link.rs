//! What comes out at the other end of good and bad links.

use mms::rtsp::Outgoing;
use mms::rtsp::server::Config;
use mms::{Packet, Play, Start};

use crate::clip::{Clip, Layout};
use crate::pair::{GOOD, Link, Log, Pair};
use crate::samples;

fn server(udp: bool, payload: usize) -> Config {
    Config { udp_port: udp.then_some(5004), random: [0xF3; 32], payload, ..Config::default() }
}

fn run(clip: Clip, udp: bool, payload: usize, link: Link) -> Log {
    Pair::new(vec![clip], udp, server(udp, payload), link).run().log
}

fn assert_came(packets: &[Packet], sent: &[Outgoing], what: &str) {
    assert_eq!(packets.len(), sent.len(), "{what}");
    for (packet, sent) in packets.iter().zip(sent) {
        assert_eq!((packet.location, packet.lost), (sent.location, 0), "{what}");
        assert!(packet.data == sent.data, "{what}: packet {}", sent.location);
    }
}

#[test]
fn every_sample_arrives_as_it_was_sent() {
    for layout in [Layout::Split, Layout::Mixed] {
        for (name, clip) in samples::clips(layout) {
            for (udp, payload) in [(false, 1400), (false, 60_000), (true, 1400), (true, 500)] {
                let what = format!("{name}, {layout:?}, udp {udp}, payloads of {payload}");
                let log = run(clip.clone(), udp, payload, GOOD);
                assert_eq!(log.error, None, "{what}");
                assert_eq!(log.headers[..], *std::slice::from_ref(&clip.content.header), "{what}");
                if clip.packets.is_empty() {
                    continue;
                }
                assert_eq!(log.story, ["opened", "header", "packet", "ended"], "{what}");
                assert_came(&log.packets, &clip.packets, &what);
                let opened = log.opened.unwrap();
                assert_eq!(opened.broadcast, Some(clip.content.broadcast), "{what}");
                assert!(opened.server.unwrap().starts_with("WMServer/9"), "{what}");
            }
        }
    }
}

#[test]
fn both_readings_of_the_length_are_understood() {
    for bare_lengths in [false, true] {
        let clip = samples::made_up(200);
        let config = Config { bare_lengths, ..server(false, 3000) };
        let log = Pair::new(vec![clip.clone()], false, config, GOOD).run().log;
        assert_came(&log.packets, &clip.packets, "in one reading");
    }
}

#[test]
fn slicing_of_the_connection_never_matters() {
    let clip = samples::made_up(60);
    let whole = run(clip.clone(), false, 1400, GOOD);
    assert_came(&whole.packets, &clip.packets, "whole");
    for slice in (1..40).chain([100, 1000, 1403, 1404, 1405]) {
        assert_eq!(run(clip.clone(), false, 1400, Link { slice, ..GOOD }), whole, "in slices of {slice}");
    }
}

#[test]
fn datagrams_that_overtake_each_other_or_come_twice_do_no_harm() {
    for seed in 0..20 {
        let clip = samples::made_up(300);
        let link = Link { delayed: 300, doubled: 300, seed, ..GOOD };
        let log = run(clip.clone(), true, 600, link);
        assert_eq!((log.error.as_ref(), log.story.last()), (None, Some(&"ended")));
        assert_came(&log.packets, &clip.packets, &format!("seed {seed}"));
    }
}

#[test]
fn lost_datagrams_are_counted_and_nothing_else_is_lost() {
    for (lost, delayed) in [(10, 0), (50, 100), (300, 0), (300, 300)] {
        for seed in 0..10 {
            let clip = samples::made_up(400);
            let link = Link { lost, delayed, doubled: 50, seed, ..GOOD };
            // A packet a datagram, so that each loss is one packet's.
            let log = run(clip.clone(), true, 1010, link);
            let what = format!("{lost} lost, {delayed} delayed, seed {seed}");
            assert_eq!((log.error.as_ref(), log.story.last()), (None, Some(&"ended")), "{what}");
            let mut due = 0;
            for packet in &log.packets {
                let sent = &clip.packets[packet.location as usize];
                assert!(packet.data == sent.data && packet.location >= due, "{what}");
                due = packet.location + 1;
            }
            // Payloads hold one packet or two; the last ones can be lost unseen.
            let missing = clip.packets.len() - log.packets.len();
            let counted = log.lost() as usize;
            assert!(counted <= missing && missing <= counted * 2 + 20, "{what}: {counted} of {missing}");
            assert!(log.packets.len() * 1000 >= clip.packets.len() * (900 - lost as usize), "{what}");
        }
    }
}

#[test]
fn a_packet_in_pieces_is_whole_or_lost() {
    for seed in 0..10 {
        let clip = samples::made_up(300);
        let log = run(clip.clone(), true, 200, Link { lost: 100, delayed: 200, seed, ..GOOD });
        for packet in &log.packets {
            assert!(packet.data == clip.packets[packet.location as usize].data, "seed {seed}");
        }
        assert!(log.packets.len() > 100 && log.lost() > 20, "seed {seed}: {} came", log.packets.len());
    }
}

#[test]
fn a_client_may_begin_at_a_packet() {
    let clip = samples::made_up(100);
    let play = Play { streams: Vec::new(), start: Start::Packet(40), packet_size: 1000, pace: None };
    let log = Pair::new(vec![clip.clone()], false, server(false, 1400), GOOD).play(play).run().log;
    assert_came(&log.packets, &clip.packets[40..], "from packet 40");
}
