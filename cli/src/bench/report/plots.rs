//! The plots, as SVG text to stand in a page.
//!
//! Text and lines of the frame are drawn in two colours that stand for the
//! page's own, which differ by day and night, and are put in afterwards.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::text::figure_text;
use crate::error::CliError;
use crate::output;

/// Stands for the colour of the page's text.
const TEXT: RGBColor = RGBColor(1, 2, 3);
/// Stands for the colour of the page's thin lines.
const THIN: RGBColor = RGBColor(4, 5, 6);

const WIDTH: u32 = 820;
const FONT: (&str, i32) = ("sans-serif", 13);
/// Room for names left of bars, and for figures right of them; pixels.
const NAMES: i32 = 150;
const FIGURES: f64 = 1.42;
const BAR: u32 = 34;
const AXIS: u32 = 30;

/// A bar with its spread.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) colour: (u8, u8, u8),
    /// Median, least and most; `None` where there is no figure.
    pub(super) figure: Option<(f64, f64, f64)>,
    /// What stands behind the bar.
    pub(super) note: String,
}

/// A line through figures at several places.
pub(super) struct Line {
    pub(super) colour: (u8, u8, u8),
    pub(super) dashed: bool,
    /// The number of the place, and median, least and most there.
    pub(super) points: Vec<(usize, (f64, f64, f64))>,
}

type Plot<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Failure = Box<dyn std::error::Error>;

/// Bars from left to right, one below the other.
pub(super) fn bars(bars: &[Bar], unit: &str) -> Result<String, CliError> {
    draw(bars.len() as u32 * BAR + AXIS + 10, |area| draw_bars(area, bars, unit))
}

fn draw_bars(area: &Plot<'_>, bars: &[Bar], unit: &str) -> Result<(), Failure> {
    let most =
        bars.iter().filter_map(|bar| bar.figure).map(|(_, _, most)| most).fold(0.0, f64::max);
    let end = if most > 0.0 { most } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .margin_left(NAMES)
        .margin_top(5)
        .x_label_area_size(AXIS)
        .build_cartesian_2d(0.0..end * FIGURES, 0.0..bars.len() as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(THIN)
        .axis_style(THIN)
        .x_labels(8)
        .x_label_formatter(&|figure| {
            if *figure <= end { axis_text(*figure, unit) } else { String::new() }
        })
        .label_style(font())
        .draw()?;
    for (number, bar) in bars.iter().enumerate() {
        let top = (bars.len() - number) as f64;
        let middle = top - 0.5;
        let (x, y) = chart.backend_coord(&(0.0, middle));
        area.draw(&Text::new(bar.name.clone(), (x - 8, y), font().pos(right_of_text())))?;
        let Some((median, least, greatest)) = bar.figure else {
            area.draw(&Text::new(bar.note.clone(), (x + 6, y), font().pos(left_of_text())))?;
            continue;
        };
        let colour = RGBColor(bar.colour.0, bar.colour.1, bar.colour.2);
        chart.draw_series([Rectangle::new(
            [(0.0, top - 0.18), (median, top - 0.82)],
            colour.filled(),
        )])?;
        let whisker = |from: (f64, f64), to: (f64, f64)| PathElement::new([from, to], TEXT);
        chart.draw_series([
            whisker((least, middle), (greatest, middle)),
            whisker((least, middle - 0.12), (least, middle + 0.12)),
            whisker((greatest, middle - 0.12), (greatest, middle + 0.12)),
        ])?;
        let (x, y) = chart.backend_coord(&(greatest.max(median), middle));
        let text = format!("{}  {}", figure_text(median, unit), bar.note);
        area.draw(&Text::new(text.trim_end().to_owned(), (x + 8, y), font().pos(left_of_text())))?;
    }
    Ok(())
}

/// Lines over places that have names; with `log`, the figures' scale is logarithmic.
pub(super) fn lines(
    lines: &[Line],
    places: &[String],
    unit: &str,
    log: bool,
) -> Result<String, CliError> {
    draw(340, |area| draw_lines(area, lines, places, unit, log))
}

fn draw_lines(
    area: &Plot<'_>,
    lines: &[Line],
    places: &[String],
    unit: &str,
    log: bool,
) -> Result<(), Failure> {
    let figures = || lines.iter().flat_map(|line| &line.points).map(|(_, figure)| *figure);
    let most = figures().map(|(_, _, most)| most).fold(0.0, f64::max);
    let least = figures().map(|(_, least, _)| least).fold(most, f64::min);
    let most = if most > 0.0 { most } else { 1.0 };
    let across = -0.3..places.len() as f64 - 0.7;
    let mut chart = ChartBuilder::on(area);
    let chart = chart.margin(8).x_label_area_size(AXIS).y_label_area_size(70);
    match log {
        true => {
            let range = (least.max(most / 1e6) * 0.8..most * 1.3).log_scale();
            finish_lines(chart.build_cartesian_2d(across, range)?, lines, places, unit)
        }
        false => {
            finish_lines(chart.build_cartesian_2d(across, 0.0..most * 1.08)?, lines, places, unit)
        }
    }
}

fn finish_lines<'a, Y>(
    mut chart: ChartContext<'a, SVGBackend<'_>, Cartesian2d<RangedCoordf64, Y>>,
    lines: &[Line],
    places: &[String],
    unit: &str,
) -> Result<(), Failure>
where
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let place = |at: &f64| match (at - at.round()).abs() < 1e-6 && *at > -0.1 {
        true => places.get(at.round() as usize).cloned().unwrap_or_default(),
        false => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(THIN)
        .axis_style(THIN)
        .x_labels(places.len() + 2)
        .x_label_formatter(&place)
        .y_labels(8)
        .y_label_formatter(&|figure| axis_text(*figure, unit))
        .label_style(font())
        .draw()?;
    for line in lines {
        let colour = RGBColor(line.colour.0, line.colour.1, line.colour.2);
        let points = || line.points.iter().map(|(at, (median, _, _))| (*at as f64, *median));
        let style = colour.stroke_width(2);
        match line.dashed {
            true => drop(chart.draw_series(DashedLineSeries::new(points(), 6, 4, style))?),
            false => drop(chart.draw_series(LineSeries::new(points(), style))?),
        }
        chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
        let spread = line.points.iter().map(|(at, (_, least, most))| {
            let at = *at as f64;
            PathElement::new([(at, *least), (at, *most)], colour)
        });
        chart.draw_series(spread)?;
    }
    Ok(())
}

fn draw(
    height: u32,
    paint: impl FnOnce(&Plot<'_>) -> Result<(), Failure>,
) -> Result<String, CliError> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    let painted = paint(&area).and_then(|()| Ok(area.present()?));
    drop(area);
    painted.map_err(|error| CliError::failed("a plot", error.to_string()))?;
    Ok(text.replace("\"#010203\"", "\"currentColor\"").replace("\"#040506\"", "\"var(--thin)\""))
}

fn font() -> TextStyle<'static> {
    FONT.into_font().color(&TEXT)
}

fn right_of_text() -> Pos {
    Pos::new(HPos::Right, VPos::Center)
}

fn left_of_text() -> Pos {
    Pos::new(HPos::Left, VPos::Center)
}

/// A figure beside an axis: short.
fn axis_text(figure: f64, unit: &str) -> String {
    let short = |figure: f64, unit: &str| {
        let text = format!("{figure:.3}");
        format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match unit {
        _ if figure.abs() < 1e-12 => "0".into(),
        "seconds" if figure < 1e-3 => short(figure * 1e6, "µs"),
        "seconds" => short(figure * 1e3, "ms"),
        "bit/s" => short(figure / 1e9, "Gb/s"),
        "addresses" => output::count(figure as u64),
        _ if figure < 1e6 => short(figure / 1e3, "k/s"),
        _ => short(figure / 1e6, "M/s"),
    }
}
