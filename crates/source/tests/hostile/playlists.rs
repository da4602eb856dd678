//! Playlists that name what is no business of a server's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

use crate::support::*;

/// A recording on this machine that nobody out there should be able to have played.
fn secret(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2", "-c:v", "mpeg2video"])
        .arg(&path)
        .status()
        .expect("ffmpeg is installed");
    assert!(status.success());
    path.to_str().unwrap().to_owned()
}

/// Answers every request with this text; which paths were asked for does not matter.
async fn serving(kind: &'static str, text: String) -> std::net::SocketAddr {
    http(move |_| (format!("200 OK\r\nContent-Type: {kind}"), text.clone().into_bytes())).await.0
}

#[tokio::test]
async fn no_playlist_has_a_file_of_this_machine_played() {
    let folder = tempfile::tempdir().unwrap();
    let file = secret(folder.path(), "secret.ts");
    let hls = |segment: &str| {
        format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{segment}\n#EXT-X-ENDLIST\n")
    };
    let dash = |segment: &str| {
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
             mediaPresentationDuration=\"PT2S\" profiles=\"urn:mpeg:dash:profile:full:2011\"><Period>\
             <AdaptationSet mimeType=\"video/mp2t\"><Representation id=\"1\" bandwidth=\"100000\" width=\"160\" \
             height=\"120\"><BaseURL>{segment}</BaseURL><SegmentList><SegmentURL media=\"{segment}\"/>\
             </SegmentList></Representation></AdaptationSet></Period></MPD>"
        )
    };
    // Were it not for where it lies, it would be played.
    let (_source, mut cursor) = open(&file, brief(PATIENCE));
    timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
    for (name, kind, text) in [
        ("live.m3u8", "application/vnd.apple.mpegurl", hls(&format!("file://{file}"))),
        ("live.m3u8", "application/vnd.apple.mpegurl", hls(&format!("file:{file}"))),
        ("live.m3u8", "application/vnd.apple.mpegurl", hls(&format!("concat:{file}"))),
        ("live.m3u8", "application/vnd.apple.mpegurl", hls(&format!("subfile,,start,0,end,0,,:{file}"))),
        ("live.m3u8", "application/vnd.apple.mpegurl", hls(&format!("crypto+file://{file}"))),
        ("live.mpd", "application/dash+xml", dash(&format!("file://{file}"))),
    ] {
        let address = serving(kind, text.clone()).await;
        let (source, mut cursor) = open(&format!("http://{address}/{name}"), brief(Duration::from_secs(4)));
        let error = failure(&source).await;
        assert!(matches!(cursor.try_next(), Ok(None) | Err(_)), "{text}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}
