//! What the linker must be told when FFmpeg goes into the module.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_BUNDLED").is_none() {
        return;
    }
    // The assembler in FFmpeg reaches its own data directly, which a shared object only allows
    // for symbols that no other object can take the place of.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    // What libavformat and libavcodec use themselves, from the archives too, so that nothing
    // but the C library is asked of the machine.
    for archive in ["-l:libssl.a", "-l:libcrypto.a", "-l:libz.a"] {
        println!("cargo:rustc-cdylib-link-arg={archive}");
    }
    println!("cargo:rustc-cdylib-link-arg=-Wl,--as-needed");
}
