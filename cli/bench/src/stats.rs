//! What is made of figures measured round by round.

use serde::Serialize;

/// The middle and the ends of some figures.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Summary {
    /// Of the figures there are; `None` when there are none.
    pub(super) fn of(samples: &[Option<f64>]) -> Option<Summary> {
        let there: Vec<f64> = samples.iter().flatten().copied().collect();
        Some(Summary {
            median: median(&there)?,
            min: there.iter().copied().reduce(f64::min)?,
            max: there.iter().copied().reduce(f64::max)?,
        })
    }
}

/// How many times theirs ours is: the median over the rounds that have both.
///
/// Each round compares two figures taken moments apart, so that a neighbour
/// what slows the machine down for a while slows both.
pub(super) fn ratio(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<f64> {
    let pairs = ours.iter().zip(theirs).filter_map(|(ours, theirs)| Some(((*ours)?, (*theirs)?)));
    let ratios: Vec<f64> =
        pairs.filter(|(_, theirs)| *theirs > 0.0).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

/// The middle one, or the mean of the two in the middle.
fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[half]),
        _ => Some(sorted[half - 1].midpoint(sorted[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_and_ends() {
        let summary = |samples: &[f64]| {
            Summary::of(&samples.iter().copied().map(Some).collect::<Vec<_>>())
                .map(|summary| (summary.median, summary.min, summary.max))
        };
        assert_eq!(summary(&[]), None);
        assert_eq!(summary(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(summary(&[9.0, 1.0, 4.0]), Some((4.0, 1.0, 9.0)));
        assert_eq!(summary(&[9.0, 1.0, 4.0, 2.0]), Some((3.0, 1.0, 9.0)));
        let some_failed = [Some(2.0), None, Some(1.0), Some(7.0)];
        assert_eq!(Summary::of(&some_failed).map(|summary| summary.median), Some(2.0));
    }

    #[test]
    fn a_ratio_compares_figures_of_the_same_round() {
        // Both slow down together in the second round, and theirs fails in the last.
        let ours = [Some(20.0), Some(2.0), Some(30.0), Some(1.0)];
        let theirs = [Some(10.0), Some(1.0), Some(10.0), None];
        assert_eq!(ratio(&ours, &theirs), Some(2.0));
        assert_eq!(ratio(&ours, &[None; 4]), None);
        assert_eq!(ratio(&[Some(1.0)], &[Some(0.0)]), None);
    }
}
