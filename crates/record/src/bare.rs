//! Files of a recorder that was killed before it had written a picture: those of a header alone.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::mp4;

/// The longest file that is looked at, in bytes: no header of ours is longer.
const LONGEST: u64 = 64 << 10;
/// An ASF Data Object without packets ([ASF] 5.1).
const NO_PACKETS: u64 = 50;
/// The EBML header, a segment and a cluster (RFC 8794 section 11.2.1, RFC 9559 section 5.1).
const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
/// The GUID of an ASF header.
const ASF: [u8; 4] = [0x30, 0x26, 0xb2, 0x75];

/// Whether there is nothing in `file` beside what stands before the first picture. What does not
/// look like a file of ours is none of those.
pub(crate) fn is_bare(file: &File) -> io::Result<bool> {
    let size = file.metadata()?.len();
    if size > LONGEST {
        return Ok(false);
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(match &bytes[..] {
        [] => true,
        [b'R', b'I', b'F', b'F', ..] => bytes.ends_with(b"movi"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => matroska(&bytes),
        [a, b, c, d, ..] if [*a, *b, *c, *d] == ASF => {
            let header = bytes.get(16..24).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
            header.checked_add(NO_PACKETS) == Some(size)
        }
        _ => mp4::is_bare(file)?,
    })
}

/// Whether a Matroska file has whole elements to its end, and no cluster among them.
fn matroska(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some((id, length, body)) = element(bytes) else { return false };
        bytes = match (id, length) {
            (CLUSTER, _) => return false,
            // What is in it is looked through, also where its length is not known yet.
            (SEGMENT, _) => body,
            (EBML, None) | (_, None) => return false,
            (_, Some(length)) => match usize::try_from(length).ok().and_then(|length| body.get(length..)) {
                Some(rest) => rest,
                None => return false,
            },
        };
    }
    true
}

/// The id of the element at the beginning, its length if it is known, and what is behind its head (RFC 8794
/// section 5 and 6).
fn element(bytes: &[u8]) -> Option<(u32, Option<u64>, &[u8])> {
    let number = |bytes: &[u8]| {
        let width = bytes.first()?.leading_zeros() as usize + 1;
        let all = bytes.get(..width).filter(|_| width <= 8)?;
        Some((width, all.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))))
    };
    let (width, id) = number(bytes)?;
    let (wide, length) = number(bytes.get(width..)?)?;
    let most = (1 << (7 * wide)) - 1;
    let length = Some(length & most).filter(|length| *length != most);
    Some((u32::try_from(id).ok()?, length, bytes.get(width + wide..)?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_header_alone_is_bare_and_anything_else_is_not() {
        let segment = [0x18, 0x53, 0x80, 0x67, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let matroska = [&[0x1a, 0x45, 0xdf, 0xa3, 0x82, 7, 7][..], &segment, &[0xec, 0x81, 0]].concat();
        let cluster = [&matroska[..], &[0x1f, 0x43, 0xb6, 0x75, 0x81, 0]].concat();
        let asf = |packets: usize| [&ASF[..], &[0; 12], &24_u64.to_le_bytes(), &vec![0; 50 + packets]].concat();
        for (bytes, expected) in [
            (Vec::new(), true),
            (b"RIFF\0\0\0\0AVI LIST\0\0\0\0movi".to_vec(), true),
            (b"RIFF\0\0\0\0AVI LIST\0\0\0\0movi00dc\x01\0\0\0x\0".to_vec(), false),
            (matroska.clone(), true),
            (cluster, false),
            (asf(0), true),
            (asf(100), false),
            (b"a text of somebody".to_vec(), false),
            (b"\0\0\0\x08ftyp".to_vec(), false),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            assert_eq!(is_bare(&file).unwrap(), expected, "{bytes:02x?}");
        }
        for end in 0..matroska.len() {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&matroska[..end]).unwrap();
            let _ = is_bare(&file).unwrap();
        }
    }
}
