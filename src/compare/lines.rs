//! A table as lines of cells, before any format's escapes.

use warmstart_schema::architecture::ParamCounts;
use warmstart_schema::experiment::Reference;

use super::{Figures, Gain, Metric, Row, Table};

const MARKS: [&str; 4] = ["†", "‡", "§", "¶"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Measured,
    /// Differences to the run that the one above started from.
    Gain,
    Published,
}

pub struct Line {
    pub kind: Kind,
    pub experiment: String,
    /// Empty unless it was measured.
    pub run: String,
    pub state: &'static str,
    /// Of a published line's footnote.
    pub mark: Option<String>,
    /// In the order of [`Metric::ALL`].
    pub figures: Vec<Cell>,
    pub params: Option<ParamCounts>,
}

impl Line {
    /// All figures and the three counts, `nothing` where there is none, the best as `best` writes it.
    pub fn numbers(&self, nothing: &str, best: impl Fn(String) -> String) -> Vec<String> {
        let figure = |cell: &Cell| if cell.best { best(cell.text(nothing)) } else { cell.text(nothing) };
        let counts = self.params.map(|params| [params.total, params.trainable, params.non_trainable()].map(thousands));
        self.figures.iter().map(figure).chain(counts.unwrap_or_else(|| [nothing; 3].map(str::to_owned))).collect()
    }
}

pub struct Cell {
    pub metric: Metric,
    pub figure: Option<f64>,
    pub is_difference: bool,
    /// The best of its column.
    pub best: bool,
}

impl Cell {
    /// The figure, or `nothing` where there is none.
    pub fn text(&self, nothing: &str) -> String {
        let format = if self.is_difference { Metric::format_difference } else { Metric::format };
        self.figure.map_or_else(|| nothing.to_owned(), |figure| format(self.metric, figure))
    }
}

pub struct Lines {
    pub rows: Vec<Line>,
    /// Mark and text.
    pub footnotes: Vec<(String, String)>,
    /// Whether any cell is marked as the best.
    pub has_best: bool,
}

impl Lines {
    pub fn of(table: &Table) -> Self {
        let best = Metric::ALL.map(|metric| table.best(metric));
        let mut this = Self { rows: Vec::new(), footnotes: Vec::new(), has_best: best.iter().any(Option::is_some) };
        for (index, row) in table.rows.iter().enumerate() {
            this.rows.push(measured(row, &best));
            this.rows.extend(row.gain.as_ref().map(gain));
            let same_below =
                table.rows.get(index + 1).is_some_and(|next| next.stem == row.stem && next.reference == row.reference);
            if let Some(reference) = row.reference.as_ref().filter(|_| !same_below) {
                let mark = this.footnote(reference);
                this.rows.push(published(reference, mark));
            }
        }
        this
    }

    /// One footnote for each different source or note.
    fn footnote(&mut self, reference: &Reference) -> String {
        let note = reference.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        let text = format!("published: {}{note}", reference.source);
        if let Some((mark, _)) = self.footnotes.iter().find(|(_, known)| *known == text) {
            return mark.clone();
        }
        let number = self.footnotes.len();
        let mark = MARKS.get(number).map_or_else(|| format!("†{}", number + 1), |mark| (*mark).to_owned());
        self.footnotes.push((mark.clone(), text));
        mark
    }
}

fn measured(row: &Row, best: &[Option<f64>; 6]) -> Line {
    let is_done = row.status == warmstart_schema::state::Status::Finished;
    let cell = |(metric, best): (Metric, &Option<f64>)| {
        let figure = row.figures.get(metric);
        Cell { metric, figure, is_difference: false, best: is_done && best.is_some() && figure == *best }
    };
    Line {
        kind: Kind::Measured,
        experiment: row.experiment.clone(),
        run: row.run.to_string(),
        state: row.status.as_str(),
        mark: None,
        figures: Metric::ALL.into_iter().zip(best).map(cell).collect(),
        params: row.params,
    }
}

fn published(reference: &Reference, mark: String) -> Line {
    below(Kind::Published, "published".to_owned(), &Figures::published(reference), Some(mark))
}

fn gain(gain: &Gain) -> Line {
    below(Kind::Gain, gain.title(), &gain.figures, None)
}

/// A line that belongs to the measured one above it.
fn below(kind: Kind, experiment: String, figures: &Figures, mark: Option<String>) -> Line {
    let cell = |metric| Cell { metric, figure: figures.get(metric), is_difference: kind == Kind::Gain, best: false };
    Line {
        kind,
        experiment,
        run: String::new(),
        state: "",
        mark,
        figures: Metric::ALL.map(cell).into_iter().collect(),
        params: None,
    }
}

/// A column's title with an arrow towards the better end.
pub fn title(metric: Metric, [up, down]: [&str; 2]) -> String {
    format!("{} {}", metric.title(), if metric.higher_is_better() { up } else { down })
}

/// A count with its thousands apart.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
