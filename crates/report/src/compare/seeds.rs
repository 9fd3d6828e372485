//! Runs whose experiments differ only in their seed, as mean and standard deviation.

use std::collections::HashMap;

use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::Status;

use super::value::Spread;
use warmstart_runs::store::Run;

/// Runs that make one row, oldest first; a single run is a group too. Only finished runs are merged, at the position of the first
/// of them. Of runs with the same seed only the newest counts, because a repetition is no further sample.
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

/// Mean of the figures, with the sample's standard deviation if there are two or more; none without figures.
pub(super) fn mean(figures: &[f64]) -> Option<(f64, Spread)> {
    let n = figures.len();
    let mean = figures.iter().sum::<f64>() / n as f64;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    let deviation = (n > 1).then(|| (squares / (n as f64 - 1.0)).sqrt());
    (n > 0).then_some((mean, Spread { deviation, n }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: Python 3.11, `statistics.mean` and `statistics.stdev`.
    #[test]
    fn means_and_deviations_equal_pythons() {
        for (figures, expected, deviation) in [
            (
                &[0.7123, 0.7188, 0.7056, 0.7201, 0.7145][..],
                0.714_26,
                0.005_779_532_853_094_601,
            ),
            (&[1.3685, 1.301], 1.334_75, 0.047_729_707_730_092_04),
            (&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0], 1_000_000_002.0, 1.0),
            (&[0.5, 0.5, 0.5], 0.5, 0.0),
        ] {
            let (mean, spread) = mean(figures).unwrap();
            assert!((mean - expected).abs() <= expected.abs() * 1e-14, "{mean}");
            let found = spread.deviation.unwrap();
            assert!((found - deviation).abs() <= deviation * 1e-12, "{found}");
            assert_eq!(spread.n, figures.len());
        }
        assert_eq!(
            mean(&[0.25]),
            Some((
                0.25,
                Spread {
                    deviation: None,
                    n: 1
                }
            ))
        );
        assert_eq!(mean(&[]), None);
        assert!(
            mean(&[0.1, f64::NAN]).unwrap().0.is_nan(),
            "a diverged run does not vanish in a mean"
        );
    }
}
