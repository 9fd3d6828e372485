//! ```text
//!  98 classes, 6 to 152 training images each: imbalance 25.3 to 1
//!  class_weights: balanced, from 0.14 to 3.62; keycap 3.62   fewest keycap (6)   most country-flag (152)
//!  0  airplane            ━━━━━━━╸────────────────   12
//! ```
//! The number of images per class in a split, and how uneven it is.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use warmstart_runs::pictures::UNEVEN;
use warmstart_schema::experiment::Sampler;
use warmstart_schema::look::{Facts, Split};

use crate::format::count;
use crate::model::DatasetView;
use crate::screen::paint;
use crate::theme::THEME;

pub(super) fn draw(buf: &mut Buffer, area: Rect, view: &DatasetView, facts: &Facts) {
    let [first, second, list] = area.layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
    ]));
    let counts = &facts.part(view.part).by_class;
    draw_range(buf, first, view.part, counts);
    draw_ends(buf, second, facts, counts);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let order = view.class_order();
    let first = view
        .scrolled
        .min(order.len().saturating_sub(usize::from(list.height)));
    for (class, y) in order[first..].iter().zip(0..list.height) {
        let images = counts.get(*class).copied().unwrap_or(0);
        let row = paint::row(list, y);
        let name = (row.width / 3).min(32);
        let text = format!(
            "{class:>3}  {}",
            facts.classes.get(*class).map_or("", String::as_str)
        );
        paint::left(buf, Rect { width: name, ..row }, &text, THEME.text);
        let figure = 8.min(row.width);
        let bar = row.width.saturating_sub(name + 1 + figure);
        let share = f64::from(images) / f64::from(most);
        paint::bar(
            buf,
            Rect {
                x: row.x + (name + 1).min(row.width),
                width: bar,
                ..row
            },
            share,
            THEME.accent,
        );
        paint::right(buf, row, &count(u64::from(images)), THEME.text);
    }
}

/// The smallest and largest number of images of a class, and their ratio.
fn draw_range(buf: &mut Buffer, area: Rect, part: Split, counts: &[u32]) {
    let (Some(least), Some(most)) = (counts.iter().copied().min(), counts.iter().copied().max())
    else {
        return;
    };
    let classes = if counts.len() == 1 {
        "1 class".to_owned()
    } else {
        format!("{} classes", counts.len())
    };
    let images = part.adjective();
    let (text, style) = if most == 0 {
        (format!("{classes}, no {images} images"), THEME.warning)
    } else if least == most {
        (
            format!(
                "{classes}, {} {images} images each: as even as can be",
                count(u64::from(least))
            ),
            THEME.text,
        )
    } else if least == 0 {
        let none = counts.iter().filter(|count| **count == 0).count();
        (
            format!(
                "{classes}, up to {} {images} images each; {none} without any",
                count(u64::from(most))
            ),
            THEME.warning,
        )
    } else {
        let ratio = f64::from(most) / f64::from(least);
        let range = format!("{} to {}", count(u64::from(least)), count(u64::from(most)));
        let text = format!("{classes}, {range} {images} images each: imbalance {ratio:.1} to 1");
        (
            text,
            if ratio >= UNEVEN {
                THEME.warning
            } else {
                THEME.text
            },
        )
    };
    paint::left(buf, area, &text, style);
}

/// The smallest and the largest class, and whether class weights compensate.
fn draw_ends(buf: &mut Buffer, area: Rect, facts: &Facts, counts: &[u32]) {
    let end = |word: &str, class: Option<usize>| {
        let class = class?;
        Some(format!(
            "{word} {} ({})",
            facts.classes.get(class)?,
            count(u64::from(counts[class]))
        ))
    };
    let (smallest, largest) = smallest_and_largest(counts, 0).unzip();
    let weights = match (&facts.class_weights, smallest) {
        (Some(weights), Some(class)) => {
            let (low, high) = weights
                .iter()
                .fold((f32::INFINITY, 0.0_f32), |(low, high), w| {
                    (low.min(*w), high.max(*w))
                });
            let name = facts.classes.get(class).map_or("", String::as_str);
            let own = weights.get(class).copied().unwrap_or(0.0);
            format!("class_weights: balanced, from {low:.2} to {high:.2}; {name} {own:.2}")
        }
        _ => match facts.sampler {
            Some(sampler) => drawn(sampler, facts),
            None => "class_weights: none, all weigh the same".to_owned(),
        },
    };
    let parts = [Some(weights), end("fewest", smallest), end("most", largest)];
    paint::left(
        buf,
        area,
        &parts.into_iter().flatten().collect::<Vec<_>>().join("   "),
        THEME.muted,
    );
}

/// The smallest and the largest class with at least so many images; of equal ones the first.
fn smallest_and_largest(counts: &[u32], least: u32) -> Option<(usize, usize)> {
    let classes = || (0..counts.len()).filter(|&class| counts[class] >= least);
    let smallest = classes().min_by_key(|&class| counts[class])?;
    let largest = classes().rev().max_by_key(|&class| counts[class])?;
    Some((smallest, largest))
}

/// How often an epoch draws a training image of the smallest and of the largest class.
fn drawn(sampler: Sampler, facts: &Facts) -> String {
    let counts = &facts.part(Split::Train).by_class;
    let (all, shares) = (counts.iter().sum::<u32>(), sampler.shares(counts));
    let times = |class: usize| shares[class] * f64::from(all) / f64::from(counts[class]);
    let Some((smallest, largest)) = smallest_and_largest(counts, 1) else {
        return format!("sampler: {}", sampler.as_str());
    };
    let name = |class: usize| facts.classes.get(class).map_or("", String::as_str);
    format!(
        "sampler: {}, each {} {:.2} times an epoch, each {} {:.2}",
        sampler.as_str(),
        name(smallest),
        times(smallest),
        name(largest),
        times(largest)
    )
}
