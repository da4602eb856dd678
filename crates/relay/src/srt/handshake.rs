//! Handshakes of SRT, as far as it takes to see what stream an encoder asks for: read out of
//! datagrams and written into them (draft-sharabayko-srt-01, sections 3.2.1 and 4.3).
//!
//! A caller asks twice: with an induction, which is answered with a cookie, and with a conclusion,
//! which brings the cookie back and says what it wants.

/// A control packet's header, and with it the least handshake.
const HEADER: usize = 16;
const LEAST: usize = HEADER + 48;
/// Where fields are, from the begin of the datagram.
mod at {
    pub(super) const TIME: usize = 8;
    pub(super) const DESTINATION: usize = 12;
    pub(super) const VERSION: usize = 16;
    pub(super) const ENCRYPTION: usize = 20;
    pub(super) const EXTENSION: usize = 22;
    pub(super) const KIND: usize = 36;
    pub(super) const SOCKET: usize = 40;
    pub(super) const COOKIE: usize = 44;
}

pub(super) const INDUCTION: u32 = 1;
pub(super) const CONCLUSION: u32 = 0xffff_ffff;
/// The first bytes of a control packet that ends a connection (section 3.2.7).
const SHUTDOWN: u16 = 0x8005;
/// What an SRT listener writes into the extension field of its answer to an induction.
const MAGIC: u16 = 0x4a17;
/// The extension by which a listener says what holds (section 3.2.1.1).
const RESPONSE: u16 = 2;
/// The extension that holds the stream id.
const STREAM_ID: u16 = 5;
/// Most bytes of a stream id.
const MOST: usize = 512;
/// Kinds from here on say why a caller is refused: this and the reason.
const REFUSED: u32 = 1000;

/// Why a caller is refused: HTTP's statuses with 1000 added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// There is no feed of that name, or not for it.
    NotFound = 1404,
    /// Another one is sending.
    Conflict = 1409,
    /// It wants to be sent something.
    NotAllowed = 1405,
    /// There is no room for another one.
    Full = 1503,
}

/// A handshake that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) kind: u32,
    pub(super) cookie: u32,
    /// The stream id, if it has one.
    pub(super) stream: Option<String>,
}

fn word(datagram: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(datagram.get(at..at + 4)?.try_into().ok()?))
}

fn half(datagram: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(datagram.get(at..at + 2)?.try_into().ok()?))
}

/// The handshake in a datagram, if it is one.
pub(super) fn read(datagram: &[u8]) -> Option<Handshake> {
    // A control packet of type 0.
    if datagram.len() < LEAST || half(datagram, 0)? != 0x8000 {
        return None;
    }
    let (kind, cookie) = (word(datagram, at::KIND)?, word(datagram, at::COOKIE)?);
    let stream = if kind == CONCLUSION { stream(&datagram[LEAST..]) } else { None };
    Some(Handshake { kind, cookie, stream })
}

/// The content of the first extension of a `kind`.
fn extension(mut extensions: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (kind, words) = (half(extensions, 0)?, usize::from(half(extensions, 2)?));
        let content = extensions.get(4..4 + 4 * words)?;
        if kind == wanted {
            return Some(content);
        }
        extensions = &extensions[4 + 4 * words..];
    }
}

/// The stream id among the extensions. Its words have their bytes in reverse (section 3.2.1.3).
fn stream(extensions: &[u8]) -> Option<String> {
    let content = extension(extensions, STREAM_ID)?;
    let words = content.get(..content.len().min(MOST))?.chunks_exact(4);
    let bytes: Vec<u8> = words.flat_map(|word| word.iter().rev().copied()).collect();
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
}

/// How long a listener keeps what has come before it gives it on, as its answer to a conclusion says,
/// in milliseconds.
pub(super) fn latency_ms(answer: &[u8]) -> Option<u16> {
    let content = extension(answer.get(LEAST..)?, RESPONSE)?;
    // Version, flags, and the delays of who answers as the receiver and as the sender.
    Some(half(content, 8)?.max(half(content, 10)?))
}

/// Whether a datagram ends the connection.
pub(super) fn is_farewell(datagram: &[u8]) -> bool {
    half(datagram, 0) == Some(SHUTDOWN) && datagram.len() >= HEADER
}

/// To the caller whose conclusion this is: the connection is over.
pub(super) fn farewell(conclusion: &[u8]) -> Vec<u8> {
    // Nothing is said in it, in a word, since its content may not be empty.
    let mut farewell = vec![0; HEADER + 4];
    put(&mut farewell, 0, &SHUTDOWN.to_be_bytes());
    put(&mut farewell, at::DESTINATION, conclusion.get(at::SOCKET..at::SOCKET + 4).unwrap_or_default());
    farewell
}

fn put(datagram: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = datagram.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The first part of a handshake, which [`read`] has taken.
fn begin(datagram: &[u8]) -> Vec<u8> {
    datagram.get(..LEAST).unwrap_or_default().to_vec()
}

/// To the caller whose induction this is: the cookie.
pub(super) fn answer(induction: &[u8], cookie: u32) -> Vec<u8> {
    let mut answer = begin(induction);
    let socket: Vec<u8> = answer.get(at::SOCKET..at::SOCKET + 4).unwrap_or_default().to_vec();
    put(&mut answer, at::DESTINATION, &socket);
    put(&mut answer, at::VERSION, &5u32.to_be_bytes());
    put(&mut answer, at::ENCRYPTION, &0u16.to_be_bytes());
    put(&mut answer, at::EXTENSION, &MAGIC.to_be_bytes());
    put(&mut answer, at::COOKIE, &cookie.to_be_bytes());
    answer
}

/// The induction that goes before a conclusion, of the same caller.
pub(super) fn induction(conclusion: &[u8]) -> Vec<u8> {
    let mut induction = begin(conclusion);
    put(&mut induction, at::VERSION, &4u32.to_be_bytes());
    put(&mut induction, at::ENCRYPTION, &0u16.to_be_bytes());
    // A socket of datagrams, as UDT calls it.
    put(&mut induction, at::EXTENSION, &2u16.to_be_bytes());
    put(&mut induction, at::KIND, &INDUCTION.to_be_bytes());
    put(&mut induction, at::COOKIE, &[0; 4]);
    induction
}

/// The conclusion with another cookie in it.
pub(super) fn with_cookie(conclusion: &[u8], cookie: u32) -> Vec<u8> {
    let mut conclusion = conclusion.to_vec();
    put(&mut conclusion, at::COOKIE, &cookie.to_be_bytes());
    conclusion
}

/// The conclusion as it would be had it been sent `later_us` microseconds later. From its time a
/// listener knows when to give what comes.
pub(super) fn later(conclusion: &[u8], later_us: u32) -> Vec<u8> {
    let mut conclusion = conclusion.to_vec();
    let time = word(&conclusion, at::TIME).unwrap_or_default().wrapping_add(later_us);
    put(&mut conclusion, at::TIME, &time.to_be_bytes());
    conclusion
}

/// To the caller whose conclusion this is: no.
pub(super) fn refusal(conclusion: &[u8], reason: Reason) -> Vec<u8> {
    let mut refusal = answer(conclusion, 0);
    put(&mut refusal, at::EXTENSION, &0u16.to_be_bytes());
    put(&mut refusal, at::KIND, &(REFUSED + reason as u32).to_be_bytes());
    refusal
}

/// The feed that a stream id names: `NAME`, `publish:NAME`, or `#!::r=NAME,m=publish` (SRT Access
/// Control Guidelines).
pub(super) fn feed(stream: &str) -> Result<String, Reason> {
    // FFmpeg 5 sends what stands in its URL, escapes and all.
    let stream = &*media::unescaped(stream);
    let Some(pairs) = stream.strip_prefix("#!::") else {
        let mut parts = stream.split(':');
        return match (parts.next(), parts.next()) {
            (Some("publish"), Some(name)) => Ok(name.trim_start_matches('/').into()),
            (Some("read" | "request"), Some(_)) => Err(Reason::NotAllowed),
            _ => Ok(stream.trim_start_matches('/').into()),
        };
    };
    let value = |key: &str| pairs.split(',').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key);
    match value("m") {
        // Without a mode it is one that wants to be sent something, by the book; nothing is sent here.
        None | Some((_, "publish")) => {}
        Some(_) => return Err(Reason::NotAllowed),
    }
    value("r").map(|(_, name)| name.trim_start_matches('/').to_owned()).ok_or(Reason::NotFound)
}

/// For the fuzzer: what is read of a datagram is what is written into others, which are no longer.
///
/// # Panics
/// When that is not so.
pub(crate) fn check(datagram: &[u8]) {
    let Some(heard) = read(datagram) else { return };
    assert!(heard.stream.as_ref().is_none_or(|stream| stream.len() <= 3 * MOST), "a bad byte becomes three");
    let answered = answer(datagram, 7);
    assert_eq!((answered.len(), answered.get(at::DESTINATION..HEADER)), (LEAST, datagram.get(at::SOCKET..at::COOKIE)));
    assert_eq!(read(&answered).map(|again| (again.kind, again.cookie)), Some((heard.kind, 7)));
    let before = Handshake { kind: INDUCTION, cookie: 0, stream: None };
    assert_eq!(read(&induction(datagram)), Some(before));
    assert_eq!(read(&with_cookie(datagram, 7)), Some(Handshake { cookie: 7, ..heard.clone() }));
    assert!(is_farewell(&farewell(datagram)) && !is_farewell(datagram));
    let _ = latency_ms(datagram);
    let refused = read(&refusal(datagram, Reason::NotFound)).map(|again| (again.kind, again.cookie));
    assert_eq!(refused, Some((REFUSED + 1404, 0)));
    if let Some(Ok(name)) = heard.stream.as_deref().map(feed) {
        assert!(!name.starts_with('/'), "{name:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conclusion(extensions: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0; LEAST];
        datagram[0] = 0x80;
        put(&mut datagram, at::KIND, &CONCLUSION.to_be_bytes());
        put(&mut datagram, at::SOCKET, &[1, 2, 3, 4]);
        put(&mut datagram, at::COOKIE, &[0, 0, 0, 9]);
        [datagram, extensions.to_vec()].concat()
    }

    #[test]
    fn a_stream_id_is_read_behind_other_extensions() {
        let request = [0, 1, 0, 1, 9, 9, 9, 9];
        let id = [0, 5, 0, 2, b'2', b'm', b'a', b'c', 0, 0, 0, b'x'];
        let datagram = conclusion(&[&request[..], &id].concat());
        let read = read(&datagram).unwrap();
        assert_eq!((read.kind, read.cookie, read.stream.as_deref()), (CONCLUSION, 9, Some("cam2x")));
        assert_eq!(word(&induction(&datagram), at::KIND), Some(INDUCTION));
        assert_eq!(word(&refusal(&datagram, Reason::NotFound), at::KIND), Some(2404));
        assert_eq!(word(&refusal(&datagram, Reason::NotFound), at::DESTINATION), Some(0x0102_0304));
        assert_eq!(word(&with_cookie(&datagram, 7), at::COOKIE), Some(7));
        assert_eq!(word(&later(&later(&datagram, 5), u32::MAX), at::TIME), Some(4));
    }

    #[test]
    fn what_is_cut_off_anywhere_is_no_stream_id_and_no_panic() {
        let datagram = conclusion(&[0, 1, 0, 1, 9, 9, 9, 9, 0, 5, 0, 2, b'2', b'm', b'a', b'c', 0, 0, 0, b'x']);
        for length in 0..datagram.len() {
            let stream = read(&datagram[..length]).and_then(|handshake| handshake.stream);
            assert_eq!(stream, None, "{length} bytes");
            let _ = (answer(&datagram[..length], 1), induction(&datagram[..length]));
        }
        assert!(read(&conclusion(&[0, 5, 0xff, 0xff, 1])).unwrap().stream.is_none());
    }

    #[test]
    fn an_answer_says_how_long_the_listener_keeps_what_has_come() {
        let holds = [0, 2, 0, 3, 0, 1, 5, 0, 0, 0, 0, 0xbf, 0, 120, 1, 0];
        let answer = conclusion(&[&[0, 1, 0, 0][..], &holds].concat());
        assert_eq!(latency_ms(&answer), Some(256));
        assert!((0..answer.len()).all(|length| latency_ms(&answer[..length]).is_none()));
    }

    #[test]
    fn a_farewell_goes_to_the_socket_of_the_caller() {
        let farewell = farewell(&conclusion(&[]));
        assert_eq!((word(&farewell, at::DESTINATION), farewell.len()), (Some(0x0102_0304), 20));
        assert!(is_farewell(&farewell) && !is_farewell(&farewell[..8]) && !is_farewell(&conclusion(&[])));
    }

    #[test]
    fn all_ways_to_name_a_feed_are_understood() {
        for id in ["cam2", "/cam2", "publish:cam2", "#!::r=cam2,m=publish", "#!::m=publish,u=me,r=/cam2", "#!::r=cam2"]
        {
            assert_eq!(feed(id).as_deref(), Ok("cam2"), "{id}");
        }
        assert_eq!(feed("#!::r=cam2,m=request"), Err(Reason::NotAllowed));
        assert_eq!(feed("read:cam2"), Err(Reason::NotAllowed));
        assert_eq!(feed("#!::m=publish"), Err(Reason::NotFound));
    }
}
