//! A bench as one page that needs nothing else: plots, tables, and what they stand on.

mod file;
mod page;
mod plots;

use super::document::{Document, MeasurementDoc, RowDoc};

pub use file::PageFile;

/// The page.
pub fn page(document: &Document) -> String {
    page::write(document)
}

/// Colours of series that read on white and on black, in the order of the contestants.
const COLOURS: [(u8, u8, u8); 8] = [
    (0x2e, 0x7d, 0xe6),
    (0xe0, 0x82, 0x14),
    (0xc7, 0x4a, 0x7a),
    (0x2f, 0x9e, 0x64),
    (0x86, 0x8e, 0x96),
    (0x84, 0x6f, 0xd6),
    (0xb3, 0x8f, 0x00),
    (0x17, 0x9a, 0xa8),
];

/// The colour of a contestant, the same all over the page.
fn colour(document: &Document, name: &str) -> (u8, u8, u8) {
    let place = document.contestants.iter().position(|contestant| contestant.name == name);
    COLOURS[place.unwrap_or(0) % COLOURS.len()]
}

/// One figure's circumstances in words, as a heading of a plot; queues go with the contestant's name.
fn case_text(row: &RowDoc) -> String {
    let mut words = Vec::new();
    if let Some(size) = row.frame_size {
        words.push(format!("frames of {size} bytes"));
    }
    words.extend(flows_text(row));
    words.join(", ")
}

/// How many flows there were, if that was counted.
fn flows_text(row: &RowDoc) -> Option<String> {
    match row.flows? {
        1 => Some("one flow".into()),
        flows => Some(format!("{flows} flows")),
    }
}

/// The rows by frame size and flows, in the order of their first.
fn by_case(measurement: &MeasurementDoc) -> Vec<Vec<&RowDoc>> {
    let mut cases: Vec<Vec<&RowDoc>> = Vec::new();
    for row in &measurement.rows {
        let is_alike = |rows: &&mut Vec<&RowDoc>| {
            (rows[0].frame_size, rows[0].flows) == (row.frame_size, row.flows)
        };
        match cases.iter_mut().find(is_alike) {
            Some(rows) => rows.push(row),
            None => cases.push(vec![row]),
        }
    }
    cases
}

/// The frame sizes of a measurement, rising.
fn sizes(measurement: &MeasurementDoc) -> Vec<u32> {
    let mut sizes: Vec<u32> = measurement.rows.iter().filter_map(|row| row.frame_size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

#[cfg(test)]
mod tests;
