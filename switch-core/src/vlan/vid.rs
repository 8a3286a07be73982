//! VLAN identifiers, and sets of them.

use std::fmt;
use std::str::FromStr;

/// A VLAN a frame can belong to: 1–4094 (802.1Q table 9-2), or 0 for
/// [`Vid::UNTAGGED`], the untagged traffic of transparent ports.
///
/// ```
/// use switch_core::Vid;
/// assert!(Vid::new(4094).is_some());
/// assert!(Vid::new(4095).is_none());
/// assert!(Vid::configured(0).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vid(u16);

impl Vid {
    /// VLAN 0: what transparent ports exchange without a tag or with a priority tag.
    pub const UNTAGGED: Vid = Vid(0);
    /// One more than the largest [`Vid`].
    pub const COUNT: usize = 4095;

    /// `None` for 4095, which 802.1Q reserves, and above.
    #[inline]
    pub const fn new(vid: u16) -> Option<Vid> {
        if vid < 4095 { Some(Vid(vid)) } else { None }
    }

    /// A VID a user may name: 1–4094.
    #[inline]
    pub const fn configured(vid: u16) -> Option<Vid> {
        if vid == 0 { None } else { Vid::new(vid) }
    }

    /// 0–4094.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Vid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Vid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of VIDs 1–4094.
#[derive(Clone, PartialEq, Eq)]
pub struct VidSet(Box<[u64; 64]>);

impl VidSet {
    /// The empty set.
    pub fn new() -> VidSet {
        VidSet(Box::new([0; 64]))
    }

    /// Every VID from 1 to 4094.
    pub fn all() -> VidSet {
        (1..=4094).filter_map(Vid::configured).collect()
    }

    /// Adds one VID; VLAN 0 is not a member of any set and is ignored.
    pub fn insert(&mut self, vid: Vid) {
        if vid != Vid::UNTAGGED {
            self.0[usize::from(vid.0) / 64] |= 1 << (vid.0 % 64);
        }
    }

    /// Whether `vid` is in the set.
    #[inline]
    pub fn contains(&self, vid: Vid) -> bool {
        self.0[usize::from(vid.0) / 64] >> (vid.0 % 64) & 1 != 0
    }

    /// The VIDs in rising order.
    pub fn iter(&self) -> impl Iterator<Item = Vid> + '_ {
        let words = (0..).step_by(64).zip(self.0.iter()).filter(|&(_, &word)| word != 0);
        let all = words.flat_map(|(first, _)| first..first + 64);
        all.filter_map(Vid::configured).filter(|&vid| self.contains(vid))
    }

    /// Whether no VID is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }
}

impl Default for VidSet {
    fn default() -> Self {
        VidSet::new()
    }
}

impl FromIterator<Vid> for VidSet {
    fn from_iter<I: IntoIterator<Item = Vid>>(vids: I) -> VidSet {
        let mut set = VidSet::new();
        vids.into_iter().for_each(|vid| set.insert(vid));
        set
    }
}

impl fmt::Display for VidSet {
    /// The form that [`VidSet::from_str`] reads, ranges joined: `10+20-29`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut vids = self.iter().map(Vid::get).peekable();
        let mut first = true;
        while let Some(low) = vids.next() {
            let mut high = low;
            while let Some(next) = vids.next_if_eq(&(high + 1)) {
                high = next;
            }
            let plus = if first { "" } else { "+" };
            first = false;
            match high - low {
                0 => write!(f, "{plus}{low}")?,
                _ => write!(f, "{plus}{low}-{high}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for VidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// Why a text is not a set of VIDs: the part that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VidSetError(pub String);

impl fmt::Display for VidSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a VID (1-4094) or a rising range of them", self.0)
    }
}

impl std::error::Error for VidSetError {}

impl FromStr for VidSet {
    type Err = VidSetError;

    /// Reads VIDs and ranges parted by `+`: `10+20-29`.
    fn from_str(text: &str) -> Result<VidSet, VidSetError> {
        let mut set = VidSet::new();
        for part in text.split('+') {
            let error = || VidSetError(part.to_owned());
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let low = parse_vid(low).ok_or_else(error)?;
            let high = parse_vid(high).ok_or_else(error)?;
            if low > high {
                return Err(error());
            }
            (low.0..=high.0).for_each(|vid| set.insert(Vid(vid)));
        }
        Ok(set)
    }
}

/// A decimal VID from 1 to 4094, digits only.
pub fn parse_vid(text: &str) -> Option<Vid> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Vid::configured(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vid_sets_round_trip() {
        for text in ["1", "10+20-29", "1-4094", "4094", "1-2+4"] {
            assert_eq!(text.parse::<VidSet>().unwrap().to_string(), text);
        }
        assert_eq!("5+4+3".parse::<VidSet>().unwrap().to_string(), "3-5");
        assert_eq!("1-4094".parse::<VidSet>().unwrap(), VidSet::all());
    }

    #[test]
    fn bad_vid_sets_name_the_part() {
        for (text, part) in
            [("0", "0"), ("10+4095", "4095"), ("9-3", "9-3"), ("", ""), ("1+x", "x"), ("+5", "")]
        {
            assert_eq!(text.parse::<VidSet>(), Err(VidSetError(part.into())), "{text}");
        }
    }
}
