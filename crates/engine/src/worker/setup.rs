//! Builds what training needs: data, model, optimizer, and the state to start or resume from.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use tch::Device;
use warmstart_runs::checkpoint::{self, Conditions, Content, Devices, State};
use warmstart_runs::heartbeat;
use warmstart_runs::launcher;
use warmstart_runs::run::RunDir;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_runs::storage::{self, Disk};
use warmstart_schema::architecture::{Architecture, HeadSpec, count};
use warmstart_schema::event::{Attempt, Event, Level, ModelFacts, Phase};
use warmstart_schema::experiment::{self, DatasetKind, Experiment, NumberFormat};
use warmstart_schema::look::Split;
use warmstart_schema::preparation::Preparation;

use super::context::{ChosenDevice, Context, doing};
use super::number_format::{self, Choice};
use super::{dataset, resume, weights_file};
use crate::data::{self, Splits};
use crate::device;
use crate::failure::UserError;
use crate::initial::{self, Base, Origin};
use crate::interrupt::Flow;
use crate::model::Model;
use crate::optimizer::Optimizer;
use crate::reporter::Reporter;
use crate::train::{Average, Examples, Setup, stages};
use crate::weights::{self, LoadPolicy};
use crate::{blocks, ffi, prefetch};

pub(super) enum Prepared<'a> {
    Ready(Box<Setup<'a>>),
    /// A stop was requested first: the steps done in the whole run, and the seconds of training.
    Interrupted {
        step: u64,
        train_time: f64,
    },
}

impl Prepared<'_> {
    fn interrupted(saved: Option<&Content>, reporter: &mut Reporter) -> Self {
        reporter.emit(&Event::Stopping);
        let (step, train_time) = saved.map_or((0, 0.0), |content| {
            (content.state.step, content.state.train_time)
        });
        Self::Interrupted { step, train_time }
    }
}

/// A run's experiment, and the bytes of its file.
pub(super) fn experiment_of(run: &RunDir) -> Result<(Experiment, Vec<u8>)> {
    let path = run.experiment_yaml();
    let yaml = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let experiment = experiment::load_frozen(&path).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        UserError::input(
            texts.join("\n"),
            "correct the experiment's file and launch it again",
        )
    })?;
    Ok((experiment, yaml))
}

impl Context<'_> {
    /// The folder that holds the runs.
    fn root(&self) -> &Path {
        self.run.path().parent().unwrap_or(Path::new("."))
    }

    /// The run that a new run starts from. A resumed one has its own weights.
    fn base(&self, experiment: &Experiment, saved: Option<&Content>) -> Result<Option<Base>> {
        if saved.is_some() {
            return Ok(None);
        }
        Base::of(experiment, self.root(), self.info.init_file.as_deref())
    }

    /// How a new run prepares its pictures.
    fn preparation(&self, experiment: &Experiment, base: Option<&Base>) -> Preparation {
        initial::preparation_after(experiment, self.root(), base, &SearchPaths::from_env())
    }

    fn splits(&self, experiment: &Experiment, preparation: &Preparation) -> Result<Splits> {
        data::prepared_splits(
            experiment,
            preparation,
            &SearchPaths::from_env(),
            self.chosen.device,
        )
    }
}

/// Builds the setup of training. Downloads what is missing, and logs what it finds.
pub(super) fn prepare<'a>(
    context: &Context<'a>,
    experiment: &'a Experiment,
    yaml: &[u8],
    reporter: &'a mut Reporter,
) -> Result<Prepared<'a>> {
    let Context {
        run,
        before,
        interrupt,
        ..
    } = *context;
    device::check_group(context.chosen.device, experiment.train.devices)?;
    checkpoint::recover(&Disk, run).with_context(doing(
        "recovering checkpoints in",
        run,
        "ckpt",
    ))?;
    let (saved, mut warnings) = resume::saved(run, before)?;
    // Chosen once: another of its experiment's runs may finish meanwhile.
    let base = context.base(experiment, saved.as_ref())?;
    warnings.extend(base.as_ref().and_then(|base| base.doubt.clone()));
    let devices = Devices(experiment.train.devices);
    let threads = threads(saved.as_ref(), devices);
    tch::set_num_threads(i32::try_from(threads)?);
    // A resumed run keeps its preparation; a run of an earlier version, what that version did.
    let kept = saved.as_ref().map(|content| {
        let kept = content.state.preparation.clone();
        kept.unwrap_or_else(|| Preparation::earlier(experiment))
    });
    let preparation = kept
        .clone()
        .unwrap_or_else(|| context.preparation(experiment, base.as_ref()));
    // An exact resume depends on the files in a folder of pictures; these are never downloaded.
    let own = match experiment.dataset.kind {
        DatasetKind::ImageFolder(_) => Some(context.splits(experiment, &preparation)),
        DatasetKind::Emoji98 { .. }
        | DatasetKind::Cifar100 { .. }
        | DatasetKind::Cifar10 { .. } => None,
    };
    let pictures = own
        .iter()
        .flatten()
        .map(|splits| splits.fingerprint.clone())
        .collect();
    let Choice { format, note } =
        number_format::choose(context, experiment, &preparation, saved.as_ref())?;
    let conditions = conditions(&context.chosen, (threads, devices, format), yaml, pictures);
    let moved = own.is_some() && resume::is_folder_replaced(saved.as_ref(), before, &conditions);
    let saved = saved.map(|content| resume::resumed(content, before, &conditions, experiment));
    report_attempt(context, &conditions, saved.as_ref(), experiment, reporter);
    if let Some((level, text)) = note {
        reporter.note(level, text);
    }
    for text in warnings {
        reporter.note(Level::Warning, text);
    }
    if prefetch::for_run(experiment, saved.is_some(), reporter, interrupt)? == Flow::Interrupted {
        return Ok(Prepared::interrupted(saved.as_ref(), reporter));
    }
    reporter.phase(Phase::Loading);

    // Weights that were just downloaded may say more about their preparation.
    let now = kept.unwrap_or_else(|| context.preparation(experiment, base.as_ref()));
    let own = own.filter(|_| now == preparation);
    let preparation = now;
    let splits = own
        .unwrap_or_else(|| context.splits(experiment, &preparation))
        .map_err(|error| resume::with_path_hint(error, before))?;
    if moved {
        return Err(resume::replaced_pictures_error(experiment));
    }
    let at = saved
        .as_ref()
        .map_or((0, 0), |content| (content.state.epoch, content.state.step));
    let Some(known) = dataset::read(reporter, run, splits, at, interrupt)? else {
        return Ok(Prepared::interrupted(saved.as_ref(), reporter));
    };
    let splits = dataset::report(reporter, run, experiment, known)?;
    let (model, optimizer, average, state) = model(
        context,
        experiment,
        &preparation,
        &splits,
        conditions,
        (saved, base.as_ref()),
        reporter,
    )?;
    let is_frozen = model.spec().frozen_blocks == model.architecture().blocks.len();
    let identity = |part| {
        if is_frozen {
            splits.identity(part)
        } else {
            Ok(None)
        }
    };
    let [train_is, validation_is, test_is] = [
        identity(Split::Train)?,
        identity(Split::Validation)?,
        identity(Split::Test)?,
    ];
    let class_weights = dataset::class_weights(experiment, &splits, context.chosen.device)?;
    if before.starts_over {
        resume::put_aside(run, reporter)?;
    }
    Ok(Prepared::Ready(Box::new(Setup {
        experiment,
        run,
        format,
        model,
        optimizer,
        average,
        train: Examples::new(Split::Train, splits.train)
            .identified(train_is)
            .sampled(experiment.train.sampler, experiment.dataset.labels())?,
        validation: Examples::new(Split::Validation, splits.validation).identified(validation_is),
        test: Examples::new(Split::Test, splits.test).identified(test_is),
        class_weights,
        state,
        stop_after: context.stop_after,
        pause_after: context.pause_after(),
        reporter,
        interrupt,
        rank: None,
    })))
}

fn conditions(
    chosen: &ChosenDevice,
    (threads, devices, format): (u32, Devices, NumberFormat),
    yaml: &[u8],
    pictures: String,
) -> Conditions {
    Conditions {
        device: device::name_of(chosen.device),
        device_name: chosen.name.clone(),
        threads,
        devices,
        precision: Some(format),
        libtorch: ffi::version(),
        cudnn: device::cudnn(chosen.device),
        kernels: blocks::REVISION,
        experiment: storage::fingerprint(yaml),
        pictures,
    }
}

/// Threads of the CPU's kernels in each process: those of the checkpoint, because results are bitwise equal only then; else
/// `OMP_NUM_THREADS`, else one a core. With another number of processes than before nothing is bitwise equal.
fn threads(saved: Option<&Content>, devices: Devices) -> u32 {
    let cores = u32::try_from(launcher::cores()).unwrap_or(1);
    let cores = (cores / devices.0).max(1);
    let asked = std::env::var("OMP_NUM_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .filter(|&threads| threads > 0);
    let saved = saved
        .map(|content| &content.state.conditions)
        .filter(|conditions| conditions.devices == devices);
    saved.map_or(asked.unwrap_or(cores), |conditions| conditions.threads)
}

fn report_attempt(
    context: &Context,
    conditions: &Conditions,
    saved: Option<&Content>,
    experiment: &Experiment,
    reporter: &mut Reporter,
) {
    let (before, epochs) = (context.before, experiment.train.epochs);
    reporter.emit(&Event::Attempt(Attempt {
        number: before
            .attempt
            .as_ref()
            .map_or(1, |attempt| attempt.number + 1),
        worker: launcher::current(),
        host: launcher::local::host(),
        device: conditions.device.clone(),
        device_name: context.chosen.name.clone(),
        device_reason: context.chosen.reason.clone(),
        threads: conditions.threads,
        devices: conditions.devices.0,
        precision: conditions.precision,
        libtorch: conditions.libtorch.clone(),
        cudnn: conditions.cudnn.clone(),
        epochs,
        resumed_from: saved.map(|content| content.state.step),
        not_exact: saved
            .map(|content| content.state.not_exact.clone())
            .unwrap_or_default(),
        heartbeat: Some(heartbeat::INTERVAL),
    }));
    if let Some(text) = resume::extension_note(before, epochs) {
        reporter.note(Level::Info, text);
    }
}

/// Model, optimizer and state: of the checkpoint, or new, from the base if there is one.
fn model(
    context: &Context,
    experiment: &Experiment,
    preparation: &Preparation,
    splits: &Splits,
    conditions: Conditions,
    (saved, base): (Option<Content>, Option<&Base>),
    reporter: &mut Reporter,
) -> Result<(Model, Optimizer, Option<Average>, State)> {
    let blocks = Architecture::new(experiment.model.backbone).blocks.len();
    let classes = splits.labels.names.len();
    let (mut model, mut optimizer) =
        built(experiment, preparation, classes, context.chosen.device)?;
    let is_resumed = saved.is_some();
    let average;
    let (state, origin) = if let Some(content) = saved {
        average = restore(experiment, (&mut model, &mut optimizer), &content)?;
        let weights = format!("this run's checkpoint at step {}", content.state.step);
        (content.state, Origin::from(weights))
    } else {
        let root = context.root();
        let begun = State {
            preparation: Some(preparation.clone()),
            conditions,
            ..State::default()
        };
        let origin = initial::load_after(&model, experiment, root, base, &SearchPaths::from_env())?;
        average = started(experiment, &model)?;
        if let Some(from) = &origin.run {
            dataset::warn_of_leak(reporter, root, from, splits);
        }
        (begun, origin)
    };
    weights_file::report(
        context.run,
        experiment,
        origin.run.as_ref(),
        is_resumed,
        context.before,
        reporter,
    );
    for note in &origin.notes {
        reporter.note(Level::Info, note);
    }
    if let Some(doubt) = &origin.doubt {
        reporter.note(Level::Warning, doubt);
    }
    let (spec, architecture) = (model.spec(), model.architecture());
    let head = HeadSpec {
        features: architecture.features,
        hidden: spec.hidden,
        classes: spec.classes,
        dropout: spec.dropout,
    };
    reporter.emit(&Event::Model(ModelFacts {
        backbone: experiment.model.backbone.to_string(),
        pixels: preparation.side,
        weights: origin.words,
        started_from: origin.run,
        counts: count(architecture, &head, spec.frozen_blocks),
        cached_features: spec.frozen_blocks == blocks
            && experiment.kept_views().is_some()
            && experiment.train.devices == 1,
        preparation: Some(preparation.clone()),
    }));
    Ok((model, optimizer, average, state))
}

/// A model of these classes, with weights that only depend on the seed, and its optimizer.
pub(super) fn built(
    experiment: &Experiment,
    preparation: &Preparation,
    classes: usize,
    device: Device,
) -> Result<(Model, Optimizer)> {
    let blocks = Architecture::new(experiment.model.backbone).blocks.len();
    let spec = initial::prepared_spec(experiment, preparation, classes, blocks);
    let model = Model::new(&spec, experiment.seed, device)?;
    let optimizer = Optimizer::of(experiment, &model)?;
    Ok((model, optimizer))
}

/// Puts a checkpoint into what [`built`] gave; returns the averages of its weights.
pub(super) fn restore(
    experiment: &Experiment,
    (model, optimizer): (&mut Model, &mut Optimizer),
    content: &Content,
) -> Result<Option<Average>> {
    let state = &content.state;
    let tensors =
        weights::parse(&content.optimizer).context("loading the checkpoint's optimizer")?;
    let mut tensors = tensors
        .iter()
        .map(|(name, entry)| Ok((name.clone(), entry.tensor()?)))
        .collect::<Result<_>>()?;
    for stage in 1..=Optimizer::stages_of(&tensors) {
        stages::begin(experiment, model, optimizer, stage)?;
    }
    weights::load_bytes(model, &content.model, LoadPolicy::Exact)
        .context("loading the checkpoint's model")?;
    let mut average = started(experiment, model)?;
    if let Some(average) = &mut average {
        average.restore(&mut tensors)?;
    }
    // A probe reads its classifier there by itself.
    if experiment.probe.is_none() {
        optimizer.load_state(&tensors)?;
        ensure!(
            u64::try_from(optimizer.steps())? + state.skipped.steps == state.step,
            "the checkpoint's optimizer is of another step"
        );
    }
    Ok(average)
}

/// The average of a model's weights at its beginning, if the experiment wants one.
fn started(experiment: &Experiment, model: &Model) -> Result<Option<Average>> {
    let ema = experiment.train.ema;
    ema.map(|ema| Average::new(ema, model)).transpose()
}
