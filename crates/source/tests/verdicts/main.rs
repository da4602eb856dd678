//! Each failure that users complain of has a verdict of its own, from a server that fails in that
//! way; and none is answered with a storm of attempts.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cases;
#[path = "../common/certificate.rs"]
mod certificate;
mod fakes;
mod rtsp;
#[path = "../common/server.rs"]
#[allow(dead_code, reason = "not all of it is wanted here")]
mod server;
mod storm;
mod tls;

use std::collections::BTreeSet;
use std::time::Duration;

use source::doctor::{self, CODES, Outcome};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What a test cannot have happen: a name server that is silent, rights that root has all the same,
/// webcams, an FFmpeg that lacks something, a camera far away, and what only readers of a relay
/// meet. Unit tests have these.
const ELSEWHERE: &[&str] = &[
    "name-silent",
    "no-protocol",
    "redirects-inside",
    "file-rights",
    "device-rights",
    "device-busy",
    "device-unplugged",
    "device-setting",
    "device-no-picture",
    "not-recorded",
    "too-much",
];

#[tokio::test]
async fn every_failure_of_the_accounts_has_a_verdict_of_its_own() {
    ffmpeg::init();
    let folder = tempfile::tempdir().unwrap();
    let mut running = JoinSet::new();
    let mut found = BTreeSet::new();
    for case in cases::all(folder.path()).await {
        running.spawn(async move {
            let report =
                timeout(Duration::from_secs(60), doctor::examine(&case.url, case.options.clone(), case.watch)).await;
            (case, report.expect("it comes to an end"))
        });
    }
    let mut wrong = Vec::new();
    while let Some(done) = running.join_next().await {
        let (case, report) = done.unwrap();
        let codes: Vec<_> = report.verdicts.iter().map(|verdict| verdict.code).collect();
        if !codes.contains(&case.code) {
            wrong.push(format!("{}: {} has {:?}", case.code, case.url, report.verdicts));
        }
        for verdict in &report.verdicts {
            assert!(!verdict.sentence.is_empty() && !verdict.sentence.contains('\n'), "{verdict:?}");
            assert!(!verdict.sentence.contains("hunter2") && !verdict.advice.contains("hunter2"), "{verdict:?}");
        }
        // The first is what is told; doubts stand behind what does not work at all.
        assert!(report.verdicts.windows(2).all(|pair| pair[0].outcome >= pair[1].outcome), "{codes:?}");
        let failed = report.steps.iter().find(|step| step.outcome == Outcome::Bad && step.name != "decoding");
        if let Some(step) = failed.filter(|step| step.name != "URL") {
            assert!(step.took.is_some(), "{}: {step:?}", case.url);
        }
        found.extend(codes);
    }
    let feed = source::Supervisor::pushed("feed", source::Options::default());
    found.insert(doctor::of_source(&feed).verdicts[0].code);
    assert_eq!(wrong, Vec::<String>::new());
    let missing: Vec<_> =
        CODES.iter().map(|(code, _)| *code).filter(|code| !found.contains(code) && !ELSEWHERE.contains(code)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "no server of this test brings these about");
    assert!(found.len() >= 50, "only {} verdicts: {found:?}", found.len());
}
