//! Audio spread undone (section 3.3).

use bytes::Bytes;

use crate::header::Spread;

/// The chunks of an object in their order.
///
/// An object of `span` virtual packets of `packet` bytes is a matrix of chunks, a virtual
/// packet a row, and the sound goes down its columns. One of another size, as the last of a
/// file often is, is not mixed.
pub(super) fn gather(object: Bytes, spread: Spread) -> Bytes {
    let (span, packet, chunk) = (usize::from(spread.span), usize::from(spread.packet), usize::from(spread.chunk));
    if object.len() != span * packet {
        return object;
    }
    let mut gathered = Vec::with_capacity(object.len());
    for column in object.chunks_exact(chunk).take(packet / chunk).enumerate().map(|(column, _)| column * chunk) {
        for row in object.chunks_exact(packet) {
            gathered.extend_from_slice(&row[column..column + chunk]);
        }
    }
    gathered.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encoder's side, by the formula of output chunks.
    fn scatter(sound: &[u8], spread: Spread) -> Vec<u8> {
        let (span, chunk) = (usize::from(spread.span), usize::from(spread.chunk));
        let columns = usize::from(spread.packet) / chunk;
        let mut object = vec![0; sound.len()];
        for (k, piece) in sound.chunks_exact(chunk).enumerate() {
            let place = (k / span + k % span * columns) * chunk;
            object[place..place + chunk].copy_from_slice(piece);
        }
        object
    }

    #[test]
    fn spread_sound_comes_back_in_order() {
        for (span, packet, chunk) in [(2, 6, 2), (8, 512, 64), (3, 30, 10), (255, 4, 1)] {
            let spread = Spread { span, packet, chunk };
            let sound: Vec<u8> = (0..usize::from(span) * usize::from(packet)).map(|i| (i * 7) as u8).collect();
            let object = Bytes::from(scatter(&sound, spread));
            assert_eq!(gather(object.clone(), spread), sound, "{spread:?}");
            assert_eq!(gather(object.slice(1..), spread), object.slice(1..));
        }
    }
}
