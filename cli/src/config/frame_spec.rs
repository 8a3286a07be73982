//! FRAME of `explain`: a frame in hexadecimal, or its header in words.

use std::str::FromStr;

use etherparse::{EtherType, Ethernet2Header, SingleVlanHeader, VlanId, VlanPcp};
use switch_core::Mac;
use switch_core::frame::MAX_FRAME;

use super::nearest::likely;
use super::value::{did_you_mean, quoted};
use crate::error::Error;

/// The least Ethernet frame without its check sequence (802.3 clause 4A.4.2).
const SHORTEST: usize = 60;
/// The EtherType of a frame that names none: Local Experimental 1 (802-2014 clause 9.2.4).
const EXPERIMENTAL: u16 = 0x88b5;

const WORDS: [&str; 4] = ["dst", "src", "vlan", "type"];
const FORM: &str = "a frame is hex bytes, or dst=MAC src=MAC [vlan=VID[.PCP]] [type=0xNNNN]";

const PASTE: &str = "give the bytes alone, as `xxd -p` and Wireshark's \"Copy as Hex Stream\" do; \
                     of a dump leave out the offsets and the text";

/// The bytes of the frame that `text` describes: bytes of two hex digits each,
/// parted by spaces, colons or nothing, taken as they are; or
/// `dst=MAC src=MAC [vlan=VID[.PCP]] [type=0xNNNN]`, padded with zeros to 60
/// bytes. VID may be 0 (a priority tag) and 4095 (reserved): to see what
/// becomes of them is what `explain` is for.
///
/// ```
/// use netloom::config::parse_frame;
/// let frame = parse_frame("dst=02:00:00:00:00:0b src=02:00:00:00:00:0a vlan=10.7").unwrap();
/// assert_eq!(frame.len(), 60);
/// assert_eq!(frame[12..16], [0x81, 0x00, 0xe0, 0x0a]);
/// assert_eq!(parse_frame("0x02 00:0a").unwrap(), [0x02, 0x00, 0x0a]);
/// ```
///
/// # Errors
/// Exit 2, naming the word that is wrong.
pub fn parse_frame(text: &str) -> Result<Vec<u8>, Error> {
    let bytes = if text.contains('=') { from_words(text) } else { from_hex(text) }?;
    match bytes.len() {
        0 => Err(Error::usage("frame", "it is empty").hint(FORM)),
        length if length > MAX_FRAME => {
            let why = format!("{length} bytes are more than the {MAX_FRAME} a frame has at most");
            Err(Error::usage("frame", why))
        }
        _ => Ok(bytes),
    }
}

fn wrong(word: &str, why: &str) -> Error {
    Error::usage(format!("frame: {}", quoted(word)), why)
}

/// Bytes and nothing else. A dump is refused rather than read: its offsets and
/// its text can look like bytes.
fn from_hex(text: &str) -> Result<Vec<u8>, Error> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let Some(word) = offset(&words) {
        let why = "this looks like the offset column of a dump, not like bytes";
        return Err(wrong(word, why).hint(PASTE));
    }
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for word in words {
        let digits = word.strip_prefix("0x").unwrap_or(word).replace(':', "");
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong(word, "not hexadecimal").hint(FORM));
        }
        if digits.len() % 2 != 0 || !is_whole(word) {
            return Err(wrong(word, "not whole bytes of two hex digits each").hint(PASTE));
        }
        let pairs = digits.as_bytes().chunks(2).map(String::from_utf8_lossy);
        bytes.extend(pairs.filter_map(|pair| u8::from_str_radix(&pair, 16).ok()));
    }
    Ok(bytes)
}

/// Whether colons stand between bytes only.
fn is_whole(word: &str) -> bool {
    !word.contains(':') || word.split(':').all(|pair| pair.len() == 2)
}

/// The word that is an offset, as tcpdump, xxd, hexdump, od and Wireshark write
/// them: with a colon behind it, or of four to eight digits among single bytes.
fn offset<'t>(words: &[&'t str]) -> Option<&'t str> {
    let is_byte = |at: Option<usize>| at.and_then(|at| words.get(at)).is_none_or(|w| w.len() == 2);
    let is_offset = |(at, word): (usize, &&str)| {
        let digits = word.strip_suffix(':').unwrap_or(word);
        let is_number = digits.trim_start_matches("0x").bytes().all(|b| b.is_ascii_hexdigit());
        let among_bytes = (4..=8).contains(&digits.len())
            && words.len() > 1
            && is_byte(at.checked_sub(1))
            && is_byte(Some(at + 1));
        is_number && !digits.is_empty() && (digits.len() < word.len() || among_bytes)
    };
    words.iter().enumerate().find(|&(at, word)| is_offset((at, word))).map(|(_, word)| *word)
}

fn from_words(text: &str) -> Result<Vec<u8>, Error> {
    let mut values: [Option<&str>; WORDS.len()] = [None; WORDS.len()];
    for word in text.split_whitespace() {
        let (key, value) =
            word.split_once('=').ok_or_else(|| wrong(word, "not KEY=VALUE").hint(FORM))?;
        let Some(index) = WORDS.iter().position(|known| *known == key) else {
            let hint = likely(key, WORDS).map_or(FORM.to_owned(), did_you_mean);
            return Err(wrong(word, &format!("unknown key {}", quoted(key))).hint(hint));
        };
        if values[index].replace(value).is_some() {
            return Err(wrong(word, &format!("{key} is given twice")));
        }
    }
    let [dst, src, vlan, ether_type] = values;
    let ether_type = match ether_type {
        Some(text) => EtherType(hex16(text).ok_or_else(|| bad("type", text, "like 0x0800"))?),
        None => EtherType(EXPERIMENTAL),
    };
    let vlan = vlan.map(|text| tag(text, ether_type)).transpose()?;
    let ethernet = Ethernet2Header {
        destination: mac("dst", dst)?,
        source: mac("src", src)?,
        ether_type: if vlan.is_some() { EtherType::VLAN_TAGGED_FRAME } else { ether_type },
    };
    let mut bytes = ethernet.to_bytes().to_vec();
    bytes.extend(vlan.iter().flat_map(SingleVlanHeader::to_bytes));
    bytes.resize(bytes.len().max(SHORTEST), 0);
    Ok(bytes)
}

fn bad(key: &str, value: &str, expected: &str) -> Error {
    wrong(&format!("{key}={value}"), &format!("{key} is not {expected}"))
}

fn mac(key: &str, value: Option<&str>) -> Result<[u8; 6], Error> {
    let Some(text) = value else {
        let missing = format!("{key}= is missing");
        return Err(Error::usage("frame", missing).hint(FORM));
    };
    let mac =
        Mac::from_str(text).map_err(|_| bad(key, text, "a MAC address like 02:00:00:00:00:0a"))?;
    Ok(mac.octets())
}

/// `VID[.PCP]`.
fn tag(text: &str, ether_type: EtherType) -> Result<SingleVlanHeader, Error> {
    let error = || bad("vlan", text, "VID or VID.PCP, with VID at most 4095 and PCP at most 7");
    let (vid, pcp) = text.split_once('.').unwrap_or((text, "0"));
    let number = |text| super::value::digits(text).and_then(|n| u16::try_from(n).ok());
    let vlan_id = number(vid).and_then(|vid| VlanId::try_new(vid).ok()).ok_or_else(error)?;
    let pcp = number(pcp).and_then(|pcp| u8::try_from(pcp).ok()).ok_or_else(error)?;
    let pcp = VlanPcp::try_new(pcp).map_err(|_| error())?;
    Ok(SingleVlanHeader { pcp, drop_eligible_indicator: false, vlan_id, ether_type })
}

fn hex16(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("0x")?;
    let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::SlicedPacket;

    const PAIR: &str = "dst=02:00:00:00:00:0b src=02:00:00:00:00:0a";

    #[test]
    fn words_make_the_frame_another_parser_reads() {
        let bytes = parse_frame(&format!("{PAIR} vlan=4095.7 type=0x0806")).unwrap();
        assert_eq!(bytes.len(), 60);
        let parsed = Ethernet2Header::from_slice(&bytes).unwrap();
        assert_eq!(parsed.0.destination, [2, 0, 0, 0, 0, 0xb]);
        assert_eq!(parsed.0.source, [2, 0, 0, 0, 0, 0xa]);
        let (vlan, _) = SingleVlanHeader::from_slice(parsed.1).unwrap();
        assert_eq!((vlan.vlan_id.value(), vlan.pcp.value()), (4095, 7));
        assert_eq!(vlan.ether_type, EtherType::ARP);
    }

    #[test]
    fn without_vlan_there_is_no_tag() {
        let bytes = parse_frame(PAIR).unwrap();
        assert_eq!((bytes.len(), &bytes[12..14]), (60, &[0x88, 0xb5][..]));
        assert!(SlicedPacket::from_ethernet(&bytes).unwrap().link_exts.is_empty());
    }

    #[test]
    fn hex_is_taken_as_it_is() {
        for text in ["020a", "02 0A", "0x02 0x0a", "02:0a", " 02\t0a\n", "0x020a"] {
            assert_eq!(parse_frame(text).unwrap(), [0x02, 0x0a], "{text:?}");
        }
    }

    /// Lines as these programs print them, with and without what stands beside the bytes.
    #[test]
    fn a_pasted_dump_is_refused_with_what_to_paste() {
        for dump in [
            // tcpdump -xx, -x, -XX
            "\t0x0000:  0200 0000 000b 0200 0000 000a 0800 4500\n\t0x0010:  0054 0001 0000 4001",
            "0x0000:  4500 0054 0001 0000 4001 2656 0a00 0001",
            "\t0x0000:  0200 0000 000b 0200 0000 000a 0800 4500  ..............E.",
            // xxd
            "00000000: 0200 0000 000b 0200 0000 000a 0800 4500  ..............E.",
            "00000000: 0200 0000 000b 0200 0000 000a 0800 4500",
            // hexdump -C
            "00000000  02 00 00 00 00 0b 02 00  00 00 00 0a 08 00 45 00  |..............E.|",
            "00000000  02 00 00 00 00 0b 02 00  00 00 00 0a 08 00 45 00",
            // hexdump, od -tx1, od -x
            "0000000 0002 0000 0b00 0002 0000 0a00 0008 0045",
            "0000000 02 00 00 00 00 0b 02 00 00 00 00 0a 08 00 45 00",
            "0000000 0002 0000 0b00",
            // Wireshark
            "0000   02 00 00 00 00 0b 02 00 00 00 00 0a 08 00 45 00   ..............E.",
            "0000   02 00 00 00 00 0b 02 00 00 00 00 0a 08 00 45 00",
            // Only the first offset left out.
            "02 00 00 00 00 0b 02 00 00 00 00 0a 08 00 45 00\n0010   00 54 00 01",
        ] {
            let error = parse_frame(dump).expect_err(dump);
            assert_eq!((error.kind.exit(), error.hint.as_deref()), (2, Some(PASTE)), "{dump}");
        }
        // Bytes in other words than dumps have are bytes.
        let bytes = parse_frame("ffffffffffff 020000000001 0800 4500 0054 00").unwrap();
        assert_eq!(bytes.len(), 19);
        assert_eq!(parse_frame("0200 0000 000b 0200 0000 000a 0800").unwrap().len(), 14);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, message) in [
            ("", "frame: it is empty"),
            (":", "frame: \":\": not whole bytes of two hex digits each"),
            ("123", "frame: \"123\": not whole bytes of two hex digits each"),
            ("02:0:a", "frame: \"02:0:a\": not whole bytes of two hex digits each"),
            ("0 2 0 a", "frame: \"0\": not whole bytes of two hex digits each"),
            ("12 xy", "frame: \"xy\": not hexadecimal"),
            ("dst=1", "frame: \"dst=1\": dst is not a MAC address like 02:00:00:00:00:0a"),
            ("src=02:00:00:00:00:0a", "frame: dst= is missing"),
            (
                &format!("{PAIR} dst=02:00:00:00:00:0c"),
                "frame: \"dst=02:00:00:00:00:0c\": dst is given twice",
            ),
            (&format!("{PAIR} vid=4"), "frame: \"vid=4\": unknown key \"vid\""),
            (&format!("{PAIR} vlan"), "frame: \"vlan\": not KEY=VALUE"),
            (&format!("{PAIR} type=800"), "frame: \"type=800\": type is not like 0x0800"),
            (&format!("{PAIR} type=0x+80"), "frame: \"type=0x+80\": type is not like 0x0800"),
            (
                &format!("{PAIR} vlan=4096"),
                "frame: \"vlan=4096\": vlan is not VID or VID.PCP, with VID at most 4095 and PCP at most 7",
            ),
        ] {
            let error = parse_frame(text).unwrap_err();
            assert_eq!((error.kind.exit(), error.to_string().as_str()), (2, message));
        }
        assert!(parse_frame(&"00".repeat(MAX_FRAME + 1)).is_err());
        for vlan in ["", ".", "1.", ".1", "1.8", "1.1.1", "-1", "1.256", "65536"] {
            assert!(parse_frame(&format!("{PAIR} vlan={vlan}")).is_err(), "{vlan}");
        }
    }
}
