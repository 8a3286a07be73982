//! The plots, as SVG text to stand in a page.
//!
//! Text and lines of the frame are drawn in two colours that stand for the
//! page's own, which differ by day and night, and are put in afterwards.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::tables::figure_text;
use io_backends::Error;

/// Stands for the colour of the page's text.
const TEXT: RGBColor = RGBColor(1, 2, 3);
/// Stands for the colour of the page's thin lines.
const THIN: RGBColor = RGBColor(4, 5, 6);

const FONT: (&str, i32) = ("sans-serif", 13);
/// What a letter takes in that font, on average and rather too much; pixels.
const LETTER: usize = 7;
const BAR: u32 = 34;
/// With its name above it.
const NAMED_BAR: u32 = 54;
const AXIS: u32 = 30;

/// What a plot is drawn for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// A page as wide as it likes to be.
    Wide,
    /// A telephone.
    Narrow,
}

impl Layout {
    /// Pixels.
    fn width(self) -> u32 {
        match self {
            Layout::Wide => 820,
            Layout::Narrow => 360,
        }
    }

    /// Labels along the axis of bars.
    fn labels(self) -> usize {
        match self {
            Layout::Wide => 8,
            Layout::Narrow => 4,
        }
    }
}

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
pub(super) fn bars(bars: &[Bar], unit: &str, layout: Layout) -> Result<String, Error> {
    let bar = match layout {
        Layout::Wide => BAR,
        Layout::Narrow => NAMED_BAR,
    };
    draw(layout, bars.len() as u32 * bar + AXIS + 10, |area| draw_bars(area, bars, unit, layout))
}

fn draw_bars(area: &Plot<'_>, bars: &[Bar], unit: &str, layout: Layout) -> Result<(), Failure> {
    let room = Room::of(bars, unit, layout);
    let figures = bars.iter().filter_map(|bar| bar.figure);
    let most = figures.map(|(median, _, most)| median.max(most)).fold(0.0, f64::max);
    let end = if most > 0.0 { most } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .margin_left(room.names)
        // The last label is drawn around its place.
        .margin_right(24)
        .margin_top(5)
        .x_label_area_size(AXIS)
        .build_cartesian_2d(0.0..end * room.stretch, 0.0..bars.len() as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(THIN)
        .axis_style(THIN)
        .x_labels(layout.labels())
        .x_label_formatter(&|figure| axis_text(*figure, unit))
        .label_style(font())
        .draw()?;
    for (number, bar) in bars.iter().enumerate() {
        let top = (bars.len() - number) as f64;
        // From the upper to the lower edge, in parts of what a bar has.
        let (upper, lower) = match layout {
            Layout::Wide => (top - 0.18, top - 0.82),
            Layout::Narrow => (top - 0.48, top - 0.88),
        };
        let middle = f64::midpoint(upper, lower);
        let (left, y) = chart.backend_coord(&(0.0, middle));
        let (name_at, name_pos) = match layout {
            Layout::Wide => ((left - 8, y), right_of_text()),
            Layout::Narrow => ((left, chart.backend_coord(&(0.0, top - 0.26)).1), left_of_text()),
        };
        area.draw(&Text::new(bar.name.clone(), name_at, font().pos(name_pos)))?;
        let Some((median, least, greatest)) = bar.figure else {
            area.draw(&Text::new(bar.note.clone(), (left + 6, y), font().pos(left_of_text())))?;
            continue;
        };
        let colour = RGBColor(bar.colour.0, bar.colour.1, bar.colour.2);
        chart.draw_series([Rectangle::new([(0.0, upper), (median, lower)], colour.filled())])?;
        let whisker = |from: (f64, f64), to: (f64, f64)| PathElement::new([from, to], TEXT);
        chart.draw_series([
            whisker((least, middle), (greatest, middle)),
            whisker((least, middle - 0.12), (least, middle + 0.12)),
            whisker((greatest, middle - 0.12), (greatest, middle + 0.12)),
        ])?;
        let (x, y) = chart.backend_coord(&(greatest.max(median), middle));
        area.draw(&Text::new(beside(bar, median, unit), (x + 8, y), font().pos(left_of_text())))?;
    }
    Ok(())
}

/// What stands right of a bar.
fn beside(bar: &Bar, median: f64, unit: &str) -> String {
    format!("{}  {}", figure_text(median, unit), bar.note).trim_end().to_owned()
}

/// The room around bars.
struct Room {
    /// For names left of them, pixels.
    names: i32,
    /// How many times the longest bar's length the axis is, so that what stands
    /// right of that bar finds room.
    stretch: f64,
}

impl Room {
    fn of(bars: &[Bar], unit: &str, layout: Layout) -> Room {
        let pixels = |letters: usize| (letters * LETTER + 16) as i32;
        let names = match layout {
            Layout::Wide => bars.iter().map(|bar| pixels(bar.name.chars().count())).max(),
            Layout::Narrow => None,
        };
        // The axis' first label is drawn around its place.
        let names = names.unwrap_or(8).min(layout.width() as i32 / 2);
        let texts = bars.iter().filter_map(|bar| Some(beside(bar, bar.figure?.0, unit)));
        let text = texts.map(|text| pixels(text.chars().count())).max().unwrap_or(0);
        let all = f64::from(layout.width() as i32 - names - 24);
        Room { names, stretch: all / (all - f64::from(text)).max(all / 4.0) }
    }
}

/// Lines over places that have names; with `log`, the figures' scale is logarithmic.
pub(super) fn lines(
    lines: &[Line],
    places: &[String],
    unit: &str,
    log: bool,
    layout: Layout,
) -> Result<String, Error> {
    draw(layout, 340, |area| draw_lines(area, lines, places, unit, log))
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
    layout: Layout,
    height: u32,
    paint: impl FnOnce(&Plot<'_>) -> Result<(), Failure>,
) -> Result<String, Error> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (layout.width(), height)).into_drawing_area();
    let painted = paint(&area).and_then(|()| Ok(area.present()?));
    drop(area);
    painted.map_err(|error| Error::failed("a plot", error.to_string()))?;
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
        "addresses" => text::count(figure as u64),
        _ if figure < 1e6 => short(figure / 1e3, "k/s"),
        _ => short(figure / 1e6, "M/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where texts begin or end, and what they say.
    fn texts(svg: &str) -> Vec<(f64, bool, String)> {
        let one = |part: &str| {
            let (attributes, rest) = part.split_once('>')?;
            let x = attributes.split_once("x=\"")?.1.split('"').next()?.parse().ok()?;
            let is_end = attributes.contains("text-anchor=\"end\"");
            Some((x, is_end, rest.split_once('<')?.0.trim().to_owned()))
        };
        svg.split("<text ").skip(1).filter_map(one).collect()
    }

    #[test]
    fn names_and_figures_stay_inside() {
        let bar = |name: &str, most: f64| Bar {
            name: name.into(),
            colour: (0, 0, 0),
            figure: Some((most * 0.8, 0.0, most)),
            note: "(12.34×)".into(),
        };
        let names = ["plain", "netloom-io-uring-w1, 1,000 idle ports"];
        for layout in [Layout::Wide, Layout::Narrow] {
            let svg = bars(&names.map(|name| bar(name, 1e6)), "frames/s", layout).unwrap();
            for (x, is_end, text) in texts(&svg) {
                let long = (text.chars().count() * (LETTER - 1)) as f64;
                let (left, right) = if is_end { (x - long, x) } else { (x, x + long) };
                let is_label = text.ends_with("/s");
                let inside = left >= 0.0 && right <= f64::from(layout.width());
                assert!(inside || is_label, "{layout:?}: {text:?} from {left} to {right}");
            }
            assert!(names.iter().all(|name| svg.contains(name)), "{layout:?}");
        }
    }
}
