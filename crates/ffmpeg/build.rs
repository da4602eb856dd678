//! Hands the FFmpeg version that ffmpeg-sys-next found on to our own `cfg`s.
//!
//! Side data of streams moved into the codec parameters, and the keyframe mark into the
//! frame's flags, in FFmpeg 6.1; the old places are gone from FFmpeg 8. Nothing else that
//! we use differs between 5.1 and 9.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(ffmpeg_6_1)");
    if std::env::var("DEP_FFMPEG_FFMPEG_6_1").is_ok_and(|value| value == "true") {
        println!("cargo:rustc-cfg=ffmpeg_6_1");
    }
}
