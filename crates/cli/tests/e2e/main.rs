//! The program as its users meet it: the real binary, and strangers as its clients.
//!
//! A test that needs a tool fails without it and names the package that has it; `make
//! test` installs them all. Nothing leaves this machine. What has to happen is waited
//! for, never slept for, and a wait that is too long is a failure that shows the log.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod harness;

mod bad_configurations;
mod bad_requests;
mod bad_sources;
mod coding;
mod colours;
mod commands;
mod containers;
mod crowd;
mod damage;
mod directives;
mod discover;
mod doctor;
mod encoders;
mod end;
mod every_directive;
mod examples;
mod feeds;
mod ffserver;
mod ffserver_bounds;
mod golden;
mod launch;
mod made_of_sources;
mod muxers;
mod numbers;
mod onvif;
mod page;
mod pass_through;
mod past;
mod players;
mod proxied;
mod reconnect;
mod record;
mod reload;
mod replayed;
mod rtmp;
mod rtsp;
mod rtsp_clients;
mod served_directives;
mod sharing;
mod slow;
mod snapshot;
mod sound;
mod srt;
mod status_page;
mod translation;
mod variants;
mod webcam;
mod webrtc;
mod webrtc_certificate;
mod webrtc_peers;
mod window;
mod windows_media;
