//! For the tests of every crate that has fuzz targets.

use std::path::Path;

/// How often each file of a corpus is changed, unless `HEADWATER_MUTATIONS` says otherwise.
const MUTATIONS: usize = 40;
/// Files longer than this are not changed: their tests would take too long.
const MOST: usize = 64 << 10;

/// Hands every file of the corpus of `target` to `body`, as it is and changed in many ways, the same
/// ones each time; there is at least one.
pub fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the corpus is in the repository")
        .map(|file| file.expect("the corpus can be read").path())
        .collect();
    assert!(!paths.is_empty(), "no corpus in {}", folder.display());
    paths.sort();
    let files: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("the corpus can be read")).collect();
    for (path, file) in paths.iter().zip(&files) {
        println!("{}", path.display());
        body(file);
    }
    let wanted = std::env::var("HEADWATER_MUTATIONS").ok().and_then(|text| text.parse().ok());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (path, file) in paths.iter().zip(&files).filter(|(_, file)| file.len() <= MOST) {
        for number in 0..wanted.unwrap_or(MUTATIONS) {
            let other = &files[dice.below(files.len())];
            let changed = change(file, other, &mut dice);
            let fell = std::panic::catch_unwind(|| body(&changed));
            if let Err(panic) = fell {
                let kept = std::env::temp_dir().join(format!("{target}-{number}"));
                let _ = std::fs::write(&kept, &changed);
                println!("{} changed for the {number}th time falls; it is in {}", path.display(), kept.display());
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// `file` with up to eight changes, of which some are parts of `other`.
fn change(file: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len() + 1);
        let to = at + dice.below((bytes.len() - at).min(64) + 1);
        match dice.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            // What lengths and texts stumble over.
            2 if at < bytes.len() => bytes[at] = b"\0\xff\x7f\x80\n\r \"%:"[dice.below(10)],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..to)),
            5 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            6 => {
                let from = dice.below(other.len() + 1);
                let part = other[from..from + dice.below((other.len() - from).min(64) + 1)].to_vec();
                bytes.splice(at..to, part);
            }
            7 => bytes
                .splice(
                    at..at,
                    dice.one(&[&b"\r\n\r\n"[..], b"\0\0\0\0", b"\xff\xff\xff\xff", b"99999999999"]).iter().copied(),
                )
                .for_each(drop),
            _ => bytes.splice(at..at, std::iter::repeat_n(dice.below(256) as u8, dice.below(300))).for_each(drop),
        }
    }
    bytes
}

/// The same numbers each time (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn one<'a, T: ?Sized>(&mut self, of: &'a [&T]) -> &'a T {
        of[self.below(of.len())]
    }
}
