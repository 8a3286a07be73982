//! What a port owes for the work that its frames make, so that turns are fair in
//! work: a frame that is flooded to a thousand ports, or cut into a thousand
//! segments, costs what a thousand frames do.
//!
//! It is deficit round robin (Shreedhar and Varghese, 1995) with the bill after
//! the meal: nobody knows what a frame costs before it is delivered. A port that
//! was charged more than [`FAIR`] a frame owes the rest. In each round it pays
//! what others may cost by their turns, and is served again when it owes no more.

use crate::port::BURST;

/// Units of work that a frame may cost without its port owing anything.
pub const FAIR: u32 = 2;

/// Units a turn of one port may cost, as far as its last frames foretell: so many
/// fewer frames it gets.
const TURN: usize = 4 * BURST;

/// A frame that costs more units than this is long work,
const LONG: u32 = 2 * BURST as u32;
/// and those of so many turns after it are not trusted to be less.
const WARY: u8 = 64;

/// Bytes written that count as a unit.
const BYTES: u64 = 2048;

/// What writing frames costs: a unit for each, and one for each 2048 bytes.
#[inline]
pub fn work_of(frames: usize, bytes: u64) -> u32 {
    frames as u32 + (bytes / BYTES) as u32
}

/// One port's account.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    owed: u32,
    /// The most frames it gets a turn, 1 to [`BURST`].
    most: usize,
    /// So many turns more its frames are taken to be long work.
    long: u8,
}

impl Default for Account {
    fn default() -> Account {
        Account { owed: 0, most: BURST, long: 0 }
    }
}

impl Account {
    /// What it owes, in units.
    #[inline]
    pub fn owed(&self) -> u32 {
        self.owed
    }

    /// Notes that `frames` frames, one at least, cost `work`.
    pub fn charge(&mut self, frames: usize, work: u32) {
        let fair = FAIR * frames as u32;
        self.owed = self.owed.saturating_add(work.saturating_sub(fair));
        self.most = (TURN * frames / (work as usize).max(1)).clamp(1, BURST);
        if work / frames as u32 > LONG {
            self.long = WARY;
        }
    }

    /// Waives as much.
    pub fn waive(&mut self, units: u32) {
        self.owed = self.owed.saturating_sub(units);
    }

    /// Its turn has come in a round in which each port gets `share` frames: how
    /// many it gets. `None` when it owes more than this turn is worth, which it
    /// pays by not being served.
    #[inline]
    pub fn turn(&mut self, share: usize) -> Option<usize> {
        let worth = FAIR * share as u32;
        if self.owed > worth {
            self.owed -= worth;
            return None;
        }
        self.owed = 0;
        self.long = self.long.saturating_sub(1);
        let most = self.most;
        self.most = (2 * most).min(BURST);
        Some(share.min(most))
    }

    /// How many it gets in the middle of another port's long work. None for one
    /// that owes more than a turn is worth, or whose frames make long work too.
    #[inline]
    pub fn light_turn(&mut self, share: usize) -> Option<usize> {
        if self.long > 0 || self.owed > FAIR * share as u32 { None } else { self.turn(share) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_frames_owe_nothing() {
        let mut account = Account::default();
        assert_eq!(account.turn(64), Some(64));
        account.charge(64, work_of(64, 64 * 1514));
        assert_eq!((account.owed(), account.turn(64)), (0, Some(64)));
    }

    #[test]
    fn a_costly_port_waits_until_the_others_had_as_much_and_gets_few_frames() {
        let mut account = Account::default();
        account.charge(1, 1002);
        let skipped = (0..).take_while(|_| account.turn(10).is_none()).count();
        assert_eq!(skipped, 49, "1000 units, 20 a round");
        account.charge(1, 1002);
        account.waive(1000);
        assert_eq!(account.turn(64), Some(1));
    }

    #[test]
    fn who_costs_little_again_gets_more_turn_by_turn() {
        let mut account = Account::default();
        account.charge(1, 5000);
        account.waive(5000);
        let shares: Vec<_> = (0..7).map_while(|_| account.turn(64)).collect();
        assert_eq!(shares, [1, 2, 4, 8, 16, 32, 64]);
    }
}
