//! Comma-separated values under the same names as in JSON. Published lines have `published` as state, and say whence; `gain`
//! stands in lines of differences to the run that `source` names.

use super::{Figures, Metric, Row, Table};

pub fn render(table: &Table) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut records = vec![header()];
    for row in &table.rows {
        records.push(measured(row));
        records.extend(gain(row));
        records.extend(published(row));
    }
    // Writing to memory cannot fail.
    for record in &records {
        let _ = writer.write_record(record);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn header() -> Vec<String> {
    let metrics = Metric::ALL.map(Metric::key);
    let after = ["total_params", "trainable_params", "non_trainable_params", "source", "note"];
    ["run", "experiment", "state"].into_iter().chain(metrics).chain(after).map(str::to_owned).collect()
}

fn measured(row: &Row) -> Vec<String> {
    let mut record = vec![row.run.to_string(), guarded(&row.experiment), row.status.as_str().to_owned()];
    record.extend(figures(&row.figures));
    let counts = row.params.map(|params| [params.total, params.trainable, params.non_trainable()]);
    record.extend(counts.map_or_else(|| [""; 3].map(str::to_owned), |counts| counts.map(|count| count.to_string())));
    record.extend([String::new(), String::new()]);
    record
}

fn published(row: &Row) -> Option<Vec<String>> {
    let reference = row.reference.as_ref()?;
    let mut record = vec![String::new(), guarded(&row.experiment), "published".to_owned()];
    record.extend(figures(&Figures::published(reference)));
    record.extend([""; 3].map(str::to_owned));
    record.extend([guarded(&reference.source), guarded(reference.note.as_deref().unwrap_or_default())]);
    Some(record)
}

fn gain(row: &Row) -> Option<Vec<String>> {
    let gain = row.gain.as_ref()?;
    let mut record = vec![String::new(), guarded(&row.experiment), "gain".to_owned()];
    // No plus sign: a spreadsheet is to take them for numbers.
    record.extend(figures(&gain.figures));
    record.extend([""; 3].map(str::to_owned));
    record.extend([gain.over.to_string(), String::new()]);
    Some(record)
}

fn figures(figures: &Figures) -> impl Iterator<Item = String> {
    Metric::ALL.into_iter().map(|metric| figures.get(metric).map(|figure| metric.format(figure)).unwrap_or_default())
}

/// A spreadsheet takes a text that begins like a formula for one and runs it.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
