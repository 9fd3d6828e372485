//! ```text
//!  parameters                 3,767,170
//!  trainable                    353,634
//!  frozen                     3,371,008
//!  statistics                    42,528
//!  ━━━━╸                9.4 % trainable
//!  9 of 10 blocks frozen
//!  batch norm, frozen: inference
//!  245 frozen tensors unchanged: hash
//!  1b2c3d4e before and after
//! ```
//! Trainable and frozen parameters, by block if they fit; the statistics that batch normalization
//! uses; and whether the frozen tensors are unchanged.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use warmstart_schema::architecture::{BlockCounts, ModelCounts};
use warmstart_schema::experiment::BatchNorm;

use super::super::paint;
use crate::format::count;
use crate::theme::THEME;
use warmstart_runs::params::counts;
use warmstart_runs::store::Run;

/// Width of a block's name and of its count.
const NAME: u16 = 11;
const COUNT: u16 = 12;
/// Rows of everything except the blocks.
pub(super) const ROWS_BESIDE_BLOCKS: u16 = 11;

type Text = (String, Style);

pub(super) fn draw(buf: &mut Buffer, area: Rect, run: &Run) {
    let measured = run.state.model.as_ref().map(|facts| facts.counts.clone());
    let Some(all) = measured.or_else(|| run.experiment.as_deref().and_then(counts)) else {
        paint::left(buf, area, "parameters: not known yet", THEME.muted);
        return;
    };
    let totals = draw_totals(buf, area, &all);
    let rest = below(area, totals);
    let rows_by_block = u16::try_from(all.blocks.len() + 1).unwrap_or(u16::MAX);
    let used = if rest.height >= rows_by_block {
        draw_blocks(buf, rest, &all.blocks);
        rows_by_block
    } else {
        draw_stack(buf, rest, &all.blocks)
    };
    let mut rest = below(rest, used);
    let facts = norms(run, &all).into_iter();
    for (text, style) in facts.chain(frozen_tensors(run, &all)) {
        let lines = paint::wrap(&text, usize::from(rest.width));
        // Leave out a sentence that does not fit, rather than cut it.
        if lines.len() > usize::from(rest.height) {
            continue;
        }
        for line in lines {
            paint::left(buf, paint::row(rest, 0), line.trim_end(), style);
            rest = below(rest, 1);
        }
    }
}

fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    }
}

/// Frozen parameters and statistics on separate lines if they fit, else on one.
fn draw_totals(buf: &mut Buffer, area: Rect, all: &ModelCounts) -> u16 {
    let total = all.total;
    let held = if area.height > 5 {
        vec![("frozen", total.frozen), ("statistics", total.statistics)]
    } else {
        vec![("not trainable", total.non_trainable())]
    };
    let fields = [("parameters", total.total), ("trainable", total.trainable)]
        .into_iter()
        .chain(held);
    let mut rows = 0;
    for (name, number) in fields {
        let style = if rows == 0 { THEME.title } else { THEME.text };
        paint::field(buf, paint::row(area, rows), name, &count(number), style);
        rows += 1;
    }
    let share = total.trainable as f64 / (total.total.max(1)) as f64;
    let row = paint::row(area, rows);
    let percent = format!(" {:.1} % trainable", share * 100.0);
    let width = u16::try_from(percent.len()).unwrap_or(0).min(row.width);
    paint::bar(
        buf,
        Rect {
            width: row.width - width,
            ..row
        },
        share,
        THEME.accent,
    );
    paint::right(buf, row, &percent, THEME.muted);
    rows + 1
}

fn is_frozen(block: &BlockCounts) -> bool {
    block.counts.trainable == 0
}

/// How to fill a block's bar: both shape and colour identify it.
fn fill(block: &BlockCounts) -> (char, Style) {
    if is_frozen(block) {
        ('░', THEME.waiting)
    } else {
        ('█', THEME.good)
    }
}

/// A bar for each block, proportional to its parameters, and a legend.
fn draw_blocks(buf: &mut Buffer, area: Rect, blocks: &[BlockCounts]) {
    let most = blocks
        .iter()
        .map(|block| block.counts.total)
        .max()
        .unwrap_or(1)
        .max(1);
    for (block, y) in blocks.iter().zip(0..area.height) {
        let row = paint::row(area, y);
        paint::left(
            buf,
            Rect {
                width: NAME.min(row.width),
                ..row
            },
            &block.name,
            THEME.label,
        );
        paint::right(buf, row, &count(block.counts.total), THEME.text);
        let room = row.width.saturating_sub(NAME + COUNT);
        let (symbol, style) = fill(block);
        for x in 0..cells(block.counts.total, most, room).max(1).min(room) {
            buf[(row.x + NAME + x, row.y)]
                .set_char(symbol)
                .set_style(style);
        }
    }
    let key = paint::row(area, u16::try_from(blocks.len()).unwrap_or(u16::MAX));
    let frozen = blocks.iter().filter(|block| is_frozen(block)).count();
    let line = Line::from(vec![
        Span::styled("░", THEME.waiting),
        Span::styled(format!(" {frozen} frozen  "), THEME.muted),
        Span::styled("█", THEME.good),
        Span::styled(format!(" {} trainable", blocks.len() - frozen), THEME.muted),
    ]);
    paint::left_line(buf, key, &line);
}

/// All blocks in one bar, and the number of frozen ones. Returns the number of rows.
fn draw_stack(buf: &mut Buffer, area: Rect, blocks: &[BlockCounts]) -> u16 {
    let frozen = blocks.iter().filter(|block| is_frozen(block)).count();
    let text = format!("{frozen} of {} blocks frozen", blocks.len());
    if area.height < 2 {
        paint::left(buf, area, &text, THEME.muted);
        return 1;
    }
    let row = paint::row(area, 0);
    let all = blocks
        .iter()
        .map(|block| block.counts.total)
        .sum::<u64>()
        .max(1);
    let mut before = 0;
    for block in blocks {
        let (symbol, style) = fill(block);
        let from = cells(before, all, row.width);
        before += block.counts.total;
        for x in from..cells(before, all, row.width) {
            buf[(row.x + x, row.y)].set_char(symbol).set_style(style);
        }
    }
    paint::left(buf, paint::row(area, 1), &text, THEME.muted);
    2
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a row's width"
)]
fn cells(part: u64, of: u64, width: u16) -> u16 {
    (part as f64 / of as f64 * f64::from(width)).round() as u16
}

/// The statistics that batch normalization uses in frozen and in training blocks, if any.
fn norms(run: &Run, all: &ModelCounts) -> Vec<Text> {
    let normalizes = |frozen: bool| {
        let backbone = all
            .blocks
            .iter()
            .filter(|block| block.name != "head" && is_frozen(block) == frozen);
        backbone.map(|block| block.counts.statistics).sum::<u64>() > 0
    };
    let mode = run
        .experiment
        .as_deref()
        .map(|experiment| experiment.model.batch_norm);
    let trained = match mode {
        Some(BatchNorm::Inference) => "inference",
        Some(BatchNorm::Training) => "training",
        // The log counts the parameters, but only the experiment has the mode.
        None => "not known",
    };
    let mut lines = Vec::new();
    if normalizes(true) {
        lines.push(("batch norm, frozen: inference".to_owned(), THEME.muted));
    }
    if normalizes(false) {
        lines.push((format!("batch norm, trained: {trained}"), THEME.muted));
    }
    if lines.is_empty() {
        lines.push(("no batch norm in the backbone".to_owned(), THEME.muted));
    }
    lines
}

/// Whether the frozen tensors are unchanged, and how this was checked.
fn frozen_tensors(run: &Run, all: &ModelCounts) -> Option<Text> {
    if !all.blocks.iter().any(is_frozen) {
        return None;
    }
    let short = |hash: &str| hash.chars().take(8).collect::<String>();
    Some(match &run.state.frozen {
        None => (
            "frozen tensors are hashed before and after training".to_owned(),
            THEME.muted,
        ),
        Some(proof) if proof.unchanged() => {
            let (tensors, hash) = (proof.tensors, short(&proof.after));
            (
                format!("{tensors} frozen tensors unchanged: hash {hash} before and after"),
                THEME.good,
            )
        }
        Some(proof) => {
            let (tensors, before, after) =
                (proof.tensors, short(&proof.before), short(&proof.after));
            (
                format!(
                    "some of {tensors} frozen tensors CHANGED: hash {before} before, {after} after"
                ),
                THEME.error,
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixtures::{LIVE, RESUMED, id, typical};

    /// The panel of a run, 36 columns wide.
    fn panel(run: &Run, height: u16) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, 36, height));
        let area = buf.area;
        draw(&mut buf, area, run);
        buf.content
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect()
    }

    #[test]
    fn a_sentence_is_drawn_whole_or_not_at_all() {
        let model = typical();
        let run = model.runs.get(&id(RESUMED)).unwrap();
        let (low, high) = (panel(run, 9), panel(run, 10));
        assert!(!low.contains("frozen tensors"), "{low}");
        assert!(
            high.contains("frozen tensors unchanged") && high.contains("before and after"),
            "{high}"
        );
    }

    #[test]
    fn batch_norm_is_not_denied_where_the_experiment_is_unreadable() {
        let model = typical();
        let mut run = model.runs.get(&id(LIVE)).unwrap().clone();
        run.experiment = None;
        let panel = panel(&run, 40);
        assert!(panel.contains("batch norm, trained: not known"), "{panel}");
        assert!(!panel.contains("no batch norm"), "{panel}");
    }
}
