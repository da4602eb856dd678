//! Real files, beside libavformat.

#![allow(clippy::unwrap_used)]

mod common;
mod libavformat;

use common::{SAMPLES, samples};
use libavformat::{Read, compare, md5, read};

#[test]
fn every_sample_gives_the_packets_that_libavformat_gives() {
    let Some(folder) = samples() else { return };
    // The last packet of this one is cut short. libavformat hands on what is there of it; ours
    // leaves an object out of which bytes are missing, so that no decoder stumbles over it.
    let cut = "tinytag-lossless.wma";
    for name in SAMPLES.iter().chain(&["tinytag-test2.wma", cut]) {
        let counters = compare(folder.join(name).to_str().unwrap(), usize::from(*name == cut));
        println!("{name}: {counters:?}");
        assert_eq!((counters.damaged, counters.abandoned), (0, 0), "{name}");
    }
}

#[test]
fn slicing_of_a_file_never_matters() {
    let Some(folder) = samples() else { return };
    for name in ["tika-testASF.asf", "puremagic-test.wmv", "numbered-msmpeg4v2-160x120.asf"] {
        let file = std::fs::read(folder.join(name)).unwrap();
        let list = |read: Read| {
            let units = read.units.iter().map(|unit| (unit.track, unit.pts, unit.dts, unit.key, md5(&unit.data)));
            (units.collect::<Vec<_>>(), read.indexes, format!("{:?}", read.header), read.demuxer.counters())
        };
        let whole = list(read(&file, file.len()).unwrap());
        for slice in [1, 2, 3, 7, 16, 17, 50, 1399, 3200, 3201, 8000, 20_000] {
            assert!(list(read(&file, slice).unwrap()) == whole, "{name} in slices of {slice}");
        }
    }
}

#[test]
fn crafted_and_cut_files_end_with_a_clear_error() {
    let Some(folder) = samples() else { return };
    for (name, expected) in [
        ("exiftool-ASF.wmv", "the content ends after 12379 bytes, before its data packets"),
        ("mediafile-unparseable.wma", "the content ends after 23664 bytes, before its data packets"),
        (
            "mm-CWE-835.wma",
            "ASF header without a Stream Properties Object that can be read (the object at byte 180 has a size that \
             cannot be); the header is damaged or cut short",
        ),
        (
            "mm-max-numberOfObjectHeaders.wma",
            "ASF header without a File Properties Object that can be read (the object at byte 54 has a size that \
             cannot be); the header is damaged or cut short",
        ),
        (
            "variant-drm1.wmv",
            "stream 1 (audio wmav2 44100 Hz) is encrypted (Windows Media DRM version 1, key keyid01, licence from \
             http://licence.example); it plays only with a licence, in a player of its maker",
        ),
        (
            "variant-drm-extended.wmv",
            "stream 1 (audio wmav2 44100 Hz) is encrypted (Windows Media DRM version 7 or later, key \
             AAAAAAAAAAAAAAAAAAAAAA==, licence from http://licence.example/); it plays only with a licence, in a \
             player of its maker",
        ),
    ] {
        let file = std::fs::read(folder.join(name)).unwrap();
        for slice in [1, 4096, file.len()] {
            let Err(error) = read(&file, slice) else { panic!("{name} was read") };
            assert_eq!(error.to_string(), expected, "{name}");
        }
    }
}
