//! All verdicts, each with what to do in words for somebody who is no engineer.

/// Most letters of an advice: what fits into two lines of a terminal, and a little.
#[cfg(test)]
const LONGEST: usize = 170;

/// Code, and what to do where nothing more is known of the case. docs/DOCTOR.md repeats them; a test
/// compares them.
pub static CODES: &[(&str, &str)] = &[
    ("well", "Nothing is to be done."),
    (
        "url-unknown-protocol",
        "Correct the word before ://, which is mostly rtsp, http or onvif. `headwater help serve` lists all of them.",
    ),
    (
        "url-no-protocol",
        "Write the protocol in front, as in rtsp://10.0.0.5/stream or http://10.0.0.5/video.mjpg. If you do not know it, try onvif://10.0.0.5.",
    ),
    ("url-no-host", "Write the camera's address behind ://, as in rtsp://10.0.0.5/stream."),
    ("url-port", "A port is a number from 1 to 65535. If the password has a : or / in it, write it as %3a or %2f."),
    ("url-not-understood", "Compare it with the URL in the camera's manual, letter by letter."),
    ("url-empty", "Give the URL of a camera, a file such as clip.wmv, or a webcam such as /dev/video0."),
    (
        "is-a-feed",
        "A feed is sent to, not opened: `headwater serve NAME=push:` waits for an encoder, and shows what it sends at http://localhost:8090/NAME.mjpeg.",
    ),
    (
        "name-unknown",
        "Is the name spelled right? Or use the camera's address in numbers, which stands in the router's list of devices.",
    ),
    (
        "name-silent",
        "This machine cannot look up names just now. Use the camera's address in numbers, or check this machine's network.",
    ),
    (
        "port-closed",
        "The device is on, and nothing listens on that port. Look in its settings whether RTSP or HTTP is switched on, and on which port.",
    ),
    (
        "no-route",
        "This machine has no way to that address. Is it spelled right, and is the cable, the WLAN or the VPN to its network up?",
    ),
    (
        "address-silent",
        "Nothing answers: the camera is off, has another address, or a firewall is in between. Its address stands in the router's list of devices.",
    ),
    (
        "hung-up",
        "It answers and hangs up at once. Close other programs that watch the camera; then check that the port is the right one.",
    ),
    (
        "mute",
        "It takes the connection and says nothing. Close other programs that watch the camera, or switch it off and on.",
    ),
    ("tls-expected", "The port is an encrypted one: write https:// or rtsps:// instead."),
    ("not-tls", "The port is not an encrypted one: write http:// or rtsp:// instead, or give the port that is."),
    (
        "certificate-expired",
        "Is the clock of this machine right? Then renew the certificate in the camera, or accept this one alone, with the --tls-pin above.",
    ),
    (
        "certificate-early",
        "The clock of this machine is wrong, or that of the camera was when it made the certificate. Set a time server in both.",
    ),
    (
        "certificate-unknown",
        "Most cameras sign their certificate themselves. If it is your camera, accept this certificate alone, with the --tls-pin above.",
    ),
    (
        "certificate-name",
        "Write that name in the URL in place of the other. Or accept this certificate alone, with the --tls-pin above.",
    ),
    (
        "certificate-changed",
        "The camera was replaced or reset, or somebody is in between. Find out which before you accept the new one.",
    ),
    (
        "tls-fault",
        "The encryption did not come about. Update the camera's firmware, or use it without: http:// or rtsp://.",
    ),
    (
        "login-wanted",
        "Write user and password into the URL, as in rtsp://USER:PASSWORD@10.0.0.5/stream. They are mostly those of the camera's web page.",
    ),
    (
        "login-refused",
        "User or password is wrong: try them in the camera's web page. Wait some minutes first, since many cameras lock an account that fails often.",
    ),
    (
        "login-kind",
        "Headwater knows the logins Basic and Digest. Choose one of them in the camera's settings, or try rtsp:// or onvif://.",
    ),
    (
        "login-forbidden",
        "This account may not see the stream. Give it the right to in the camera's settings, or use another one.",
    ),
    (
        "name-not-served",
        "It is another Headwater, and has no source of that name. Take one of those that it names, as in http://HOST:8090/NAME.mjpeg.",
    ),
    (
        "path-unknown",
        "The camera is there, and calls its stream otherwise. Try onvif://USER:PASSWORD@HOST, which asks it, or its maker's name: hikvision://…, dahua://…",
    ),
    (
        "not-on-air",
        "The server knows no such broadcast just now. Try again when it is on air, or ask its owner for the right path.",
    ),
    (
        "camera-busy",
        "The camera has no place for one more. Close other programs that watch it; Headwater opens it once, however many watch.",
    ),
    (
        "camera-fault",
        "The camera reports a fault of its own. Switch it off and on; if that does not help, update its firmware.",
    ),
    ("camera-refuses", "The camera refuses what was asked for. Try another path, or --transport udp."),
    ("redirects-on", "The camera sends us on and on. Open the URL in a browser and copy the address where it ends."),
    (
        "redirects-inside",
        "It sends us to an address inside. If that is the camera's own, give that URL in place of this one.",
    ),
    (
        "is-a-page",
        "This is the page for people. Look at the picture in a browser, and copy its address; or try onvif:// with the address alone.",
    ),
    (
        "is-a-login-page",
        "The page wants to be logged in to by hand, which works in browsers only. Take the stream's own URL, or onvif:// with the address alone.",
    ),
    ("is-a-text", "The camera says in words why there is no picture; do what it says."),
    (
        "other-protocol",
        "Another service has that port. Give the camera's own port for this protocol: mostly 554 for rtsp://, 80 for http://.",
    ),
    (
        "not-onvif",
        "Switch ONVIF on in the camera's settings, and write its port if it has one of its own, as in onvif://10.0.0.5:8000. Or give the stream's own URL.",
    ),
    ("no-video", "There is no picture in this stream. Another path of the camera may have one."),
    ("encrypted", "It is protected and plays only with a licence. Ask whoever makes it for an open stream."),
    (
        "no-decoder",
        "This FFmpeg does not know that codec. Choose H.264 or MJPEG in the camera, or install a full FFmpeg.",
    ),
    ("no-protocol", "This FFmpeg lacks that protocol. Install a full FFmpeg."),
    ("unsupported", "Choose another protocol or codec in the camera: RTSP with H.264 always works."),
    (
        "not-decodable",
        "What comes makes no picture: most of it is lost, or it is encrypted. Try --transport tcp, a lower bit rate, or a restart of the camera.",
    ),
    ("garbage", "What comes makes no sense. Is the path right?"),
    ("file-no-video", "The file holds no video, whatever it is called. Is it the right one?"),
    (
        "file-cut",
        "The file was not written or copied to its end. Copy it once more, if there is a whole one; `headwater record` writes files that stay whole when the power fails.",
    ),
    (
        "no-picture",
        "The camera promised pictures and sends none. For RTSP try --transport tcp; otherwise set its keyframe interval to 2 s.",
    ),
    (
        "stalls",
        "Pictures came, and stopped. Mostly it is the network, or a camera that restarts: look at its cable, power and heat.",
    ),
    ("ended", "The camera closed the connection. Has it too many viewers, or a time limit?"),
    ("unfed", "Nobody sends to this feed. Start the encoder that does."),
    (
        "not-recorded",
        "Nothing of it is on disk. Give the feed a File, or the source a ring, and wait until something is in it.",
    ),
    ("too-much", "It is being made in too many sizes already. Ask for one of those, or for the source's own."),
    ("file-missing", "There is no such file. Is the name right, and the folder in which the program was started?"),
    ("file-rights", "This user may not read the file: see `ls -l`."),
    ("device-missing", "Is the webcam plugged in? `headwater discover` lists those that are there."),
    ("device-rights", "Become a member of the group video, and log in again: sudo usermod -aG video $USER."),
    ("device-busy", "Another program holds the webcam. Close it, and let everybody read from Headwater."),
    (
        "device-unplugged",
        "Plug the webcam in again, straight into the machine rather than into a hub. Headwater goes on by itself.",
    ),
    ("device-setting", "Ask for something that the webcam has; the sentence above says what."),
    (
        "device-no-picture",
        "A webcam has several devices, and this is not the one with the pictures. `headwater discover` lists those that have some.",
    ),
    (
        "slow-to-open",
        "The first picture takes long. Set a shorter keyframe interval in the camera, or keep it open with --always-on.",
    ),
    (
        "rare-keyframes",
        "Viewers wait for a keyframe to join. Set the keyframe interval (GOP, I-frame interval) in the camera to 1 or 2 seconds.",
    ),
    (
        "loses-packets",
        "Parts of pictures are lost on the way. Use --transport tcp, a cable in place of WLAN, or a lower bit rate.",
    ),
    (
        "held-back",
        "If the camera bears more requests, allow them with --host-rate (in a configuration host_rate); else ask for fewer pictures with --poll.",
    ),
    ("uneven", "Pictures come unevenly. WLAN and loaded cameras do that; a cable, or fewer pictures a second, helps."),
    (
        "slower-than-declared",
        "Fewer pictures come than the camera says. In the dark many slow down; else it is overloaded, or the network is.",
    ),
    ("frozen", "Every picture is the same, byte for byte: the camera hangs, or shows a still. Switch it off and on."),
    (
        "still",
        "It may be a still image and no camera, or a camera that hangs. If it has a new picture now and then only, look longer: --watch 60s.",
    ),
    ("one-picture", "Nothing is to be done: whoever watches it sees that picture."),
    ("clock-off", "The camera's clock is wrong. Set a time server (NTP) in the camera."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_given_once_with_something_to_do_that_is_short() {
        for (at, (code, advice)) in CODES.iter().enumerate() {
            assert!(advice.ends_with(['.', '?', '…']) && !CODES[..at].iter().any(|(known, _)| known == code), "{code}");
            assert!(advice.chars().count() <= LONGEST, "{code}: {} letters", advice.chars().count());
        }
    }

    #[test]
    fn every_code_is_documented_with_its_advice() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DOCTOR.md");
        let text = std::fs::read_to_string(path).expect("docs/DOCTOR.md");
        for (code, advice) in CODES {
            assert!(text.contains(&format!("| `{code}` | {advice} |\n")), "{code} is not in docs/DOCTOR.md");
        }
    }
}
