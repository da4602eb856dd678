//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use crate::{health, launch, output, ptz, rtmp, server, srt};

/// What an RTMP encoder says is answered or refused, the same in any slices, and no more FLV comes
/// out than was sent.
///
/// # Panics
/// When that is not so.
pub fn rtmp_dialogue(input: &[u8]) {
    let Some((size, said)) = input.split_first() else { return };
    let size = usize::from(*size) + 1;
    rtmp::fuzzed(said, size);
}

/// A datagram of SRT is a handshake or none; what is answered and handed on says what it said.
///
/// # Panics
/// When that is not so.
pub fn srt_handshake(input: &[u8]) {
    srt::check(input);
}

/// The query of a request is taken or refused, and a refusal is one line.
///
/// # Panics
/// When it is not.
pub fn request_query(input: &[u8]) {
    // Others do not come as far as this.
    let text: String = String::from_utf8_lossy(input).chars().filter(|c| !c.is_control()).collect();
    let all = [
        output::read_query(&text),
        output::past::check(&text),
        ptz::check(&text),
        health::check(&text),
        server::read_escapes(&text),
    ];
    for told in all.into_iter().flatten() {
        assert!(!told.chars().any(char::is_control), "{told:?}");
    }
}

/// What a launched program says comes out as lines of bounded length, the same in any slices.
///
/// # Panics
/// When it does not.
pub fn launch_lines(input: &[u8]) {
    let Some((size, said)) = input.split_first() else { return };
    let whole = launch::lines_of(said.chunks(said.len().max(1)));
    assert_eq!(launch::lines_of(said.chunks(usize::from(*size) + 1)), whole);
    for line in whole {
        assert!(!line.chars().any(char::is_control) && line.len() <= 3 * 1024 + 8, "{line:?}");
    }
}
