//! Tables that fit a width. Long texts are cut in their middle first. If that is not enough, the least needed columns are hidden;
//! a line below the table names them. What distinguishes rows stays to the end.

use warmstart_schema::text;

/// Characters between two columns.
const GAP: usize = 2;
/// A cut text keeps at least this many characters, unless there is no column to hide.
const LEAST: usize = 16;

/// The kind of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Right-aligned, and cut last of all.
    Figures,
    /// Cut before a column is hidden.
    Words,
    /// Distinguishes rows: cut after words, when no column can be hidden.
    Names,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub title: String,
    pub holds: Holds,
    /// Of two columns the one with the larger number is hidden first; 0 stays.
    pub order: u8,
}

impl Column {
    pub fn new(title: &str, holds: Holds, order: u8) -> Self {
        Self {
            title: title.to_owned(),
            holds,
            order,
        }
    }

    pub fn names(title: &str) -> Self {
        Self::new(title, Holds::Names, 0)
    }

    pub fn words(title: &str, order: u8) -> Self {
        Self::new(title, Holds::Words, order)
    }

    pub fn figures(title: &str, order: u8) -> Self {
        Self::new(title, Holds::Figures, order)
    }
}

/// A table's lines, and the titles of the hidden columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    pub lines: Vec<String>,
    pub hidden: Vec<String>,
}

/// The table's titles and rows in lines of at most `room` characters; the whole table without a limit.
pub fn fitted(columns: &[Column], rows: &[Vec<String>], room: Option<usize>) -> Fitted {
    let cells = |index: usize| {
        rows.iter()
            .map(move |row| row.get(index).map_or("", String::as_str))
    };
    let title = |index: usize| columns[index].title.as_str();
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| {
            cells(index)
                .chain([title(index)])
                .map(text::columns)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let kept = kept(columns, &widths, room);
    let hidden = (0..columns.len()).filter(|index| kept.iter().all(|(other, _)| other != index));
    let hidden = hidden.map(|index| columns[index].title.clone()).collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        let mut line = String::new();
        for (index, width) in &kept {
            let shown = text::middle(&cell(*index), *width);
            let space = " ".repeat(width.saturating_sub(text::columns(&shown)));
            let (before, behind) = match columns[*index].holds {
                Holds::Figures => (space.as_str(), ""),
                Holds::Words | Holds::Names => ("", space.as_str()),
            };
            line.extend([" ", before, shown.as_str(), behind, " "]);
        }
        line.truncate(line.trim_end().len());
        line
    };
    let titles = line(&|index| title(index).to_owned());
    let rows = rows
        .iter()
        .map(|row| line(&|index| row.get(index).cloned().unwrap_or_default()));
    Fitted {
        lines: std::iter::once(titles).chain(rows).collect(),
        hidden,
    }
}

/// The columns that stay, each with its width.
fn kept(columns: &[Column], widths: &[usize], room: Option<usize>) -> Vec<(usize, usize)> {
    let mut kept: Vec<(usize, usize)> = widths.iter().copied().enumerate().collect();
    let Some(room) = room else { return kept };
    let holds = |index: usize| columns[index].holds;
    let spare = |kept: &[(usize, usize)]| -> usize {
        let words = kept
            .iter()
            .filter(|(index, _)| holds(*index) == Holds::Words);
        words.map(|(_, width)| width.saturating_sub(LEAST)).sum()
    };
    while total(&kept) > room + spare(&kept) {
        // The last one of equals.
        let Some(place) = (0..kept.len()).max_by_key(|place| columns[kept[*place].0].order) else {
            break;
        };
        if columns[kept[place].0].order == 0 {
            break;
        }
        kept.remove(place);
    }
    // Words first, then names, figures last.
    for (cut_names, cut_figures, least) in [
        (false, false, LEAST),
        (false, false, 4),
        (true, false, 1),
        (true, true, 1),
    ] {
        cut(&mut kept, room, &|index| match holds(index) {
            Holds::Words => least,
            Holds::Names if cut_names => least,
            Holds::Figures if cut_figures => least,
            Holds::Names | Holds::Figures => usize::MAX,
        });
    }
    kept
}

/// Characters of a line. A space comes before the first column, none after the last.
fn total(kept: &[(usize, usize)]) -> usize {
    kept.iter()
        .map(|(_, width)| width + GAP)
        .sum::<usize>()
        .saturating_sub(1)
}

/// Narrows the widest until all fit, down to each one's minimum.
fn cut(kept: &mut [(usize, usize)], room: usize, least: &dyn Fn(usize) -> usize) {
    while total(kept) > room {
        let wide = kept
            .iter_mut()
            .filter(|(index, width)| *width > least(*index))
            .max_by_key(|(_, width)| *width);
        let Some((_, width)) = wide else { break };
        *width -= 1;
    }
}

/// A line about the hidden columns, in lines of at most `room` characters; none if nothing is hidden.
pub fn note(hidden: &[String], remedy: &str, room: Option<usize>) -> Vec<String> {
    if hidden.is_empty() {
        return Vec::new();
    }
    let note = format!("hidden: {}; {remedy}", hidden.join(", "));
    match room {
        None => vec![note],
        Some(room) => text::wrap(&note, room)
            .into_iter()
            .map(|line| line.trim_end().to_owned())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    fn table(room: Option<usize>) -> Fitted {
        let columns = [
            Column::names("run"),
            Column::words("experiment", 1),
            Column::words("device", 3),
            Column::figures("val acc", 2),
        ];
        let rows = [
            row(&[
                "20260101-000000-aaaa",
                "A name of more than thirty characters",
                "cuda:0",
                "0.5000",
            ]),
            row(&[
                "20260101-000000-bbbb",
                "漢字漢字漢字漢字漢字漢字漢字漢字漢字",
                "cpu",
                "0.4000",
            ]),
        ];
        fitted(&columns, &rows, room)
    }

    #[test]
    fn lines_fit_any_room() {
        for room in 1..100 {
            let fitted = table(Some(room));
            for line in &fitted.lines {
                assert!(line.width() <= room.max(2), "{room}: {line:?}");
            }
        }
        assert_eq!(
            (table(None).hidden.len(), table(Some(200)).hidden.len()),
            (0, 0)
        );
        assert_eq!(table(None).lines, table(Some(200)).lines);
    }

    #[test]
    fn letters_that_a_font_may_join_do_not_move_the_columns_behind_them() {
        let columns = [Column::words("experiment", 1), Column::names("run")];
        let joined = "\u{644}\u{627}".repeat(6);
        let rows = [
            row(&[joined.as_str(), "one"]),
            row(&["fourteen chars", "two"]),
        ];
        let lines = fitted(&columns, &rows, None).lines;
        let before = |line: usize, cell: &str| {
            let at = lines[line].find(cell).unwrap();
            text::columns(&lines[line][..at])
        };
        assert_eq!(before(1, "one"), before(0, "run"), "{lines:#?}");
        assert_eq!(before(2, "two"), before(0, "run"), "{lines:#?}");
    }

    #[test]
    fn long_names_are_cut_before_columns_are_hidden_and_run_ids_stay() {
        // The widths 20 + 16 + 6 + 7 and the gaps are 56.
        let whole = table(Some(56));
        assert!(
            whole.hidden.is_empty() && whole.lines[1].contains('…'),
            "{whole:?}"
        );
        assert_eq!(table(Some(55)).hidden, ["device"]);
        assert_eq!(table(Some(46)).hidden, ["device", "val acc"]);
        let narrow = table(Some(22));
        assert_eq!(narrow.hidden, ["experiment", "device", "val acc"]);
        assert_eq!(
            narrow.lines[1..],
            [" 20260101-000000-aaaa", " 20260101-000000-bbbb"]
        );
        // The names still differ after they are cut.
        let tiny = table(Some(10));
        assert_ne!(tiny.lines[1], tiny.lines[2]);
    }

    #[test]
    fn hidden_columns_are_named_in_lines_that_fit() {
        assert_eq!(
            note(&[], "widen the terminal", Some(10)),
            Vec::<String>::new()
        );
        let lines = note(
            &["group".to_owned(), "val acc".to_owned()],
            "widen the terminal",
            Some(30),
        );
        assert_eq!(lines, ["hidden: group, val acc; widen", "the terminal"]);
    }
}
