//! Port SPECs, settings, FRAMEs and the small words they are made of: any text,
//! no panic, and what is read and written again is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom::config::{parse_frame, parse_settings, parse_spec};
use switch_core::config::PortRules;
use switch_core::Mac;
use switch_core::vlan::VidSet;

fuzz_target!(|text: &str| {
    let _ = parse_spec(text);
    if let Ok(bytes) = parse_frame(text) {
        assert!(bytes.len() <= switch_core::frame::MAX_FRAME);
    }
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let _ = parse_settings(&words, &PortRules::default());
    for word in &words {
        let _ = parse_spec(word);
        if let Ok(vids) = word.parse::<VidSet>() {
            assert_eq!(vids.to_string().parse(), Ok(vids));
        }
        if let Ok(mac) = word.parse::<Mac>() {
            assert_eq!(mac.to_string().parse(), Ok(mac));
        }
    }
});
