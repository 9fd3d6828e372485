//! Changes the plan of a run at rest: more epochs, another learning rate. Holds the run's lock, and logs the changes.

use std::io;

use crate::checkpoint;
use crate::event_log::EventWriter;
use crate::run::RunDir;
use crate::storage::{Disk, fingerprint, replace};
use warmstart_schema::event::{Change, Changed, Event};
use warmstart_schema::experiment::{self, Experiment, Problem};

/// The fields that may change after a run began. Its data, its model and the state of its optimizer may not. Its image folder may
/// move; the worker checks that its images are the same. For another number of devices, the conditions of the checkpoint say whether
/// the run stays exact.
pub const FIELDS: [&str; 8] = [
    "dataset.path",
    "train.epochs",
    "train.optimizer.learning_rate",
    "train.early_stopping.patience",
    "train.checkpoint.every_minutes",
    "train.checkpoint.keep",
    "train.on_nan",
    "train.devices",
];

/// Why a run was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{0}` cannot change after a run has begun; fields that can: {fields}", fields = FIELDS.join(", "))]
    Fixed(String),
    #[error("a probe has no `{0}`; the only field of its run that can change: dataset.path")]
    NotOfProbe(String),
    #[error("a worker has the run")]
    Held,
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Experiment(Vec<Problem>),
    #[error("train.epochs: expected {least} or more, because so many have begun; found {found}")]
    TooFew { least: u32, found: u32 },
    #[error("the run is done, and these changes do not extend it: expected {}", .0.join(" and "))]
    NothingLeft(Vec<String>),
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error("changing the run: {0}")]
    Io(#[from] io::Error),
}

/// How a run continues after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// From its last checkpoint.
    Continues,
    /// It is finished, and continues only if the changes extend it.
    Extends,
    /// From the beginning, as if it had never trained.
    StartsOver,
}

/// Applies `FIELD=VALUE`s to a run that no worker has, and logs them. Returns the changes, none if the values are the same. A
/// finished run takes only changes that extend it. If its file already has them, by hand or because the log could not be written,
/// they are logged now: without that a finished run does not continue.
pub fn change(run: &RunDir, changes: &[String], is_done: bool) -> Result<Vec<Change>, Error> {
    let next = if is_done {
        Next::Extends
    } else {
        Next::Continues
    };
    apply(run, changes, next)
}

/// The same for a run that starts over. None of its epochs counts, so it may get fewer, and its checkpoints may be damaged.
pub fn change_from_start(run: &RunDir, changes: &[String]) -> Result<Vec<Change>, Error> {
    apply(run, changes, Next::StartsOver)
}

fn apply(run: &RunDir, changes: &[String], next: Next) -> Result<Vec<Change>, Error> {
    let field = |change: &String| {
        change
            .split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    if let Some(fixed) = changes
        .iter()
        .map(field)
        .find(|field| !FIELDS.contains(&field.as_str()))
    {
        return Err(Error::Fixed(warmstart_schema::text::line(&fixed, 80)));
    }
    let _lock = run.lock()?.ok_or(Error::Held)?;
    let path = run.experiment_yaml();
    let launched_in = run.info().ok().and_then(|info| info.cwd);
    let launched_in = launched_in.filter(|folder| folder.is_dir());
    // First, because its error names the file. Earlier versions kept relative paths.
    let before =
        experiment::load_in(&launched_in.unwrap_or_default(), &path).map_err(Error::Experiment)?;
    let from = fingerprint(&std::fs::read(&path)?);
    // A probe's `train` is not in its file.
    if before.probe.is_some()
        && let Some(absent) = changes
            .iter()
            .map(field)
            .find(|field| field.starts_with("train."))
    {
        return Err(Error::NotOfProbe(absent));
    }
    let mut after = experiment::load(&path, changes).map_err(Error::Experiment)?;
    // Only a path that is given now is relative to the current folder.
    after.model.weights = before.model.weights.clone();
    if !changes.iter().any(|change| field(change) == "dataset.path")
        && let (Some(path), Some(known)) = (after.dataset.path_mut(), before.dataset.path())
    {
        known.clone_into(path);
    }
    let fields: Vec<Change> = FIELDS
        .iter()
        .filter_map(|field| differs(field, &before, &after))
        .collect();
    if fields.is_empty() && next != Next::Extends {
        return Ok(fields);
    }
    let state = if next == Next::StartsOver {
        None
    } else {
        checkpoint::recover(&Disk, run)?;
        let (newest, _) = checkpoint::newest(&Disk, run)?;
        newest.map(|content| content.state)
    };
    let begun = state
        .as_ref()
        .map_or(0, |state| state.epoch + u32::from(state.batch > 0));
    let least = begun.max(1);
    if after.train.epochs < least {
        return Err(Error::TooFew {
            least,
            found: after.train.epochs,
        });
    }
    if next == Next::Extends
        && let Some(state) = &state
    {
        let mut expected = Vec::new();
        if state.epoch >= after.train.epochs {
            expected.push(format!("train.epochs above {}", state.epoch));
        }
        let rule = after.train.early_stopping.as_ref();
        if state.progress.is_patience_exhausted(rule) {
            expected.push("more train.early_stopping.patience".to_owned());
        }
        if !expected.is_empty() {
            return Err(Error::NothingLeft(expected));
        }
    }
    let yaml = after.to_yaml().map_err(io::Error::other)?;
    let step = state.map_or(0, |state| state.step);
    let mut log = EventWriter::open(&run.events())?;
    replace(&Disk, &path, yaml.as_bytes())?;
    log.write(&Event::Changed(Changed {
        step,
        fields: fields.clone(),
        from,
        to: fingerprint(yaml.as_bytes()),
    }))?;
    log.sync()?;
    Ok(fields)
}

/// Makes the next attempt start over from the beginning. Earlier results stay until then. No worker may have the run.
pub fn start_over(run: &RunDir) -> Result<(), Error> {
    let _lock = run.lock()?.ok_or(Error::Held)?;
    let mut log = EventWriter::open(&run.events())?;
    log.write(&Event::StartOver)?;
    Ok(log.sync()?)
}

fn differs(field: &str, before: &Experiment, after: &Experiment) -> Option<Change> {
    let value = |experiment: &Experiment| {
        let whole = serde_json::to_value(experiment).unwrap_or_default();
        let found = whole
            .pointer(&format!("/{}", field.replace('.', "/")))
            .cloned();
        // One device is not written.
        let unwritten = if field == "train.devices" {
            "1"
        } else {
            "none"
        };
        found.map_or_else(|| unwritten.to_owned(), |value| value.to_string())
    };
    let (from, to) = (value(before), value(after));
    (from != to).then(|| Change {
        field: field.to_owned(),
        from,
        to,
    })
}

/// Why a run that is now of `experiment` and of the fingerprint `now` may differ from one that was planned so from its start,
/// when its checkpoint, of the step `saved`, belongs to the fingerprint `then`. Empty if it does not differ. Training repeats all that
/// followed that checkpoint, so only the first and the last value of a field count.
pub fn consequences(
    changes: &[Changed],
    (saved, then): (u64, &str),
    now: &str,
    experiment: &Experiment,
) -> Vec<String> {
    let (mut at, mut overall) = (then, Vec::new());
    for changed in changes.iter().filter(|changed| changed.step >= saved) {
        if changed.from == at && at != now {
            at = &changed.to;
            for change in &changed.fields {
                add(&mut overall, change);
            }
        }
    }
    if at == now {
        overall
            .iter()
            .filter(|change| change.from != change.to)
            .filter_map(|change| consequence(change, saved, experiment))
            .collect()
    } else {
        // A user who edits the file by hand logs no change.
        vec!["the experiment was changed".to_owned()]
    }
}

/// Adds a later change to those before it, so that each field keeps its first value and gets its last.
fn add(changes: &mut Vec<Change>, later: &Change) {
    if let Some(known) = changes.iter_mut().find(|known| known.field == later.field) {
        known.to.clone_from(&later.to);
    } else {
        changes.push(later.clone());
    }
}

fn consequence(change: &Change, step: u64, experiment: &Experiment) -> Option<String> {
    let Change { field, from, to } = change;
    let lowered = || {
        from.parse::<u32>()
            .ok()
            .is_none_or(|from| to.parse().is_ok_and(|to: u32| to < from))
    };
    let schedule = &experiment.train.schedule;
    let longer = format!(", and the {} schedule follows it", schedule.name());
    let why = match field.as_str() {
        "train.epochs" if schedule.depends_on_epochs() => &longer,
        "train.optimizer.learning_rate" => "",
        "train.on_nan" if to.contains("stop") || to == "none" => {
            ", and a step that was left out would have ended training"
        }
        "train.early_stopping.patience" if lowered() => ", and might have ended training before",
        _ => return None,
    };
    (step > 0).then(|| format!("{field} was {from} until step {step}, is {to}{why}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checkpoint::{Content, State};
    use crate::run::{Launch, RunInfo};

    use warmstart_schema::experiment::{Monitor, Weights};
    use warmstart_schema::policy::Progress;
    use warmstart_schema::state::RunState;

    const YAML: &str = "
name: small
dataset: { name: emoji98 }
model: { backbone: resnet18, weights: random }
train: { epochs: 10, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 }, schedule: { name: cosine } }
";

    fn run(root: &std::path::Path) -> RunDir {
        run_of(root, YAML)
    }

    fn run_of(root: &std::path::Path, yaml: &str) -> RunDir {
        let experiment = experiment::parse(yaml, "small.yaml").unwrap();
        let launch = Launch {
            experiment: &experiment,
            source: "small.yaml".as_ref(),
            device: "cpu",
        };
        RunDir::create(root, &launch).unwrap().0
    }

    /// A run with the checkpoint of its last epoch.
    pub(crate) fn trained(root: &std::path::Path) -> RunDir {
        let run = run(root);
        save(&run, 10, Progress::default());
        run
    }

    fn save(run: &RunDir, epoch: u32, progress: Progress) {
        let content = Content {
            state: State {
                step: 100,
                epoch,
                progress,
                train_time: 1.0,
                ..State::default()
            },
            model: vec![1],
            optimizer: vec![2],
        };
        checkpoint::save(&Disk, run, &content, 2).unwrap();
    }

    fn texts(changes: &[&str]) -> Vec<String> {
        changes.iter().map(|&change| change.to_owned()).collect()
    }

    #[test]
    fn changes_are_written_to_the_file_and_the_log() {
        let root = tempfile::tempdir().unwrap();
        let run = run(root.path());
        let made = change(
            &run,
            &texts(&["train.epochs=20", "train.checkpoint.keep=2"]),
            false,
        )
        .unwrap();
        assert_eq!(
            made,
            [Change {
                field: "train.epochs".into(),
                from: "10".into(),
                to: "20".into()
            }]
        );
        assert_eq!(
            experiment::load(&run.experiment_yaml(), &[])
                .unwrap()
                .train
                .epochs,
            20
        );
        let records = crate::event_log::EventReader::new(run.events())
            .poll()
            .unwrap()
            .records;
        let state = RunState::fold(records);
        assert_eq!(state.changes[0].fields, made);
        assert_eq!(
            state.notes[0].text,
            "train.epochs was changed from 10 to 20 at step 0"
        );
        assert!(
            change(&run, &texts(&["train.epochs=20"]), false)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn relative_paths_of_earlier_versions_begin_in_the_folder_of_the_launch() {
        let (root, launched_in) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let run = run(root.path());
        run.write_info(&RunInfo {
            cwd: Some(launched_in.path().to_path_buf()),
            ..run.info().unwrap()
        })
        .unwrap();
        let yaml = YAML
            .replace("name: emoji98", "name: image_folder, path: pictures")
            .replace("weights: random", "weights: base.safetensors");
        std::fs::write(run.experiment_yaml(), yaml).unwrap();
        let paths = || {
            let now = experiment::load(&run.experiment_yaml(), &[]).unwrap();
            let pictures = now.dataset.path().map(std::path::Path::to_path_buf);
            (pictures, now.model.weights)
        };
        let weights = Weights::File(launched_in.path().join("base.safetensors"));
        let made = change(&run, &texts(&["train.epochs=20"]), false).unwrap();
        assert_eq!(made.len(), 1, "{made:?}");
        let pictures = launched_in.path().join("pictures");
        assert_eq!(paths(), (Some(pictures), weights.clone()));
        change(&run, &texts(&["dataset.path=moved"]), false).unwrap();
        let moved = std::env::current_dir().unwrap().join("moved");
        assert_eq!(paths(), (Some(moved), weights));
    }

    #[test]
    fn fixed_fields_are_refused_and_nothing_changes() {
        let root = tempfile::tempdir().unwrap();
        let run = run(root.path());
        let before = std::fs::read(run.experiment_yaml()).unwrap();
        for (wrong, sign) in [
            ("train.batch_size=64", "`train.batch_size` cannot change"),
            ("train.epochs=x", "expected a whole number"),
            ("train.epochs=0", "expected a whole number from 1"),
        ] {
            let error = change(
                &run,
                &texts(&["train.optimizer.learning_rate=0.1", wrong]),
                false,
            )
            .unwrap_err()
            .to_string();
            assert!(error.contains(sign), "{error}");
        }
        let lock = run.lock().unwrap();
        assert!(matches!(
            change(&run, &texts(&["train.epochs=20"]), false),
            Err(Error::Held)
        ));
        drop(lock);
        assert_eq!(std::fs::read(run.experiment_yaml()).unwrap(), before);
        assert!(!run.events().exists());
        std::fs::remove_file(run.experiment_yaml()).unwrap();
        let missing = change(&run, &texts(&["train.epochs=20"]), false);
        assert!(matches!(missing, Err(Error::Experiment(_))), "{missing:?}");
    }

    #[test]
    fn a_finished_run_takes_only_changes_that_extend_it() {
        let root = tempfile::tempdir().unwrap();
        let run = trained(root.path());
        for change_of in ["train.epochs=10", "train.optimizer.learning_rate=0.1"] {
            let refused = change(&run, &texts(&[change_of]), true).unwrap_err();
            assert!(matches!(refused, Error::NothingLeft(_)), "{refused:?}");
            let text = refused.to_string();
            assert!(
                text.contains("above 10") && !text.contains("patience"),
                "{text}"
            );
        }
        let longer = YAML.replace("epochs: 10", "epochs: 20");
        std::fs::write(run.experiment_yaml(), longer).unwrap();
        let made = change(&run, &texts(&["train.epochs=20"]), true).unwrap();
        assert!(made.is_empty(), "{made:?}");
        assert!(run.state().unwrap().awaits_change, "the worker continues");
    }

    #[test]
    fn a_run_that_stopped_early_is_extended_by_patience_and_not_by_epochs() {
        let root = tempfile::tempdir().unwrap();
        let yaml = YAML.replace("train: {", "train: { early_stopping: { patience: 2 },");
        let run = run_of(root.path(), &yaml);
        let before = experiment::load(&run.experiment_yaml(), &[]).unwrap();
        let rule = before.train.early_stopping.as_ref();
        let mut progress = Progress::default();
        let mut ends = |epoch| {
            let verdict = progress.observe(Monitor::ValLoss, rule, epoch, 1.0);
            verdict.should_stop
        };
        let last = (1..=10).find(|&epoch| ends(epoch)).unwrap();
        save(&run, last, progress);
        let extend = |by: &str| change(&run, &texts(&[by]), true);
        let refused = extend("train.epochs=20").unwrap_err().to_string();
        assert!(
            refused.contains("patience") && !refused.contains("train.epochs"),
            "{refused}"
        );
        extend("train.early_stopping.patience=9").unwrap();
    }

    #[test]
    fn a_field_that_a_probe_lacks_is_not_named_among_those_that_can_change() {
        let root = tempfile::tempdir().unwrap();
        let yaml = "name: x\ndataset: { name: emoji98 }\nprobe: {}\n\
            model: { backbone: resnet18, weights: random, freeze: backbone }\n";
        let error = change(
            &run_of(root.path(), yaml),
            &texts(&["train.epochs=20"]),
            false,
        );
        let error = error.unwrap_err().to_string();
        assert_eq!(error.matches("train.epochs").count(), 1, "{error}");
    }

    #[test]
    fn changes_have_consequences_only_if_an_unbroken_run_would_differ() {
        let cosine = experiment::parse(YAML, "small.yaml").unwrap();
        let constant = experiment::parse_with(
            YAML,
            "small.yaml",
            &texts(&["train.schedule.name=constant"]),
        )
        .unwrap();
        let changed =
            |field: &str, step, (from, to): (&str, &str), (before, after): (&str, &str)| Changed {
                step,
                fields: vec![Change {
                    field: field.into(),
                    from: from.into(),
                    to: to.into(),
                }],
                from: before.into(),
                to: after.into(),
            };
        let longer = [changed("train.epochs", 50, ("10", "20"), ("a", "b"))];
        let reasons = consequences(&longer, (50, "a"), "b", &cosine);
        assert_eq!(
            reasons,
            ["train.epochs was 10 until step 50, is 20, and the cosine schedule follows it"]
        );
        assert!(consequences(&longer, (50, "a"), "b", &constant).is_empty());
        assert_eq!(
            consequences(&longer, (50, "a"), "c", &constant),
            ["the experiment was changed"]
        );
        let patience = |from, to| {
            [changed(
                "train.early_stopping.patience",
                50,
                (from, to),
                ("a", "b"),
            )]
        };
        assert!(consequences(&patience("3", "5"), (50, "a"), "b", &cosine).is_empty());
        assert_eq!(
            consequences(&patience("5", "3"), (50, "a"), "b", &cosine).len(),
            1
        );
        let rate = [
            longer[0].clone(),
            changed(
                "train.optimizer.learning_rate",
                60,
                ("0.1", "0.2"),
                ("b", "c"),
            ),
        ];
        assert_eq!(consequences(&rate, (50, "a"), "c", &constant).len(), 1);
        // The checkpoint was saved after the change.
        assert!(consequences(&rate[..1], (60, "b"), "b", &cosine).is_empty());
    }

    #[test]
    fn changes_since_the_checkpoint_count_as_one() {
        let cosine = experiment::parse(YAML, "small.yaml").unwrap();
        let changed = |field: &str, step, from: &str, to: &str, files: (&str, &str)| Changed {
            step,
            fields: vec![Change {
                field: field.into(),
                from: from.into(),
                to: to.into(),
            }],
            from: files.0.into(),
            to: files.1.into(),
        };
        let keep = changed("train.checkpoint.keep", 50, "1", "2", ("b", "c"));
        let there = changed("train.epochs", 50, "10", "20", ("a", "b"));
        let back = changed("train.epochs", 50, "20", "10", ("c", "d"));
        let reverted = [there.clone(), keep.clone(), back];
        assert!(consequences(&reverted, (50, "a"), "d", &cosine).is_empty());
        let twice = [
            there,
            keep,
            changed("train.epochs", 50, "20", "30", ("c", "d")),
        ];
        let reasons = consequences(&twice, (50, "a"), "d", &cosine);
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].contains("was 10 until step 50, is 30"));
        // The checkpoint of step 60 is gone: training continues from step 50.
        let lost = [changed("train.epochs", 60, "10", "20", ("a", "b"))];
        let reasons = consequences(&lost, (50, "a"), "b", &cosine);
        assert!(reasons[0].contains("until step 50"), "{reasons:?}");
    }
}
