//! Records out of bytes, in any slices.

use bytes::{Buf, Bytes, BytesMut};

use super::{Error, Event, HEAD, MAGIC, MOST_PAYLOAD, PREAMBLE, Record};

/// A record, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The record.
    pub record: Record,
    /// Where its payload begins in the file, in bytes.
    pub at: u64,
    /// The length of its payload, in bytes.
    pub length: u32,
}

/// Takes a capture apart.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    /// Where `buffer` begins in the file.
    at: u64,
    begun: bool,
    /// What was wrong; nothing more comes.
    failed: Option<Error>,
}

impl Reader {
    /// Before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At a record that begins so many bytes behind the begin of the file, as [`Placed::at`] tells of
    /// one, less [`HEAD`].
    #[must_use]
    pub fn at(at: u64) -> Self {
        Self { at, begun: true, ..Self::default() }
    }

    /// Takes bytes of the file, in any slices. What was wrong before is not made good by them.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next record; nothing when more bytes are wanted. Records of kinds that a later version
    /// may bring are passed over. After an error the same comes again.
    ///
    /// # Errors
    /// When the bytes are no capture, or a record makes no sense: then nothing behind it does.
    pub fn poll(&mut self) -> Result<Option<Placed>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let found = self.next();
        if let Err(error) = &found {
            self.failed = Some(error.clone());
        }
        found
    }

    /// How many bytes wait that make no whole record: at the end of the file, what was being
    /// written when it broke off.
    #[must_use]
    pub fn left(&self) -> usize {
        self.buffer.len()
    }

    fn next(&mut self) -> Result<Option<Placed>, Error> {
        if !self.begun && !self.begin()? {
            return Ok(None);
        }
        loop {
            let Some((head, _)) = self.buffer.split_first_chunk::<HEAD>() else { return Ok(None) };
            let [a, b, c, d, kind, from, e, f, g, h, at @ ..] = *head;
            let (length, line) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
            if length as usize > MOST_PAYLOAD {
                return Err(Error::TooLong { at: self.at, length });
            }
            if self.buffer.len() < HEAD + length as usize {
                return Ok(None);
            }
            let record: Bytes = self.buffer.split_to(HEAD + length as usize).freeze();
            let place = self.at;
            self.at += record.len() as u64;
            let event = Event::read(kind, from, line, &record.slice(HEAD..));
            match event.ok_or(Error::Nonsense { at: place, kind })? {
                Some(event) => {
                    let record = Record { at_us: u64::from_le_bytes(at), event };
                    return Ok(Some(Placed { record, at: place + HEAD as u64, length }));
                }
                None => continue,
            }
        }
    }

    /// Takes the preamble; `false` if it is not whole yet.
    fn begin(&mut self) -> Result<bool, Error> {
        let common = self.buffer.len().min(MAGIC);
        if self.buffer[..common] != PREAMBLE[..common] {
            return Err(Error::NotOne);
        }
        if let Some(version) = self.buffer.get(MAGIC).filter(|version| **version != PREAMBLE[MAGIC]) {
            return Err(Error::Version { found: *version });
        }
        if self.buffer.len() < PREAMBLE.len() {
            return Ok(false);
        }
        self.buffer.advance(PREAMBLE.len());
        self.at = PREAMBLE.len() as u64;
        self.begun = true;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Failure, MOST_PIECE, Side};
    use super::*;

    fn events() -> Vec<Event> {
        let address = "10.0.0.7:554".parse().unwrap();
        let six = "[fe80::1]:554".parse().unwrap();
        let failure =
            Failure { kind: "io".into(), number: 111, what: "connection refused".into(), hint: String::new() };
        vec![
            Event::About(vec![("url".into(), "rtsp://admin:***@cam/x".into()), ("poll_us".into(), "5".into())]),
            Event::Attempt,
            Event::Note("Sent\nGET / HTTP/1.1\nHost: cam".into()),
            Event::Resolved { host: "cam".into(), addresses: vec![address, six] },
            Event::Unresolved { host: "cam".into(), failure: failure.clone() },
            Event::Dial { line: 7, place: "cam:554".into() },
            Event::Connected { line: 7, peer: address, local: six },
            Event::Secured { line: 7 },
            Event::Failed { line: 8, failure: failure.clone() },
            Event::Bytes { line: 7, from: Side::Us, data: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n") },
            Event::Bytes { line: 7, from: Side::Camera, data: Bytes::from_static(&[0, 255, 10]) },
            Event::Closed { line: 7, by: Side::Us },
            Event::Broken { line: u32::MAX, failure: failure.clone() },
            Event::Socket { line: 9, role: "rtp 0".into(), local: address },
            Event::Datagram { line: 9, from: Side::Camera, peer: six, data: Bytes::from_static(b"\n\n") },
            Event::Datagram { line: 9, from: Side::Us, peer: address, data: Bytes::new() },
            Event::Exited { line: 7, code: Some(-1), signal: None },
            Event::Elsewhere("http://cam/x.m3u8".into()),
            Event::Stopped("it is full".into()),
            Event::Over(failure),
        ]
    }

    fn file() -> (Vec<u8>, Vec<Record>) {
        let events = events().into_iter().enumerate();
        let records: Vec<_> = events.map(|(at, event)| Record { at_us: at as u64 * 1000, event }).collect();
        let mut file = PREAMBLE.to_vec();
        records.iter().for_each(|record| record.write(&mut file));
        (file, records)
    }

    fn read<'a>(slices: impl Iterator<Item = &'a [u8]>) -> (Vec<Placed>, Option<Error>, usize) {
        let mut reader = Reader::new();
        let mut found = Vec::new();
        for slice in slices {
            reader.handle_bytes(slice);
            loop {
                match reader.poll() {
                    Ok(Some(placed)) => found.push(placed),
                    Ok(None) => break,
                    Err(error) => return (found, Some(error), reader.left()),
                }
            }
        }
        (found, None, reader.left())
    }

    #[test]
    fn what_is_written_is_read_in_any_slices() {
        let (file, records) = file();
        for size in 1..=file.len() {
            let (found, error, left) = read(file.chunks(size));
            assert_eq!((error, left), (None, 0), "in slices of {size}");
            assert!(found.iter().map(|placed| &placed.record).eq(&records), "in slices of {size}");
        }
    }

    #[test]
    fn the_place_of_a_payload_leads_to_its_bytes() {
        let (file, _) = file();
        let (found, ..) = read([&file[..]].into_iter());
        for placed in found {
            let at = placed.at as usize;
            let there = &file[at..at + placed.length as usize];
            if let Event::Bytes { data, .. } = &placed.record.event {
                assert_eq!(there, &data[..]);
            }
        }
    }

    #[test]
    fn a_record_that_broke_off_is_left_out_and_told() {
        let (file, records) = file();
        for end in PREAMBLE.len()..file.len() {
            let (found, error, left) = read([&file[..end]].into_iter());
            assert_eq!(error, None);
            assert!(found.len() < records.len());
            assert!(found.iter().map(|placed| &placed.record).eq(&records[..found.len()]));
            let whole: usize = found.iter().map(|placed| HEAD + placed.length as usize).sum();
            assert_eq!(left, end - PREAMBLE.len() - whole);
        }
    }

    #[test]
    fn what_is_no_capture_is_told_with_its_place() {
        let told = |bytes: &[u8]| read([bytes].into_iter()).1.map(|error| error.to_string()).unwrap_or_default();
        assert!(told(b"RIFF").starts_with("byte 0: expected a capture"));
        let mut other = PREAMBLE;
        other[MAGIC] = 2;
        assert!(told(&other).starts_with("byte 13: a capture of version 2"));
        let long = [&PREAMBLE[..], &u32::MAX.to_le_bytes(), &[0; 14]].concat();
        assert!(told(&long).starts_with("byte 16: a record of 4294967295 bytes"));
        let odd = [&PREAMBLE[..], &1_u32.to_le_bytes(), &[7], &[0; 13], b"x"].concat();
        assert_eq!(told(&odd), "byte 16: this makes no record of kind 7");
    }

    #[test]
    fn kinds_of_later_versions_are_passed_over() {
        let mut file = [&PREAMBLE[..], &1_u32.to_le_bytes(), &[200], &[0; 13], b"x"].concat();
        Record { at_us: 5, event: Event::Attempt }.write(&mut file);
        let (found, error, left) = read([&file[..]].into_iter());
        assert_eq!((found.len(), error, left), (1, None, 0));
        assert_eq!(found[0].record.event, Event::Attempt);
    }

    #[test]
    fn long_runs_become_several_records_and_long_texts_are_cut() {
        let mut file = PREAMBLE.to_vec();
        let data = Bytes::from(vec![7; 3 * MOST_PIECE / 2]);
        Record { at_us: 5, event: Event::Bytes { line: 1, from: Side::Camera, data } }.write(&mut file);
        Record { at_us: 6, event: Event::Note("ä".repeat(MOST_PIECE)) }.write(&mut file);
        let (found, error, _) = read([&file[..]].into_iter());
        assert_eq!((error, found.len()), (None, 3));
        assert_eq!((found[0].length as usize, found[1].length as usize), (MOST_PIECE, MOST_PIECE / 2));
        assert!(matches!(&found[2].record.event, Event::Note(text) if text.len() == MOST_PIECE));
    }
}
