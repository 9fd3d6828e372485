//! ```text
//!  parameters                24,112,420
//!  trainable                 24,058,788
//!  not trainable                 53,632
//!  ━━━━━━━━━━━━━━━━━━━━━━━━━━━╸  99.8 %
//!  stem         frozen           9,536
//!  layer1       trains         215,808
//! ```
//! What gradient descent may move and what it may not, by block where there is room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use warmstart_schema::architecture::BlockCounts;

use super::super::paint;
use crate::dashboard::format::count;
use crate::dashboard::theme::THEME;
use crate::params::counts;
use crate::store::Run;

pub fn draw(buf: &mut Buffer, area: Rect, run: &Run) {
    let measured = run.state.model.as_ref().map(|facts| facts.counts.clone());
    let Some(all) = measured.or_else(|| run.experiment.as_ref().and_then(counts)) else {
        paint::left(buf, area, "parameters: not known yet", THEME.muted);
        return;
    };
    let total = all.total;
    paint::field(buf, paint::row(area, 0), "parameters", &count(total.total), THEME.title);
    paint::field(buf, paint::row(area, 1), "trainable", &count(total.trainable), THEME.text);
    paint::field(buf, paint::row(area, 2), "not trainable", &count(total.non_trainable()), THEME.text);
    let share = total.trainable as f64 / (total.total.max(1)) as f64;
    let row = paint::row(area, 3);
    let percent = format!(" {:.1} % trains", share * 100.0);
    let width = u16::try_from(percent.len()).unwrap_or(0).min(row.width);
    paint::bar(buf, Rect { width: row.width - width, ..row }, share, THEME.accent);
    paint::right(buf, row, &percent, THEME.muted);
    let blocks = Rect { y: area.y.saturating_add(4), height: area.height.saturating_sub(4), ..area };
    draw_blocks(buf, blocks, &all.blocks);
}

fn draw_blocks(buf: &mut Buffer, area: Rect, blocks: &[BlockCounts]) {
    let fits = usize::from(area.height) >= blocks.len();
    if !fits && area.height > 0 {
        let frozen = blocks.iter().filter(|block| is_frozen(block)).count();
        paint::left(buf, area, &format!("{frozen} of {} blocks frozen", blocks.len()), THEME.muted);
        return;
    }
    for (block, y) in blocks.iter().zip(0..area.height) {
        let row = paint::row(area, y);
        let (word, style) = if is_frozen(block) { ("frozen", THEME.muted) } else { ("trains", THEME.good) };
        paint::left(buf, row, &block.name, THEME.label);
        let middle = Rect { x: row.x + 12.min(row.width), width: row.width.saturating_sub(12), ..row };
        paint::left(buf, middle, word, style);
        paint::right(buf, row, &count(block.counts.total), THEME.text);
    }
}

fn is_frozen(block: &BlockCounts) -> bool {
    block.counts.trainable == 0
}
