//! Segments that are encrypted as a whole: AES-128 in CBC, padded (RFC 8216 section 5.2).

use std::sync::Arc;

use aes::Aes128Dec;
use aes::cipher::{BlockCipherDecrypt as _, KeyInit as _};

use super::lines;
use crate::Error;

/// Bytes of a key, and of a block.
pub const BLOCK: usize = 16;

/// How a piece is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where the 16 bytes of the key are, relative to the list.
    pub uri: Arc<str>,
    /// What the first block is mixed with.
    pub iv: [u8; BLOCK],
}

/// What a tag says of the pieces behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    /// They are not encrypted.
    #[default]
    Plain,
    /// As a whole. Without a vector it is the number of the segment.
    Whole { uri: Arc<str>, iv: Option<[u8; BLOCK]> },
    /// In another way.
    Otherwise,
}

impl Said {
    /// By the attributes of `#EXT-X-KEY` (RFC 8216 section 4.3.2.4).
    pub(super) fn of(text: &str) -> Self {
        let find = |name: &str| lines::attributes(text).find(|(known, _)| *known == name).map(|(_, value)| value);
        let is_plain_key = find("KEYFORMAT").is_none_or(|format| format == "identity");
        match (find("METHOD"), find("URI")) {
            (Some("NONE"), _) => Self::Plain,
            (Some("AES-128"), Some(uri)) if is_plain_key && !uri.is_empty() => match find("IV").map(vector) {
                Some(None) => Self::Otherwise,
                iv => Self::Whole { uri: uri.into(), iv: iv.flatten() },
            },
            _ => Self::Otherwise,
        }
    }

    /// The key of a piece of segment `number`.
    pub(super) fn key(&self, number: u64) -> Option<Key> {
        let Self::Whole { uri, iv } = self else { return None };
        Some(Key { uri: Arc::clone(uri), iv: iv.unwrap_or_else(|| u128::from(number).to_be_bytes()) })
    }
}

/// A number of 128 bits in hexadecimal.
fn vector(text: &str) -> Option<[u8; BLOCK]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let is_one = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u128::from_str_radix(digits, 16).ok().filter(|_| is_one).map(u128::to_be_bytes)
}

/// Takes the encryption off one piece, in any slices.
pub struct Decrypter {
    cipher: Aes128Dec,
    /// The block before, as it came.
    before: [u8; BLOCK],
    /// What is not decrypted yet: what is no whole block, or may be the last one.
    waiting: Vec<u8>,
}

impl Decrypter {
    /// Of a piece that is encrypted with these.
    #[must_use]
    pub fn new(key: [u8; BLOCK], iv: [u8; BLOCK]) -> Self {
        Self { cipher: Aes128Dec::new(&key.into()), before: iv, waiting: Vec::new() }
    }

    /// The next bytes of the piece. The last block of them comes with the next ones, or the end.
    #[must_use]
    pub fn handle(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(bytes);
        let ready = self.waiting.len().saturating_sub(1) / BLOCK * BLOCK;
        let rest = self.waiting.split_off(ready);
        let mut out = std::mem::replace(&mut self.waiting, rest);
        for block in out.as_chunks_mut::<BLOCK>().0 {
            self.decrypt(block);
        }
        out
    }

    /// What is left, without the padding.
    ///
    /// # Errors
    /// [`Error::Encrypted`] where the piece is no whole number of blocks, or ends as no piece that was
    /// encrypted with this key does.
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let mut last = std::mem::take(&mut self.waiting);
        let Ok(block) = <&mut [u8; BLOCK]>::try_from(&mut last[..]) else {
            return Err(Error::Encrypted { what: "it is no whole number of blocks of 16 bytes" });
        };
        self.decrypt(block);
        // RFC 5652 section 6.3: as many bytes as each of them says.
        let count = usize::from(block[BLOCK - 1]);
        let is_padding =
            (1..=BLOCK).contains(&count) && block[BLOCK - count..].iter().all(|byte| *byte == block[BLOCK - 1]);
        if !is_padding {
            return Err(Error::Encrypted { what: "its end is no padding; the key is another one" });
        }
        last.truncate(BLOCK - count);
        Ok(last)
    }

    fn decrypt(&mut self, block: &mut [u8; BLOCK]) {
        let before = std::mem::replace(&mut self.before, *block);
        self.cipher.decrypt_block(block.into());
        block.iter_mut().zip(before).for_each(|(byte, mask)| *byte ^= mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST SP 800-38A section F.2.2, with a padding of its own.
    const KEY: [u8; BLOCK] = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
    const IV: [u8; BLOCK] = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
    const CIPHER: [u128; 4] = [
        0x7649_abac_8119_b246_cee9_8e9b_12e9_197d,
        0x5086_cb9b_5072_19ee_95db_113a_9176_78b2,
        0x73be_d6b8_e3c1_743b_7116_e69e_2222_9516,
        0x3ff1_caa1_681f_ac09_120e_ca30_7586_e1a7,
    ];
    const PLAIN: [u128; 3] = [
        0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a,
        0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51,
        0x30c8_1c46_a35c_e411_e5fb_c119_1a0a_52ef,
    ];

    #[test]
    fn the_vectors_of_the_standard_are_decrypted_in_any_slices() {
        let bytes = |blocks: &[u128]| blocks.iter().flat_map(|block| block.to_be_bytes()).collect::<Vec<u8>>();
        let (cipher, plain) = (bytes(&CIPHER), bytes(&PLAIN));
        for size in 1..=cipher.len() {
            let mut decrypter = Decrypter::new(KEY, IV);
            let out: Vec<u8> = cipher.chunks(size).flat_map(|slice| decrypter.handle(slice)).collect();
            assert_eq!(out, plain, "in slices of {size}");
            // The fourth block of the standard ends with no padding.
            assert!(decrypter.finish().unwrap_err().to_string().contains("the key is another one"));
        }
        let mut cut = Decrypter::new(KEY, IV);
        let _ = cut.handle(&cipher[..37]);
        assert!(cut.finish().unwrap_err().to_string().contains("whole number of blocks"));
        assert!(Decrypter::new(KEY, IV).finish().is_err(), "nothing is no piece");
    }

    #[test]
    fn padding_is_taken_off() {
        // openssl enc -aes-128-cbc -K 2b7e… -iv 0001… of "sixteen bytes it is" and of 16 letters.
        let of_openssl = [
            ("be6d90666e60b1e4ec5afa9bf6eab0b3fb59bf155aa77c7cc044bae81e595146", "sixteen bytes it is"),
            ("7deb5dd63936426f4afe0a97374b83c6cc85d2bb241a6a5b3a15fc7b6ae175fa", "sixteen letters!"),
        ];
        for (hex, plain) in of_openssl {
            let cipher: Vec<u8> =
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
            let mut decrypter = Decrypter::new(KEY, IV);
            let mut out = decrypter.handle(&cipher);
            out.extend(decrypter.finish().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), plain);
        }
    }

    #[test]
    fn a_tag_says_how_pieces_are_encrypted() {
        let key = |text: &str| Said::of(text).key(7);
        let plain = key("METHOD=AES-128,URI=\"k?a,b\"").unwrap();
        assert_eq!((&*plain.uri, plain.iv[15], plain.iv[..15].iter().any(|byte| *byte > 0)), ("k?a,b", 7, false));
        let told =
            key("METHOD=AES-128,URI=\"k\",IV=0x000102030405060708090A0B0C0D0E0F,KEYFORMAT=\"identity\"").unwrap();
        assert_eq!(told.iv, IV);
        assert_eq!(Said::of("METHOD=NONE"), Said::Plain);
        for other in [
            "METHOD=SAMPLE-AES,URI=\"k\"",
            "METHOD=AES-128",
            "METHOD=AES-128,URI=\"k\",KEYFORMAT=\"com.apple.streamingkeydelivery\"",
            "METHOD=AES-128,URI=\"k\",IV=12",
            "METHOD=AES-128,URI=\"k\",IV=0x+1",
            "",
        ] {
            assert_eq!(Said::of(other), Said::Otherwise, "{other}");
        }
    }
}
