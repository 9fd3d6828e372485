//! Successive halving of a group: after some epochs the worse half of its settings is stopped.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::members::Mistake;
use super::{Experiment, Member, Monitor};
use crate::real;

/// Successive halving of a `grid`: at the end of each of these epochs, the worse half of the settings is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// The epochs, in rising order, such as `[3, 6]`. All runs train to the first. The better half of the settings, by the best
    /// monitored metric so far, trains to the next, and what remains trains to the end. Of an odd number the larger half stays.
    pub epochs: Vec<u32>,
}

/// The rounds of a group's halving, as each of its runs knows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rounds {
    /// The epochs at whose end the group is halved, in rising order.
    pub epochs: Vec<u32>,
    /// The metric that decides.
    pub monitor: Monitor,
}

impl Rounds {
    /// The epoch at whose end a run waits for its group next; none after the last round, and none for a run that a round stopped.
    pub fn next(&self, decided: &[Halved]) -> Option<u32> {
        let is_open = |epoch: &&u32| decided.iter().all(|round| round.epoch != **epoch);
        let is_stopped = decided.iter().any(|round| !round.continues);
        self.epochs
            .iter()
            .find(is_open)
            .filter(|_| !is_stopped)
            .copied()
    }
}

/// What a round decided about the settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Halved {
    /// The epoch at whose end the round was.
    pub epoch: u32,
    /// The place of the settings, from 1, and how many settings there were.
    pub rank: u32,
    pub of: u32,
    pub monitor: Monitor,
    /// The best monitored metric up to this epoch, as the mean over the seeds; absent if no run of the settings has one.
    #[serde(
        default,
        with = "real::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub figure: Option<f64>,
    /// Whether the run continues.
    pub continues: bool,
}

impl Halved {
    /// `4th of 4`
    pub fn rank_in_words(&self) -> String {
        let Self { rank, of, .. } = self;
        let ending = match (rank % 100, rank % 10) {
            (11..=13, _) => "th",
            (_, 1) => "st",
            (_, 2) => "nd",
            (_, 3) => "rd",
            _ => "th",
        };
        format!("{rank}{ending} of {of}")
    }
}

/// `epoch 3, 4th of 4 settings by val_loss (1.2345)`
impl fmt::Display for Halved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, rank) = (self.epoch, self.rank_in_words());
        let monitor = self.monitor.as_str();
        write!(f, "epoch {epoch}, {rank} settings by {monitor} ")?;
        match self.figure {
            Some(figure) => write!(f, "({figure:.4})"),
            None => f.write_str("(none)"),
        }
    }
}

/// What is wrong with `halving` itself, for so many settings of the grid.
pub(super) fn mistakes(experiment: &Experiment, settings: usize) -> Vec<Mistake> {
    let Some(Halving { epochs }) = &experiment.halving else {
        return Vec::new();
    };
    if experiment.grid.is_none() || settings < 2 {
        let found = if experiment.grid.is_none() {
            "no grid".to_owned()
        } else {
            settings.to_string()
        };
        return vec![Mistake::at(
            &["halving"],
            format!("expected a `grid` with two or more settings, found {found}"),
            "name the values of a field in `grid`, or remove `halving`",
        )];
    }
    let wrong =
        |message: String, help: &str| vec![Mistake::at(&["halving", "epochs"], message, help)];
    let rises = "write rising epochs, as [3, 6]";
    let Some(first) = epochs.first() else {
        return wrong("expected at least one epoch, found none".to_owned(), rises);
    };
    if *first == 0 {
        return wrong("expected epochs from 1, found 0".to_owned(), rises);
    }
    let mut pairs = epochs.iter().zip(epochs.iter().skip(1));
    if let Some((before, after)) = pairs.find(|(before, after)| before >= after) {
        let message = format!("expected rising epochs, found {after} after {before}");
        return wrong(message, rises);
    }
    let most = rounds(settings);
    if epochs.len() > most {
        let noun = if most == 1 { "round" } else { "rounds" };
        let message = format!(
            "expected at most {most} {noun} for {settings} settings, found {}",
            epochs.len()
        );
        return wrong(message, "one setting is left after them; name fewer epochs");
    }
    Vec::new()
}

/// After how many rounds one of so many settings is left.
fn rounds(settings: usize) -> usize {
    std::iter::successors(Some(settings), |left| Some(left.div_ceil(2)))
        .take_while(|left| *left > 1)
        .count()
}

/// The rounds of a group, or how `halving` and the group's members do not fit together.
pub(super) fn of_members(
    experiment: &Experiment,
    members: &[Member],
) -> Result<Option<Rounds>, Mistake> {
    let (Some(Halving { epochs }), [first, ..]) = (&experiment.halving, members) else {
        return Ok(None);
    };
    let experiments = || members.iter().map(|member| &member.experiment);
    if experiments().any(|member| member.probe.is_some()) {
        let message = "a probe has no epochs to stop at; expected `train`";
        return Err(Mistake::at(
            &["halving"],
            message,
            "remove `halving` or `probe`",
        ));
    }
    let monitor = first.experiment.monitor();
    if let Some(other) = experiments().find(|member| member.monitor() != monitor) {
        let message = format!(
            "expected one monitored metric of all settings, found {} and {}",
            monitor.as_str(),
            other.monitor().as_str()
        );
        let help = "give all settings the same train.early_stopping.monitor";
        return Err(Mistake::at(&["halving"], message, help));
    }
    let planned = experiments().map(|member| member.train.epochs).min();
    let late = planned.zip(epochs.last().copied());
    if let Some((planned, last)) = late.filter(|(planned, last)| last >= planned) {
        return Err(Mistake::at(
            &["halving", "epochs"],
            format!("expected epochs below train.epochs, which is {planned}; found {last}"),
            "the last round must leave epochs to train",
        ));
    }
    Ok(Some(Rounds {
        epochs: epochs.clone(),
        monitor,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(epoch: u32, continues: bool) -> Halved {
        Halved {
            epoch,
            rank: 1,
            of: 4,
            monitor: Monitor::ValLoss,
            figure: None,
            continues,
        }
    }

    #[test]
    fn a_run_waits_at_the_first_round_without_a_decision() {
        let rounds = Rounds {
            epochs: vec![3, 6],
            monitor: Monitor::ValLoss,
        };
        assert_eq!(rounds.next(&[]), Some(3));
        assert_eq!(rounds.next(&[round(3, true)]), Some(6));
        assert_eq!(rounds.next(&[round(3, true), round(6, true)]), None);
        assert_eq!(rounds.next(&[round(3, false)]), None);
    }

    #[test]
    fn a_place_is_said_in_words() {
        let place = |rank, figure| {
            let place = Halved {
                rank,
                of: 120,
                figure,
                ..round(3, true)
            };
            place.to_string()
        };
        assert_eq!(
            place(1, Some(0.5)),
            "epoch 3, 1st of 120 settings by val_loss (0.5000)"
        );
        assert_eq!(
            place(112, None),
            "epoch 3, 112th of 120 settings by val_loss (none)"
        );
        for (rank, text) in [
            (2, "2nd"),
            (3, "3rd"),
            (4, "4th"),
            (11, "11th"),
            (22, "22nd"),
        ] {
            assert!(place(rank, None).contains(&format!(" {text} of")), "{rank}");
        }
    }

    #[test]
    fn each_round_halves_until_one_setting_is_left() {
        let counts: Vec<usize> = [2, 3, 4, 5, 8, 9].into_iter().map(rounds).collect();
        assert_eq!(counts, [1, 2, 2, 3, 3, 4]);
    }
}
