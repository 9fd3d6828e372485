//! Extending a finished run: the user types a new number of epochs, or of epochs without improvement.

use tui_input::Input;
use warmstart_runs::run::RunId;
use warmstart_schema::state::Outcome;

use crate::format::plural;
use warmstart_runs::store::Run;

/// The most that an experiment file allows for either number.
const MOST: u32 = 100_000;

/// A finished run and its new number.
#[derive(Debug)]
pub(crate) struct Extension {
    pub run: RunId,
    pub input: Input,
    needs: Needs,
    /// The experiment's current value, and the smallest one that lets the run continue.
    now: u32,
    least: u32,
    /// The name of the experiment's schedule, if its learning rates depend on the number of epochs.
    schedule: Option<&'static str>,
}

/// What the run needs more of to continue, by the limit that ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// It trained all of its epochs.
    Epochs,
    /// Early stopping ended it.
    Patience,
}

impl Extension {
    /// For a finished run; the error says why the run cannot be extended.
    pub(crate) fn of(run: &Run) -> Result<Self, String> {
        let Some(experiment) = &run.experiment else {
            return Err(format!(
                "{} cannot be extended: its experiment.yaml cannot be read",
                run.label()
            ));
        };
        if experiment.probe.is_some() {
            return Err(format!(
                "{} cannot be extended: a probe has tried all of its strengths; launch another experiment",
                run.label()
            ));
        }
        let done = run
            .state
            .epochs
            .last()
            .map_or(experiment.train.epochs, |epoch| epoch.epoch);
        let stopped_early = matches!(
            run.state.outcome,
            Some(Outcome::Finished {
                stopped_early: true
            })
        );
        let rule = experiment
            .train
            .early_stopping
            .as_ref()
            .filter(|_| stopped_early);
        // One number cannot raise both.
        if rule.is_some() && done >= experiment.train.epochs {
            return Err(format!(
                "{} needs more epochs and more patience: give both to `warmstart resume` with --set",
                run.label()
            ));
        }
        let (needs, now, least) = match rule {
            Some(rule) => (
                Needs::Patience,
                rule.patience,
                rule.patience.saturating_add(1),
            ),
            None => (
                Needs::Epochs,
                experiment.train.epochs,
                done.saturating_add(1),
            ),
        };
        if least > MOST {
            return Err(format!(
                "{} cannot be extended: it has as many epochs as a run may have",
                run.label()
            ));
        }
        let schedule = &experiment.train.schedule;
        let schedule = schedule.depends_on_epochs().then(|| schedule.name());
        Ok(Self {
            run: run.id.clone(),
            input: Input::default(),
            needs,
            now,
            least,
            schedule,
        })
    }

    /// The typed change as `FIELD=VALUE`, or the mistake in it.
    pub(crate) fn change(&self) -> Result<String, String> {
        let field = match self.needs {
            Needs::Epochs => "train.epochs",
            Needs::Patience => "train.early_stopping.patience",
        };
        self.typed().map(|number| format!("{field}={number}"))
    }

    fn typed(&self) -> Result<u32, String> {
        let number = self
            .input
            .value()
            .trim()
            .parse()
            .ok()
            .filter(|number| (self.least..=MOST).contains(number));
        number.ok_or_else(|| {
            format!(
                "a whole number from {} to {MOST}; it is {} now",
                self.least, self.now
            )
        })
    }

    pub(crate) fn question(&self) -> &'static str {
        match self.needs {
            Needs::Epochs => "extend to how many epochs in all?",
            Needs::Patience => "it stopped early; how many epochs of patience?",
        }
    }

    /// Describes the effect of the typed number, or the mistake in it.
    pub(crate) fn answer(&self) -> String {
        let number = match self.typed() {
            Ok(number) => number,
            Err(mistake) => return mistake,
        };
        // `least` is one above the epochs that were trained, or the patience. The planned epochs do not count here: a user may have
        // changed them in experiment.yaml since.
        let more = number.saturating_sub(self.least.saturating_sub(1));
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        match (self.needs, self.schedule) {
            (Needs::Epochs, Some(schedule)) => {
                format!(
                    "{} more, on the longer {schedule} schedule; the test is measured again",
                    plural(more, "epoch")
                )
            }
            (Needs::Epochs, None) => {
                format!("{} more; the test is measured again", plural(more, "epoch"))
            }
            (Needs::Patience, _) => {
                format!(
                    "{} more without improvement; the test is measured again",
                    plural(more, "epoch")
                )
            }
        }
    }
}
