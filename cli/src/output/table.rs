//! Aligned columns without lines around them.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement};

use super::paint::Paint;

/// Which side a column's cells keep to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading. Columns keep to their content's width, whatever the terminal's.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[(&'static str, Align)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each column. A control character shows as U+FFFD.
    pub fn row(&mut self, cells: Vec<String>) {
        let plain = |cell: String| match cell.contains(char::is_control) {
            true => cell.replace(char::is_control, "\u{fffd}"),
            false => cell,
        };
        self.rows.push(cells.into_iter().map(plain).collect());
    }

    /// Takes a column out whose every cell says `nothing`.
    pub fn drop_if_all(&mut self, column: &str, nothing: &str) {
        let Some(at) = self.columns.iter().position(|(name, _)| *name == column) else { return };
        if self.rows.iter().all(|row| row[at] == nothing) {
            self.columns.remove(at);
            for row in &mut self.rows {
                row.remove(at);
            }
        }
    }

    /// The table as text. `last` colours the last cell of each row.
    pub fn render(self, paint: Paint, last: impl Fn(&str) -> String) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.columns.iter().map(|(name, _)| *name));
        let ends: Vec<String> =
            self.rows.iter().map(|row| row.last().cloned().unwrap_or_default()).collect();
        table.add_rows(self.rows);
        for (column, (_, align)) in table.column_iter_mut().zip(&self.columns) {
            column.set_padding((0, 2));
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
        let mut text = String::new();
        for (number, line) in table.lines().enumerate() {
            let line = line.trim_end();
            // The header is the first line.
            let end = number.checked_sub(1).and_then(|row| ends.get(row));
            match end.and_then(|end| Some((line.strip_suffix(end.as_str())?, end))) {
                Some((start, end)) => text += &format!("{start}{}\n", last(end)),
                None => text += &format!("{}\n", paint.bold(line)),
            }
        }
        text
    }
}
