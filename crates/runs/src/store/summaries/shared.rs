//! Values that most runs share: experiments, and the structure of models. Each is written once, read once, and then shared in
//! memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;
use warmstart_schema::event::ModelFacts;
use warmstart_schema::experiment::Experiment;

/// The shared values. A run's block holds their numbers.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Each value as it is written, by its number.
    bytes: HashMap<u32, Vec<u8>>,
    /// The same the other way round, so that an equal value gets no second number.
    numbers: HashMap<Vec<u8>, u32>,
    /// Above all numbers so far.
    next: u32,
    /// The values that a run used or added.
    live: BTreeSet<u32>,
    /// The values that were read so far.
    experiments: HashMap<u32, Arc<Experiment>>,
    models: HashMap<u32, Arc<ModelFacts>>,
}

impl Shared {
    /// Takes in the values of the file, by their numbers.
    pub(super) fn new(written: Vec<(u32, Vec<u8>)>) -> Self {
        let numbers = written
            .iter()
            .map(|(number, bytes)| (bytes.clone(), *number))
            .collect();
        let next = written
            .iter()
            .map(|(number, _)| number.saturating_add(1))
            .max()
            .unwrap_or(0);
        Self {
            bytes: written.into_iter().collect(),
            numbers,
            next,
            ..Self::default()
        }
    }

    /// None if the number belongs to no experiment.
    pub(super) fn experiment(&mut self, number: u32) -> Option<Arc<Experiment>> {
        read(&self.bytes, &mut self.live, &mut self.experiments, number)
    }

    /// None if the number belongs to no model.
    pub(super) fn model(&mut self, number: u32) -> Option<Arc<ModelFacts>> {
        read(&self.bytes, &mut self.live, &mut self.models, number)
    }

    /// The number of a run's value, for its block; none if it cannot be written.
    #[expect(
        clippy::option_option,
        reason = "what is not there has no number, and can be written"
    )]
    pub(super) fn number<T: Serialize>(&mut self, what: Option<&T>) -> Option<Option<u32>> {
        let Some(what) = what else { return Some(None) };
        let bytes = rmp_serde::to_vec_named(what).ok()?;
        if let Some(number) = self.numbers.get(&bytes) {
            self.live.insert(*number);
            return Some(Some(*number));
        }
        let number = self.next;
        self.next = number.checked_add(1)?;
        self.numbers.insert(bytes.clone(), number);
        self.bytes.insert(number, bytes);
        self.live.insert(number);
        Some(Some(number))
    }

    /// The values to write.
    pub(super) fn live(&self) -> Vec<(u32, Vec<u8>)> {
        self.live
            .iter()
            .filter_map(|number| Some((*number, self.bytes.get(number)?.clone())))
            .collect()
    }
}

/// The value of a number, read the first time that it is asked for.
fn read<T: for<'de> serde::Deserialize<'de>>(
    bytes: &HashMap<u32, Vec<u8>>,
    live: &mut BTreeSet<u32>,
    known: &mut HashMap<u32, Arc<T>>,
    number: u32,
) -> Option<Arc<T>> {
    if let Some(known) = known.get(&number) {
        return Some(Arc::clone(known));
    }
    let read = Arc::new(rmp_serde::from_slice(bytes.get(&number)?).ok()?);
    live.insert(number);
    known.insert(number, Arc::clone(&read));
    Some(read)
}
