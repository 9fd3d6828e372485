//! One attempt: the device, the log, training, and the last event.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, Result, anyhow};
use tch::Device;
use warmstart_runs::launcher::Handle;
use warmstart_runs::launcher::slurm::Claim;
use warmstart_runs::run::{RunDir, RunInfo};
use warmstart_schema::event::Event;
use warmstart_schema::experiment::RunKind;
use warmstart_schema::state::RunState;

use super::context::{ChosenDevice, Context, Options, doing};
use super::rank;
use super::setup::{Prepared, experiment_of, prepare};
use crate::device;
use crate::failure::{UserError, panic_text};
use crate::interrupt::{Flow, Interrupt};
use crate::probe::probe;
use crate::reporter::Reporter;
use crate::train::{Ended, train};
use crate::usage::{Usage, cpu_name};
use crate::worker_log;

/// Runs one attempt and logs how it ended, a panic included. False when it failed.
pub(super) fn attempt(
    run: &RunDir,
    info: &RunInfo,
    before: &RunState,
    options: Options,
    interrupt: &Interrupt,
) -> Result<bool> {
    device::prepare_cuda();
    let (device, reason) = device::select_named(&info.device);
    let gpu = if let Device::Cuda(index) = device {
        u32::try_from(index).ok()
    } else {
        None
    };
    let usage = Usage::new(gpu, run.path().to_path_buf());
    let gpu_name = usage.gpu_name();
    let reporter = Reporter::open(&run.events(), usage, options.progress_every);
    let mut reporter = reporter.with_context(doing("opening", run, "events.jsonl"))?;
    let job = info.worker.as_ref().and_then(Handle::job);
    reporter.guard(job.map(|job| Claim::new(run, job)));
    let chosen = ChosenDevice {
        device,
        reason,
        name: device_name(device, gpu_name),
    };
    let context = Context {
        run,
        info,
        before,
        chosen,
        stop_after: options.stop_after,
        interrupt,
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        prepare_and_train(&context, &mut reporter)
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
            Ended::Paused { epoch } => Event::Paused {
                epoch,
                step,
                train_time,
            },
        },
        Err(error) => {
            let UserError { kind, error, help } = UserError::of(&error);
            worker_log::line(&format!("failed: {error}\nhelp: {help}"));
            Event::Failed { kind, error, help }
        }
    };
    // On a full disk the last event goes where room was reserved for it.
    run.release_reserve();
    reporter.emit(&event);
    reporter.sync();
    Ok(!matches!(event, Event::Failed { .. }))
}

fn device_name(device: Device, gpu: Option<String>) -> String {
    match device {
        Device::Cpu => cpu_name(),
        _ => gpu.unwrap_or_else(|| device::name_of(device)),
    }
}

/// How training ended, the steps done, and the seconds spent training.
fn prepare_and_train(context: &Context, reporter: &mut Reporter) -> Result<(Ended, u64, f64)> {
    let (experiment, yaml) = experiment_of(context.run)?;
    match prepare(context, &experiment, &yaml, reporter)? {
        Prepared::Ready(mut setup) => {
            if rank::start(context, &mut setup)? == Flow::Interrupted {
                setup.reporter.emit(&Event::Stopping);
                return Ok((Ended::Stopped, setup.state.step, setup.state.train_time));
            }
            match experiment.kind() {
                RunKind::Train(_) => train(*setup),
                RunKind::Probe(settings) => probe(*setup, settings),
            }
        }
        Prepared::Interrupted { step, train_time } => Ok((Ended::Stopped, step, train_time)),
    }
}
