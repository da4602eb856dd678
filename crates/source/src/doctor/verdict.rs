//! What it comes to, in words for somebody who is no engineer.

use std::time::Duration;

use super::codes::CODES;
use super::{Health, Outcome, Step, advice};
use crate::{Error, Phase};

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which, of [`super::CODES`]: for programs, and to look it up.
    pub code: &'static str,
    /// How bad it is.
    pub outcome: Outcome,
    /// What is so.
    pub sentence: String,
    /// What to do.
    pub advice: String,
}

fn verdict(code: &'static str, outcome: Outcome, sentence: String) -> Verdict {
    let advice = CODES.iter().find(|(known, _)| *known == code).map_or("", |(_, advice)| *advice);
    Verdict { code, outcome, sentence, advice: advice.into() }
}

/// What a failure comes to, of a source at `url`.
pub(super) fn of_error(error: &Error, url: &str) -> Verdict {
    // Of a certificate the hint has its fingerprint, of a webcam what it has.
    let what =
        if matches!(error, Error::Tls { .. } | Error::Setting { .. }) { error.to_string() } else { error.what() };
    // A URL is the user's own: what a camera's path is called tells nothing of it.
    let (urls, words): (Vec<_>, Vec<_>) = what.split_whitespace().partition(|word| word.contains("://"));
    let text = words.join(" ").to_ascii_lowercase();
    let verdict = verdict(code_of(error, &text, !urls.is_empty()), Outcome::Bad, what);
    match advice::of(verdict.code, url, error) {
        Some(advice) => Verdict { advice, ..verdict },
        None => verdict,
    }
}

/// Verdicts whose advice goes with the sentence of an error that gives none itself.
const BESIDE: &[&str] = &[
    "camera-busy",
    "camera-fault",
    "camera-refuses",
    "redirects-on",
    "no-video",
    "encrypted",
    "no-decoder",
    "no-protocol",
    "not-decodable",
    "file-no-video",
];

/// What a doctor advises after `error` of a source at `url`, to stand behind its sentence; nothing where that
/// says what to do itself ([`Error::hint`], or a question in it), and where there is nothing to do.
#[must_use]
pub fn advice_beside(error: &Error, url: &str) -> Option<String> {
    let text = error.to_string();
    // Not of a protocol's own faults, which only its name stands before.
    let is_known = error.status().is_some() || !matches!(error, Error::Server { .. });
    let is_bare = error.hint().is_none() && is_known && !text.contains(['?', ';']);
    let Verdict { code, advice, .. } = of_error(error, url);
    if !is_bare || !BESIDE.contains(&code) {
        return None;
    }
    let mut letters = advice.trim_end_matches('.').chars();
    let (first, rest) = (letters.next()?, letters.as_str());
    Some(format!("{}{rest}", first.to_lowercase()))
}

fn code_of(error: &Error, text: &str, has_url: bool) -> &'static str {
    // A port is not a status.
    let has_status = |status: &str| text.split(|c: char| c != ':' && !c.is_alphanumeric()).any(|word| word == status);
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let is_device = has(&["/dev/video", "device", "webcam"]);
    let is_tls = has(&["certificate", "tls", "ssl"]);
    match error {
        Error::BadUrl { .. } if has(&["url is empty"]) => "url-empty",
        Error::BadUrl { .. } if has(&["is a feed"]) => "is-a-feed",
        Error::BadUrl { .. } if has(&["no protocol"]) => "url-unknown-protocol",
        Error::BadUrl { .. } if has(&["no host"]) => "url-no-host",
        Error::BadUrl { .. } if has(&["port"]) => "url-port",
        Error::BadUrl { .. } => "url-not-understood",
        Error::NotFound { .. } if has(&["its protocol is missing in front"]) => "url-no-protocol",
        Error::NotFound { .. } if has(&["0xc00d001a", "no such stream"]) => "not-on-air",
        Error::NotFound { .. } if has(&["no source is called"]) => "name-not-served",
        Error::NotFound { .. } if has(&["answered"]) || has_status("404") || has_status("410") => "path-unknown",
        Error::NotFound { .. } if is_device => "device-missing",
        Error::NotFound { .. } if has_url => "path-unknown",
        Error::NotFound { .. } => "file-missing",
        Error::Unauthorized { .. } if has(&["a login of the kind"]) => "login-kind",
        Error::Unauthorized { .. } if has_status("403") || has(&["forbidden", "0x80070005"]) => "login-forbidden",
        Error::Unauthorized { .. } if has(&["user "]) => "login-refused",
        Error::Unauthorized { .. } if has_url || has_status("401") || has(&["who you are"]) => "login-wanted",
        Error::Unauthorized { .. } if is_device => "device-rights",
        Error::Unauthorized { .. } => "file-rights",
        Error::Unreachable { .. } | Error::Refused { .. } if is_tls => "tls-fault",
        Error::Unreachable { .. } if has(&["lookup", "name or service", "no address", "nodename"]) => "name-unknown",
        Error::Refused { .. } => "port-closed",
        Error::Unreachable { .. } if has(&["in use by another", "busy"]) => "device-busy",
        Error::Unreachable { .. } if has(&["no route", "unreachable"]) => "no-route",
        Error::Unreachable { .. } if has(&["timed out"]) => "address-silent",
        Error::Unreachable { .. } => "hung-up",
        Error::Timeout { phase: Phase::Turn, .. } => "camera-busy",
        Error::Timeout { phase: Phase::Resolve, .. } => "name-silent",
        Error::Timeout { phase: Phase::Connect, .. } => "address-silent",
        Error::Timeout { phase: Phase::Tls | Phase::Handshake, .. } => "mute",
        Error::Timeout { phase: Phase::FirstFrame, .. } => "no-picture",
        Error::Timeout { phase: Phase::Streaming, .. } => "stalls",
        Error::Server { .. } if has(&["give that url itself"]) => "redirects-inside",
        Error::Server { .. } if has(&["redirect"]) => "redirects-on",
        Error::Server { .. } if has(&["too many", "busy"]) => "camera-busy",
        Error::Server { status: 453 | 503, .. } => "camera-busy",
        Error::Server { status: 500.., .. } => "camera-fault",
        Error::Server { .. } => "camera-refuses",
        Error::Unplugged { .. } => "device-unplugged",
        Error::Setting { .. } => "device-setting",
        Error::NotVideo { .. } if !has_url && has(&["is a directory"]) => "file-missing",
        Error::NotVideo { .. } if is_device && has(&["no picture"]) => "device-no-picture",
        Error::NotVideo { .. } if has(&["no video track", "no picture", "no stream"]) => "no-video",
        Error::NotVideo { .. } if has(&["its index is missing"]) => "file-cut",
        Error::NotVideo { .. } if has(&["no video, or of a kind", "the file is empty"]) && !has_url => "file-no-video",
        Error::NotVideo { .. } | Error::Broken { .. } if has(&["nothing was captured", "this is no capture"]) => {
            "file-no-video"
        }
        Error::NotVideo { .. } if has(&["rtmp handshake"]) => "other-protocol",
        Error::NotVideo { .. } if has(&["no video, or of a kind"]) => "garbage",
        Error::NotVideo { page: true, .. } if has(&["text,"]) => "is-a-text",
        Error::NotVideo { .. } if has(&["to log in at"]) => "is-a-login-page",
        Error::NotVideo { .. } if has(&["html", "page"]) => "is-a-page",
        Error::NotVideo { .. } => "is-a-text",
        Error::Unsupported { .. } if has(&["drm", "encrypted"]) => "encrypted",
        Error::Unsupported { .. } if has(&["decoder", "codec that ffmpeg"]) => "no-decoder",
        Error::Unsupported { .. } if has(&["protocol"]) => "no-protocol",
        Error::Unsupported { .. } => "unsupported",
        Error::Tls { .. } => tls_code(has),
        Error::NotRecorded => "not-recorded",
        Error::TooMany { .. } => "too-much",
        Error::Broken { .. }
            if has(&["this port speaks", "speaks another protocol", "expected the mms", "right port and protocol"]) =>
        {
            "other-protocol"
        }
        Error::Broken { .. } if has(&["no onvif service"]) => "not-onvif",
        Error::Broken { .. } if has(&["decoded"]) => "not-decodable",
        Error::Broken { .. } => "garbage",
        Error::Unfed { .. } => "unfed",
        Error::Ended { .. } if has(&["the file is cut off"]) => "file-cut",
        Error::Ended { .. } => "ended",
    }
}

fn tls_code(has: impl Fn(&[&str]) -> bool) -> &'static str {
    let codes: [(&[&str], &'static str); 7] = [
        (&["the server speaks tls"], "tls-expected"),
        (&["another sha-256"], "certificate-changed"),
        (&["was valid until", "no longer valid"], "certificate-expired"),
        (&["valid from"], "certificate-early"),
        (&[", not for "], "certificate-name"),
        (&["not tls", "hung up"], "not-tls"),
        (&["signed", "vouches", "issuer", "authority"], "certificate-unknown"),
    ];
    codes.iter().find(|(parts, _)| has(parts)).map_or("tls-fault", |(_, code)| code)
}

/// Most that a first picture may take, and a keyframe be away.
const SLOW: Duration = Duration::from_secs(4);
const RARE: Duration = Duration::from_secs(5);
/// Of pictures: those that may come late by so much of their distance on the average.
const UNEVEN: f64 = 1.0;
/// Of the rate that is declared, the least that is right.
const DECLARED: f64 = 0.6;
/// Keyframes that are the same before a picture counts as frozen.
const FROZEN: u64 = 3;
/// After one picture, so long without another is silence.
const SILENT: Duration = Duration::from_secs(3);
/// Most seconds that a clock may be wrong by.
const CLOCK_S: f64 = 5.0;

/// All that was found, the worst first.
pub(super) fn of(
    url: &str,
    error: Option<&Error>,
    decoded: Option<&Result<Duration, Error>>,
    health: Option<&Health>,
    clock_ahead_s: Option<f64>,
    steps: &[Step],
) -> Vec<Verdict> {
    let mut all = Vec::new();
    all.extend(error.map(|error| {
        let mut verdict = of_error(error, url);
        if let (Error::Ended { what: Some(what) }, "file-cut") = (error, verdict.code) {
            verdict.sentence.clone_from(what);
        }
        // What is there of a file that is cut off is as good as before.
        let is_some = verdict.code == "file-cut" && matches!(decoded, Some(Ok(_)));
        Verdict { outcome: if is_some { Outcome::Doubtful } else { verdict.outcome }, ..verdict }
    }));
    if let Some(Err(error)) = decoded {
        let code = match error {
            Error::Broken { .. } => "not-decodable",
            error => of_error(error, url).code,
        };
        all.push(verdict(code, Outcome::Bad, error.what()));
    }
    if let Some(Health { pictures: 1, has_ended: true, .. }) = health
        && all.is_empty()
        && crate::Recording::is_one(url)
    {
        all.push(verdict("one-picture", Outcome::Good, "The file is a single still picture, and no film.".into()));
    }
    if let Some(health) = health {
        // The last picture of a file that is cut off is cut off with it.
        let is_cut = all.iter().any(|verdict| verdict.code == "file-cut");
        doubts(health, steps, |code, sentence| {
            if !(is_cut && code == "loses-packets") {
                all.push(verdict(code, Outcome::Doubtful, sentence));
            }
        });
    }
    // A camera may tell its time twice, by RTCP and by ONVIF.
    let told = [health.and_then(|health| health.clock_ahead_s), clock_ahead_s];
    let wrong = told.into_iter().flatten().filter(|ahead| ahead.abs() > CLOCK_S);
    if let Some(ahead) = wrong.max_by(|one, other| one.abs().total_cmp(&other.abs())) {
        let how = if ahead > 0.0 { "ahead of" } else { "behind" };
        let sentence = format!("The camera's clock is {:.0} s {how} the one of this machine.", ahead.abs());
        all.push(verdict("clock-off", Outcome::Doubtful, sentence));
    }
    if all.is_empty() {
        all.push(verdict("well", Outcome::Good, "It opens, and pictures come as they should.".into()));
    }
    all
}

/// Adds that pictures are asked for less often than was wanted, if they are: `why` says so.
pub(super) fn held_back(all: &mut Vec<Verdict>, why: Option<String>) {
    let Some(why) = why else { return };
    all.retain(|verdict| verdict.code != "well");
    all.push(verdict("held-back", Outcome::Doubtful, format!("{why}.")));
}

/// What works and may give trouble.
fn doubts(health: &Health, steps: &[Step], mut doubt: impl FnMut(&'static str, String)) {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let whole: Duration = steps.iter().filter(|step| step.name != "decoding").filter_map(|step| step.took).sum();
    if health.keyframes >= FROZEN && health.repeated == health.keyframes {
        doubt("frozen", format!("{} keyframes in a row were the same, byte for byte.", health.keyframes + 1));
    }
    if health.pictures == 1 && !health.has_ended {
        match health.asked_every {
            Some(every) => doubt(
                "still",
                format!(
                    "It is a single picture. It was asked for again every {} ms, {} times, and never was another one.",
                    every.as_millis(),
                    health.unchanged
                ),
            ),
            None if health.watched >= SILENT => {
                doubt("stalls", format!("One picture came, and none behind it in {}.", seconds(health.watched)));
            }
            None => {}
        }
    }
    if health.damaged + health.gaps > 0 && health.pictures > 0 {
        let (damaged, gaps, pictures) = (health.damaged, health.gaps, health.pictures);
        doubt(
            "loses-packets",
            format!("Of {pictures} pictures {damaged} were damaged, and {gaps} times something was missing."),
        );
    }
    if let Some(declared) =
        health.fps_declared.filter(|declared| health.fps < declared * DECLARED && health.pictures > 2)
    {
        doubt("slower-than-declared", format!("{:.1} pictures a second came; {declared:.1} are declared.", health.fps));
    }
    if !health.in_pieces && health.fps > 0.0 && health.jitter.as_secs_f64() * health.fps > UNEVEN {
        let (jitter, gap) = (health.jitter.as_secs_f64() * 1000.0, seconds(health.longest_gap));
        doubt(
            "uneven",
            format!("Pictures come {jitter:.0} ms from their time on the average, and once there was none for {gap}."),
        );
    }
    if let Some(interval) = health.keyframe_interval.filter(|interval| *interval > RARE) {
        doubt("rare-keyframes", format!("A keyframe comes every {} only.", seconds(interval)));
    }
    if whole > SLOW {
        doubt("slow-to-open", format!("It took {} to the first picture.", seconds(whole)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Access;
    use crate::http::{Reach, Sender};
    use crate::location::Location;

    #[test]
    fn what_a_user_calls_things_is_no_finding() {
        let code = |error: Error| of_error(&error, "").code;
        let what = "http://10.0.0.5:33403/forbidden refuses the user given".to_owned();
        assert_eq!(code(Error::Unauthorized { status: 0, what }), "login-refused");
        let what = "10.0.0.5:40301: it wants to know who you are".to_owned();
        assert_eq!(code(Error::Unauthorized { status: 0, what }), "login-wanted");
        let what = "rtsp://10.0.0.5/device/busy answered 404 Not Found".to_owned();
        assert_eq!(code(Error::NotFound { status: 0, what }), "path-unknown");
        let what = "http://cam/x answered 403 Forbidden".to_owned();
        assert_eq!(code(Error::Unauthorized { status: 0, what }), "login-forbidden");
        let what = "http://device/tls/page: connection reset".to_owned();
        assert_eq!(code(Error::Unreachable { what }), "hung-up");
        let what = "10.0.0.5/404: there is no such file, and of a URL its protocol is missing in front".to_owned();
        assert_eq!(code(Error::NotFound { status: 0, what }), "url-no-protocol");
        let what = "srt://10.0.0.5:9000: nothing answers, timed out after 3.0s".to_owned();
        assert_eq!(code(Error::Unreachable { what }), "address-silent");
        let what = "clips is a directory; name one of the files in it".to_owned();
        assert_eq!(code(Error::NotVideo { what, page: false }), "file-missing");
        assert_eq!(code(Error::Broken { what: "x.hwc: nothing was captured".into() }), "file-no-video");
        let what = "clips/none.mp4: the file is empty".to_owned();
        assert_eq!(code(Error::NotVideo { what, page: false }), "file-no-video");
    }

    #[test]
    fn a_redirect_to_an_address_inside_is_told_with_what_allows_it_and_one_to_this_machine_without() {
        let at = |url: &str| Location::parse(url).unwrap();
        for (to, allows) in [("http://192.168.1.7/video", true), ("http://127.0.0.1/video", false)] {
            let sender = Sender { at: at("http://cam.example/"), reach: Reach::Far };
            let error = sender.may_send(&at(to), &[], &Access::default()).unwrap_err();
            let verdict = of_error(&error, "http://cam.example/");
            assert_eq!((verdict.code, verdict.outcome), ("redirects-inside", Outcome::Bad), "{error}");
            assert!(verdict.sentence.contains(to), "{}", verdict.sentence);
            assert_eq!(verdict.advice.contains("--redirects-inside"), allows, "{}", verdict.advice);
        }
    }

    #[test]
    fn what_no_server_brings_about_has_verdicts_of_its_own() {
        let what = |text: &str| text.to_owned();
        for (error, expected) in [
            (Error::Timeout { phase: Phase::Resolve, after: Duration::from_secs(1), tried: None }, "name-silent"),
            (Error::Broken { what: "cam: no ONVIF service on the ports 80, 8000; on 80: a page".into() }, "not-onvif"),
            (Error::Unsupported { what: what("this build of FFmpeg lacks the protocol of that URL") }, "no-protocol"),
            (Error::from_io("/tmp/x.mp4", &std::io::ErrorKind::PermissionDenied.into()), "file-rights"),
            (Error::from_io("/dev/video0", &std::io::ErrorKind::PermissionDenied.into()), "device-rights"),
            (Error::Unreachable { what: what("/dev/video0: the webcam is in use by another program") }, "device-busy"),
            (Error::Unplugged { what: what("/dev/video0: the webcam has been unplugged") }, "device-unplugged"),
            (Error::NotRecorded, "not-recorded"),
            (Error::TooMany { what: what("16 variants of cam are being made") }, "too-much"),
        ] {
            let verdict = of_error(&error, "");
            assert_eq!((verdict.code, verdict.outcome), (expected, Outcome::Bad), "{error}");
            assert!(!verdict.advice.is_empty(), "{error}");
        }
    }

    #[test]
    fn an_error_that_does_not_say_what_to_do_gets_the_advice_beside_it() {
        let what = |text: &str| text.to_owned();
        let busy =
            Error::Server { status: 453, what: what("rtsp://cam/x answered 453 Not Enough Bandwidth to DESCRIBE") };
        let advice = advice_beside(&busy, "rtsp://cam/x").unwrap();
        assert!(advice.starts_with("the camera has no place for one more. Close other programs"), "{advice}");
        assert!(!advice.ends_with('.'), "{advice}");
        for (error, has) in [
            (Error::Server { status: 415, what: what("rtsp://cam/x answered 415 to DESCRIBE") }, true),
            (Error::Server { status: 0, what: what("onvif://cam: the answer is a fault") }, false),
            (Error::Server { status: 0, what: what("srt://cam: the call is turned down; is streamid right?") }, false),
            (Error::NotFound { status: 404, what: what("rtsp://cam/x answered 404 to DESCRIBE") }, false),
            (Error::NotVideo { what: what("no video track: only pcmu in the description"), page: false }, true),
            (Error::Broken { what: what("cannot start a thread: none is left") }, false),
            (Error::Ended { what: None }, false),
        ] {
            assert_eq!(advice_beside(&error, "rtsp://cam/x").is_some(), has, "{error}");
        }
        assert!(BESIDE.iter().all(|code| CODES.iter().any(|(known, _)| known == code)));
    }

    #[test]
    fn doubts_are_about_what_is_out_of_the_ordinary() {
        let well = Health {
            pictures: 100,
            fps: 25.0,
            fps_declared: Some(25.0),
            keyframe_interval: Some(Duration::from_secs(2)),
            jitter: Duration::from_millis(3),
            keyframes: 3,
            repeated: 1,
            clock_ahead_s: Some(0.4),
            ..Health::default()
        };
        let codes = |health: &Health| {
            of("", None, None, Some(health), None, &[]).iter().map(|verdict| verdict.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&well), ["well"]);
        // Ten at a time are no sign of a bad network there.
        assert_eq!(codes(&Health { jitter: Duration::from_millis(100), in_pieces: true, ..well.clone() }), ["well"]);
        for (health, code) in [
            (Health { damaged: 1, ..well.clone() }, "loses-packets"),
            (Health { fps: 12.0, ..well.clone() }, "slower-than-declared"),
            (Health { jitter: Duration::from_millis(50), ..well.clone() }, "uneven"),
            (Health { keyframe_interval: Some(Duration::from_secs(10)), ..well.clone() }, "rare-keyframes"),
            (Health { repeated: 3, ..well.clone() }, "frozen"),
            (Health { clock_ahead_s: Some(-3600.0), ..well }, "clock-off"),
        ] {
            assert_eq!(codes(&health), [code]);
        }
    }
}
