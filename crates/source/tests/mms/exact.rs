//! What arrives in the feed is what a direct read of the file gives, whatever brought it.

use std::path::Path;

use futures_util::future::join_all;

use crate::servers::{self, Mmst};
use crate::support::{assert_whole, clips, folder, name, options, play};

/// Plays every clip from the URL that `url` makes of it.
async fn every_clip(how: &str, url: impl Fn(&Path) -> String) {
    join_all(clips().iter().map(async |clip| {
        let played = play(&url(clip), options()).await;
        assert_whole(clip, &played, how);
    }))
    .await;
}

#[tokio::test]
async fn every_packet_of_a_file_arrives() {
    every_clip("as a file", |clip| clip.display().to_string()).await;
}

#[tokio::test]
async fn every_packet_arrives_over_plain_http() {
    let folder = folder();
    let path = folder.path().to_owned();
    let answer = move |request: &str| servers::ok("video/x-ms-wmv", &servers::file(&path, request).unwrap());
    let (address, heard) = servers::http(answer).await;
    every_clip("over plain HTTP", |clip| format!("http://{address}/{}", name(clip))).await;
    // One answer is enough.
    assert_eq!(heard.all().len(), clips().len());
}

#[tokio::test]
async fn every_packet_arrives_over_mmsh() {
    let folder = folder();
    let address = servers::mmsh(folder.path().to_owned());
    every_clip("over MMSH", |clip| format!("mmsh://{address}/{}", name(clip))).await;
}

#[tokio::test]
async fn every_packet_arrives_over_mmst() {
    let folder = folder();
    let at = |strip| servers::mmst(Mmst { folder: folder.path().to_owned(), strip, ..Mmst::default() });
    for address in [at(false), at(true)] {
        every_clip("over MMST", |clip| format!("mmst://{address}/{}", name(clip))).await;
    }
}

#[tokio::test]
async fn every_packet_arrives_over_mmsu() {
    let folder = folder();
    let address = servers::mmst(Mmst { folder: folder.path().to_owned(), speed: Some(1.0), ..Mmst::default() });
    every_clip("over MMSU", |clip| format!("mmsu://{address}/{}", name(clip))).await;
}

#[tokio::test]
async fn every_packet_arrives_over_mmsu_from_a_link_that_loses() {
    let folder = folder();
    let options =
        Mmst { speed: Some(1.0), drop_udp: 5, reorder_udp: 10, folder: folder.path().to_owned(), ..Mmst::default() };
    let address = servers::mmst(options);
    every_clip("over MMSU with losses", |clip| format!("mmsu://{address}/{}", name(clip))).await;
}

#[tokio::test]
async fn every_packet_arrives_over_windows_media_rtsp() {
    let folder = folder();
    let address = servers::rtsp(folder.path().to_owned(), false);
    // As `rtsp` the server has to be recognised first.
    every_clip("over RTSP", |clip| format!("rtsp://{address}/{}", name(clip))).await;
}

#[tokio::test]
async fn every_packet_arrives_over_windows_media_rtsp_with_udp() {
    let folder = folder();
    let address = servers::rtsp(folder.path().to_owned(), true);
    every_clip("over RTSP with UDP", |clip| format!("rtspu://{address}/{}", name(clip))).await;
}
