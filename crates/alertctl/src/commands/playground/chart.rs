//! A chart as HTML: the lines are SVG, all words stand around it, so that they keep their size on every screen.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::commands::slack::Chart;

/// The drawing's own measure, which the page stretches.
const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 40.0;
/// What is left free above and below the lines, so that the outermost are whole.
const MARGIN: f64 = 4.0;

/// The chart, with its numbers for those who do not see it.
pub(crate) fn figure(chart: &Chart) -> Markup {
    let (low, high) = extent(chart);
    let label = format!("{}: {}", chart.title, chart.words());
    let ends = [chart.categories.first(), Some(&chart.axis), chart.categories.last()];
    html! {
        figure.chart {
            figcaption { strong { (chart.title) } " " span { (chart.words()) } }
            div.plot {
                div.scale aria-hidden="true" { span { (chart.shown(high)) } span { (chart.shown(low)) } }
                svg role="img" aria-label=(label) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" {
                    @for series in chart.series.iter().skip(1) {
                        path.limit d=(path(&series.values, low, high)) {}
                    }
                    path.values d=(path(chart.measured(), low, high)) {}
                    path.points d=(points(chart.measured(), low, high)) {}
                }
                div.moments aria-hidden="true" {
                    @for word in ends.into_iter().flatten() { span { (word) } }
                }
            }
        }
    }
}

/// The lowest value of all series, and the highest.
fn extent(chart: &Chart) -> (f64, f64) {
    let values = || chart.series.iter().flat_map(|series| series.values.iter().copied());
    (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
}

/// Where each value stands.
fn places(values: &[f64], low: f64, high: f64) -> impl Iterator<Item = (f64, f64)> {
    let steps = u32::try_from(values.len().saturating_sub(1)).unwrap_or(u32::MAX);
    values.iter().zip(0u32..).map(move |(value, step)| {
        let x = if steps == 0 { WIDTH / 2.0 } else { WIDTH * f64::from(step) / f64::from(steps) };
        // Halves, because the span of the largest numbers is none.
        let span = high / 2.0 - low / 2.0;
        let share = if span > 0.0 { (value / 2.0 - low / 2.0) / span } else { 0.5 };
        (x, HEIGHT - MARGIN - share * (HEIGHT - 2.0 * MARGIN))
    })
}

/// One line through all values; of a single one, across the drawing.
fn path(values: &[f64], low: f64, high: f64) -> String {
    if let [_] = values {
        return places(values, low, high)
            .fold(String::new(), |path, (_, y)| format!("{path}M0 {y:.2}H{WIDTH}"));
    }
    let mut path = String::new();
    for (x, y) in places(values, low, high) {
        // Writing to a string cannot fail.
        let _ = write!(path, "{}{x:.2} {y:.2}", if path.is_empty() { 'M' } else { 'L' });
    }
    path
}

/// A line without length for each value, which round caps make a dot, however the drawing is stretched.
fn points(values: &[f64], low: f64, high: f64) -> String {
    places(values, low, high).fold(String::new(), |mut path, (x, y)| {
        let _ = write!(path, "M{x:.2} {y:.2}h0");
        path
    })
}

#[cfg(test)]
mod tests {
    use crate::commands::slack::Series;

    use super::*;

    fn chart(values: &[f64], limit: f64) -> Chart {
        let series = |name: &str, values: Vec<f64>| Series { name: name.to_owned(), values };
        Chart {
            title: "CPU <i> (%)".to_owned(),
            unit: "%".to_owned(),
            axis: "UTC".to_owned(),
            categories: (0..values.len()).map(|minute| format!("09:{minute:02}")).collect(),
            series: vec![series("CPU", values.to_vec()), series("limit", vec![limit; values.len()])],
        }
    }

    #[test]
    fn lines_and_numbers() {
        let page = figure(&chart(&[20.0, 60.0, 100.0], 60.0)).into_string();
        for expected in [
            r#"aria-label="CPU &lt;i&gt; (%): 20 % → 100 %, limit 60 %""#,
            r#"class="values" d="M0.00 36.00L50.00 20.00L100.00 4.00""#,
            r#"class="limit" d="M0.00 20.00L50.00 20.00L100.00 20.00""#,
            r#"class="points" d="M0.00 36.00h0M50.00 20.00h0M100.00 4.00h0""#,
            "<span>100 %</span><span>20 %</span>",
            "<span>09:00</span><span>UTC</span><span>09:02</span>",
        ] {
            assert!(page.contains(expected), "{expected} is not in {page}");
        }
        assert!(!page.contains("style="), "the policy forbids it");
    }

    #[test]
    fn every_drawing_has_places_within_it() {
        for values in [&[1.0][..], &[5.0, 5.0], &[f64::MIN, f64::MAX], &[-1e300, 0.0, 1e-300], &[]] {
            let chart = chart(values, 5.0);
            let (low, high) = extent(&chart);
            for (x, y) in places(values, low, high) {
                assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y), "{values:?}: {x} {y}");
            }
            assert!(!figure(&chart).into_string().contains("NaN"), "{values:?}");
        }
    }
}
