//! `warmstart verify-resume`

use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use signal_hook::iterator::Signals;
use warmstart_runs::run::{Launch, RunDir};
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::{Outcome, Status};
use warmstart_schema::text;

use super::output::Problems;
use super::{Context, Exit, experiment, follow, output};
use warmstart_report::fit::Column;
use warmstart_report::format::plural;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::store::{ExperimentFile, ExperimentKey};
use warmstart_runs::verify::{self, Fingerprints, TemporaryRuns};
use warmstart_runs::worker::Worker;

const POLL: Duration = Duration::from_millis(50);
pub(super) const FINISHED: Outcome = Outcome::Finished {
    stopped_early: false,
};

/// Prove that an experiment resumes exactly: train it straight, and stopped and resumed twice, and compare the bits
///
/// Both runs are short and temporary; nothing of them is left. Exit code 0 when every bit is equal, 1 when not.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File or name of an experiment
    #[arg(value_name = "EXPERIMENT")]
    name: String,
    /// Epochs of both runs; for a probe strengths, at least 4
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Training images of both runs
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..))]
    limit: u32,
    /// Change another field of the experiment
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Where to train: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = super::train::device)]
    device: String,
}

/// A signal ended the check, which left nothing behind.
pub(super) struct Interrupted;

pub(super) fn verify_resume(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let plain = experiment::named(context, &arguments.name, &arguments.set)?;
    let plain = plain.loaded.as_ref().ok();
    let probes = plain.is_some_and(|experiment| experiment.probe.is_some());
    let length = if probes {
        format!("probe.strengths={}", arguments.epochs.max(4))
    } else {
        format!("train.epochs={}", arguments.epochs)
    };
    let mut changes = vec![length, format!("dataset.limit={}", arguments.limit)];
    if plain.is_some_and(|experiment| experiment.halving.is_some()) {
        // Its rounds may be later than these epochs.
        changes.push("halving=null".to_owned());
    }
    changes.extend_from_slice(&arguments.set);
    let file = experiment::named(context, &arguments.name, &changes)?;
    let mut experiment = file.loaded.clone().map_err(Problems)?;
    if file.group.is_some() {
        output::note(
            context,
            "one run is checked, without the file's `seeds` and `grid`",
        );
        (experiment.seeds, experiment.grid) = (None, None);
    }
    let mut signals = follow::listen()?;
    let place = TemporaryRuns::new(&context.checkpoints, Worker::find()?)?;
    bring_source(context, &file, &place)?;
    let launch = Launch {
        experiment: &experiment,
        source: &file.path,
        device: &arguments.device,
    };

    let length = plural(
        experiment.train.epochs as usize,
        if probes { "strength" } else { "epoch" },
    );
    output::note(
        context,
        &format!("{}: straight through, {length}", file.label()),
    );
    let straight = place.new_run(&launch)?;
    let Ok(status) = carry_out(&place, &straight, None, &mut signals)? else {
        return Ok(Exit::Interrupted);
    };
    let state = verify::check_end(&straight, status, &FINISHED)?;
    let whole = verify::fingerprints(&straight, &state)?;
    let per_epoch = state
        .dataset
        .as_ref()
        .map_or(0, |dataset| u64::from(dataset.steps_per_epoch));
    let Some(stops) = verify::stops(whole.steps, per_epoch) else {
        let what = format!(
            "{} steps are too few to be stopped twice in between",
            whole.steps
        );
        return Err(Failure::new(Kind::Input, what)
            .help("raise --epochs or --limit")
            .into());
    };

    let split = place.new_run(&launch)?;
    for step in stops {
        let what = format!("{}: stopped after step {step}", file.label());
        output::note(context, &what);
        let Ok(status) = carry_out(&place, &split, Some(step), &mut signals)? else {
            return Ok(Exit::Interrupted);
        };
        verify::check_end(&split, status, &Outcome::Stopped)?;
    }
    output::note(context, &format!("{}: to the end", file.label()));
    let Ok(status) = carry_out(&place, &split, None, &mut signals)? else {
        return Ok(Exit::Interrupted);
    };
    let state = verify::check_end(&split, status, &FINISHED)?;
    conclude(
        context,
        &experiment,
        file.label(),
        &whole,
        stops,
        &verify::fingerprints(&split, &state)?,
    )
}

/// Both runs must find the run that the experiment starts from.
fn bring_source(
    context: &Context,
    file: &ExperimentFile,
    place: &TemporaryRuns,
) -> anyhow::Result<()> {
    let Ok(experiment) = &file.loaded else {
        return Ok(());
    };
    let (Some(init), Some(source)) = (&experiment.init, experiment::source(context, file)?) else {
        return Ok(());
    };
    let (_, runs) = context.runs();
    let Some(run) = runs
        .all_of(&ExperimentKey::File(source))
        .rev()
        .find(|run| run.status() == Status::Finished)
    else {
        let from = text::line(&init.from, 200);
        let what = format!(
            "{} starts from `{from}`, which has no run that is done",
            experiment.name
        );
        return Err(Failure::new(Kind::NotFound, what)
            .help(format!("train `{from}` first"))
            .into());
    };
    Ok(place.copy_run(RunDir::of(&context.checkpoints, &run.id).path())?)
}

/// Runs a worker to its end, or until a signal.
pub(super) fn carry_out(
    place: &TemporaryRuns,
    run: &RunDir,
    stop_after: Option<u64>,
    signals: &mut Signals,
) -> anyhow::Result<Result<ExitStatus, Interrupted>> {
    let mut child = place.start(run, stop_after)?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ok(status));
        }
        if signals.pending().next().is_some() {
            child.kill()?;
            child.wait()?;
            return Ok(Err(Interrupted));
        }
        std::thread::sleep(POLL);
    }
}

fn conclude(
    context: &Context,
    experiment: &Experiment,
    label: &str,
    straight: &Fingerprints,
    stops: [u64; 2],
    split: &Fingerprints,
) -> anyhow::Result<Exit> {
    let equal = straight.equals(split);
    if context.json {
        output::answer_json(&json!({
            "experiment": label,
            "epochs": experiment.train.epochs,
            "limit": experiment.dataset.limit,
            "stopped_after": stops,
            "equal": equal,
            "straight": straight,
            "split": split,
        }))?;
    } else {
        let row = |name: &str, run: &Fingerprints| {
            let hashes = [&run.weights, &run.optimizer, &run.figures];
            let [weights, optimizer, figures] = hashes.map(|hash| hash[..16].to_owned());
            [
                name.to_owned(),
                run.steps.to_string(),
                weights,
                optimizer,
                figures,
                output::figure(run.test_loss),
            ]
        };
        let rows = vec![row("straight", straight), row("split", split)];
        let columns = [
            Column::names(""),
            Column::words("steps", 1),
            Column::words("weights", 2),
            Column::words("optimizer", 3),
            Column::words("figures", 4),
            Column::words("test loss", 5),
        ];
        let table = output::table(&columns, rows);
        let Fingerprints {
            device,
            threads,
            libtorch,
            ..
        } = split;
        let threads = plural(*threads as usize, "thread");
        let verdict = if equal { "equal" } else { "DIFFERENT" };
        let [first, second] = stops;
        let why = match split.not_exact.join("; ") {
            none if none.is_empty() => String::new(),
            reasons => format!("\nnot exact because {reasons}"),
        };
        output::answer(&format!(
            "{table}\n{verdict}: straight, and stopped after steps {first} and {second} ({device}, {threads}, libtorch {libtorch}){why}\n"
        ))?;
    }
    Ok(if equal { Exit::Done } else { Exit::RunFailed })
}
