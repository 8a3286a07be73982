//! Reads scenario files: one line, one [`Line`].

use std::time::Duration;

use switch_core::config::{L2cp, PortRules};
use switch_core::frame::{Checksum, Gso, GsoKind, Offload, Takes};
use switch_core::port::DeviceState;
use switch_core::vlan::{Allowed, parse_vid};
use switch_core::{Drop, Mac, Tpid, Vid, VlanMode};

use crate::frames::{Body, Tag, parse_tags, super_of};
use crate::lab::Fault;

/// What one line asks for.
pub enum Line {
    /// `== Rule 6: …`: a new switch, and a name for what follows.
    Section(String),
    /// `switch ageing=10 l2cp=standard capacity=64`
    Switch(Vec<(String, String)>),
    /// `p1 access 10; p2 trunk 10+20 native=1 isolated`
    Ports(Vec<(String, Vec<String>)>),
    /// `port set p1 access 20`
    SetPort(String, Vec<String>),
    /// `port del p1`
    DelPort(String),
    /// `port fault p1 full|down|refused|none`
    Fault(String, Fault),
    /// `+301s`
    Wait(Duration),
    /// `p1 A>B[10] -> p2 p3[20]`
    Frames(Frames),
    /// `spray p1 h1-h100 [10]`: a broadcast from each
    Spray { port: String, macs: Vec<Mac>, tags: Vec<Tag> },
    /// `fdb A@p1 B[10]@p2 C@p3=static`: exactly these entries, `fdb empty` for none
    Fdb(Vec<Known>),
    /// `fdb add A p1`, `fdb add A p1 [10]`
    FdbAdd(Mac, String, Option<Vid>),
    /// `fdb fill p1 h1-h64`: a static entry for each
    FdbFill(Vec<Mac>, String),
    /// `fdb del A [10]`
    FdbDel(Mac, Vid),
    /// `fdb flush`, `fdb flush p1 [10] static`
    FdbFlush { port: Option<String>, vid: Option<Vid>, statics: bool },
    /// `held p1 64`: how many dynamic entries a port holds
    Held(String, u32),
    /// `behind p1 h1-h100 [10]`: all of these are known on it
    Behind { port: String, macs: Vec<Mac>, vid: Vid },
    /// `stats p1 rx=3 too-big=1`, `stats removed …`, `stats switch flood_copies=2`
    Stats(String, Vec<(String, u64)>),
}

/// Frames in by one port, and what becomes of them.
pub struct Frames {
    pub port: String,
    pub src: Mac,
    pub dst: Mac,
    pub tags: Vec<Tag>,
    pub len: Option<usize>,
    pub cut: Option<usize>,
    pub times: u32,
    /// Anything but a numbered frame.
    pub body: Option<Body>,
    pub offload: Option<Offload>,
    pub drop: Option<Drop>,
    pub out: Vec<Out>,
}

/// One port a frame is meant for.
pub struct Out {
    pub port: String,
    pub tags: Vec<Tag>,
    pub fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    /// In so many segments: `p2*5`.
    Cut(usize),
    /// `p2!too-big`
    Lost(Drop),
}

/// An FDB entry that must be there.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Known {
    pub vid: u16,
    pub mac: String,
    pub port: String,
    pub is_static: bool,
}

type Read<T> = Result<T, String>;

/// Reads one line; `None` where there is nothing but a comment.
pub fn line(text: &str) -> Read<Option<Line>> {
    let text = text.split('#').next().unwrap_or("").trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((&first, rest)) = words.split_first() else { return Ok(None) };
    let line = match (first, rest) {
        ("==", _) => Line::Section(text.trim_matches(['=', ' ']).to_owned()),
        ("switch", pairs) => {
            Line::Switch(pairs.iter().map(|pair| pair_of(pair)).collect::<Read<_>>()?)
        }
        ("port", ["set", name, words @ ..]) => Line::SetPort((*name).into(), owned(words)),
        ("port", ["del", name]) => Line::DelPort((*name).into()),
        ("port", ["fault", name, fault]) => Line::Fault((*name).into(), fault_of(fault)?),
        ("spray", [port, range, tags @ ..]) => Line::Spray {
            port: (*port).into(),
            macs: range_of(range)?,
            tags: parse_tags(&tags.concat()).ok_or("bad tags")?,
        },
        ("fdb", words) => fdb(words)?,
        ("held", [port, count]) => Line::Held((*port).into(), number(count)?),
        ("behind", [port, range, vid @ ..]) => Line::Behind {
            port: (*port).into(),
            macs: range_of(range)?,
            vid: vid_of(&vid.concat())?.unwrap_or(Vid::UNTAGGED),
        },
        ("stats", [who, counts @ ..]) => {
            let count = |word: &&str| {
                let (name, count) = pair_of(word)?;
                Ok((name, number(&count)?))
            };
            Line::Stats((*who).into(), counts.iter().map(count).collect::<Read<_>>()?)
        }
        (step, []) if step.starts_with('+') => Line::Wait(wait(step)?),
        (port, [frame, ..]) if frame.contains('>') => Line::Frames(frames(port, rest)?),
        _ => Line::Ports(text.split(';').map(port_line).collect::<Read<_>>()?),
    };
    Ok(Some(line))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Read<T> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn pair_of(word: &str) -> Read<(String, String)> {
    let (key, value) = word.split_once('=').ok_or(format!("`{word}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

fn port_line(text: &str) -> Read<(String, Vec<String>)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.split_first() {
        Some((name, words)) => Ok(((*name).to_owned(), owned(words))),
        None => Err("a port without name".into()),
    }
}

fn wait(step: &str) -> Read<Duration> {
    let seconds = step.strip_prefix('+').and_then(|step| step.strip_suffix('s'));
    Ok(Duration::from_secs_f64(number(seconds.ok_or("not like +301s")?)?))
}

fn fault_of(word: &str) -> Read<Fault> {
    Ok(match word {
        "none" => Fault::None,
        "full" => Fault::Full,
        "down" => Fault::Down,
        "refused" => Fault::Refused,
        "gone" => Fault::Gone,
        _ => return Err(format!("unknown fault `{word}`")),
    })
}

/// Changes a port's rules and device as its words say.
pub fn apply(words: &[String], rules: &mut PortRules, device: &mut DeviceState) -> Read<()> {
    let mut words = words.iter().map(String::as_str);
    let on = |value: &str| value != "off";
    while let Some(word) = words.next() {
        let (key, value) = word.split_once('=').unwrap_or((word, "on"));
        let mut vid = || -> Read<Vid> {
            let text = if word == key { words.next().unwrap_or("") } else { value };
            parse_vid(text).ok_or(format!("`{text}` is no VID"))
        };
        match key {
            "transparent" => rules.vlan = VlanMode::Transparent,
            "access" => rules.vlan = VlanMode::Access(vid()?),
            "tunnel" => rules.vlan = VlanMode::Tunnel(vid()?),
            "trunk" => {
                let text = words.next().ok_or("trunk all, or trunk VIDS")?;
                let only = || text.parse().map(Allowed::Only).map_err(|error| format!("{error}"));
                let allowed = if text == "all" { Allowed::All } else { only()? };
                let tpid = Tpid::Customer;
                rules.vlan = VlanMode::Trunk { allowed, native: None, tpid };
            }
            "native" | "tpid" => {
                let VlanMode::Trunk { native, tpid, .. } = &mut rules.vlan else {
                    return Err(format!("{key} goes with trunk"));
                };
                match key {
                    "native" => *native = Some(vid()?),
                    _ => *tpid = if value == "0x88a8" { Tpid::Service } else { Tpid::Customer },
                }
            }
            "learning" => rules.learning = on(value),
            "flood" => rules.flood = on(value),
            "mcast-flood" => rules.mcast_flood = on(value),
            "bcast-flood" => rules.bcast_flood = on(value),
            "isolated" => rules.isolated = on(value),
            "mac-limit" => rules.mac_limit = number(value)?,
            "mtu" => device.mtu = number(value)?,
            "up" => device.up = true,
            "down" => device.up = false,
            "takes" => device.takes = takes(value)?,
            _ => return Err(format!("unknown word `{word}` for a port")),
        }
    }
    Ok(())
}

fn takes(word: &str) -> Read<Takes> {
    Ok(match word {
        "nothing" => Takes::NOTHING,
        "checksum" => Takes { checksum: true, ..Takes::NOTHING },
        "everything" => Takes::EVERYTHING,
        _ => return Err(format!("takes nothing, checksum or everything, not `{word}`")),
    })
}

/// What a `switch` line may set beside the capacity.
pub fn l2cp(word: &str) -> Read<L2cp> {
    match word {
        "transparent" => Ok(L2cp::Transparent),
        "standard" => Ok(L2cp::Standard),
        _ => Err(format!("l2cp=transparent or standard, not `{word}`")),
    }
}

/// `A`, `h17`, a group's name, or an address written out.
pub fn mac(text: &str) -> Read<Mac> {
    let group = |last: u64| Mac::from_u64(0x0180_c200_0000 + last);
    let host = |text: &str| Some(Mac::from_u64(0x0200_0100_0000 + text.parse::<u64>().ok()?));
    Ok(match text {
        "broadcast" => Mac::BROADCAST,
        "mcast" => Mac::from_u64(0x0100_5e00_0001),
        "zero" => Mac::default(),
        "stp" => group(0),
        "pause" => group(1),
        "lacp" => group(2),
        "eapol" => group(3),
        "lldp" => group(0xe),
        _ if text.len() == 1 && text.bytes().all(|letter| letter.is_ascii_uppercase()) => {
            Mac::from_u64(0x0200_0000_0000 + u64::from(text.as_bytes()[0]))
        }
        _ => match text.strip_prefix('h').and_then(host) {
            Some(mac) => mac,
            None => text.parse().map_err(|_| format!("who is `{text}`?"))?,
        },
    })
}

/// `h1-h100`.
fn range_of(text: &str) -> Read<Vec<Mac>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (mac(first)?.to_u64(), mac(last)?.to_u64());
    Ok((first..=last).map(Mac::from_u64).collect())
}

fn vid_of(text: &str) -> Read<Option<Vid>> {
    let tags = parse_tags(text).ok_or(format!("`{text}` is no VLAN"))?;
    Ok(tags.first().and_then(|tag| Vid::new(tag.vid)))
}

fn addressed(text: &str) -> Read<(&str, Vec<Tag>)> {
    let at = text.find('[').unwrap_or(text.len());
    let tags = parse_tags(&text[at..]).ok_or(format!("bad tags in `{text}`"))?;
    Ok((&text[..at], tags))
}

fn frames(port: &str, words: &[&str]) -> Read<Frames> {
    let (src, dst) = words[0].split_once('>').ok_or("no frame")?;
    let (dst, tags) = addressed(dst)?;
    let mut line = Frames {
        port: port.to_owned(),
        src: mac(src)?,
        dst: mac(dst)?,
        tags,
        len: None,
        cut: None,
        times: 1,
        body: None,
        offload: None,
        drop: None,
        out: Vec::new(),
    };
    let mut words = words[1..].iter().copied();
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or(format!("`{word}` what?"));
        match word {
            "len" => line.len = Some(number(next()?)?),
            "cut" => line.cut = Some(number(next()?)?),
            "unfinished" => line.body = Some(Body::Unfinished),
            "offload" => line.offload = Some(offload(next()?)?),
            "tcp4" | "tcp6" | "udp4" | "udp6" => {
                let (payload, size) = next()?.split_once('/').ok_or("PAYLOAD/SIZE")?;
                line.body = super_of(word, number(payload)?, number(size)?).map(Body::Super);
            }
            "drop" => line.drop = Some(drop_named(next()?)?),
            "->" => {
                line.out = words.by_ref().map(out).collect::<Read<_>>()?;
            }
            _ => match word.strip_prefix('x') {
                Some(times) => line.times = number(times)?,
                None => return Err(format!("unknown word `{word}` for a frame")),
            },
        }
    }
    if line.drop.is_none() && line.out.is_empty() {
        return Err("neither `-> PORTS` nor `drop REASON`".into());
    }
    Ok(line)
}

/// `START+OFFSET`, and `/SIZE` where a super-frame is claimed.
fn offload(text: &str) -> Read<Offload> {
    let (checksum, size) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let checksum = match checksum.split_once('+') {
        Some((start, offset)) => {
            Checksum::Partial { start: number(start)?, offset: number(offset)? }
        }
        None => Checksum::None,
    };
    let gso = match size {
        Some(size) => {
            Some(Gso { kind: GsoKind::TcpV4, ecn: false, size: number(size)?, hdr_len: 0 })
        }
        None => None,
    };
    Ok(Offload { checksum, gso })
}

pub fn drop_named(name: &str) -> Read<Drop> {
    let found = Drop::ALL.iter().find(|reason| reason.name() == name);
    found.copied().ok_or(format!("unknown drop reason `{name}`"))
}

fn out(text: &str) -> Read<Out> {
    let (text, fate) = match text.split_once(['!', '*']) {
        Some((text, fate)) => match number(fate) {
            Ok(count) => (text, Fate::Cut(count)),
            Err(_) => (text, Fate::Lost(drop_named(fate)?)),
        },
        None => (text, Fate::Arrives),
    };
    let (port, tags) = addressed(text)?;
    Ok(Out { port: port.to_owned(), tags, fate })
}

fn fdb(words: &[&str]) -> Read<Line> {
    Ok(match words {
        ["empty"] => Line::Fdb(Vec::new()),
        ["add", who, port, vid @ ..] => {
            Line::FdbAdd(mac(who)?, (*port).to_owned(), vid_of(&vid.concat())?)
        }
        ["fill", port, range] => Line::FdbFill(range_of(range)?, (*port).to_owned()),
        ["del", who, vid @ ..] => {
            Line::FdbDel(mac(who)?, vid_of(&vid.concat())?.unwrap_or(Vid::UNTAGGED))
        }
        ["flush", words @ ..] => {
            let (mut port, mut vid, mut statics) = (None, None, false);
            for word in words {
                match *word {
                    "static" => statics = true,
                    word if word.starts_with('[') => vid = vid_of(word)?,
                    word => port = Some(word.to_owned()),
                }
            }
            Line::FdbFlush { port, vid, statics }
        }
        entries => Line::Fdb(entries.iter().map(|entry| known(entry)).collect::<Read<_>>()?),
    })
}

/// `A@p1`, `A[10]@p1=static`
fn known(text: &str) -> Read<Known> {
    let (who, port) = text.split_once('@').ok_or(format!("`{text}` is not like A[10]@p1"))?;
    let (who, tags) = addressed(who)?;
    let (port, is_static) = match port.strip_suffix("=static") {
        Some(port) => (port, true),
        None => (port, false),
    };
    let vid = tags.first().map_or(0, |tag| tag.vid);
    Ok(Known { vid, mac: mac(who)?.to_string(), port: port.to_owned(), is_static })
}
