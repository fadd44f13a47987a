// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Pictures of what was measured: bars, ours above upstream's, each a stack of parts.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::output;

/// One picture.
pub(super) struct Picture {
    /// Name of its file, without the ending.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What a bar's length is.
    pub(super) unit: &'static str,
    /// What ran.
    pub(super) versions: String,
    /// The parts of each bar, from the left; none if bars have one.
    pub(super) parts: Vec<String>,
    pub(super) groups: Vec<Group>,
}

/// Two bars.
pub(super) struct Group {
    pub(super) name: String,
    /// The parts' lengths.
    pub(super) ours: Vec<f64>,
    pub(super) upstream: Vec<f64>,
}

/// Sizes in pixels.
const WIDTH: u32 = 900;
const NAMES: i32 = 190;
const HEAD: u32 = 104;
const FOOT: u32 = 46;
const GROUP: u32 = 34;
const MARGIN: i32 = 16;

/// One after the other for the parts.
const COLOURS: &[RGBColor] = &[
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0x7f, 0x7f, 0x7f),
];

/// How much of its colour a bar of upstream's keeps.
const PALE: f64 = 0.45;

const FONT: &str = "sans-serif";
// The library writes four fifths of these.
const TITLE: f64 = 24.0;
const TEXT: f64 = 15.0;

impl Picture {
    /// Makes a directory for pictures, and refuses one in which none can be written.
    pub(super) fn check(dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)
            .with_context(|| format!("cannot create {}: name another directory", dir.display()))?;
        output::check(&dir.join("picture.svg"))
    }

    /// Draws it into a file of this directory.
    pub(super) fn draw(&self, dir: &Path) -> Result<()> {
        let file = dir.join(format!("{}.svg", self.name));
        let mut text = String::new();
        self.draw_into(&mut text)
            .with_context(|| format!("cannot draw {}", file.display()))?;
        output::write(&file, &text)
    }

    fn draw_into(&self, target: &mut String) -> Result<()> {
        let groups = self.groups.len();
        let height = HEAD + FOOT + GROUP * u32::try_from(groups)?;
        let root = SVGBackend::with_string(target, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let text = (FONT, TEXT).into_font();
        root.draw(&Text::new(self.title, (MARGIN, 10), (FONT, TITLE)))?;
        let grey = text.color(&BLACK.mix(0.6));
        root.draw(&Text::new(&*self.versions, (MARGIN, 38), grey.clone()))?;
        let sides = "Above: ours. Below, pale: upstream's. Number: ours divided by upstream's.";
        root.draw(&Text::new(sides, (MARGIN, 56), grey))?;
        self.legend(&root)?;

        let longest = self
            .groups
            .iter()
            .flat_map(|group| [total(&group.ours), total(&group.upstream)])
            .fold(1.0, f64::max);
        let (_, area) = root.split_vertically(HEAD);
        let mut chart = ChartBuilder::on(&area)
            .margin_right(MARGIN * 6)
            .set_label_area_size(LabelAreaPosition::Left, NAMES)
            .set_label_area_size(LabelAreaPosition::Bottom, FOOT)
            .build_cartesian_2d(0.0..longest, 0.0..groups as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(11)
            .x_max_light_lines(1)
            .x_desc(self.unit)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .label_style(text.clone())
            .draw()?;
        let anchor = |horizontal| Pos::new(horizontal, VPos::Center);
        let named = text.clone().into_text_style(&root).pos(anchor(HPos::Right));
        let valued = text.into_text_style(&root).pos(anchor(HPos::Left));
        for (i, group) in self.groups.iter().enumerate() {
            // The first is at the top.
            let base = (groups - 1 - i) as f64;
            for bar in group.bars(base) {
                chart.draw_series([bar])?;
            }
            let (x, y) = chart.backend_coord(&(0.0, base + 0.5));
            root.draw(&Text::new(&*group.name, (x - 8, y), named.clone()))?;
            let (ours, upstream) = (total(&group.ours), total(&group.upstream));
            let (x, y) = chart.backend_coord(&(ours.max(upstream), base + 0.5));
            let ratio = format!("{:.2}", ours / upstream);
            root.draw(&Text::new(ratio, (x + 8, y), valued.clone()))?;
        }
        root.present()?;
        Ok(())
    }

    /// What the colours mean, if there are several.
    fn legend(&self, root: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
        let mut left = MARGIN;
        for (name, colour) in self.parts.iter().zip(COLOURS) {
            let corners = [(left, 80), (left + 11, 91)];
            root.draw(&Rectangle::new(corners, colour.filled()))?;
            root.draw(&Text::new(&**name, (left + 17, 79), (FONT, TEXT)))?;
            left += 38 + 6 * i32::try_from(name.len())?;
        }
        Ok(())
    }
}

impl Group {
    /// The parts of both bars, in the unit of height above `base`.
    fn bars(&self, base: f64) -> Vec<Rectangle<(f64, f64)>> {
        let mut bars = Vec::new();
        for (parts, low, high, shade) in [
            (&self.ours, 0.5, 0.9, 1.0),
            (&self.upstream, 0.1, 0.5, PALE),
        ] {
            let mut left = 0.0;
            for (part, colour) in parts.iter().zip(COLOURS) {
                let corners = [(left, base + low), (left + part, base + high)];
                bars.push(Rectangle::new(corners, colour.mix(shade).filled()));
                left += part;
            }
        }
        bars
    }
}

fn total(parts: &[f64]) -> f64 {
    parts.iter().sum()
}
