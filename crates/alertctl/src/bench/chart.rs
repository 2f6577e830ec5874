//! The first row as a picture: three panels of bars, on logarithmic scales, because Python is far away.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::BenchReport;
use super::scene::{Contestant, Figures};

const SIZE: (u32, u32) = (900, 560);
const HEADING: u32 = 50;
/// Where bars begin: beside the names.
const LEFT: i32 = 180;
/// What stands right of the longest bar.
const RIGHT: i32 = 90;

/// What one panel shows, and where its scale begins.
struct Panel {
    title: &'static str,
    unit: &'static str,
    from: f64,
    value: fn(&Figures) -> Option<f64>,
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "First answer of a new process",
        unit: "ms",
        from: 0.5,
        value: |figures| Some(figures.cold.median_ms()),
    },
    Panel {
        title: "Answer of a warm process (p50)",
        unit: "ms",
        from: 0.05,
        value: |figures| Some(figures.warm.median_ms()),
    },
    Panel { title: "Peak memory", unit: "MiB", from: 1.0, value: Figures::peak_mib },
];

/// The picture as SVG.
pub(super) fn svg(report: &BenchReport) -> Result<String, String> {
    let mut svg = String::new();
    draw(report, &mut svg).map_err(|error| format!("the chart cannot be drawn: {error}"))?;
    Ok(svg)
}

fn draw(report: &BenchReport, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let Some(table) = report.tables.first() else { return Ok(()) };
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let heading = ("sans-serif", 15).into_font().color(&BLACK);
    root.draw_text(&format!("Medians, logarithmic scale · {}", report.machine.text()), &heading, (16, 16))?;
    let (_, panels) = root.split_vertically(HEADING);
    for (panel, area) in PANELS.iter().zip(panels.split_evenly((PANELS.len(), 1))) {
        draw_panel(panel, &table.figures, &area)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel(
    panel: &Panel,
    figures: &[Figures],
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
) -> Result<(), Box<dyn std::error::Error>> {
    let text = ("sans-serif", 13).into_font().color(&BLACK);
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (i32::try_from(width)?, i32::try_from(height)?);
    area.draw_text(
        panel.title,
        &("sans-serif", 14).into_font().style(FontStyle::Bold).color(&BLACK),
        (16, 0),
    )?;
    let values: Vec<(Contestant, f64)> =
        figures.iter().filter_map(|figures| Some((figures.contestant, (panel.value)(figures)?))).collect();
    let most = values.iter().map(|(_, value)| *value).fold(panel.from, f64::max);
    let step = (height - 28) / i32::try_from(values.len().max(1))?;
    for (place, (contestant, value)) in values.into_iter().enumerate() {
        let top = 22 + i32::try_from(place)? * step;
        let share = (value / panel.from).ln().max(0.0) / (most / panel.from).ln();
        #[allow(clippy::cast_possible_truncation, reason = "pixels")]
        let end = LEFT + (f64::from(width - LEFT - RIGHT) * share) as i32;
        let middle = top + step / 2;
        let at = |horizontal| text.pos(Pos::new(horizontal, VPos::Center));
        area.draw_text(contestant.name(), &at(HPos::Right), (LEFT - 8, middle))?;
        area.draw(&Rectangle::new([(LEFT, top + 3), (end, top + step - 3)], colour(contestant).filled()))?;
        let digits = if value < 1.0 { 2 } else { 1 };
        area.draw_text(&format!("{value:.digits$} {}", panel.unit), &at(HPos::Left), (end + 6, middle))?;
    }
    Ok(())
}

fn colour(contestant: Contestant) -> RGBColor {
    match contestant {
        Contestant::Empty => RGBColor(150, 150, 150),
        Contestant::PythonRelay | Contestant::PythonFilter => RGBColor(222, 145, 60),
        Contestant::Relay
        | Contestant::Filter
        | Contestant::RelayToThree
        | Contestant::RelayByApp
        | Contestant::RelayWithEvidence => RGBColor(54, 116, 181),
    }
}
