#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // What the library falls over is caught, and ends the connection; nothing else may fall.
        std::panic::set_hook(Box::new(|panic| {
            if !panic.location().is_some_and(|at| at.file().contains("rml_rtmp")) {
                eprintln!("{panic}");
                std::process::abort();
            }
        }));
    },
    |input: &[u8]| relay::fuzz::rtmp_dialogue(input)
);
