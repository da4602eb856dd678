//! A writer of data packets for tests, which shares nothing with the crate: every
//! combination of field widths, and every form in which padding is cut off.

/// How the fields of a packet are written: each a code of two bits for none, one, two or
/// four bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widths {
    /// Bytes of error correction data.
    pub(crate) error_correction: Option<u8>,
    pub(crate) length: u8,
    pub(crate) sequence: u8,
    pub(crate) padding: u8,
    pub(crate) replicated: u8,
    pub(crate) offset: u8,
    pub(crate) number: u8,
    /// Of the lengths of several payloads; `None` writes a single one without a length.
    pub(crate) payload: Option<u8>,
}

/// What most encoders write.
pub(crate) const USUAL: Widths = Widths {
    error_correction: Some(2),
    length: 0,
    sequence: 0,
    padding: 2,
    replicated: 1,
    offset: 3,
    number: 1,
    payload: Some(2),
};

/// How a packet is sent whose padding is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it stands in a file.
    Whole,
    /// With a Packet Length that is what is sent.
    Rewritten,
    /// With a Padding Length of zero.
    Zeroed,
    /// Cut, with the Padding Length as it was.
    Cut,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) stream: u8,
    pub(crate) key: bool,
    pub(crate) number: u32,
    pub(crate) offset: u32,
    pub(crate) replicated: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// Size and time of an object.
pub(crate) fn about(size: u32, time: u32) -> Vec<u8> {
    [size.to_le_bytes(), time.to_le_bytes()].concat()
}

fn field(out: &mut Vec<u8>, code: u8, value: u32) -> Option<()> {
    let width = width(code);
    out.extend(&value.to_le_bytes()[..width]);
    (width == 4 || value >> (8 * width) == 0).then_some(())
}

fn width(code: u8) -> usize {
    [0, 1, 2, 4][usize::from(code)]
}

/// How many bytes a packet has without padding.
pub(crate) fn used(widths: &Widths, pieces: &[Piece]) -> usize {
    let before = widths.error_correction.map_or(0, |length| 1 + usize::from(length));
    let fields = width(widths.length) + width(widths.sequence) + width(widths.padding);
    let payload = 1 + width(widths.number) + width(widths.offset) + width(widths.replicated);
    let payload = payload + widths.payload.map_or(0, width);
    let payloads = pieces.iter().map(|piece| payload + piece.replicated.len() + piece.data.len());
    before + 2 + fields + 6 + usize::from(widths.payload.is_some()) + payloads.sum::<usize>()
}

/// A packet of `size` bytes, or what is sent of it; nothing if its fields are too narrow for
/// what stands in them, or it is too small.
pub(crate) fn write(widths: &Widths, pieces: &[Piece], send_time: u32, size: usize, form: Form) -> Option<Vec<u8>> {
    let used = used(widths, pieces);
    let padding = size.checked_sub(used)?;
    let (length, told, sent) = match form {
        Form::Whole => (size, padding, size),
        Form::Rewritten if widths.length > 0 => (used, 0, used),
        Form::Zeroed if widths.length == 0 => (0, 0, used),
        Form::Cut => (size, padding, used),
        _ => return None,
    };
    let mut out = Vec::new();
    if let Some(length) = widths.error_correction {
        out.push(0x80 | length);
        out.extend((0..length).map(|i| i * 3));
    }
    let flags = u8::from(widths.payload.is_some()) | widths.sequence << 1 | widths.padding << 3 | widths.length << 5;
    out.extend([flags, 1 << 6 | widths.number << 4 | widths.offset << 2 | widths.replicated]);
    field(&mut out, widths.length, if widths.length > 0 { length as u32 } else { 0 })?;
    field(&mut out, widths.sequence, 0x78 * u32::from(widths.sequence > 0))?;
    field(&mut out, widths.padding, told as u32)?;
    out.extend(send_time.to_le_bytes());
    out.extend(77_u16.to_le_bytes());
    out.extend(widths.payload.map(|code| pieces.len() as u8 | code << 6));
    for piece in pieces {
        out.push(piece.stream | u8::from(piece.key) << 7);
        field(&mut out, widths.number, piece.number)?;
        field(&mut out, widths.offset, piece.offset)?;
        field(&mut out, widths.replicated, piece.replicated.len() as u32)?;
        out.extend(&piece.replicated);
        if let Some(code) = widths.payload {
            field(&mut out, code, piece.data.len() as u32)?;
        }
        out.extend(&piece.data);
    }
    assert_eq!(out.len(), used);
    out.resize(sent, 0);
    Some(out)
}

/// Numbers that look random, the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// One object to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) stream: u8,
    pub(crate) key: bool,
    pub(crate) number: u8,
    pub(crate) time: u32,
    pub(crate) data: Vec<u8>,
}

/// Objects cut into packets at random; those of different streams are interleaved, those of
/// one stream follow each other.
pub(crate) fn packets(objects: &[Object], widths: &Widths, size: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let mut streams: Vec<u8> = objects.iter().map(|object| object.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    // What is left to send of each stream: objects, and how much is sent of the first.
    let of = |stream| objects.iter().filter(move |object| object.stream == stream).collect::<Vec<_>>();
    let mut left: Vec<(Vec<&Object>, usize)> = streams.into_iter().map(|stream| (of(stream), 0)).collect();
    let (mut packets, mut pieces) = (Vec::new(), Vec::<Piece>::new());
    let most = widths.payload.map_or(1, |code| if code == 1 { 12 } else { 20 });
    while !left.is_empty() {
        let place = random.below(left.len());
        let (queue, sent) = &mut left[place];
        let object = queue[0];
        let replicated = about(object.data.len() as u32, object.time);
        let head = Piece {
            stream: object.stream,
            key: object.key,
            number: object.number.into(),
            offset: *sent as u32,
            replicated,
            data: Vec::new(),
        };
        let room = size.saturating_sub(used(widths, &[&pieces[..], std::slice::from_ref(&head)].concat()));
        let full = room == 0 || pieces.len() == most || (!pieces.is_empty() && random.below(8) == 0);
        if full {
            packets.push(write(widths, &std::mem::take(&mut pieces), 0, size, Form::Whole).expect("it has room"));
            continue;
        }
        let length = (object.data.len() - *sent).min(room).min(1 + random.below(room * 2));
        let data = object.data[*sent..*sent + length].to_vec();
        pieces.push(Piece { data, ..head });
        *sent += length;
        if *sent == object.data.len() {
            queue.remove(0);
            *sent = 0;
        }
        if queue.is_empty() {
            left.remove(place);
        }
    }
    packets.extend(write(widths, &pieces, 0, size, Form::Whole).filter(|_| !pieces.is_empty()));
    packets
}
