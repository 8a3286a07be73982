use super::super::document::{ContestantDoc, LatencyDoc, TallyDoc};
use super::super::machine;
use super::super::stats::Summary;
use super::*;

fn row(contestant: &str, size: u32, figure: Option<f64>, ratio: Option<f64>) -> RowDoc {
    RowDoc {
        contestant: contestant.into(),
        frame_size: Some(size),
        queues: Some(1),
        flows: None,
        idle_ports: None,
        receiver: None,
        figure: figure.map(|median| Summary { median, min: median * 0.9, max: median * 1.1 }),
        samples: vec![figure],
        netloom_ratio: ratio,
        undisturbed_ratio: None,
        latency: None,
        frames: None,
        failure: figure.is_none().then(|| "a <broken> switch & co".into()),
    }
}

fn document(rows: Vec<RowDoc>) -> Document {
    let contestant = |name: &str, state, why: Option<&str>| ContestantDoc {
        name: name.into(),
        version: Some("9.8.7-test".into()),
        state,
        why: why.map(Into::into),
        configurations: vec!["set up with <care>".into()],
        limits: Vec::new(),
    };
    Document {
        netloom: "1.2.3",
        date: "2026-01-02T03:04:05Z".into(),
        command: "netloom bench loop".into(),
        machine: machine::this(false),
        rounds: 5,
        duration: 1.0,
        seconds: 77.0,
        contestants: vec![
            contestant("netloom", "measured", None),
            contestant("vde", "missing", Some("not installed")),
        ],
        measurements: vec![MeasurementDoc {
            name: "loop",
            title: "Forwarding rate",
            unit: "frames/s",
            less_is_better: false,
            how: "How it came about.",
            bound: "What bounds it.",
            ceiling: None,
            rows,
        }],
    }
}

#[test]
fn a_page_says_what_was_measured_on_what_and_how() {
    let page = page(&document(vec![
        row("netloom", 64, Some(2e6), None),
        row("vde", 64, Some(1e6), Some(2.0)),
        row("vde", 128, None, None),
    ]));
    for part in [
        "2026-01-02T03:04:05Z",
        "netloom bench loop",
        "1.2.3",
        "9.8.7-test",
        "How it came about.",
        "What bounds it.",
        "set up with &lt;care&gt;",
        "not installed",
        "2.00 M/s",
        "2.00×",
        "a &lt;broken&gt; switch &amp; co",
        "Frames of 64 bytes</h3>",
    ] {
        assert!(page.contains(part), "no {part:?}");
    }
    let kernel = machine::kernel().unwrap();
    assert!(page.contains(&kernel));
}

#[test]
fn a_page_needs_nothing_else() {
    let page = page(&document(vec![row("netloom", 64, Some(2e6), None)]));
    let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
    for reference in ["http:", "https:", "src=", "href=", "@import", "url("] {
        assert!(!without_namespace.contains(reference), "{reference}");
    }
    // Colours that stand for the page's own are all replaced.
    assert!(!page.contains("#010203") && !page.contains("#040506"));
    assert!(page.contains("currentColor") && page.contains("var(--thin)"));
}

#[test]
fn many_sizes_make_lines_and_latencies_percentiles() {
    let mut rows: Vec<RowDoc> =
        [64, 128, 256].map(|size| row("netloom", size, Some(1e6), None)).to_vec();
    assert_eq!(page(&document(rows.clone())).matches("<svg").count(), 4);
    let latency = LatencyDoc { p50: 1e-6, p90: 2e-6, p99: 3e-6, p999: 1e-3, max: 1e-3, count: 9 };
    rows.truncate(1);
    rows[0].latency = Some(latency);
    let page = page(&document(rows));
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(page.contains("99.9 %"));
}

#[test]
fn who_is_compared_with_itself_says_so() {
    let mut rows = [0, 1000]
        .map(|idle| RowDoc { idle_ports: Some(idle), ..row("netloom", 64, Some(1e6), None) });
    rows[1].undisturbed_ratio = Some(0.987);
    rows[1].frames = Some(TallyDoc { sent: 1000, lost: 3 });
    let page = page(&document(rows.to_vec()));
    for part in ["no idle port", "1,000 idle ports", "0.987×", "3 of 1,000"] {
        assert!(page.contains(part), "no {part:?}");
    }
}

#[test]
fn each_number_of_flows_has_lines_of_its_own() {
    let mut rows = Vec::new();
    for size in [64, 128, 256] {
        for flows in [1, 8] {
            rows.push(RowDoc { flows: Some(flows), ..row("netloom", size, Some(1e6), None) });
        }
    }
    let page = page(&document(rows));
    for title in ["One flow, by frame size in bytes</h3>", "8 flows, by frame size in bytes</h3>"] {
        assert_eq!(page.matches(title).count(), 1, "{title}");
    }
}

#[test]
fn nothing_measured_is_a_page_too() {
    let page = page(&document(vec![row("netloom", 64, None, None)]));
    assert!(page.contains("a &lt;broken&gt; switch &amp; co"));
    assert!(super::page(&document(Vec::new())).contains("</html>"));
}
