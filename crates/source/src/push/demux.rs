//! From the bytes of a feeder to the sink, on a thread of its own.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use asf::{Header, Item};
use ffmpeg::{Input, InputOptions, Read};
use formats::jpeg;
use formats::multipart;
use media::{Timestamp, Track, TrackId, Tracks, Unit};

use super::Hint;
use super::lead::Lead;
use super::pipe::{Ending, Reader, Tail};
use super::sniff::{self, Kind};
use crate::mms::show::{failure, shown};
use crate::pace::wait_until;
use crate::picture::with_tables;
use crate::{About, Error, Options, Phase, Rule, Sink, Stop, libav};

/// What somebody sends, and how it is to be read.
pub(super) struct Job {
    /// How it comes, for whom it may concern.
    pub(super) protocol: &'static str,
    pub(super) hint: Hint,
    pub(super) options: Arc<Options>,
}

/// What is fed is called so in messages.
const PLACE: &str = "what was sent";

/// Places in a row that a demuxer may stumble over before it is given up.
const MOST_BAD: u32 = 64;

/// Takes apart what `reader` gives, until it ends or cannot be read.
///
/// # Errors
/// When it cannot be read, has no pictures, or broke off.
pub(super) fn run(mut reader: Reader, job: &Job, sink: &Sink, stop: &Stop) -> Result<(), Error> {
    sink.phase(Phase::Handshake);
    let tail = reader.tail();
    let (hint, options) = (&job.hint, &*job.options);
    let mut door = Door::new(sink, stop, reader.tail(), job);
    match sniff::kind(&mut reader)? {
        Kind::Jpeg => pictures(&mut reader, &mut door)?,
        Kind::Asf => windows_media(&mut reader, &options.streams, &mut door)?,
        Kind::Ffm => ffserver_feed(&mut reader, &mut door)?,
        Kind::Other(unknown) => {
            let format = hint.content_type.as_deref().and_then(sniff::format_of).filter(|_| unknown);
            libavformat(reader, format, options, &mut door)?;
        }
    }
    match (tail.ending(), door.declared) {
        (Ending::Broken, _) => Err(Error::Ended { what: Some("the sender went away in its midst".into()) }),
        (_, false) => Err(Error::NotVideo { what: "what was sent ended before its first picture".into(), page: false }),
        _ => Ok(()),
    }
}

/// The sink, and what is known of the feeder that is behind it.
struct Door<'a> {
    sink: &'a Sink,
    stop: &'a Stop,
    tail: Tail,
    about: About,
    lead: Lead,
    /// Whose times it is held to.
    lead_track: Option<TrackId>,
    declared: bool,
}

impl<'a> Door<'a> {
    fn new(sink: &'a Sink, stop: &'a Stop, tail: Tail, job: &Job) -> Self {
        let server = job.hint.agent.as_deref().map(shown).filter(|agent| !agent.is_empty());
        let about = About { protocol: job.protocol.into(), server, live: true, ..About::default() };
        Self { sink, stop, tail, about, lead: Lead::default(), lead_track: None, declared: false }
    }

    fn declare(&mut self, tracks: Vec<Track>) -> Result<(), Error> {
        self.lead_track = Tracks::lead_of(&tracks).map(|track| track.id);
        self.sink.declare(self.about.clone(), tracks)?;
        self.declared = true;
        Ok(())
    }

    /// Publishes a unit when it is its time; `false` when nothing more is wanted.
    fn publish(&mut self, unit: Unit) -> bool {
        if let Some(at) = unit.dts.or(unit.pts).filter(|_| Some(unit.track) == self.lead_track)
            && let Some(due) = self.lead.due(Instant::now(), at)
        {
            // What somebody sent who is gone is not worth waiting for: the next one comes.
            while !self.tail.is_broken_off() && Instant::now() < due {
                let step = Instant::now() + Duration::from_millis(50);
                if !wait_until(due.min(step), self.stop) {
                    return false;
                }
            }
        }
        self.sink.publish(unit);
        !self.is_over()
    }

    fn is_over(&self) -> bool {
        self.stop.is_set() || self.sink.is_cut()
    }
}

/// JPEG pictures, each handed on at its last byte.
fn pictures(reader: &mut Reader, door: &mut Door<'_>) -> Result<(), Error> {
    door.about.container = "mpjpeg".into();
    let mut parts = multipart::Reader::new();
    let (mut declared, mut lost) = (None, 0);
    while let Some(piece) = reader.piece() {
        parts.handle_bytes(&piece);
        while let Some(part) = parts.poll_part() {
            let info = jpeg::info(&part.data);
            let size = info.as_ref().map_or_else(|_| declared.unwrap_or_default(), |info| info.size);
            if declared != Some(size) {
                door.declare(vec![Track::mjpeg(size)])?;
                declared = Some(size);
            }
            let unit = Unit {
                corrupt: info.is_err(),
                discontinuity: parts.lost() != lost,
                captured: part.timestamp,
                ..Unit::picture(TrackId(0), with_tables(part.data))
            };
            lost = parts.lost();
            if !door.publish(unit) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// ASF, each picture handed on with its last packet.
fn windows_media(reader: &mut Reader, rule: &Rule, door: &mut Door<'_>) -> Result<(), Error> {
    door.about.container = "asf".into();
    let fail = |error: asf::Error| failure(&error, PLACE);
    let (mut packets, mut demuxer) = (asf::Reader::new(), None);
    while let Some(piece) = reader.piece() {
        packets.handle_bytes(&piece).map_err(fail)?;
        while let Some(item) = packets.poll() {
            match (item, &mut demuxer) {
                (Item::Header(header), _) => {
                    let header = Header::parse(&header).map_err(fail)?;
                    let made = asf::Demuxer::new(&header, &header.choose(rule).wanted()).map_err(fail)?;
                    door.about.title = header.title().map(shown);
                    door.declare(made.tracks())?;
                    demuxer = Some(made);
                }
                (Item::Packet(packet), Some(demuxer)) => demuxer.handle_packet(packet),
                _ => {}
            }
            while let Some(unit) = demuxer.as_mut().and_then(asf::Demuxer::poll_unit) {
                if !door.publish(unit) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// FFM of an ffmpeg that means to feed an ffserver, each frame handed on with its last packet.
fn ffserver_feed(reader: &mut Reader, door: &mut Door<'_>) -> Result<(), Error> {
    door.about.container = "ffm".into();
    let mut demuxer = ffm::Demuxer::new();
    while let Some(piece) = reader.piece() {
        let result = demuxer.handle_bytes(&piece);
        while let Some(item) = demuxer.poll() {
            match item {
                ffm::Item::Tracks(tracks) => door.declare(tracks)?,
                ffm::Item::Unit(unit) => {
                    if !door.publish(Unit { captured: unit.pts.and_then(wall_clock), ..unit }) {
                        return Ok(());
                    }
                }
            }
        }
        result.map_err(|error| match error {
            ffm::Error::Codec { .. } => Error::Unsupported { what: error.to_string() },
            error => Error::Broken { what: error.to_string() },
        })?;
    }
    Ok(())
}

/// The wall clock of a feeder that counts from 1970: a time before 2001 is none.
fn wall_clock(at: Timestamp) -> Option<SystemTime> {
    const EARLIEST_SECS: u64 = 1_000_000_000;
    let since = u64::try_from(at.as_nanos()).ok().map(Duration::from_nanos)?;
    (since.as_secs() >= EARLIEST_SECS).then(|| SystemTime::UNIX_EPOCH.checked_add(since)).flatten()
}

/// Everything else.
fn libavformat(reader: Reader, format: Option<&str>, options: &Options, door: &mut Door<'_>) -> Result<(), Error> {
    let options = InputOptions {
        format: format.map(str::to_owned),
        private: options.libav.clone(),
        low_delay: true,
        analyze: Some(libav::ANALYZE),
        ..InputOptions::default()
    };
    let stop = door.stop.clone();
    let explain = |error: ffmpeg::Error, is_open: bool| match error {
        ffmpeg::Error::InvalidData { .. } if !is_open => sniff::unreadable("no container was recognised"),
        error => libav::explain(PLACE, error),
    };
    let opened = Input::from_read(reader, &options, move || stop.is_set());
    let mut input = match opened {
        Err(_) if door.tail.is_reached() && door.tail.ending() == Ending::Broken => return Ok(()),
        opened => opened.map_err(|error| explain(error, false))?,
    };
    if input.is_encrypted() {
        return Err(Error::Unsupported { what: "what was sent is encrypted".into() });
    }
    (door.about.container, door.about.title) = (input.container(), input.title().as_deref().map(shown));
    door.declare(input.tracks())?;
    let mut bad = 0;
    loop {
        match input.read() {
            Ok(Read::Unit(unit)) => {
                bad = 0;
                // What a demuxer still has when the bytes have ended is what it had begun.
                let torn = match door.tail.is_reached() {
                    true => unit.corrupt || door.tail.ending() != Ending::Whole,
                    false => false,
                };
                if !torn && !door.publish(unit) {
                    return Ok(());
                }
            }
            Ok(Read::Tracks(tracks)) => door.declare(tracks)?,
            Ok(Read::End) => return Ok(()),
            Err(_) if door.tail.is_reached() || door.is_over() => return Ok(()),
            Err(ffmpeg::Error::InvalidData { .. }) if bad < MOST_BAD => bad += 1,
            Err(error) => return Err(explain(error, true)),
        }
    }
}
