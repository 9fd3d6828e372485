//! The selection of a list whose rows change.

/// Remembers the row's key, and its newest index in case the row disappears.
#[derive(Debug)]
pub(crate) struct Selection<K> {
    key: Option<K>,
    position: usize,
}

impl<K> Default for Selection<K> {
    fn default() -> Self {
        Self {
            key: None,
            position: 0,
        }
    }
}

impl<K: PartialEq + Clone> Selection<K> {
    /// Index of the selected row; `None` only for an empty list.
    pub(crate) fn index(&self, keys: &[K]) -> Option<usize> {
        self.found(keys).or_else(|| {
            keys.len()
                .checked_sub(1)
                .map(|last| self.position.min(last))
        })
    }

    pub(crate) fn select(&mut self, keys: &[K], index: usize) {
        self.position = index.min(keys.len().saturating_sub(1));
        self.key = keys.get(self.position).cloned();
    }

    /// Notes where the selected row is now. Call it when the rows have changed.
    pub(crate) fn follow(&mut self, keys: &[K]) {
        if let Some(index) = self.found(keys) {
            self.position = index;
        }
    }

    fn found(&self, keys: &[K]) -> Option<usize> {
        let key = self.key.as_ref()?;
        keys.iter().position(|other| other == key)
    }

    /// Selects this key once the rows contain it.
    pub(crate) fn keep(&mut self, key: K) {
        self.key = Some(key);
    }

    /// Moves by `by` rows and stops at the ends.
    pub(crate) fn step(&mut self, keys: &[K], by: isize) {
        if let Some(index) = self.index(keys) {
            self.select(keys, index.saturating_add_signed(by));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_stays_selected_when_rows_are_inserted_above() {
        let mut selection = Selection::default();
        selection.select(&["a", "b"], 1);
        assert_eq!(selection.index(&["x", "a", "b"]), Some(2));
    }

    #[test]
    fn selection_keeps_index_when_row_disappears() {
        let mut selection = Selection::default();
        selection.select(&["a", "b", "c"], 1);
        assert_eq!(selection.index(&["a", "c"]), Some(1));
        assert_eq!(selection.index(&["a"]), Some(0));
        assert_eq!(selection.index(&[]), None);
    }

    #[test]
    fn the_nearest_row_is_selected_when_a_moved_row_disappears() {
        let mut selection = Selection::default();
        selection.select(&["a", "b", "c"], 1);
        selection.follow(&["x", "y", "a", "b", "c"]);
        assert_eq!(selection.index(&["x", "y", "a", "c"]), Some(3));
    }

    #[test]
    fn steps_stop_at_the_ends() {
        let mut selection = Selection::default();
        selection.step(&[1, 2, 3], 10);
        assert_eq!(selection.index(&[1, 2, 3]), Some(2));
        selection.step(&[1, 2, 3], isize::MIN);
        assert_eq!(selection.index(&[1, 2, 3]), Some(0));
    }
}
