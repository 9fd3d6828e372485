//! One run from its folder: take it, prepare, train, leave word, start the next in the queue.

mod dataset;
mod resume;
mod weights_file;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tch::Device;
use warmstart_runs::checkpoint::{self, Content, Machine, Skipped, State, Sums};
use warmstart_runs::launcher::{self, Programs};
use warmstart_runs::places::Places;
use warmstart_runs::pulse;
use warmstart_runs::queue::Queue;
use warmstart_runs::run::{RunDir, RunInfo};
use warmstart_runs::storage::{self, Disk};
use warmstart_schema::architecture::{HeadSpec, count};
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::event::{Attempt, Event, Level, ModelFacts, Phase};
use warmstart_schema::experiment::{self, Experiment};
use warmstart_schema::look::Part;
use warmstart_schema::policy;
use warmstart_schema::preparation::Preparation;
use warmstart_schema::state::{Outcome, RunState};

use crate::data::{self, Parts};
use crate::device::{self, DeviceRequest};
use crate::failure::UserError;
use crate::heartbeat::Heartbeat;
use crate::initial::{self, Origin};
use crate::interrupt::Interrupt;
use crate::model::Model;
use crate::optimizer::{Optimizer, OptimizerSpec};
use crate::report::{PROGRESS_EVERY, Reporter, log};
use crate::train::{Ended, Examples, Setup, train};
use crate::usage::{Usage, cpu_name};
use crate::weights::{self, LoadPolicy};
use crate::{ffi, prefetch};

/// Dashboards look at the lock by taking it for a moment; an owner holds it for longer than this.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How a worker goes about a run, beside what the run's folder says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Optimizer steps of the whole run after which it saves and leaves, as if it were asked to.
    pub stop_after: Option<u64>,
    /// How often progress is told at most; each step where it is zero.
    pub progress_every: Duration,
}

impl Manner {
    /// To the run's end, progress a few times a second.
    pub fn usual() -> Self {
        Self {
            stop_after: None,
            progress_every: PROGRESS_EVERY,
        }
    }
}

/// Carries out the run in `folder` until it ends or is interrupted. True when it finished or was stopped as asked.
pub fn run(folder: &Path, manner: Manner, interrupt: &Interrupt) -> Result<bool> {
    let run = RunDir::new(folder);
    let info = run
        .info()
        .with_context(|| format!("{} is not a run folder", folder.display()))?;
    let lock = run.lock_within(LOCK_PATIENCE);
    let Some(lock) = lock.with_context(doing("locking", &run, "run.lock"))? else {
        return Err(anyhow!(
            "another worker has run {}: stop it first, or look at it in the dashboard",
            info.id
        ));
    };
    let before = run
        .state()
        .with_context(doing("reading", &run, "events.jsonl"))?;
    if matches!(before.outcome, Some(Outcome::Finished { .. })) && !before.awaits_change {
        log::line("this run is finished; there is nothing to resume");
        return Ok(true);
    }
    let info = RunInfo {
        worker: Some(launcher::current()),
        ..info
    };
    run.write_info(&info)
        .with_context(doing("writing", &run, "run.json"))?;
    let heartbeat = Heartbeat::start(&run);
    let succeeded = attempt(&run, &info, &before, manner, interrupt)?;
    drop(heartbeat);
    drop(lock);
    if !has_monitor() {
        start_next(&run, &info);
    }
    Ok(succeeded)
}

/// Whether somebody still waits for this process's end, and then starts the next run.
fn has_monitor() -> bool {
    let monitor = std::env::var(launcher::MONITORED_BY)
        .ok()
        .and_then(|pid| pid.parse::<u32>().ok());
    monitor.is_some_and(|pid| pid == std::os::unix::process::parent_id())
}

/// What was done to a file of the run, for an error to tell.
fn doing<'a>(what: &'a str, run: &'a RunDir, file: &'a str) -> impl FnOnce() -> String + 'a {
    move || format!("{what} {}", run.path().join(file).display())
}

/// Runs one attempt and leaves word how it ended, whatever happens.
fn attempt(
    run: &RunDir,
    info: &RunInfo,
    before: &RunState,
    manner: Manner,
    interrupt: &Interrupt,
) -> Result<bool> {
    device::prepare_cuda();
    let (device, reason) = device::select(info.device.parse::<DeviceRequest>().unwrap_or_default());
    let gpu = if let Device::Cuda(index) = device {
        u32::try_from(index).ok()
    } else {
        None
    };
    let usage = Usage::new(gpu, run.path().to_path_buf());
    let gpu_name = usage.gpu_name();
    let reporter = Reporter::open(&run.events(), usage, manner.progress_every);
    let mut reporter = reporter.with_context(doing("opening", run, "events.jsonl"))?;
    let place = Place {
        device,
        reason,
        name: device_name(device, gpu_name),
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        prepare_and_train(
            run,
            info,
            before,
            place,
            manner.stop_after,
            &mut reporter,
            interrupt,
        )
    }))
    .unwrap_or_else(|panic| {
        Err(anyhow!(
            "the worker panicked: {}",
            panic_text(panic.as_ref())
        ))
    });
    let event = match result {
        Ok((ended, step, train_time)) => match ended {
            Ended::Finished { stopped_early } => Event::Finished {
                train_time,
                stopped_early,
            },
            Ended::Stopped => Event::Stopped { step, train_time },
        },
        Err(error) => {
            let UserError { kind, error, help } = UserError::of(&error);
            log::line(&format!("failed: {error}\nhelp: {help}"));
            Event::Failed { kind, error, help }
        }
    };
    // A disk that is full takes the last word where room was put aside for it.
    run.release_reserve();
    reporter.tell(&event);
    reporter.sync();
    Ok(!matches!(event, Event::Failed { .. }))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// Where a run trains.
struct Place {
    device: Device,
    /// Why there.
    reason: String,
    name: String,
}

fn device_name(device: Device, gpu: Option<String>) -> String {
    match device {
        Device::Cpu => cpu_name(),
        _ => gpu.unwrap_or_else(|| device_id(device)),
    }
}

/// A device as libtorch names it.
pub fn device_id(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// What the run is to do, and the file's bytes that say so.
fn plan(run: &RunDir) -> Result<(Experiment, Vec<u8>)> {
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

fn prepare_and_train(
    run: &RunDir,
    info: &RunInfo,
    before: &RunState,
    place: Place,
    stop_after: Option<u64>,
    reporter: &mut Reporter,
    interrupt: &Interrupt,
) -> Result<(Ended, u64, f64)> {
    checkpoint::remove_unfinished(&Disk, run).with_context(doing(
        "removing unfinished saves from",
        run,
        "ckpt",
    ))?;
    let (experiment, yaml) = plan(run)?;
    let (saved, skipped) = resume::saved(run, before)?;
    let threads = threads(saved.as_ref());
    tch::set_num_threads(i32::try_from(threads)?);
    let device = place.device;
    let root = run.path().parent().unwrap_or(Path::new("."));
    let prepare = || {
        initial::preparation_below(
            &experiment,
            root,
            info.init_file.as_deref(),
            &Places::from_env(),
        )
    };
    // A run keeps what it began with; one of an earlier version, what that did.
    let begun = saved
        .as_ref()
        .map(|content| content.state.preparation.clone());
    let begun = begun.map(|kept| kept.unwrap_or_else(|| Preparation::earlier(&experiment)));
    let preparation = begun.clone().unwrap_or_else(prepare);
    let load = |preparation: &Preparation| {
        data::prepared_parts(&experiment, preparation, &Places::from_env(), device)
    };
    // An exact resume depends on what lies in a folder of pictures; nothing of that is ever fetched.
    let own = (experiment.dataset.name == DatasetName::ImageFolder).then(|| load(&preparation));
    let machine = Machine {
        device: device_id(device),
        device_name: place.name.clone(),
        threads,
        libtorch: ffi::version(),
        experiment: storage::fingerprint(&yaml),
        pictures: own
            .iter()
            .flatten()
            .map(|parts| parts.fingerprint.clone())
            .collect(),
    };
    let moved = own.is_some() && resume::other_pictures(saved.as_ref(), before, &machine);
    let saved = saved.map(|content| resume::taken_up(content, before, &machine, &experiment));
    tell_attempt(
        reporter,
        before,
        place,
        &machine,
        saved.as_ref(),
        experiment.train.epochs,
    );
    for text in skipped {
        reporter.note(Level::Warning, text);
    }
    if !prefetch::for_run(&experiment, saved.is_some(), reporter, interrupt)? {
        reporter.tell(&Event::Stopping);
        let (step, train_time) = saved.map_or((0, 0.0), |content| {
            (content.state.step, content.state.train_time)
        });
        return Ok((Ended::Stopped, step, train_time));
    }
    reporter.phase(Phase::Loading);

    // Weights that were fetched just now may say more than was known.
    let now = begun.unwrap_or_else(prepare);
    let own = own.filter(|_| now == preparation);
    let preparation = now;
    let parts = own
        .unwrap_or_else(|| load(&preparation))
        .map_err(|error| resume::where_pictures_are(error, before))?;
    if moved {
        return Err(resume::not_these(&experiment));
    }
    let at = saved
        .as_ref()
        .map_or((0, 0), |content| (content.state.epoch, content.state.step));
    let Some(known) = dataset::read(reporter, run, parts, at, interrupt)? else {
        reporter.tell(&Event::Stopping);
        return Ok((
            Ended::Stopped,
            at.1,
            saved.map_or(0.0, |content| content.state.train_time),
        ));
    };
    let parts = dataset::tell(reporter, run, &experiment, known)?;
    let begins = Begins {
        init_file: info.init_file.as_deref(),
        before,
    };
    let (model, optimizer, state) = model(
        run,
        &experiment,
        &preparation,
        &parts,
        device,
        machine,
        saved,
        &begins,
        reporter,
    )?;
    let class_weights = dataset::class_weights(&experiment, &parts, device)?;
    let epochs = experiment.train.epochs;
    if before.starts_over {
        resume::put_aside(run, reporter)?;
    }
    let setup = Setup {
        experiment: &experiment,
        run,
        model,
        optimizer,
        train: Examples::new(Part::Train, parts.train),
        validation: Examples::new(Part::Validation, parts.validation),
        test: Examples::new(Part::Test, parts.test),
        class_weights,
        state,
        epochs,
        stop_after,
        reporter,
        interrupt,
    };
    train(setup)
}

/// Where a run's first weights come from, beside its experiment.
struct Begins<'a> {
    init_file: Option<&'a Path>,
    before: &'a RunState,
}

/// Threads of the CPU's kernels: those of the checkpoint, because results are bitwise equal only then; else one a core.
fn threads(saved: Option<&Content>) -> u32 {
    let cores = std::thread::available_parallelism()
        .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let asked = std::env::var("OMP_NUM_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .filter(|&threads| threads > 0);
    saved.map_or(asked.unwrap_or(cores), |content| {
        content.state.machine.threads
    })
}

fn tell_attempt(
    reporter: &mut Reporter,
    before: &RunState,
    place: Place,
    machine: &Machine,
    saved: Option<&Content>,
    epochs: u32,
) {
    reporter.tell(&Event::Attempt(Attempt {
        number: before
            .attempt
            .as_ref()
            .map_or(1, |attempt| attempt.number + 1),
        worker: launcher::current(),
        host: launcher::local::host(),
        device: machine.device.clone(),
        device_name: place.name,
        device_reason: place.reason,
        threads: machine.threads,
        libtorch: machine.libtorch.clone(),
        epochs,
        resumed_from: saved.map(|content| content.state.step),
        not_exact: saved
            .map(|content| content.state.not_exact.clone())
            .unwrap_or_default(),
        heartbeat: Some(pulse::HEARTBEAT),
    }));
    if let Some(text) = resume::extended(before, epochs) {
        reporter.note(Level::Info, text);
    }
}

/// Model and optimizer as the checkpoint has them, or at their beginning.
#[expect(
    clippy::too_many_arguments,
    reason = "each is another thing, and it is called once"
)]
fn model(
    run: &RunDir,
    experiment: &Experiment,
    preparation: &Preparation,
    parts: &Parts,
    device: Device,
    machine: Machine,
    saved: Option<Content>,
    begins: &Begins,
    reporter: &mut Reporter,
) -> Result<(Model, Optimizer, State)> {
    let blocks = warmstart_schema::architecture::Architecture::new(experiment.model.backbone)
        .blocks
        .len();
    let spec = initial::prepared_spec(experiment, preparation, parts.labels.names.len(), blocks);
    let model = Model::new(&spec, experiment.seed, device)?;
    let train = &experiment.train.optimizer;
    let optimizer = OptimizerSpec {
        momentum: train.momentum,
        weight_decay: train.weight_decay,
        ..OptimizerSpec::new(train.name)
    };
    let mut optimizer = Optimizer::new(optimizer, model.trainable())?;
    let (state, origin) = if let Some(Content {
        state,
        model: bytes,
        optimizer: optimizer_bytes,
    }) = saved
    {
        weights::load_bytes(&model, &bytes, LoadPolicy::Exact)
            .context("loading the checkpoint's model")?;
        let tensors =
            weights::parse(&optimizer_bytes).context("loading the checkpoint's optimizer")?;
        let tensors = tensors
            .iter()
            .map(|(name, entry)| Ok((name.clone(), entry.tensor()?)))
            .collect::<Result<_>>()?;
        optimizer.load_state(&tensors)?;
        ensure!(
            u64::try_from(optimizer.steps())? + state.skipped.steps == state.step,
            "the checkpoint's optimizer is of another step"
        );
        let weights = format!("this run's checkpoint at step {}", state.step);
        (state, Origin::from(weights))
    } else {
        let root = run.path().parent().unwrap_or(Path::new("."));
        let begun = State {
            preparation: Some(preparation.clone()),
            ..fresh(machine)
        };
        let origin = initial::load_after(
            &model,
            experiment,
            root,
            begins.init_file,
            &Places::from_env(),
        )?;
        if let Some(from) = &origin.run {
            dataset::tell_leak(reporter, root, from, parts);
        }
        (begun, origin)
    };
    weights_file::tell(
        run,
        experiment,
        origin.run.as_ref(),
        state.step > 0,
        begins.before,
        reporter,
    );
    for note in &origin.notes {
        reporter.note(Level::Info, note);
    }
    if let Some(doubt) = &origin.doubt {
        reporter.note(Level::Warning, doubt);
    }
    let architecture = model.architecture();
    let head = HeadSpec {
        features: architecture.features,
        hidden: spec.hidden,
        classes: spec.classes,
        dropout: spec.dropout,
    };
    reporter.tell(&Event::Model(ModelFacts {
        backbone: experiment.model.backbone.to_string(),
        pixels: preparation.side,
        weights: origin.words,
        started_from: origin.run,
        counts: count(architecture, &head, spec.frozen_blocks),
        cached_features: spec.frozen_blocks == blocks && experiment.augment.is_identity(),
        preparation: Some(preparation.clone()),
    }));
    Ok((model, optimizer, state))
}

fn fresh(machine: Machine) -> State {
    State {
        step: 0,
        epoch: 0,
        batch: 0,
        sums: Sums::default(),
        progress: policy::Progress::default(),
        plateau: policy::Plateau::default(),
        best_step: None,
        not_exact: Vec::new(),
        stopped_early: false,
        train_time: 0.0,
        machine,
        skipped: Skipped::default(),
        preparation: None,
    }
}

/// Starts what waits in the queue now that this run's place is free.
fn start_next(run: &RunDir, info: &RunInfo) {
    let Some(root) = run.path().parent() else {
        return;
    };
    let Ok(programs) = Programs::find() else {
        log::line("the queue cannot continue: the worker's program is no longer where it was");
        return;
    };
    for failure in Queue::new(root).start_next(&programs, &info.id) {
        log::line(&failure);
    }
}
