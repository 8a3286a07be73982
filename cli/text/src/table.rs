//! Aligned columns without lines around them.

use unicode_width::UnicodeWidthStr;

use crate::Paint;

/// Blanks between two columns.
const GAP: usize = 2;

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
    pub fn render(&self, paint: Paint, last: impl Fn(&str) -> String) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| self.width(at)).collect();
        let headings: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let mut text = paint.bold(self.line(&headings, &widths, str::to_owned)) + "\n";
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(String::as_str).collect();
            text += &self.line(&cells, &widths, &last);
            text.push('\n');
        }
        text
    }

    fn width(&self, at: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[at].width());
        cells.max().unwrap_or(0).max(self.columns[at].0.width())
    }

    /// One line, without blanks at its end.
    fn line(&self, cells: &[&str], widths: &[usize], last: impl Fn(&str) -> String) -> String {
        let mut line = String::new();
        for (at, (cell, (_, align))) in cells.iter().zip(&self.columns).enumerate() {
            let blanks = widths[at] - cell.width();
            let is_last = at + 1 == cells.len();
            let (before, after) = match align {
                Align::Right => (blanks, GAP),
                Align::Left => (0, blanks + GAP),
            };
            line.extend(std::iter::repeat_n(' ', before));
            match is_last {
                true => line += &last(cell),
                false => {
                    line += cell;
                    line.extend(std::iter::repeat_n(' ', after));
                }
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_keep_the_columns_straight() {
        let mut table =
            Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("END", Align::Left)]);
        table.row(vec!["絡繰".into(), "1".into(), "a".into()]);
        table.row(vec!["ü".into(), "1000".into(), "b".into()]);
        assert_eq!(
            table.render(Paint::on(false), str::to_owned),
            "NAME     N  END\n絡繰     1  a\nü     1000  b\n"
        );
    }
}
