//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use crate::{Demuxer, Header, Item, PACKET};

/// A feed comes out the same in any slices, in no more bytes than went in, and a header that
/// was read and written is the same when it is read again. The first byte says in which
/// slices the rest comes.
///
/// # Panics
/// When that is not so.
pub fn ffm_demuxer(input: &[u8]) {
    let Some((size, feed)) = input.split_first() else { return };
    let read = |size: usize| {
        let (mut demuxer, mut found) = (Demuxer::new(), Vec::new());
        let mut result = Ok(());
        for slice in feed.chunks(size.max(1)) {
            result = demuxer.handle_bytes(slice);
            while let Some(item) = demuxer.poll() {
                found.push(match item {
                    Item::Tracks(tracks) => (format!("{tracks:?}"), 0),
                    Item::Unit(unit) => (format!("{unit:?} {:?} {:?}", unit.dts, unit.data), unit.data.len()),
                });
            }
            if result.is_err() {
                break;
            }
        }
        (found, result)
    };
    let (found, result) = read(usize::from(*size) * 16 + 1);
    assert_eq!((&found, &result), (&read(feed.len()).0, &read(feed.len()).1), "slices of {size}");
    assert!(found.iter().map(|(_, bytes)| bytes).sum::<usize>() <= feed.len());
    let Some(Ok(header)) = feed.first_chunk::<PACKET>().map(Header::parse) else { return };
    // Names and values may need more bytes than they came in.
    let Ok(written) = header.write() else { return };
    let again = Header::parse(written.first_chunk().expect("it is a packet")).expect("what was written can be read");
    assert_eq!(again.streams.len(), header.streams.len());
    for (again, header) in again.streams.iter().zip(&header.streams) {
        assert_eq!((again.codec, again.kind, &again.extradata), (header.codec, header.kind, &header.extradata));
        assert_eq!((&again.options, &again.private), (&header.options, &header.private));
    }
}
