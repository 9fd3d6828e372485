//! Values separated by commas or tabs, under the same names as in JSON. Published lines have `published` as state, and a source;
//! `gain` lines are differences to the run in `source`. For merged seeds, the standard deviation follows each figure, and the
//! number of seeds; a published figure has neither.

use super::value::Spread;
use super::{Cell, Column, Kind, Pairing, Row, Table, Value};

pub(super) fn render(table: &Table, delimiter: u8) -> String {
    let table = &with_run_first(table);
    let has_groups = table
        .measured()
        .any(|row| row.runs.len() > 1 || !row.members.is_empty());
    let mut records = vec![header(table, has_groups)];
    records.extend(table.rows.iter().map(|row| record(table, row, has_groups)));
    if table.transposed {
        let width = records[0].len();
        records = (0..width)
            .map(|column| {
                records
                    .iter()
                    .map(|record| record[column].clone())
                    .collect()
            })
            .collect();
    }
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    // Writing to memory cannot fail.
    for record in &records {
        let _ = writer.write_record(record);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// Programs that read the file identify a row by its run. Named columns keep their order.
fn with_run_first(table: &Table) -> Table {
    let mut table = table.clone();
    if !table.are_columns_named
        && table
            .columns
            .starts_with(&[Column::Experiment, Column::Run])
    {
        table.columns.swap(0, 1);
        table.rows.iter_mut().for_each(|row| row.cells.swap(0, 1));
    }
    table
}

fn header(table: &Table, has_groups: bool) -> Vec<String> {
    let titles = table.columns.iter().flat_map(|column| {
        let key = column.key();
        let spread = has_groups && matches!(column, Column::Metric(_));
        let more = spread.then(|| [format!("{key}_sd"), format!("{key}_n")]);
        std::iter::once(key)
            .chain(more.into_iter().flatten())
            .collect::<Vec<_>>()
    });
    titles
        .chain(["source", "note"].map(str::to_owned))
        .collect()
}

fn record(table: &Table, row: &Row, has_groups: bool) -> Vec<String> {
    // The kind of a row that belongs to the one above.
    let word = match row.kind {
        Kind::Measured | Kind::Member => None,
        Kind::Gain => Some("gain"),
        Kind::Published => Some("published"),
    };
    let mut record = Vec::new();
    for (cell, column) in row.cells.iter().zip(&table.columns) {
        record.push(match column {
            Column::Experiment => guarded(&row.exact),
            Column::State if word.is_some() => word.unwrap_or_default().to_owned(),
            _ => plain(&cell.value),
        });
        if has_groups && matches!(column, Column::Metric(_)) {
            record.extend(spread(row, cell));
        }
    }
    let reference = row
        .reference
        .as_ref()
        .filter(|_| row.kind == Kind::Published);
    let over = row
        .gain
        .as_ref()
        .filter(|_| row.kind == Kind::Gain)
        .map(|gain| gain.over.to_string());
    record.push(
        reference
            .map(|reference| guarded(&reference.source))
            .or(over)
            .unwrap_or_default(),
    );
    record.push(
        reference
            .and_then(|reference| reference.note.clone())
            .or_else(|| row.pairing.as_ref().map(Pairing::in_words))
            .map(|note| guarded(&note))
            .unwrap_or_default(),
    );
    record
}

/// A value that other programs parse: numbers without thousands separators or a plus sign.
fn plain(value: &Value) -> String {
    match value {
        Value::Absent | Value::Blank => String::new(),
        Value::Text(text) => guarded(text),
        Value::Count(count) => count.to_string(),
        Value::Figure { metric, figure, .. } => metric.format(*figure),
        Value::Difference { metric, difference } => metric.format(*difference),
    }
}

/// The standard deviation and the number of the runs that were measured.
fn spread(row: &Row, cell: &Cell) -> [String; 2] {
    let (Value::Figure { metric, spread, .. }, Kind::Measured | Kind::Member) =
        (&cell.value, row.kind)
    else {
        return [String::new(), String::new()];
    };
    let (deviation, n) = spread.map_or((None, 1), |Spread { deviation, n }| (deviation, n));
    [
        deviation
            .map(|deviation| metric.format(deviation))
            .unwrap_or_default(),
        n.to_string(),
    ]
}

/// A spreadsheet executes a text that begins like a formula.
fn guarded(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = text
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
        && !is_number;
    if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}
