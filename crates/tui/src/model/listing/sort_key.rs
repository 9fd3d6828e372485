//! What rows of the list are sorted by.

use crate::columns::ColumnId;
use crate::model::Entry;
use warmstart_report::field::Fact;

/// What rows are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SortKey {
    Nothing,
    Figure(f64),
    Text(String),
}

/// What a row is sorted by.
pub(super) fn sort_key(column: ColumnId, entry: &Entry) -> SortKey {
    let figure = match column.value(&entry.subject()) {
        None => return SortKey::Nothing,
        Some(Fact::Count(count)) => count as f64,
        Some(Fact::Figure(figure)) => figure,
        Some(Fact::Time(time)) => time.as_second() as f64,
        Some(fact @ (Fact::Text(_) | Fact::Texts(_))) => {
            let text = fact.texts().join(" ");
            return if text.is_empty() {
                SortKey::Nothing
            } else {
                SortKey::Text(text)
            };
        }
    };
    if figure.is_nan() {
        SortKey::Nothing
    } else {
        SortKey::Figure(figure)
    }
}
