//! Hands the FFmpeg version that ffmpeg-sys-next found on to our own `cfg`s.
//!
//! Side data of streams moved into the codec parameters, and the keyframe mark into the
//! frame's flags, in FFmpeg 6.1; the old places are gone from FFmpeg 8. What a muxer writes
//! is constant from FFmpeg 7 on. Nothing else that we use differs between 5.1 and 9.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for version in ["6_1", "7_0"] {
        println!("cargo:rustc-check-cfg=cfg(ffmpeg_{version})");
        if std::env::var(format!("DEP_FFMPEG_FFMPEG_{version}")).is_ok_and(|value| value == "true") {
            println!("cargo:rustc-cfg=ffmpeg_{version}");
        }
    }
}
