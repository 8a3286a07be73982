//! One contestant's figures in one case, round by round, and the row they make.

use hdrhistogram::Histogram;

use super::cases::{Case, Receiver, Work};
use super::document::{LatencyDoc, RowDoc, TallyDoc};
use super::stats::{Summary, ratio};
use super::work::{self, Reading, Tally};
use io_backends::Error;

/// After so many failures in a case a contestant is left alone.
const FAILURES: usize = 2;

/// What has been measured so far.
pub(super) struct Series {
    /// The contestant's number; 0 is Netloom as the user has it.
    pub(super) entry: usize,
    pub(super) case: Case,
    pub(super) samples: Vec<Option<f64>>,
    latency: Option<Histogram<u64>>,
    frames: Option<Tally>,
    failure: Option<String>,
    failures: usize,
}

impl Series {
    /// Without figures yet; `failure` is why there can't be any.
    pub(super) fn begin(entry: usize, case: Case, failure: Option<String>) -> Series {
        Series {
            entry,
            case,
            samples: Vec::new(),
            latency: None,
            frames: None,
            failure,
            failures: 0,
        }
    }

    /// A round brought this.
    pub(super) fn add(&mut self, reading: Reading) {
        self.samples.push(Some(reading.figure));
        match (&mut self.latency, reading.latency) {
            (Some(all), Some(new)) => *all += new,
            (all, new) => *all = new,
        }
        if let Some(new) = reading.frames {
            self.frames = Some(self.frames.unwrap_or_default().with(new));
        }
    }

    /// A round failed.
    pub(super) fn fail(&mut self, error: &Error) {
        self.samples.push(None);
        self.failures += 1;
        self.failure.get_or_insert(error.to_string());
    }

    /// Whether it has failed so often that trying again makes no sense.
    pub(super) fn has_given_up(&self) -> bool {
        self.failures >= FAILURES
    }

    /// Its row, among `all`, whose contestants have these names.
    pub(super) fn row(&self, names: &[&str], all: &[Series]) -> RowDoc {
        let over = |entry: usize, case: Case| {
            all.iter().find(|other| other.entry == entry && other.case == case)
        };
        let ours = if self.entry == 0 { None } else { over(0, self.case) };
        let undisturbed = self.case.undisturbed().and_then(|case| over(self.entry, case));
        RowDoc {
            contestant: names[self.entry].to_owned(),
            frame_size: self.case.size,
            queues: self.case.queues,
            flows: self.case.flows,
            idle_ports: self.case.idle_ports,
            receiver: self.case.receiver.map(Receiver::name),
            figure: Summary::of(&self.samples),
            samples: self.samples.clone(),
            netloom_ratio: ours.and_then(|ours| ratio(&ours.samples, &self.samples)),
            undisturbed_ratio: undisturbed.and_then(|other| ratio(&self.samples, &other.samples)),
            latency: self.latency.as_ref().map(percentiles),
            frames: self.frames.map(|Tally { sent, lost }| TallyDoc { sent, lost }),
            failure: self.failure.clone(),
        }
    }
}

/// The case in a few words.
pub(super) fn label(work: Work, case: &Case) -> String {
    let mut label = work::describe(work).name.to_owned();
    if let Some(size) = case.size {
        label += &format!(" {size} B");
    }
    for (number, one, many) in [(case.queues, "queue", "queues"), (case.flows, "flow", "flows")] {
        if let Some(number) = number {
            label += &format!(" {number} {}", if number == 1 { one } else { many });
        }
    }
    if let Some(idle) = case.idle_ports {
        label += &format!(" {idle} idle");
    }
    if let Some(receiver) = case.receiver {
        label += &format!(" receiver {}", receiver.name());
    }
    label
}

fn percentiles(latency: &Histogram<u64>) -> LatencyDoc {
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let at = |quantile| seconds(latency.value_at_quantile(quantile));
    LatencyDoc {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: seconds(latency.max()),
        count: latency.len(),
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn series(entry: usize, case: Case, samples: &[Option<f64>]) -> Series {
        Series { samples: samples.to_vec(), ..Series::begin(entry, case, None) }
    }

    fn of_size(size: u32) -> Case {
        Case { size: Some(size), ..Case::default() }
    }

    #[test]
    fn others_are_compared_with_the_first_in_the_same_case() {
        let all = [
            series(0, of_size(64), &[Some(3.0), Some(4.0)]),
            series(1, of_size(64), &[Some(1.5), None]),
            series(0, of_size(128), &[Some(9.0), Some(9.0)]),
        ];
        let rows: Vec<RowDoc> =
            all.iter().map(|series| series.row(&["one", "two"], &all)).collect();
        assert_eq!(rows[0].netloom_ratio, None);
        assert_eq!(rows[1].netloom_ratio, Some(2.0));
        assert_eq!(rows[1].figure.map(|figure| figure.median), Some(1.5));
        assert_eq!(rows[1].contestant, "two");
    }

    #[test]
    fn who_is_disturbed_is_compared_with_itself() {
        let beside = |idle, samples: &[f64]| {
            let case = Case { idle_ports: Some(idle), ..of_size(64) };
            series(0, case, &samples.iter().copied().map(Some).collect::<Vec<_>>())
        };
        let all = [beside(0, &[4.0, 5.0, 8.0]), beside(1000, &[2.0, 4.0, 8.0])];
        let rows: Vec<RowDoc> = all.iter().map(|series| series.row(&["one"], &all)).collect();
        assert_eq!((rows[0].undisturbed_ratio, rows[0].idle_ports), (None, Some(0)));
        assert_eq!((rows[1].undisturbed_ratio, rows[1].netloom_ratio), (Some(0.8), None));
    }

    #[test]
    fn frames_add_up_over_rounds() {
        let mut series = series(0, of_size(64), &[]);
        for lost in [0, 3] {
            let frames = Some(Tally { sent: 10, lost });
            series.add(Reading { figure: 1.0, latency: None, frames });
        }
        assert_eq!(series.row(&["one"], &[]).frames, Some(TallyDoc { sent: 20, lost: 3 }));
    }

    #[test]
    fn cases_in_words() {
        let case = Case { queues: Some(1), ..of_size(64) };
        assert_eq!(label(Work::Loop, &case), "loop 64 B 1 queue");
        let case = Case { flows: Some(8), ..Case::default() };
        assert_eq!(label(Work::Tcp, &case), "tcp 8 flows");
        let case = Case { receiver: Some(Receiver::Stopped), ..Case::default() };
        let words = label(Work::StoppedRate, &case);
        assert_eq!(words, "stopped-receiver-rate receiver stopped");
    }

    #[test]
    fn latencies_are_seconds() {
        let mut latency = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
        for microseconds in 1..=1000 {
            latency.record(microseconds * 1000).unwrap();
        }
        let told = percentiles(&latency);
        assert!((told.p50 - 500e-6).abs() < 1e-6, "{told:?}");
        assert!((told.p99 - 990e-6).abs() < 1e-6, "{told:?}");
        assert_eq!(told.count, 1000);
    }
}
