//! The configuration reader takes any text and panics on none; an error points into it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use netloom::config::parse_file;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_file(Path::new("lab.toml"), text) {
        assert_eq!(error.exit, 2);
        assert_eq!(error.to_text(false).lines().filter(|l| l.starts_with("netloom: ")).count(), 1);
    }
});
