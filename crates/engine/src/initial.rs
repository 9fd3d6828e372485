//! A model's first weights: pretrained, random, a file's, or another run's best.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use warmstart_runs::checkpoint::{self, MODEL};
use warmstart_runs::pictures::{PictureFolder, listed};
use warmstart_runs::run::{self, RunDir, RunId, RunInfo};
use warmstart_runs::search_paths::SearchPaths;
use warmstart_runs::storage::{self, Disk};
use warmstart_runs::survey;
use warmstart_schema::architecture::{Architecture, Backbone};
use warmstart_schema::catalog::Pretrained;
use warmstart_schema::event::StartedFrom;
use warmstart_schema::experiment::{self, Experiment, Weights};
use warmstart_schema::preparation::{FileMetadata, Preparation};
use warmstart_schema::state::Outcome;

use crate::failure::UserError;
use crate::model::{Model, ModelSpec};
use crate::weights::{self, LoadPolicy, SaidOf, load_bytes};

/// What to build for an experiment whose weights say nothing of themselves.
pub fn model_spec(experiment: &Experiment, classes: usize, blocks: usize) -> ModelSpec {
    prepared_spec(
        experiment,
        &Preparation::new(experiment, &FileMetadata::default()),
        classes,
        blocks,
    )
}

/// What to build for an experiment.
pub fn prepared_spec(
    experiment: &Experiment,
    preparation: &Preparation,
    classes: usize,
    blocks: usize,
) -> ModelSpec {
    let size = |side: u32| i64::from(side);
    ModelSpec {
        backbone: experiment.model.backbone,
        stem: experiment.model.stem,
        classes,
        hidden: experiment.head_width() as usize,
        dropout: experiment.model.head.dropout,
        drop_path: experiment.model.drop_path,
        frozen_blocks: experiment.model.freeze.frozen_blocks(blocks),
        norm_inference: experiment.model.batch_norm
            == warmstart_schema::experiment::BatchNorm::Inference,
        input_size: experiment.input.resize.map(size),
        interpolation: preparation.interpolation,
        mean: preparation.mean,
        std: preparation.std,
    }
}

/// The file that an experiment's first weights come from. None where they are random, another run's, or published and not here.
pub(crate) fn file(experiment: &Experiment, places: &SearchPaths) -> Option<PathBuf> {
    match (&experiment.init, &experiment.model.weights) {
        (None, Weights::File(path)) => Some(path.clone()),
        _ => places.find_weights(&experiment.published()?).ok(),
    }
}

/// What is done to pictures in a new run: what the experiment says, else what its weights say, else what is known of the backbone.
pub fn preparation(experiment: &Experiment, places: &SearchPaths) -> Preparation {
    let stated = file(experiment, places)
        .map(|path| weights::stated_preparation(&path, experiment.model.backbone));
    Preparation::new(experiment, &stated.unwrap_or_default())
}

/// The run that a run starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub run: RunId,
    /// Why it may not be the newest finished one.
    pub doubt: Option<String>,
}

impl Base {
    /// The newest finished run below `root` of the experiment that `init: {from: …}` names; none without `init`. `file` is the
    /// experiment's file that it meant when the run was launched.
    pub fn of(experiment: &Experiment, root: &Path, file: Option<&Path>) -> Result<Option<Self>> {
        let init = experiment.init.as_ref();
        init.map(|init| newest_finished(root, &init.from, file))
            .transpose()
    }
}

/// As [`preparation`]. A run that starts from the best checkpoint of another run below `root` keeps that run's preparation.
pub fn preparation_after(
    experiment: &Experiment,
    root: &Path,
    base: Option<&Base>,
    places: &SearchPaths,
) -> Preparation {
    let theirs = || {
        let run = &base?.run;
        let dir = RunDir::of(root, run);
        let content = checkpoint::best(&Disk, &dir).ok()??;
        let earlier = || {
            experiment::load(&dir.experiment_yaml(), &[])
                .ok()
                .map(|theirs| Preparation::earlier(&theirs))
        };
        let theirs = content.state.preparation.or_else(earlier)?;
        // Its images may have had another size, but its weights expect the same normalization.
        Some(FileMetadata {
            by: format!("run {run}: {}", theirs.by),
            mean: Some(theirs.mean),
            std: Some(theirs.std),
            ..FileMetadata::default()
        })
    };
    theirs().map_or_else(
        || preparation(experiment, places),
        |stated| Preparation::new(experiment, &stated),
    )
}

/// What a launch makes of an experiment's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They fit. `notes` name the changes that make them fit, and doubts.
    Fit { notes: Vec<String> },
    /// They are not on this machine, and a launch fetches them.
    Fetched(String),
    /// A launch fails.
    Fails { error: String, help: String },
    /// There is no file: they are random, or another run's.
    NoFile,
}

/// Looks at the weights that a launch would load as the launch does, to the last number.
pub fn verdict(experiment: &Experiment, places: &SearchPaths) -> Verdict {
    let failed = |error: anyhow::Error| {
        let UserError { error, help, .. } = UserError::of(&error);
        Verdict::Fails { error, help }
    };
    if let Some(pretrained) = experiment.published() {
        return match places.find_weights(&pretrained) {
            Ok(path) => check_file(&path, &experiment.model)
                .map_or_else(failed, |notes| Verdict::Fit { notes }),
            Err(looked) if places.offline => failed(missing(&pretrained, &looked, places)),
            Err(_) => Verdict::Fetched(format!("{} are downloaded at launch", pretrained.hub)),
        };
    }
    match (&experiment.init, &experiment.model.weights) {
        (None, Weights::File(path)) => {
            check_file(path, &experiment.model).map_or_else(failed, |notes| Verdict::Fit { notes })
        }
        _ => Verdict::NoFile,
    }
}

/// Whether a file's tensors fit a backbone, with notes.
fn check_file(path: &Path, model: &experiment::Model) -> Result<Vec<String>> {
    let backbone = model.backbone;
    let judged = || {
        let bytes = weights::read(path)?;
        let doubt = doubt(path, &bytes, backbone)?;
        let fitted = weights::fitted(&bytes, backbone, model.stem)
            .with_context(|| format!("cannot load {}", path.display()))?;
        let blocks = Architecture::new(backbone).blocks.len();
        let frozen = model.freeze.frozen_blocks(blocks);
        let doubt = doubt.or_else(|| frozen_at_random(frozen, &fitted.not_loaded));
        Ok(fitted.notes.into_iter().chain(doubt).collect())
    };
    judged().map_err(unusable)
}

fn unusable(error: anyhow::Error) -> anyhow::Error {
    if error.is::<UserError>() {
        return error;
    }
    UserError::input(
        format!("{error:#}"),
        "correct model.weights or model.backbone, or get the file again",
    )
}

/// An error where the file says that it is of another backbone; a doubt where only its name does.
fn doubt(path: &Path, bytes: &[u8], backbone: Backbone) -> Result<Option<String>> {
    let said = weights::stated(path, bytes);
    if let Some(SaidOf::Surely(found, by)) = said.filter(|said| said.backbone() != backbone) {
        bail!(
            "cannot load {}: {by} says {found}, the experiment says {backbone}",
            path.display()
        );
    }
    let other = said
        .map(SaidOf::backbone)
        .filter(|&found| found != backbone);
    Ok(other.map(|found| {
        format!(
            "{} is called after {found}, whose tensors have the names and shapes of {backbone}'s; if it is of that, \
             name that backbone: padding and normalization differ",
            path.display()
        )
    }))
}

/// Where a model's first weights came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub words: String,
    pub run: Option<StartedFrom>,
    /// Why they may not be what they seem.
    pub doubt: Option<String>,
    /// The changes that made them fit.
    pub notes: Vec<String>,
}

impl From<String> for Origin {
    fn from(words: String) -> Self {
        Self {
            words,
            run: None,
            doubt: None,
            notes: Vec::new(),
        }
    }
}

/// Gives `model` the weights that the experiment starts from, and says where they came from.
pub fn load(
    model: &Model,
    experiment: &Experiment,
    root: &Path,
    places: &SearchPaths,
) -> Result<Origin> {
    let base = Base::of(experiment, root, None)?;
    load_after(model, experiment, root, base.as_ref(), places)
}

/// As [`load`], from the run that was chosen before.
pub fn load_after(
    model: &Model,
    experiment: &Experiment,
    root: &Path,
    base: Option<&Base>,
    places: &SearchPaths,
) -> Result<Origin> {
    if let (Some(init), Some(base)) = (&experiment.init, base) {
        return from_run(model, experiment, (&init.from, &base.run), root);
    }
    match &experiment.model.weights {
        Weights::Random => Ok(format!("random, from seed {}", experiment.seed).into()),
        Weights::File(path) => {
            let (doubt, notes) = load_pretrained(model, path)?;
            Ok(Origin {
                doubt,
                notes,
                ..path.display().to_string().into()
            })
        }
        named @ (Weights::Imagenet | Weights::Tag(_)) => {
            let pretrained = experiment
                .model
                .published()
                .with_context(|| format!("there are no published weights `{named}`"))?;
            let path = places
                .find_weights(&pretrained)
                .map_err(|looked| missing(&pretrained, &looked, places))?;
            let (doubt, notes) = load_pretrained(model, &path)?;
            Ok(Origin {
                doubt,
                notes,
                ..pretrained.hub.to_owned().into()
            })
        }
    }
}

/// Loads the backbone, unless the file says that it is another's; says where only its name does, and what was done to its tensors.
fn load_pretrained(model: &Model, path: &Path) -> Result<(Option<String>, Vec<String>)> {
    let load = || {
        let bytes = weights::read(path)?;
        let doubt = doubt(path, &bytes, model.spec().backbone)?;
        let spec = model.spec();
        let fitted = weights::fitted(&bytes, spec.backbone, spec.stem)
            .with_context(|| format!("cannot load {}", path.display()))?;
        fitted.load_into(model)?;
        let doubt = doubt.or_else(|| frozen_at_random(spec.frozen_blocks, &fitted.not_loaded));
        Ok((doubt, fitted.notes))
    };
    load().map_err(unusable)
}

/// That a new stem would stay as it was drawn, where that is so.
fn frozen_at_random(frozen_blocks: usize, not_loaded: &[String]) -> Option<String> {
    (!not_loaded.is_empty() && frozen_blocks > 0).then(|| {
        "the first convolution is random and frozen, so the blocks behind it get poor input; write `freeze: none`".to_owned()
    })
}

/// That pretrained weights are nowhere, and what to do where they cannot be downloaded.
pub fn missing(
    pretrained: &Pretrained,
    looked: &[std::path::PathBuf],
    places: &SearchPaths,
) -> anyhow::Error {
    let looked: Vec<String> = looked
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let fetch = if places.offline {
        "unset HF_HUB_OFFLINE to download them"
    } else {
        "`warmstart prefetch` downloads them"
    };
    UserError::input(
        format!(
            "the published weights {} are not on this machine",
            pretrained.hub
        ),
        format!(
            "{fetch}; or put model.safetensors of {} at one of: {}; or set model.weights to a file, or to `random`",
            pretrained.hub,
            looked.join(", ")
        ),
    )
}

/// Takes the best checkpoint of another experiment's run.
fn from_run(
    model: &Model,
    experiment: &Experiment,
    (stem, run): (&str, &RunId),
    root: &Path,
) -> Result<Origin> {
    let dir = RunDir::of(root, run);
    let content =
        checkpoint::best(&Disk, &dir)?.with_context(|| format!("run {run} has no checkpoint"))?;
    load_bytes(model, &content.model, LoadPolicy::Exact).map_err(|error| {
        UserError::input(
            format!("{MODEL} of run {run} ({stem}) does not fit this model: {error:#}"),
            "backbone, head and classes must be those of the experiment named by init.from",
        )
    })?;
    let step = content.state.step;
    let words = format!("the best checkpoint of {stem} (run {run}, step {step})");
    let doubt = other_split(&dir, run, experiment);
    let run = run.clone();
    Ok(Origin {
        words,
        run: Some(StartedFrom { run, step }),
        doubt,
        notes: Vec::new(),
    })
}

/// That a run learnt from images which are not kept from this one's validation, where that is so.
fn other_split(dir: &RunDir, run: &RunId, ours: &Experiment) -> Option<String> {
    let theirs = experiment::load_frozen(&dir.experiment_yaml()).ok()?;
    // Where each picture is known, the worker counts them.
    let folder = ours.dataset.folder();
    if folder.is_some() && dir.pictures().is_ok_and(|pictures| pictures.is_some()) {
        return None;
    }
    let split = |experiment: &Experiment| {
        let mut dataset = experiment.dataset.clone();
        if let Some(folder) = dataset.folder_mut() {
            folder.strict = false;
        }
        (experiment.seed, dataset)
    };
    let (theirs_is, ours_is) = (&theirs.dataset, &ours.dataset);
    let is_same_data = theirs_is.name() == ours_is.name() && theirs_is.path() == ours_is.path();
    if !is_same_data || split(&theirs) == split(ours) {
        return None;
    }
    if folder
        .and_then(|folder| PictureFolder::open(&folder.path, folder.split_rule()).ok())
        .is_some_and(|folder| folder.validation.is_some())
    {
        return None;
    }
    Some(format!(
        "run {run}, which this one starts from, split the same pictures another way: what it learnt from may be among the \
         validation images here, whose figures then look better than they are; give both the same seed (there {}, here {}) \
         and the same dataset",
        theirs.seed, ours.seed
    ))
}

fn newest_finished(root: &Path, from: &str, file: Option<&Path>) -> Result<Base> {
    let runs =
        survey::list(root).with_context(|| format!("listing the runs in {}", root.display()))?;
    let (mut unreadable, mut found): (Vec<String>, Vec<RunInfo>) = (Vec::new(), Vec::new());
    let mut doubt = None;
    let stem = file.map_or_else(|| run::source_stem(from), run::stem);
    let now = file
        .and_then(|file| std::fs::read(file).ok())
        .map(|text| storage::fingerprint(&text));
    for id in runs.into_iter().rev() {
        let dir = RunDir::of(root, &id);
        match dir.info().and_then(|info| {
            Ok((
                is_of(&info, &stem, file, now.as_deref()) && is_finished(&dir)?,
                info,
            ))
        }) {
            Ok((true, info)) => {
                if found.is_empty() && !unreadable.is_empty() {
                    let newer = listed(&unreadable);
                    doubt = Some(format!(
                        "starts from run {id}, the newest finished run of {stem} that can be read; newer runs cannot: {newer}"
                    ));
                }
                found.push(RunInfo { id, ..info });
            }
            Ok((false, _)) => {}
            Err(error) => unreadable.push(format!("{id}: {error}")),
        }
    }
    let mut files: Vec<String> = found
        .iter()
        .filter_map(|info| info.file.as_ref())
        .map(|file| file.display().to_string())
        .collect();
    files.sort_unstable();
    files.dedup();
    if files.len() > 1 {
        return Err(UserError::input(
            format!(
                "init.from: `{from}` could be more than one experiment: {}",
                files.join(", ")
            ),
            "give its path in init.from, and launch the experiment again",
        ));
    }
    let newest = found.into_iter().next().map(|info| info.id);
    newest.map(|run| Base { run, doubt }).ok_or_else(|| {
        let named = file.map_or_else(|| from.to_owned(), |file| file.display().to_string());
        let left_out = match &unreadable[..] {
            [] => String::new(),
            some => format!(" that can be read ({})", listed(some)),
        };
        UserError::input(
            format!(
                "init.from: there is no finished run of `{named}` in {}{left_out}",
                root.display()
            ),
            format!("launch {stem} first and let it finish; in the queue this run waits for it"),
        )
    })
}

/// Whether a run is of the experiment that `init.from` means: by its file, or by its text where its file is gone. Where one of the
/// two files is not known, as of runs of earlier versions, the stem decides.
fn is_of(info: &RunInfo, stem: &str, file: Option<&Path>, text: Option<&str>) -> bool {
    match (&info.file, file) {
        (Some(theirs), Some(file)) => {
            theirs == file || (text.is_some() && info.sha256.as_deref() == text && !theirs.exists())
        }
        _ => info.stem == stem,
    }
}

fn is_finished(dir: &RunDir) -> std::io::Result<bool> {
    let outcome = dir.state()?.outcome;
    Ok(matches!(outcome, Some(Outcome::Finished { .. })))
}

#[cfg(test)]
mod tests {
    use warmstart_runs::checkpoint::{Content, State};
    use warmstart_runs::event_log::EventWriter;
    use warmstart_schema::event::Event;

    use super::*;

    const HEIR: &str = "
name: heir
dataset: { name: emoji98 }
model: { backbone: resnet18, weights: random }
init: { from: base }
train: { epochs: 1, batch_size: 4, optimizer: { name: adam, learning_rate: 0.01 } }
";

    fn heir() -> Experiment {
        experiment::parse(HEIR, "heir.yaml").unwrap()
    }

    /// A finished run with a checkpoint.
    fn finished(root: &Path, id: &str) {
        let run = RunDir::of(root, &id.parse().unwrap());
        std::fs::create_dir(run.path()).unwrap();
        let info = serde_json::json!({
            "format": 1, "id": id, "experiment": "base", "group": "g", "stem": "base", "source": "base.yaml",
            "created": "2026-01-01T00:00:00Z", "device": "cpu",
        });
        run.write_info(&serde_json::from_value(info).unwrap())
            .unwrap();
        let content = Content {
            state: State {
                step: 1,
                preparation: Some(Preparation::earlier(&heir())),
                ..State::default()
            },
            model: Vec::new(),
            optimizer: Vec::new(),
        };
        checkpoint::save(&Disk, &run, &content, 1).unwrap();
        let mut log = EventWriter::open(&run.events()).unwrap();
        log.write(&Event::Finished {
            train_time: 1.0,
            stopped_early: false,
        })
        .unwrap();
    }

    fn base(root: &Path) -> Base {
        Base::of(&heir(), root, None).unwrap().unwrap()
    }

    #[test]
    fn newer_runs_that_cannot_be_read_are_named() {
        let root = tempfile::tempdir().unwrap();
        let spoil = |id: &str| {
            let folder = root.path().join(id);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("run.json"), "{").unwrap();
        };
        let [older, chosen, newer] = ["run-1", "run-2", "run-3"];
        finished(root.path(), chosen);
        spoil(older);
        assert_eq!(base(root.path()).doubt, None);
        spoil(newer);
        let Base { run, doubt } = base(root.path());
        assert_eq!(run.as_str(), chosen);
        let doubt = doubt.unwrap();
        assert!(doubt.contains(newer) && !doubt.contains(older), "{doubt}");
    }

    #[test]
    fn a_run_that_finishes_later_does_not_change_the_choice() {
        let root = tempfile::tempdir().unwrap();
        finished(root.path(), "run-1");
        let chosen = base(root.path());
        finished(root.path(), "run-2");
        assert_ne!(base(root.path()), chosen);
        let places = SearchPaths {
            weights: vec![],
            datasets: vec![],
            downloads: PathBuf::new(),
            hub: PathBuf::new(),
            offline: true,
        };
        let preparation = preparation_after(&heir(), root.path(), Some(&chosen), &places);
        let run = chosen.run.as_str();
        assert!(preparation.by.contains(run), "{}", preparation.by);
    }
}
