//! Lines over the number of clients, as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange};
use plotters::prelude::*;

use crate::spread::{Spread, whole};

const SIZE: (u32, u32) = (760, 560);
const INK: RGBColor = RGBColor(0x1f, 0x5f, 0x8b);
const FONT: (&str, i32) = ("sans-serif", 14);
const TITLE: (&str, i32) = ("sans-serif", 16);

/// A figure by the number of clients.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) title: &'static str,
    pub(crate) points: Vec<(u32, Spread)>,
}

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws lines one above the other, each from zero, with a bar from minimum to maximum at each
/// point.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn draw<const LINES: usize>(path: &Path, lines: [&Line; LINES]) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(explain)?;
    for (panel, line) in root.split_evenly((LINES, 1)).iter().zip(lines) {
        draw_line(panel, line).map_err(explain)?;
    }
    root.present().map_err(explain)
}

/// A drawing error cannot be sent between threads, as `anyhow` wants it.
fn explain(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

fn draw_line(panel: &Panel<'_>, line: &Line) -> Result<(), Box<dyn std::error::Error>> {
    let clients: Vec<_> = line.points.iter().map(|(clients, _)| f64::from(*clients)).collect();
    let (first, last) = (clients.first().unwrap_or(&1.0), clients.last().unwrap_or(&10.0));
    let x = (first * 0.9..last * 1.1).log_scale().with_key_points(clients.clone());
    let most = line.points.iter().map(|(_, spread)| spread.max).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .caption(line.title, TITLE)
        .margin(12)
        .margin_right(32)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x, 0.0..most * 1.15)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .label_style(FONT)
        .x_desc("clients, on a logarithmic axis")
        .x_label_formatter(&|clients| whole(*clients))
        .y_labels(5)
        .y_label_formatter(&|value| whole(*value))
        .draw()?;
    let at = |pick: fn(&Spread) -> f64| {
        let points = line.points.iter();
        points.map(move |(clients, spread)| (f64::from(*clients), pick(spread)))
    };
    chart.draw_series(LineSeries::new(at(|spread| spread.median), INK.stroke_width(2)))?;
    chart.draw_series(at(|spread| spread.median).map(|at| Circle::new(at, 4, INK.filled())))?;
    let bars = at(|spread| spread.min).zip(at(|spread| spread.max));
    chart
        .draw_series(bars.map(|(low, high)| PathElement::new([low, high], INK.stroke_width(1))))?;
    Ok(())
}
