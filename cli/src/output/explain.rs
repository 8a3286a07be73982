//! `explain`: the verdict, then how it came about.

use crate::control::api::ExplainDoc;
use text::Paint;

/// The verdict in one line and the numbered steps to it.
pub fn explanation(answer: &ExplainDoc, paint: Paint) -> String {
    let vlan = match answer.vid {
        Some(0) => " (VLAN 0, untagged)".to_owned(),
        Some(vid) => format!(" (VLAN {vid})"),
        None => String::new(),
    };
    let mut text = match &answer.reason {
        Some(reason) => format!("{} {reason}{vlan}\n", paint.red("drop")),
        None => format!("{} to {}{vlan}\n", paint.green("forward"), ways_out(answer)),
    };
    for (number, step) in answer.steps.iter().enumerate() {
        text += &format!("{:3}. {step}\n", number + 1);
    }
    text
}

/// `bob, uplink (pushed)`.
fn ways_out(answer: &ExplainDoc) -> String {
    let ways = answer.egress.iter().map(|way| match way.tag.as_str() {
        "none" => way.port.clone(),
        tag => format!("{} ({tag})", way.port),
    });
    ways.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::EgressDoc;

    fn answer() -> ExplainDoc {
        let way = |port: &str, tag: &str| EgressDoc { port: port.into(), tag: tag.into() };
        ExplainDoc {
            verdict: "forward".into(),
            reason: None,
            vid: Some(10),
            egress: vec![way("bob", "none"), way("uplink", "pushed")],
            steps: vec!["in by port alice".into(), "out by port bob".into()],
            lane: false,
        }
    }

    #[test]
    fn the_verdict_comes_first() {
        assert_eq!(
            explanation(&answer(), Paint::on(false)),
            "forward to bob, uplink (pushed) (VLAN 10)\n  1. in by port alice\n  2. out by port bob\n"
        );
    }

    #[test]
    fn a_drop_names_its_reason() {
        let answer = ExplainDoc {
            verdict: "drop".into(),
            reason: Some("too-short".into()),
            vid: None,
            egress: Vec::new(),
            steps: vec!["dropped: too-short".into()],
            lane: false,
        };
        let text = explanation(&answer, Paint::on(true));
        assert!(text.starts_with("\u{1b}[31mdrop\u{1b}[0m too-short\n"), "{text}");
    }
}
