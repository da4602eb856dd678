//! What a capture of Windows Media plays is what the server sent, whichever way.

use futures_util::future::join_all;
use source::{Capture, Options};

use crate::servers::{self, Mmst};
use crate::support::{assert_whole, clips, folder, name, options, play};

#[tokio::test]
async fn what_was_captured_is_played_packet_by_packet() {
    let folder = folder();
    let captures = tempfile::tempdir().unwrap();
    let http = servers::mmsh(folder.path().to_owned());
    let tcp = servers::mmst(Mmst { folder: folder.path().to_owned(), ..Mmst::default() });
    let clip = &clips()[0];
    let udp = servers::mmst(Mmst { folder: folder.path().to_owned(), speed: Some(1.0), ..Mmst::default() });
    // Datagrams that come faster than they are shown would be lost, as they would on a network.
    let ways = [("mmsh", http, "?speed=max"), ("mms", tcp, "?speed=max"), ("mmsu", udp, "")];
    join_all(ways.map(async |(scheme, address, speed)| {
        let path = captures.path().join(scheme);
        let capture = Some(Capture { path: path.clone(), bytes: Capture::BYTES });
        let url = format!("{scheme}://admin:hunter2@{address}/{}", name(clip));
        let came = play(&url, Options { capture, ..options() }).await;
        let played = play(&format!("replay:{}{speed}", path.display()), options()).await;
        assert_whole(clip, &played, &format!("captured over {scheme}"));
        assert_eq!(played, came, "{scheme}");
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{scheme}");
    }))
    .await;
}
