//! What stands in the messages and between them: where they begin and end, and their headers' values.

use formats::http::Head;
use memchr::memchr;

use super::Setup;

/// Puts the RTP times of RTP-Info (RFC 2326 section 12.33) to the tracks that they are of.
pub(super) fn tell_zeros(setups: &mut [Setup], info: &str) {
    for part in info.split("url=").skip(1) {
        let mut words = part.split(';');
        let url = words.next().unwrap_or_default().trim().trim_matches('"').trim_end_matches(',');
        let zero =
            words.find_map(|word| word.trim().strip_prefix("rtptime=")?.trim_end_matches([',', ' ']).parse().ok());
        // Some tell the whole URL, others what stood in the description.
        let is_of = |target: &str| target.ends_with(url) || url.ends_with(last_word(target));
        if let Some(setup) = setups.iter_mut().find(|setup| !url.is_empty() && is_of(&setup.target)) {
            setup.zero = zero;
        }
    }
}

/// What is behind the last slash of a URL, with it.
fn last_word(url: &str) -> &str {
    url.rfind('/').map_or(url, |at| &url[at..])
}

/// The whole packets at the begin (RFC 2326 section 10.12): channel and bytes of each.
pub(in crate::rtsp::gate) fn framed(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [b'$', channel, high, low, after @ ..] = rest else { return None };
        let (packet, after) = after.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
        rest = after;
        Some((*channel, packet))
    })
}

/// How many bytes at the begin are whole packets.
pub(super) fn packets(buffer: &[u8]) -> usize {
    framed(buffer).map(|(_, packet)| 4 + packet.len()).sum()
}

/// Whether `buffer` begins with `word`, as far as it goes.
pub(super) fn may_be(buffer: &[u8], word: &[u8]) -> bool {
    let common = buffer.len().min(word.len());
    buffer[..common] == word[..common]
}

/// Whether an answer or a request may begin here.
pub(super) fn is_head(buffer: &[u8]) -> bool {
    const BEGINS: &[&[u8]] = &[
        b"RTSP/",
        b"OPTIONS ",
        b"ANNOUNCE ",
        b"REDIRECT ",
        b"GET_PARAMETER ",
        b"SET_PARAMETER ",
        b"TEARDOWN ",
        b"PLAY_NOTIFY ",
    ];
    BEGINS.iter().any(|word| may_be(buffer, word))
}

/// A head with its first line and its length, if it is whole. Lines may end in a line feed alone;
/// those that are no header are left out.
pub(super) fn head(window: &[u8]) -> Option<(Head, String, usize)> {
    let mut lines = Vec::new();
    let mut at = 0;
    loop {
        let end = at + memchr(b'\n', &window[at..])?;
        let line = window[at..end].trim_ascii();
        at = end + 1;
        if line.is_empty() {
            break;
        }
        lines.push(String::from_utf8_lossy(line).into_owned());
    }
    let mut lines = lines.into_iter();
    let first = lines.next()?;
    let status = first.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_name.then(|| (name.to_owned(), value.trim().to_owned()))
    });
    Some((Head { status, reason: String::new(), headers: headers.collect() }, first, at))
}

/// The value of a parameter of a Transport header (RFC 2326 section 12.39).
pub(super) fn parameter<'a>(transport: &'a str, name: &str) -> Option<&'a str> {
    transport.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim().trim_matches('"'))
    })
}

/// Whether an answer to SETUP says that RTP comes by another way than was asked for, which `is_udp` or is in
/// the connection; what says nothing of it does not.
pub(super) fn differs(transport: &str, is_udp: bool) -> bool {
    let protocol = transport.split(';').next().unwrap_or_default().trim().to_ascii_uppercase();
    let has = |name| parameter(transport, name).is_some();
    let (has_channels, has_ports) = (has("interleaved"), has("server_port") || has("client_port"));
    match is_udp {
        true => !has_ports && (has_channels || protocol.ends_with("/TCP")),
        false => !has_channels && !protocol.ends_with("/TCP") && (has_ports || protocol.ends_with("/UDP")),
    }
}

/// The URL that those in a description are relative to (RFC 2326 section C.1.1): some leave out its protocol,
/// others write it twice. Nothing where it names no host.
pub(super) fn based(said: &str, scheme: &str) -> Option<String> {
    let is_protocol = |name: &str| name.eq_ignore_ascii_case("rtsp") || name.eq_ignore_ascii_case("rtsps");
    let (mut rest, mut protocol) = (said.trim(), None);
    while let Some((name, after)) = rest.split_once("://").filter(|(name, _)| is_protocol(name)) {
        protocol = protocol.or(Some(name));
        rest = after;
    }
    if protocol.is_none() && rest.contains("://") {
        return Some(said.into());
    }
    let has_host = rest.starts_with(|first: char| first.is_alphanumeric() || first == '[');
    has_host.then(|| format!("{}://{rest}", protocol.unwrap_or(scheme)))
}

/// The size that a session description tells of pictures too large for the header of RTP/JPEG:
/// `framesize` (RFC 6064 section 3.1) of Axis, `x-dimensions` of GStreamer.
pub(super) fn size_of(description: &[u8]) -> Option<(u16, u16)> {
    String::from_utf8_lossy(description).lines().find_map(|line| {
        let (width, height) = match line.trim().split_once(':')? {
            ("a=framesize", value) => value.trim().split_once(' ')?.1.split_once('-')?,
            ("a=x-dimensions", value) => value.split_once(',')?,
            _ => return None,
        };
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    })
}

pub(super) fn pair(text: &str) -> Option<(u16, u16)> {
    let (a, b) = text.split_once('-')?;
    Some((a.trim().parse().ok()?, b.trim().parse().ok()?))
}

pub(super) fn pair_or_one(text: &str) -> Option<(u16, u16)> {
    pair(text).or_else(|| {
        let one: u16 = text.trim().parse().ok()?;
        Some((one, one.checked_add(1)?))
    })
}
