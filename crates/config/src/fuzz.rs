//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use crate::{Acl, ffserver, native};

/// Nothing in a file makes its reader fall, every problem is one of its lines, and what it
/// lets in is told without falling.
///
/// # Panics
/// When that is not so.
pub fn ffserver_conf(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parsed = ffserver::parse(&text);
    let lines = text.lines().count();
    for problem in &parsed.problems {
        assert!(
            problem.line <= lines && !problem.message.is_empty() && !problem.to_string().contains('\n'),
            "{problem:?}"
        );
    }
    for stream in &parsed.config.streams {
        let _ = stream.acl.allows([10, 0, 0, 1].into());
        let _ = stream.video.with_defaults().avoptions();
        let _ = stream.audio.with_defaults().avoptions();
        if parsed.is_usable() {
            assert!(!stream.name.is_empty() && stream.format.is_some());
        }
    }
    match crate::preset::parse(&text) {
        Ok(pairs) => {
            for stream in &mut parsed.config.streams {
                stream.apply_preset_video(&pairs);
                stream.apply_preset_audio(&pairs);
            }
        }
        Err(problems) => assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line))),
    }
    if let Ok(acl) = Acl::parse(&text) {
        let _ = acl.allows(std::net::Ipv6Addr::LOCALHOST.into());
    }
}

/// The same of headwater.toml; and what could be read of it is read again from what is written.
///
/// # Panics
/// When that is not so.
pub fn headwater_toml(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let parsed = native::parse(&text);
    for problem in &parsed.problems {
        assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem:?}");
    }
    if parsed.is_usable() {
        let written = native::write(&parsed.config);
        let again = native::parse(&written);
        assert!(again.is_usable(), "{written}{:#?}", again.problems);
        assert_eq!(native::write(&again.config), written);
    }
}
