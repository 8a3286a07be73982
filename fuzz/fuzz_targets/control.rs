//! The control socket's reading side takes any bytes, cut up anyhow: no panic, no more memory
//! than it may, the same requests whatever the cuts, and requests that mean what they say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom::control::api::LONGEST_REQUEST;
use netloom::control::incoming::{Heard, Incoming};

/// What the switch hears of bytes that come in pieces of these sizes, over and over; like the
/// switch, it takes in a piece when nothing more is heard, and ends with what makes no sense.
fn heard(bytes: &[u8], sizes: &[usize]) -> Vec<Heard> {
    let mut incoming = Incoming::default();
    let mut all = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).min(rest.len());
        let (piece, left) = rest.split_at(size);
        rest = left;
        incoming.push(piece);
        while let Some(heard) = incoming.hear() {
            let ends = matches!(heard, Heard::Nonsense(_));
            all.push(heard);
            if ends {
                return all;
            }
        }
        // Storage doubles as it grows.
        assert!(incoming.held() <= 2 * (LONGEST_REQUEST + size));
    }
    all
}

fuzz_target!(|bytes: &[u8]| {
    let whole = heard(bytes, &[16 * 1024]);
    assert_eq!(whole, heard(bytes, &[1]));
    assert_eq!(whole, heard(bytes, &[7, 1, 300, 2]));
    for heard in whole {
        if let Heard::Request(request) = heard {
            let line = serde_json::to_string(&request).expect("JSON");
            let hello = b"{\"netloom\":1}\n";
            let mut again = Incoming::default();
            again.push(hello);
            again.push(line.as_bytes());
            again.push(b"\n");
            assert_eq!(again.hear(), Some(Heard::Hello));
            assert_eq!(again.hear(), Some(Heard::Request(request)));
        }
    }
});
