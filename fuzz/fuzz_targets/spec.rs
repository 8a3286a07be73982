//! Port SPECs, settings and FRAMEs: any text, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom::config::{parse_frame, parse_settings, parse_spec};

fuzz_target!(|text: &str| {
    let _ = parse_spec(text);
    let _ = parse_frame(text);
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let _ = parse_settings(&words);
});
