//! What rows of the list are sorted by.

use std::cmp::Ordering;

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

/// Sorts by a column, best or first on top. Rows without a value are last in both directions.
pub(super) fn sort<T>(
    rows: &mut [T],
    column: ColumnId,
    reversed: bool,
    worth: impl Fn(&T) -> SortKey,
) {
    let order = |a: &SortKey, b: &SortKey| match (a, b) {
        (SortKey::Nothing, SortKey::Nothing) => Ordering::Equal,
        (SortKey::Nothing, _) | (SortKey::Text(_), SortKey::Figure(_)) => Ordering::Greater,
        (_, SortKey::Nothing) | (SortKey::Figure(_), SortKey::Text(_)) => Ordering::Less,
        (SortKey::Figure(a), SortKey::Figure(b)) if column.largest_first != reversed => {
            b.total_cmp(a)
        }
        (SortKey::Figure(a), SortKey::Figure(b)) => a.total_cmp(b),
        (SortKey::Text(a), SortKey::Text(b)) if reversed => b.cmp(a),
        (SortKey::Text(a), SortKey::Text(b)) => a.cmp(b),
    };
    // Compute each sort key once, not once per comparison.
    rows.sort_by_cached_key(|row| Keyed(worth(row), order));
}

struct Keyed<F>(SortKey, F);

impl<F: Fn(&SortKey, &SortKey) -> Ordering> Ord for Keyed<F> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.1)(&self.0, &other.0)
    }
}

impl<F: Fn(&SortKey, &SortKey) -> Ordering> PartialOrd for Keyed<F> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<F: Fn(&SortKey, &SortKey) -> Ordering> PartialEq for Keyed<F> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<F: Fn(&SortKey, &SortKey) -> Ordering> Eq for Keyed<F> {}
