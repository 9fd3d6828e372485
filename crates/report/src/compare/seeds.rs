//! Runs whose experiments differ only in their seed, as mean and standard deviation.

use std::collections::HashMap;

use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::Status;

use warmstart_runs::store::Run;

/// The runs of each row, by seed; a row may have a single run. Only finished runs are merged. Rows are in the order of their first
/// runs in `runs`. Of runs with the same seed only the newest counts, because a repetition is no further sample.
pub(super) fn group(runs: Vec<&Run>) -> Vec<Vec<&Run>> {
    let mut groups: Vec<Vec<&Run>> = Vec::new();
    let mut by_experiment: HashMap<String, usize> = HashMap::new();
    for run in runs {
        let key = run
            .experiment
            .as_deref()
            .filter(|_| run.status() == Status::Finished)
            .and_then(without_seed);
        match key.map(|key| *by_experiment.entry(key).or_insert(groups.len())) {
            Some(index) if index < groups.len() => groups[index].push(run),
            _ => groups.push(vec![run]),
        }
    }
    groups.iter_mut().for_each(newest_of_each_seed);
    groups
}

/// The experiment as a key that all its seeds share.
fn without_seed(experiment: &Experiment) -> Option<String> {
    serde_json::to_string(&Experiment {
        seed: 0,
        ..experiment.clone()
    })
    .ok()
}

fn newest_of_each_seed(group: &mut Vec<&Run>) {
    let created = |run: &Run| {
        (
            run.info.as_ref().ok().map(|info| info.created),
            run.id.clone(),
        )
    };
    let seed = |run: &Run| run.experiment.as_deref().map(|experiment| experiment.seed);
    group.sort_by_key(|run| (seed(run), std::cmp::Reverse(created(run))));
    group.dedup_by_key(|run| seed(run));
}
