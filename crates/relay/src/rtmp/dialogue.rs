//! What an RTMP encoder says, as a machine with no socket, and what it sends as FLV.
//!
//! Two layers of `rml_rtmp` are used: one takes chunks apart, whose pictures and sound go on as
//! they are; of the rest only short commands go on to the other, which answers them. It follows
//! values within values as deep as they go, so those that could go deep are refused before.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use rml_rtmp::chunk_io::{ChunkDeserializer, ChunkSerializer};
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::sessions::{ServerSession, ServerSessionConfig, ServerSessionEvent, ServerSessionResult};

/// Bytes that may come without a whole message in them: the largest has 16 MiB.
const MOST_WAITING: usize = 24 << 20;
/// The same of all connections that have been let in together.
const MOST_OF_ALL: u64 = 256 << 20;
/// What one holds who goes on where all hold more, as whose pictures are small does.
const LITTLE: usize = 1 << 20;
/// Bytes that may come before it is let in: an encoder has said what it wants within a few KiB, and some do
/// not wait for the answer.
pub(super) const MOST_BEFORE: usize = 128 << 10;
/// The longest command.
const MOST_COMMAND: usize = 16 << 10;
/// Marks of values that hold others, in a command; an upper bound of their depth.
const MOST_DEPTH: usize = 512;
/// Commands before anything is sent.
const MOST_COMMANDS: u32 = 64;
/// The longest name of a stream.
const MOST_NAME: usize = 256;

/// Types of messages (RTMP 1.0 sections 5.4, 6.2, 7.1).
mod kind {
    pub(super) const CHUNK_SIZE: u8 = 1;
    pub(super) const ABORT: u8 = 2;
    pub(super) const ACKNOWLEDGEMENT: u8 = 3;
    pub(super) const WINDOW: u8 = 5;
    pub(super) const AUDIO: u8 = 8;
    pub(super) const VIDEO: u8 = 9;
    pub(super) const DATA: u8 = 18;
    pub(super) const COMMAND: u8 = 20;
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Deed {
    /// Send it.
    Answer(Bytes),
    /// It wants to send this stream; [`Dialogue::accept`] or [`Dialogue::refuse`] it.
    Publish { request: u32, name: String, agent: Option<String> },
    /// It sent this, in FLV.
    Data(Bytes),
    /// It has said that it is done.
    Over,
}

enum Stage {
    Greeting(Box<Handshake>),
    Talking(Box<Talking>),
}

struct Talking {
    chunks: ChunkDeserializer,
    again: ChunkSerializer,
    session: ServerSession,
    commands: u32,
    held: Held,
    /// The header of FLV is sent.
    is_begun: bool,
}

/// What came without a whole message in it.
struct Held {
    waiting: usize,
    /// The same of all.
    of_all: Arc<AtomicU64>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Held {
    fn clear(&mut self) {
        self.of_all.fetch_sub(std::mem::take(&mut self.waiting) as u64, Relaxed);
    }

    fn add(&mut self, bytes: usize) {
        self.waiting += bytes;
        self.of_all.fetch_add(bytes as u64, Relaxed);
    }

    fn check(&self) -> Result<(), String> {
        if self.waiting > MOST_WAITING {
            return Err(format!("{} bytes came without a whole message in them", self.waiting));
        }
        // Who holds next to nothing does not pay for others.
        if self.waiting > LITTLE && self.of_all.load(Relaxed) > MOST_OF_ALL {
            return Err("too much is held of messages that have not ended, of all senders together".into());
        }
        Ok(())
    }
}

/// One connection.
pub(super) struct Dialogue {
    stage: Stage,
    pub(super) deeds: VecDeque<Deed>,
    /// Bytes that came before it was let in; nothing from then on.
    before: Option<usize>,
    of_all: Arc<AtomicU64>,
}

fn wrong(error: &impl std::fmt::Display) -> String {
    format!("it is no RTMP: {error}")
}

/// What `parse` gives; `rml_rtmp` panics at some commands that have too few values. Who has sent one
/// is heard no more.
fn guarded<T>(parse: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| Err("it is no RTMP: a command makes no sense".into()))
}

impl Dialogue {
    /// One that counts what it holds in `of_all`, as all do.
    pub(super) fn new(of_all: Arc<AtomicU64>) -> Self {
        let stage = Stage::Greeting(Box::new(Handshake::new(PeerType::Server)));
        Self { stage, deeds: VecDeque::new(), before: Some(0), of_all }
    }

    /// Takes what came, in any slices.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub(super) fn handle(&mut self, bytes: &[u8]) -> Result<(), String> {
        if let Some(before) = &mut self.before {
            *before += bytes.len();
            if *before > MOST_BEFORE {
                return Err("it says more than an encoder has to".into());
            }
        }
        let rest = match &mut self.stage {
            Stage::Talking(talking) => return talking.handle(bytes, &mut self.deeds),
            Stage::Greeting(handshake) => match handshake.process_bytes(bytes).map_err(|error| wrong(&error))? {
                HandshakeProcessResult::InProgress { response_bytes } => {
                    self.deeds.push_back(Deed::Answer(response_bytes.into()));
                    return Ok(());
                }
                HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                    self.deeds.push_back(Deed::Answer(response_bytes.into()));
                    remaining_bytes
                }
            },
        };
        let (session, results) = ServerSession::new(ServerSessionConfig::new()).map_err(|error| wrong(&error))?;
        let mut talking = Talking {
            chunks: ChunkDeserializer::new(),
            again: ChunkSerializer::new(),
            session,
            commands: 0,
            held: Held { waiting: 0, of_all: Arc::clone(&self.of_all) },
            is_begun: false,
        };
        talking.take(results, &mut self.deeds)?;
        talking.handle(&rest, &mut self.deeds)?;
        self.stage = Stage::Talking(Box::new(talking));
        Ok(())
    }

    /// Lets it send.
    ///
    /// # Errors
    /// When it asked for nothing.
    pub(super) fn accept(&mut self, request: u32) -> Result<(), String> {
        let Stage::Talking(talking) = &mut self.stage else { return Ok(()) };
        let results = talking.session.accept_request(request).map_err(|error| wrong(&error))?;
        self.before = None;
        talking.take(results, &mut self.deeds)
    }

    /// Tells it why it may not.
    ///
    /// # Errors
    /// When it asked for nothing.
    pub(super) fn refuse(&mut self, request: u32, why: &str) -> Result<(), String> {
        let Stage::Talking(talking) = &mut self.stage else { return Ok(()) };
        let results = talking.session.reject_request(request, "NetStream.Publish.BadName", why);
        talking.take(results.map_err(|error| wrong(&error))?, &mut self.deeds)
    }
}

impl Talking {
    fn handle(&mut self, bytes: &[u8], deeds: &mut VecDeque<Deed>) -> Result<(), String> {
        self.held.add(bytes.len());
        let mut bytes = bytes;
        loop {
            let chunks = &mut self.chunks;
            let message = guarded(|| chunks.get_next_message(bytes).map_err(|error| wrong(&error)))?;
            let Some(message) = message else { break };
            bytes = &[];
            self.held.clear();
            self.message(message, deeds)?;
        }
        self.held.check()
    }

    fn message(&mut self, message: MessagePayload, deeds: &mut VecDeque<Deed>) -> Result<(), String> {
        match message.type_id {
            kind::CHUNK_SIZE => {
                let size = message.data.first_chunk::<4>().map(|size| u32::from_be_bytes(*size));
                let size = size.filter(|size| (1..1 << 31).contains(size)).ok_or("it is no RTMP: chunks of no size")?;
                self.chunks.set_max_chunk_size(size as usize).map_err(|error| wrong(&error))
            }
            kind::AUDIO | kind::VIDEO => {
                self.begin(deeds);
                deeds.push_back(Deed::Data(tag(&message)));
                Ok(())
            }
            kind::ABORT | kind::ACKNOWLEDGEMENT | kind::WINDOW => Ok(()),
            kind::DATA if self.is_begun => Ok(()),
            kind::DATA | kind::COMMAND => {
                let deep = message.data.iter().filter(|byte| matches!(byte, 3 | 8 | 10 | 16)).count();
                self.commands += 1;
                if message.data.len() > MOST_COMMAND || deep > MOST_DEPTH || self.commands > MOST_COMMANDS {
                    return Err("it says more than an encoder has to".into());
                }
                self.forward(&message, deeds)
            }
            // User control messages.
            _ => Ok(()),
        }
    }

    /// Has the session answer a message.
    fn forward(&mut self, message: &MessagePayload, deeds: &mut VecDeque<Deed>) -> Result<(), String> {
        let packet = self.again.serialize(message, true, false).map_err(|error| wrong(&error))?;
        let session = &mut self.session;
        let results = guarded(|| session.handle_input(&packet.bytes).map_err(|error| wrong(&error)))?;
        self.take(results, deeds)
    }

    fn take(&mut self, results: Vec<ServerSessionResult>, deeds: &mut VecDeque<Deed>) -> Result<(), String> {
        for result in results {
            match result {
                ServerSessionResult::OutboundResponse(packet) => deeds.push_back(Deed::Answer(packet.bytes.into())),
                ServerSessionResult::RaisedEvent(event) => self.event(event, deeds)?,
                ServerSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        Ok(())
    }

    fn event(&mut self, event: ServerSessionEvent, deeds: &mut VecDeque<Deed>) -> Result<(), String> {
        match event {
            ServerSessionEvent::ConnectionRequested { request_id, .. }
            | ServerSessionEvent::ReleaseStreamRequested { request_id, .. } => {
                let results = self.session.accept_request(request_id).map_err(|error| wrong(&error))?;
                self.take(results, deeds)
            }
            ServerSessionEvent::PublishStreamRequested { request_id, stream_key, .. } => {
                let name = stream_key.split('?').next().unwrap_or_default().chars().take(MOST_NAME).collect();
                deeds.push_back(Deed::Publish { request: request_id, name, agent: None });
                Ok(())
            }
            ServerSessionEvent::PublishStreamFinished { .. } => {
                deeds.push_back(Deed::Over);
                Ok(())
            }
            ServerSessionEvent::PlayStreamRequested { request_id, .. } => {
                let why = "nothing is played by RTMP here; take http://, rtsp:// or HLS";
                let results = self.session.reject_request(request_id, "NetStream.Play.StreamNotFound", why);
                self.take(results.map_err(|error| wrong(&error))?, deeds)
            }
            _ => Ok(()),
        }
    }

    /// The header of FLV (Video File Format Specification 10, annex E.2), once.
    fn begin(&mut self, deeds: &mut VecDeque<Deed>) {
        if !std::mem::replace(&mut self.is_begun, true) {
            // Sound and pictures: what does not come is not waited for long.
            deeds.push_back(Deed::Data(Bytes::from_static(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")));
        }
    }
}

/// For the fuzzer: what comes of `said` in slices, and whether it was taken.
pub(crate) fn check(said: &[u8], size: usize) {
    let run = |size: usize| {
        let mut dialogue = Dialogue::new(Arc::default());
        let mut data = Vec::new();
        for slice in said.chunks(size) {
            let handled = dialogue.handle(slice);
            while let Some(deed) = dialogue.deeds.pop_front() {
                match deed {
                    Deed::Publish { request, name, .. } => {
                        assert!(name.chars().count() <= MOST_NAME);
                        if dialogue.accept(request).is_err() {
                            return None;
                        }
                    }
                    Deed::Data(bytes) => data.extend_from_slice(&bytes),
                    Deed::Answer(_) | Deed::Over => {}
                }
            }
            handled.ok()?;
        }
        Some(data)
    };
    let data = run(size);
    // Where it is refused, what came before it depends on how much was there.
    if let (Some(data), Some(whole)) = (&data, run(said.len().max(1))) {
        assert_eq!(*data, whole);
        assert!(data.len() <= 16 * said.len() + 13);
    }
}

/// A message as a tag of FLV (annex E.4.1), with its size behind it.
fn tag(message: &MessagePayload) -> Bytes {
    // A message is no longer than 24 bits tell.
    let size = (message.data.len() as u32 & 0xff_ffff).to_be_bytes();
    let time = message.timestamp.value.to_be_bytes();
    let head = [message.type_id, size[1], size[2], size[3], time[1], time[2], time[3], time[0], 0, 0, 0];
    let whole = (head.len() as u32 + message.data.len() as u32).to_be_bytes();
    [&head[..], &message.data, &whole].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Held {
        Held { waiting: 0, of_all: Arc::default() }
    }

    fn talking() -> (Talking, VecDeque<Deed>) {
        let (session, _) = ServerSession::new(ServerSessionConfig::new()).unwrap();
        let (chunks, again) = (ChunkDeserializer::new(), ChunkSerializer::new());
        (Talking { chunks, again, session, commands: 0, held: held(), is_begun: false }, VecDeque::new())
    }

    fn message(type_id: u8, data: &[u8]) -> MessagePayload {
        let timestamp = rml_rtmp::time::RtmpTimestamp::new(0x0102_0304);
        MessagePayload { timestamp, type_id, message_stream_id: 1, data: Bytes::copy_from_slice(data) }
    }

    #[test]
    fn media_become_tags_behind_one_header_in_any_slicing() {
        let bytes = {
            let mut chunks = ChunkSerializer::new();
            let mut all = chunks.serialize(&message(9, &[0x17, 1, 2]), true, false).unwrap().bytes;
            all.extend(chunks.serialize(&message(8, &[0xaf, 1]), true, false).unwrap().bytes);
            all
        };
        let run = |size: usize| {
            let (mut talking, mut deeds) = talking();
            bytes.chunks(size).for_each(|slice| talking.handle(slice, &mut deeds).unwrap());
            let data = deeds.into_iter().map(|deed| match deed {
                Deed::Data(bytes) => bytes,
                deed => panic!("{deed:?}"),
            });
            data.collect::<Vec<_>>().concat()
        };
        let expected = [
            &b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..],
            b"\x09\0\0\x03\x02\x03\x04\x01\0\0\0\x17\x01\x02\0\0\0\x0e",
            b"\x08\0\0\x02\x02\x03\x04\x01\0\0\0\xaf\x01\0\0\0\x0d",
        ];
        for size in 1..=bytes.len() {
            assert_eq!(run(size), expected.concat(), "in slices of {size}");
        }
    }

    #[test]
    fn more_than_an_encoder_has_to_say_is_refused() {
        let (mut talking, mut deeds) = talking();
        // Objects within objects.
        let deep: Vec<u8> = std::iter::repeat_n([3, 0, 1, b'a'], 4000).flatten().collect();
        assert!(talking.message(message(20, &deep), &mut deeds).is_err());
        assert!(talking.message(message(18, &[2; MOST_COMMAND + 1]), &mut deeds).is_err());
        let flood = (0..200).try_for_each(|_| talking.message(message(20, &[5]), &mut deeds));
        assert!(flood.is_err());
        assert!(talking.message(message(1, &[0x80, 0, 0, 0]), &mut deeds).is_err());
    }

    /// Shakes hands.
    fn greeted(of_all: &Arc<AtomicU64>) -> Dialogue {
        let mut dialogue = Dialogue::new(Arc::clone(of_all));
        let mut client = Handshake::new(PeerType::Client);
        dialogue.handle(&client.generate_outbound_p0_and_p1().unwrap()).unwrap();
        let answers: Vec<u8> = dialogue
            .deeds
            .drain(..)
            .flat_map(|deed| match deed {
                Deed::Answer(bytes) => bytes,
                deed => panic!("{deed:?}"),
            })
            .collect();
        let (HandshakeProcessResult::Completed { response_bytes, .. }
        | HandshakeProcessResult::InProgress { response_bytes }) = client.process_bytes(&answers).unwrap();
        dialogue.handle(&response_bytes).unwrap();
        assert!(matches!(dialogue.stage, Stage::Talking(_)));
        dialogue
    }

    /// The begin of a message of 16 MiB of pictures in one chunk.
    fn endless() -> Vec<u8> {
        [
            &[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff][..],
            &[6, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0],
        ]
        .concat()
    }

    #[test]
    fn who_is_not_let_in_says_no_more_than_a_little() {
        let of_all = Arc::default();
        let mut dialogue = greeted(&of_all);
        dialogue.handle(&endless()).unwrap();
        let slices = (1..).take_while(|_| dialogue.handle(&[7; 1024]).is_ok()).count();
        assert!(slices <= MOST_BEFORE / 1024, "{slices} KiB");
        drop(dialogue);
        // Heads of chunks of ever other streams are kept by the library.
        let mut dialogue = greeted(&of_all);
        let heads = (64..).take_while(|id: &u16| {
            let [high, low] = (id - 64).to_be_bytes();
            dialogue.handle(&[1, low, high, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]).is_ok()
        });
        assert!(heads.count() < MOST_BEFORE / 14);
        drop(dialogue);
        assert_eq!(of_all.load(Relaxed), 0);
    }

    #[test]
    fn all_who_are_let_in_hold_no_more_than_so_much_and_small_pictures_pass() {
        let of_all = Arc::default();
        let mut crowd: Vec<Dialogue> = (0..40).map(|_| greeted(&of_all)).collect();
        let mut small = greeted(&of_all);
        crowd.iter_mut().chain([&mut small]).for_each(|dialogue| dialogue.before = None);
        crowd.iter_mut().for_each(|dialogue| dialogue.handle(&endless()).unwrap());
        let mut refused = 0;
        for _ in 0..12 {
            refused += crowd.extract_if(.., |dialogue| dialogue.handle(&vec![7; 1 << 20]).is_err()).count();
            assert!(of_all.load(Relaxed) <= MOST_OF_ALL + (1 << 20) + 4096);
        }
        assert!(refused > 15 && !crowd.is_empty(), "{refused} of 40");
        let picture = ChunkSerializer::new().serialize(&message(9, &[0x17; 128]), true, false).unwrap();
        small.handle(&picture.bytes).unwrap();
        assert!(small.deeds.iter().any(|deed| matches!(deed, Deed::Data(_))));
        drop((crowd, small));
        assert_eq!(of_all.load(Relaxed), 0);
    }

    #[test]
    fn a_stranger_is_told_by_its_first_bytes() {
        let mut dialogue = Dialogue::new(Arc::default());
        assert!(dialogue.handle(b"GET / HTTP/1.1\r\n\r\n").is_err());
    }
}
