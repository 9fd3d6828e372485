//! The processes of a run with `train.devices` above 1. The worker is rank 0: it prepares the run, logs and saves. It starts the
//! others with what it would save, so that all begin with the same bits, whether the run is new or resumes.

use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};
use warmstart_runs::checkpoint::{Content, State};
use warmstart_runs::run::RunDir;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::event::Level;
use warmstart_schema::experiment::NumberFormat;
use warmstart_schema::look::Split;
use warmstart_schema::preparation::Preparation;

use super::context::Context;
use super::setup::{built, experiment_of, restore};
use crate::data::{self, Subset};
use crate::failure::{UserError, panic_text};
use crate::interrupt::{Flow, Interrupt};
use crate::parallel::{Nccl, Parts, Rank, RankZeroExited};
use crate::reporter::Reporter;
use crate::train::{Examples, Setup, train};
use crate::{device, worker_log};

/// This program, even where its file was replaced since it started.
const PROGRAM: &str = "/proc/self/exe";

/// What a rank needs to know beside the run's folder and the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    /// The GPU of rank 0; the next ranks have the next ones. None on a CPU.
    gpu: Option<usize>,
    threads: i32,
    format: NumberFormat,
    /// The images of each split. Rank 0 has left out what cannot be read.
    members: [Vec<u32>; 3],
    class_weights: Option<Vec<f32>>,
    state: State,
    /// NCCL's unique id, by which the GPUs find each other; none where gradients go through memory.
    nccl: Option<Vec<u8>>,
}

/// Starts the other processes of a run, if it has any, and waits until they are ready.
pub(super) fn start(context: &Context, setup: &mut Setup) -> Result<Flow> {
    let size = setup.experiment.train.devices as usize;
    if size == 1 {
        return Ok(Flow::Done);
    }
    let Content {
        state,
        model,
        optimizer,
    } = setup.content()?;
    let gpu = match context.chosen.device {
        Device::Cuda(index) => Some(index),
        _ => None,
    };
    let nccl = gpu.and_then(|_| nccl(setup.reporter));
    let job = Job {
        gpu,
        threads: tch::get_num_threads(),
        format: setup.format,
        members: [&setup.train, &setup.validation, &setup.test].map(|part| part.members().to_vec()),
        class_weights: setup
            .class_weights
            .as_ref()
            .map(Vec::<f32>::try_from)
            .transpose()?,
        state,
        nccl: nccl.as_ref().map(|(_, id)| id.clone()),
    };
    let parts = Parts {
        job: serde_json::to_vec(&job)?,
        model,
        optimizer,
    };
    // Enough for all gradients, and for all statistics together with their averages.
    let tensors = setup.model.tensors().iter();
    let max_floats = 2 * tensors.map(|named| named.tensor.numel()).sum::<usize>();
    let command = |number: usize| {
        let mut command = Command::new(PROGRAM);
        command.arg0("warmstart-worker").arg("rank");
        command.arg(context.run.path()).arg(number.to_string());
        command
    };
    let mut rank = Rank::start(size, max_floats, &parts, command)?;
    let mut flow = rank.wait_for_all(context.interrupt);
    if let Some((library, id)) = nccl
        && matches!(flow, Ok(Flow::Done))
    {
        flow = rank.connect_gpus(library, &id, gpu, context.interrupt);
    }
    match flow {
        Ok(Flow::Done) => {
            setup.rank = Some(rank);
            Ok(Flow::Done)
        }
        // A request to stop that reaches all processes ends those that do not ignore it yet.
        Err(error) if !context.interrupt.is_requested() => Err(error),
        Ok(Flow::Interrupted) | Err(_) => Ok(Flow::Interrupted),
    }
}

/// NCCL, and a unique id by which the ranks find each other; none where they exchange through memory. Says which.
fn nccl(reporter: &mut Reporter) -> Option<(Nccl, Vec<u8>)> {
    let found = Nccl::find().and_then(|library| Ok((library, library.unique_id()?)));
    let text = match &found {
        Ok(_) => "gradients go from GPU to GPU by NCCL".to_owned(),
        Err(error) => format!("gradients go through the machine's memory: {error:#}"),
    };
    reporter.note(Level::Info, text);
    found.ok()
}

/// Trains as the rank with this number, above 0, of the run in `folder`, until training ends. Returns whether it succeeded.
pub fn take_part(folder: &Path, number: usize) -> bool {
    let joined = die_with_rank_0()
        .and_then(|()| Ok(Interrupt::ignore()?))
        .and_then(|()| {
            let (rank, parts) = Rank::join(number)?;
            Ok((rank.failure_reporter()?, rank, parts))
        });
    let result = joined.and_then(|(mut reporter, rank, parts)| {
        let work = || carry_out(folder, rank, parts);
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let text = panic_text(panic.as_ref()).to_owned();
            Err(anyhow!("the process panicked: {text}"))
        });
        result.inspect_err(|error| reporter.fail(error))
    });
    let Err(error) = result else {
        return true;
    };
    // Rank 0 has logged why it ended, or could not.
    if error.downcast_ref::<RankZeroExited>().is_none() {
        worker_log::line(&format!("rank {number} failed: {error:#}"));
    }
    false
}

/// The kernel ends this process with its parent. A closed link does so later, where it computes.
fn die_with_rank_0() -> Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    Ok(())
}

fn carry_out(folder: &Path, mut rank: Rank, parts: Parts) -> Result<()> {
    let Parts {
        job,
        model,
        optimizer,
    } = parts;
    let Job {
        gpu,
        threads,
        format,
        members,
        class_weights,
        state,
        nccl,
    } = serde_json::from_slice(&job).context("reading what rank 0 has prepared")?;
    let run = RunDir::new(folder);
    let (experiment, _) = experiment_of(&run)?;
    let gpu = gpu.map(|first| first + rank.number());
    let device = gpu.map_or(Device::Cpu, Device::Cuda);
    if device.is_cuda() {
        device::prepare_cuda();
    }
    tch::set_num_threads(threads);
    device::configure(device, format, experiment.train.deterministic)?;
    let preparation = state
        .preparation
        .clone()
        .unwrap_or_else(|| Preparation::earlier(&experiment));
    let places = SearchPaths::from_env();
    let splits = data::prepared_splits(&experiment, &preparation, &places, device)?;
    if splits.fingerprint != state.conditions.pictures {
        return Err(UserError::input(
            "pictures were added, removed or replaced while the run started",
            "resume the run when nobody changes its pictures",
        ));
    }
    let content = Content {
        state,
        model,
        optimizer,
    };
    let classes = splits.labels.names.len();
    let (mut model, mut optimizer) = built(&experiment, &preparation, classes, device)?;
    let average = restore(&experiment, (&mut model, &mut optimizer), &content)?;
    let [train_members, validation, test] = members;
    let examples = |part, members, all: Subset| Examples::new(part, Subset { members, ..all });
    let class_weights = class_weights
        .map(|weights| Tensor::f_from_slice(&weights)?.f_to_device(device))
        .transpose()?;
    let (mut reporter, interrupt) = (Reporter::silent(), Interrupt::default());
    let training = examples(Split::Train, train_members, splits.train)
        .sampled(experiment.train.sampler, experiment.dataset.labels())?;
    rank.barrier()?;
    if let Some(id) = nccl
        && rank.connect_gpus(Nccl::find()?, &id, gpu, &interrupt)? == Flow::Interrupted
    {
        return Ok(());
    }
    train(Setup {
        experiment: &experiment,
        run: &run,
        format,
        model,
        optimizer,
        average,
        train: training,
        validation: examples(Split::Validation, validation, splits.validation),
        test: examples(Split::Test, test, splits.test),
        class_weights,
        state: content.state,
        stop_after: None,
        pause_after: None,
        reporter: &mut reporter,
        interrupt: &interrupt,
        rank: Some(rank),
    })?;
    Ok(())
}
