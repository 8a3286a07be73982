//! The word a user most likely meant.

/// Of longer words only the beginning is compared, which bounds the work that
/// a strange file can ask for.
const LONGEST: usize = 40;
/// The least number of letters that make one word the beginning of another by intent.
const PREFIX: usize = 3;

/// The candidate that `word` is a slip of the hand for: the one that is fewest
/// edits away, if those are few; else one that begins `word` or that `word`
/// begins. Underscores count as hyphens, capitals as small letters.
pub(crate) fn likely<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = simple(word);
    let candidates: Vec<_> = candidates.into_iter().map(|c| (c, simple(c))).collect();
    let edits = |c: &str| strsim::osa_distance(&word, c);
    let (nearest, plain) = candidates.iter().min_by_key(|(_, plain)| edits(plain))?;
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

    const KEYS: [&str; 6] = ["access", "addr", "mtu", "mac", "mac-limit", "mcast-flood"];

    #[test]
    fn slips_of_the_hand() {
        for (typed, meant) in [
            ("acess", "access"),
            ("adrr", "addr"),
            ("address", "addr"),
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
        for far in ["frobnicate", "q", "", "netns", &"m".repeat(1_000_000)] {
            assert_eq!(likely(far, KEYS), None, "{far}");
        }
        assert_eq!(likely("mtu", []), None);
    }
}
