//! A reader for tests that shares nothing with the crate and takes nothing but what the
//! specification allows: whatever deviates is a panic.

/// A fragment of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Payload {
    pub(crate) stream: u8,
    pub(crate) key: bool,
    pub(crate) object: u32,
    pub(crate) offset: u32,
    pub(crate) size: u32,
    pub(crate) time: u32,
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) send_time: u32,
    pub(crate) duration: u16,
    pub(crate) padding: usize,
    pub(crate) payloads: Vec<Payload>,
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn number(&mut self, width: usize) -> u32 {
        let (field, rest) = self.0.split_at(width);
        self.0 = rest;
        field.iter().enumerate().map(|(i, byte)| u32::from(*byte) << (8 * i)).sum()
    }

    fn coded(&mut self, code: u8) -> Option<u32> {
        match code & 3 {
            0 => None,
            code => Some(self.number(1 << (code - 1))),
        }
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }
}

/// Reads the packets of a file, or packets in the first form of the network.
pub(crate) fn packet(bytes: &[u8]) -> Packet {
    let mut at = Cursor(bytes);
    if at.0[0] & 0x80 != 0 {
        assert_eq!(at.bytes(3), [0x82, 0, 0]);
    }
    let flags = at.number(1) as u8;
    let properties = at.number(1) as u8;
    let length = at.coded(flags >> 5).map_or(bytes.len(), |length| length as usize);
    at.coded(flags >> 1);
    let padding = at.coded(flags >> 3).unwrap_or(0) as usize;
    assert!(length <= bytes.len(), "{length} of {}", bytes.len());
    let send_time = at.number(4);
    let duration = at.number(2) as u16;
    let end = length - padding;
    assert!(bytes[end..].iter().all(|byte| *byte == 0), "padding is zeros");
    at.0 = &bytes[bytes.len() - at.0.len()..end];
    let (count, length_code) = match flags & 1 {
        0 => (1, 0),
        _ => {
            let byte = at.number(1) as u8;
            (byte & 0x3F, byte >> 6)
        }
    };
    assert!(count > 0);
    let mut payloads = Vec::new();
    for _ in 0..count {
        let stream = at.number(1) as u8;
        assert_eq!(properties >> 6, 1);
        let object = at.coded(properties >> 4).unwrap();
        let offset = at.coded(properties >> 2).unwrap();
        let replicated = at.coded(properties).unwrap();
        assert!(replicated >= 8);
        let (size, time) = (at.number(4), at.number(4));
        at.bytes(replicated as usize - 8);
        let length = at.coded(length_code).map_or(at.0.len(), |length| length as usize);
        let data = at.bytes(length);
        assert!(!data.is_empty() && offset as usize + data.len() <= size as usize);
        let (key, stream) = (stream & 0x80 != 0, stream & 0x7F);
        payloads.push(Payload { stream, key, object, offset, size, time, data });
    }
    assert!(at.0.is_empty(), "{} bytes left", at.0.len());
    Packet { send_time, duration, padding: padding + bytes.len() - length, payloads }
}

/// A whole object: stream, key, time and bytes.
pub(crate) type Object = (u8, bool, u32, Vec<u8>);

/// The objects of payloads none of which is missing.
pub(crate) fn objects<'a>(payloads: impl IntoIterator<Item = &'a Payload>) -> Vec<Object> {
    let mut numbers = std::collections::HashMap::new();
    let mut under_way: Option<(u32, Object)> = None;
    let mut objects = Vec::new();
    for payload in payloads {
        let (object, (stream, key, time, data)) = under_way.get_or_insert_with(|| {
            let last = numbers.insert(payload.stream, payload.object);
            assert!(last.is_none_or(|last| payload.object == (last + 1) % 256), "objects are counted");
            (payload.object, (payload.stream, payload.key, payload.time, Vec::new()))
        });
        assert_eq!((payload.object, payload.offset as usize), (*object, data.len()));
        assert_eq!((payload.stream, payload.key, payload.time), (*stream, *key, *time));
        data.extend(&payload.data);
        if data.len() == payload.size as usize {
            objects.extend(under_way.take().map(|(_, object)| object));
        }
    }
    assert!(under_way.is_none(), "the last object is whole");
    objects
}
