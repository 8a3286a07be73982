//! The word a user most likely meant.

/// Of longer words only the beginning is compared, which bounds the work that
/// a strange file can ask for.
const LONGEST: usize = 40;
/// The least number of letters that make one word the beginning of another by intent.
const PREFIX: usize = 3;

/// What other tools call it, and what it is called here.
const OTHER_WORDS: [(&str, &str); 31] = [
    ("address", "addr"),
    ("addresses", "addr"),
    ("ipaddr", "addr"),
    ("cidr", "addr"),
    ("ipv4", "addr"),
    ("ipv6", "addr"),
    ("ip", "addr"),
    ("ip6", "addr"),
    ("route", "gateway"),
    ("router", "gateway"),
    ("via", "gateway"),
    ("gw", "gateway"),
    ("hwaddr", "mac"),
    ("lladdr", "mac"),
    ("ether", "mac"),
    ("namespace", "netns"),
    ("ns", "netns"),
    ("interface", "ifname"),
    ("iface", "ifname"),
    ("dev", "ifname"),
    ("vlan", "access"),
    ("vid", "access"),
    ("pvid", "access"),
    ("untagged", "access"),
    ("vlans", "trunk"),
    ("tagged", "trunk"),
    ("qinq", "tunnel"),
    ("persistent", "existing"),
    ("aging", "ageing"),
    ("threads", "workers"),
    ("cpus", "workers"),
];
/// The least number of letters that make a slip of the hand in one of those recognisable.
const TELLING: usize = 5;

/// The candidate that `word` is a slip of the hand for: the one that is fewest
/// edits away, if those are few; else one that begins `word` or that `word`
/// begins. What other tools call a candidate stands for it. Underscores count as hyphens, capitals as small letters.
pub(crate) fn likely<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = simple(word);
    let candidates: Vec<_> = candidates.into_iter().map(|c| (c, simple(c))).collect();
    let edits = |c: &str| strsim::osa_distance(&word, c);
    let other_words = candidates.iter().flat_map(|&(candidate, _)| {
        let own = OTHER_WORDS.iter().filter(move |(_, here)| *here == candidate);
        let tells = |other: &str| other == word || other.len() >= TELLING;
        own.filter(move |(other, _)| tells(other)).map(move |(other, _)| (candidate, *other))
    });
    let plain = candidates.iter().map(|(candidate, plain)| (*candidate, plain.as_str()));
    let (nearest, plain) = plain.chain(other_words).min_by_key(|(_, plain)| edits(plain))?;
    if edits(plain) <= 1 + plain.len().min(word.len()) / 4 {
        return Some(nearest);
    }
    let begins = |a: &str, b: &str| a.len() >= PREFIX && b.starts_with(a);
    let related = candidates.iter().find(|(_, c)| begins(c, &word) || begins(&word, c));
    related.map(|&(candidate, _)| candidate)
}

fn simple(word: &str) -> String {
    let fold = |c: char| if c == '_' { '-' } else { c.to_ascii_lowercase() };
    word.chars().take(LONGEST).map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 7] =
        ["access", "addr", "mtu", "mac", "mac-limit", "mcast-flood", "transparent"];

    #[test]
    fn slips_of_the_hand() {
        for (typed, meant) in [
            ("acess", "access"),
            ("adrr", "addr"),
            ("address", "addr"),
            ("adress", "addr"),
            ("adresses", "addr"),
            ("ip", "addr"),
            ("vlan", "access"),
            ("untaged", "access"),
            ("hwadr", "mac"),
            ("mut", "mtu"),
            ("mac_limt", "mac-limit"),
            ("MTU", "mtu"),
            ("mcast", "mcast-flood"),
        ] {
            assert_eq!(likely(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn what_is_far_is_nothing() {
        for far in ["frobnicate", "q", "", "netns", "if", "route", &"m".repeat(1_000_000)] {
            assert_eq!(likely(far, KEYS), None, "{far}");
        }
        assert_eq!(likely("mtu", []), None);
    }
}
