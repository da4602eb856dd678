//! MPEG-4 part 2 (RFC 6416), made by ffmpeg: every picture comes, by its number.

use source::Options;

use crate::numbered::{COUNT, ROOM, numbers, packets as packets_of, stream};
use crate::support::*;

/// A picture's start code (ISO/IEC 14496-2 table 6-3).
const VOP: [u8; 4] = [0, 0, 1, 0xB6];

/// Its headers, and its pictures, the first with the headers.
fn pictures_of(stream: &[u8]) -> (Vec<u8>, Vec<&[u8]>) {
    let starts: Vec<usize> = (0..stream.len() - 4).filter(|at| stream[*at..*at + 4] == VOP).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let begins = [0].into_iter().chain(starts.iter().skip(1).copied());
    (stream[..starts[0]].to_vec(), begins.zip(ends).map(|(begin, end)| &stream[begin..end]).collect())
}

/// A camera's description of it, and its packets.
pub fn packets() -> (String, Vec<Vec<u8>>) {
    let stream = stream(&["-c:v", "mpeg4", "-bf", "0", "-g", "10", "-q:v", "4", "-f", "m4v"]);
    let (config, units) = pictures_of(&stream);
    assert_eq!(units.len(), usize::from(COUNT));
    let packets = packets_of(units.into_iter().map(|unit| unit.chunks(ROOM).map(<[u8]>::to_vec).collect()));
    let config: String = config.iter().map(|byte| format!("{byte:02x}")).collect();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000\r\n\
         a=fmtp:96 profile-level-id=1;config={config};\r\na=control:track1\r\n"
    );
    (sdp, packets)
}

#[tokio::test]
async fn every_mpeg_4_picture_comes() {
    let (sdp, packets) = packets();
    let fake = Fake::start(sends(sdp, packets)).await;
    let (source, mut cursor) = fake.open(Options::default());
    // FFmpeg holds the last one back.
    let came = numbers(&mut cursor, COUNT - 2).await;
    assert_eq!(source.status().borrow().tracks[0].codec.name(), "mpeg4");
    assert!(came.into_iter().eq(0..COUNT - 2));
}
