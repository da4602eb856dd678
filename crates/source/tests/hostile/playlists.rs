//! Playlists that name what is no business of a server's.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
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

/// What a machine out there answers.
#[derive(Clone)]
struct Outside {
    kind: &'static str,
    list: String,
    /// Where `/moved` is.
    inside: String,
    piece: Vec<u8>,
}

impl Outside {
    fn answer(&self, target: &str) -> (String, Vec<u8>) {
        let ok = |kind: &str, body: &[u8]| (format!("200 OK\r\nContent-Type: {kind}"), body.to_vec());
        match target.strip_prefix("http://camera.invalid/") {
            Some("list") => ok(self.kind, self.list.as_bytes()),
            Some("moved.ts" | "moved.key") => (format!("302 Found\r\nLocation: {}", self.inside), Vec::new()),
            Some("sound.m3u8" | "video.m3u8") => ok("text/plain", hls("", "piece.ts").as_bytes()),
            Some(path) if path.ends_with("piece.ts") => ok("video/mp2t", &self.piece),
            Some(_) => ok("text/plain", &[7; 16]),
            None => ("500 Not Ours".into(), Vec::new()),
        }
    }

    /// A proxy that speaks for it: whom it stands for is no machine of ours.
    async fn proxy(self) -> source::Proxy {
        let (address, _) = http(move |asked| self.answer(asked.split(' ').nth(1).unwrap_or_default())).await;
        source::Proxy::Url(format!("http://{address}"))
    }
}

/// A list that has ended, of one segment.
fn hls(before: &str, segment: &str) -> String {
    format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n{before}#EXTINF:2,\n{segment}\n#EXT-X-ENDLIST\n")
}

fn main_list(video: &str, sound: &str) -> String {
    format!(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",DEFAULT=YES,URI=\"{sound}\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=100000,AUDIO=\"a\"\n{video}\n"
    )
}

fn manifest(base: &str, id: &str, media: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT2S\" profiles=\"urn:mpeg:dash:profile:full:2011\">{base}<Period>\
         <AdaptationSet mimeType=\"video/mp2t\"><Representation id=\"{id}\" bandwidth=\"100000\" width=\"160\" \
         height=\"120\"><SegmentList duration=\"2\"><SegmentURL media=\"{media}\"/></SegmentList>\
         </Representation></AdaptationSet></Period></MPD>"
    )
}

const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";

#[tokio::test]
async fn a_list_from_outside_leads_ffmpeg_to_pieces_outside_by_way_of_our_own_client() {
    let folder = tempfile::tempdir().unwrap();
    let piece = std::fs::read(secret(folder.path(), "piece.ts")).unwrap();
    for (kind, list) in [
        (HLS, hls("", "piece.ts")),
        (HLS, hls("", "http://camera.invalid/x/piece.ts")),
        (HLS, main_list("video.m3u8", "//camera.invalid/sound.m3u8")),
        (DASH, manifest("", "1", "piece.ts")),
        (DASH, manifest("", "1", "/x/piece.ts")),
        (DASH, manifest("<BaseURL>http://camera.invalid/x/</BaseURL>", "1", "piece.ts")),
        (DASH, manifest("<BaseURL>x/</BaseURL>", "a/b", "$RepresentationID$/piece.ts")),
    ] {
        let outside = Outside { kind, list: list.clone(), inside: String::new(), piece: piece.clone() };
        let mut options = brief(PATIENCE);
        options.access.proxy = outside.proxy().await;
        let (source, mut cursor) = open("http://camera.invalid/list", options);
        if timeout(PATIENCE, cursor.next()).await.is_err() {
            panic!("{list}: {:?}", source.status().borrow().error);
        }
    }
}

#[tokio::test]
async fn no_list_from_outside_has_ffmpeg_ask_this_machine_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = secret(folder.path(), "piece.ts");
    let piece = std::fs::read(&file).unwrap();
    let (inner, connections) = at(|_stream| async {}).await;
    let port = inner.port();
    let here = format!("http://127.0.0.1:{port}");
    let key = |uri: &str| hls(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\"\n"), "piece.ts");
    let near = "which no other machine may";
    let no_way = "leads away from HTTP";
    for (kind, list, part) in [
        (HLS, key(&format!("{here}/x.key")), near),
        (HLS, key(&format!("http://[::1]:{port}/x.key")), near),
        (HLS, key("http://169.254.169.254/x.key"), near),
        (HLS, key("moved.key"), near),
        (HLS, key(&format!("file://{file}")), no_way),
        (HLS, hls("", &format!("{here}/piece.ts")), near),
        (HLS, hls("", &format!("//127.0.0.1:{port}/piece.ts")), near),
        (HLS, hls("", "moved.ts"), near),
        (HLS, hls("", &format!("httpproxy://127.0.0.1:{port}/piece.ts")), no_way),
        (HLS, hls("", &format!("file://{file}")), no_way),
        (HLS, hls(&format!("#EXT-X-MAP:URI=\"{here}/i.mp4\"\n"), "piece.ts"), near),
        (HLS, main_list("video.m3u8", &format!("{here}/sound.m3u8")), near),
        (HLS, main_list(&format!("{here}/video.m3u8"), "sound.m3u8"), near),
        (DASH, manifest(&format!("<BaseURL>{here}/</BaseURL>"), "1", "piece.ts"), near),
        (DASH, manifest("", "1", &format!("{here}/piece.ts")), near),
        (DASH, manifest("", "1", &format!("//127.0.0.1:{port}/piece.ts")), near),
        (DASH, manifest("", "1", "moved.ts"), near),
        (DASH, manifest("", "1", &format!("httpproxy://127.0.0.1:{port}/piece.ts")), no_way),
        (DASH, manifest("", "1", &format!("file://{file}")), no_way),
        (DASH, manifest("", &format!("//127.0.0.1:{port}"), "http:$RepresentationID$/piece.ts"), "may lead anywhere"),
        (DASH, manifest("<BaseURL>/</BaseURL>", "1", &format!("/127.0.0.1:{port}/piece.ts")), "/ alone"),
    ] {
        let outside = Outside { kind, list: list.clone(), inside: format!("{here}/piece.ts"), piece: piece.clone() };
        let mut options = brief(PATIENCE);
        options.access.proxy = outside.proxy().await;
        // To this machine not even then.
        options.access.redirects_inside = true;
        let (source, mut cursor) = open("http://camera.invalid/list", options);
        let error = failure(&source).await.to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{list}: {error}");
        assert!(matches!(cursor.try_next(), Ok(None) | Err(_)), "{list}");
        assert_eq!(connections.load(SeqCst), 0, "{list}: {error}");
    }
    // Nor with options of its demuxer.
    for (kind, list) in [(HLS, hls("", "moved.ts")), (DASH, manifest("", "1", &format!("{here}/piece.ts")))] {
        let outside = Outside { kind, list: list.clone(), inside: format!("{here}/piece.ts"), piece: piece.clone() };
        let mut options = brief(PATIENCE);
        options.access.proxy = outside.proxy().await;
        options.libav.push(("allowed_extensions".into(), "ALL".into()));
        let (source, _cursor) = open("http://camera.invalid/list", options);
        let error = failure(&source).await.to_string();
        assert!(error.contains(near), "{list}: {error}");
        assert_eq!(connections.load(SeqCst), 0, "{list}: {error}");
    }
}
