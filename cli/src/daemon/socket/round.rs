//! Whose turn it is: every conversation with something to do, one step at a time.

use std::collections::{HashSet, VecDeque};

use mio::Token;

/// Two queues, from which turns are taken alternately: who has just become ready waits for the
/// others that have, and not for all those that keep the switch busy without a pause. Each
/// waits once, whatever is told of it meanwhile.
#[derive(Default)]
pub(super) struct Round {
    fresh: VecDeque<Token>,
    busy: VecDeque<Token>,
    waiting: HashSet<Token>,
    busy_is_next: bool,
}

impl Round {
    /// It has become ready after a pause.
    pub(super) fn begin(&mut self, token: Token) {
        if self.waiting.insert(token) {
            self.fresh.push_back(token);
        }
    }

    /// It had its turn and has more to do.
    pub(super) fn again(&mut self, token: Token) {
        if self.waiting.insert(token) {
            self.busy.push_back(token);
        }
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<Token> {
        let (first, second) = match self.busy_is_next {
            true => (&mut self.busy, &mut self.fresh),
            false => (&mut self.fresh, &mut self.busy),
        };
        self.busy_is_next = !self.busy_is_next;
        let next = first.pop_front().or_else(|| second.pop_front())?;
        self.waiting.remove(&next);
        Some(next)
    }

    /// Whether nobody waits for a turn.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_that_are_busy_keep_nobody_waiting() {
        let mut round = Round::default();
        (0..100).for_each(|n| round.again(Token(n)));
        round.begin(Token(200));
        round.begin(Token(201));
        round.begin(Token(0));
        let turns: Vec<_> = std::iter::from_fn(|| round.next()).map(|token| token.0).collect();
        assert_eq!(turns[..5], [200, 0, 201, 1, 2]);
        assert_eq!(turns.len(), 102, "everyone has a turn");
        assert!(round.is_over());
    }
}
