//! `warmstart show`

use clap::Args;
use warmstart_schema::event::{Attempt, ClassFacts, DatasetFacts, Epoch, now};
use warmstart_schema::state::{MAX_SKIPPED, Outcome, Status};

use super::{Context, Exit, output};
use warmstart_report::compare::thousands;
use warmstart_report::fit::Column;
use warmstart_report::format::plural;
use warmstart_runs::names;
use warmstart_runs::params;
use warmstart_runs::run_json::{self, LOG_LINES};
use warmstart_runs::store::{
    ExperimentFile, ExperimentKey, Run, RunProblem, Runs, experiments, worker_log_tail,
};

/// Show one run: its state, its epochs, its parameters, and the end of its log
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Id or experiment of a run
    run: String,
}

pub(super) fn show(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (_, runs) = context.runs();
    let run = names::run(&runs, &arguments.run)?;
    let files = experiments(&context.experiments);
    let log = worker_log_tail(&context.checkpoints, &run.id, LOG_LINES);
    if context.json {
        output::answer_json(&run_json::with_log(run, &log))?;
        return Ok(Exit::Done);
    }
    let mut text: Vec<String> = facts(run, &runs, files.as_deref().ok())
        .into_iter()
        .map(|(name, value)| output::field(name, &value))
        .collect();
    if !run.state.epochs.is_empty() {
        text.push(String::new());
        text.push(epochs(&run.state.epochs).trim_end().to_owned());
    }
    for (title, lines) in [("notes", run_json::notes(run)), ("worker.log", log)] {
        if !lines.is_empty() {
            text.push(format!("\n{title}"));
            text.extend(lines.iter().map(|line| format!("  {line}")));
        }
    }
    output::answer(&(text.join("\n") + "\n"))?;
    Ok(Exit::Done)
}

/// A name and its value.
type Fact = (&'static str, String);

/// The run's experiment file, and whether it changed since. `files` is none if the experiments cannot be read.
fn of_file(run: &Run, runs: &Runs, files: Option<&[ExperimentFile]>) -> Option<String> {
    let key = runs
        .experiment_key(run)
        .filter(|key| matches!(key, ExperimentKey::File(_)))?
        .shown();
    let Some(files) = files else {
        return Some(format!("{key}; the experiments here cannot be read"));
    };
    Some(match runs.file_of(run, files) {
        None => format!("{key}, which is not among the experiments here"),
        Some(file) if run.is_changed_since(file) => format!("{key}, changed since this run"),
        Some(_) => key,
    })
}

fn facts(run: &Run, runs: &Runs, files: Option<&[ExperimentFile]>) -> Vec<Fact> {
    [
        identity(run, runs, files),
        attempt(run),
        data(run),
        training(run),
        model(run),
        results(run),
    ]
    .concat()
}

/// Identity and state of the run.
fn identity(run: &Run, runs: &Runs, files: Option<&[ExperimentFile]>) -> Vec<Fact> {
    let created = match &run.info {
        Ok(info) => (
            "created",
            info.created.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        ),
        Err(error) => ("run.json", error.clone()),
    };
    let question = run
        .experiment
        .as_deref()
        .and_then(|experiment| experiment.question.clone());
    let facts = [
        Some(("run", run.id.to_string())),
        Some(("experiment", run.label().to_owned())),
        Some(("state", status(run, runs))),
        run.state
            .halvings
            .last()
            .map(|place| ("halving", place.to_string())),
        of_file(run, runs, files).map(|file| ("file", file)),
        question.map(|question| ("question", question)),
        Some(created),
    ];
    facts.into_iter().flatten().collect()
}

/// The newest attempt.
fn attempt(run: &Run) -> Vec<Fact> {
    let Some(attempt) = &run.state.attempt else {
        return Vec::new();
    };
    vec![
        ("attempt", attempt.number.to_string()),
        ("device", output::device(attempt)),
        ("exact", exactness(attempt)),
    ]
}

/// The images, their preprocessing, and the time that training waits for them.
fn data(run: &Run) -> Vec<Fact> {
    let state = &run.state;
    let preparation = state
        .model
        .as_ref()
        .and_then(|model| model.preparation.as_ref())
        .map(|preparation| warmstart_schema::text::line(&preparation.to_string(), 300));
    let wait = state
        .epochs
        .last()
        .and_then(|epoch| epoch.data_wait)
        .map(|share| format!("{:.1} % of the last epoch's training time", share * 100.0));
    let facts = [
        state
            .dataset
            .as_ref()
            .map(|dataset| ("images", images(dataset))),
        preparation.map(|text| ("input", text)),
        wait.map(|text| ("data wait", text)),
    ];
    facts.into_iter().flatten().collect()
}

/// The first weights, the time, and the skipped steps.
fn training(run: &Run) -> Vec<Fact> {
    let state = &run.state;
    let weights = state
        .weights
        .as_ref()
        .map(|weights| format!("{}, SHA-256 {}", weights.file, weights.sha256));
    let skipped = state.skipped.last().map(|last| {
        let count = match state.skipped.len() {
            MAX_SKIPPED => format!("at least {MAX_SKIPPED}"),
            count => count.to_string(),
        };
        format!("steps without a finite loss or gradient: {count}, the last at step {last}")
    });
    // With averaged weights all other figures are theirs.
    let plain = state
        .epochs
        .last()
        .and_then(|epoch| epoch.plain)
        .map(|plain| {
            let (loss, acc) = (plain.val_loss, plain.val_acc);
            format!("last epoch's val loss {loss:.4}, val acc {acc:.4}")
        });
    let facts = [
        weights.map(|text| ("weights", text)),
        plain.map(|text| ("not averaged", text)),
        state
            .train_time()
            .map(|time| ("trained", format!("{time:.2} s"))),
        skipped.map(|text| ("skipped", text)),
    ];
    facts.into_iter().flatten().collect()
}

/// The model's parameters, and whether the frozen ones are unchanged.
fn model(run: &Run) -> Vec<Fact> {
    let parameters = params::of(run).map(|params| {
        let [total, trainable, non_trainable] =
            [params.total, params.trainable, params.non_trainable()].map(thousands);
        format!("{total} total, {trainable} trainable, {non_trainable} non-trainable")
    });
    let frozen = run.state.frozen.as_ref().map(|proof| {
        let verdict = if proof.unchanged() {
            "unchanged"
        } else {
            "CHANGED"
        };
        format!(
            "{verdict}: {} tensors, statistics included, compared by hash",
            proof.tensors
        )
    });
    let facts = [
        parameters.map(|text| ("parameters", text)),
        frozen.map(|text| ("frozen", text)),
    ];
    facts.into_iter().flatten().collect()
}

/// The newest checkpoint, and the test metrics.
fn results(run: &Run) -> Vec<Fact> {
    let state = &run.state;
    let checkpoint = state.checkpoint.as_ref().map(|(_, checkpoint)| {
        format!(
            "step {}, {} bytes",
            checkpoint.step,
            thousands(checkpoint.bytes)
        )
    });
    let test = state.test.as_ref().map(|test| {
        format!(
            "{:.4} (loss {:.4}), with the checkpoint of {} {}",
            test.accuracy,
            test.loss,
            run.unit(),
            test.epoch
        )
    });
    let neighbours = state.neighbours.map(|reached| {
        format!(
            "test acc {:.4}, val acc {:.4}, with {} neighbours",
            reached.test_acc, reached.val_acc, reached.k
        )
    });
    let facts = [
        checkpoint.map(|text| ("checkpoint", text)),
        test.map(|text| ("test acc", text)),
        neighbours.map(|text| ("neighbours", text)),
    ];
    facts.into_iter().flatten().collect()
}

fn images(dataset: &DatasetFacts) -> String {
    let DatasetFacts {
        train,
        validation,
        test,
        classes,
        ..
    } = dataset;
    let class = |class: &ClassFacts| {
        format!(
            "{} ({})",
            class.images,
            warmstart_schema::text::line(&class.name, 80)
        )
    };
    let range = dataset.smallest.as_ref().zip(dataset.largest.as_ref());
    let range = range
        .map(|(least, most)| format!(" of {} to {} training images", class(least), class(most)));
    format!(
        "{train} training, {validation} validation, {test} test; {classes} classes{}",
        range.unwrap_or_default()
    )
}

fn status(run: &Run, runs: &Runs) -> String {
    let status = run.status();
    match (&run.state.outcome, status) {
        (_, Status::Paused) => match runs.waits_for_group(run) {
            Some(text) => format!("paused: {text}"),
            None => "paused".to_owned(),
        },
        (_, Status::Halved) => "stopped by halving".to_owned(),
        (_, Status::Queued(place)) => format!("queued, place {place}"),
        (
            Some(Outcome::Finished {
                stopped_early: true,
            }),
            Status::Finished,
        ) if run.state.setback.is_none() => "done, stopped early".to_owned(),
        _ => match run.trouble(now()) {
            Some(RunProblem { what, help }) => format!("{what}\nhelp: {help}"),
            None => match run.whereabouts() {
                Some(text) => format!("{}: {text}", status.as_str()),
                None => status.as_str().to_owned(),
            },
        },
    }
}

/// Whether the bits are those of an unbroken run, and under which conditions.
fn exactness(attempt: &Attempt) -> String {
    if !attempt.not_exact.is_empty() {
        return warmstart_schema::text::line(&format!("no: {}", attempt.not_exact.join("; ")), 400);
    }
    let cudnn = attempt.cudnn.as_ref();
    let cudnn = cudnn.map_or_else(String::new, |version| format!(", cuDNN {version}"));
    let Attempt {
        device,
        device_name,
        threads,
        devices,
        libtorch,
        ..
    } = attempt;
    let processes = match (&**device, *devices) {
        (_, 1) => String::new(),
        ("cpu", processes) => format!(", {processes} processes"),
        (_, gpus) => format!(", {gpus} GPUs"),
    };
    let threads = plural(*threads as usize, "thread");
    format!(
        "as an unbroken run on {device} ({device_name}){processes}, {threads}, libtorch {libtorch}{cudnn}"
    )
}

fn epochs(epochs: &[Epoch]) -> String {
    let is_probe = epochs.iter().any(|epoch| epoch.strength().is_some());
    let (unit, rate) = if is_probe {
        ("strength", "C")
    } else {
        ("epoch", "rate")
    };
    let columns = [
        Column::figures(unit, 0),
        Column::figures("step", 8),
        Column::figures("train loss", 3),
        Column::figures("train acc", 4),
        Column::figures("val loss", 2),
        Column::figures("val acc", 1),
        Column::figures(rate, 6),
        Column::figures("img/s", 9),
        Column::figures("trained (s)", 7),
        Column::figures("best", 5),
    ];
    let row = |epoch: &Epoch| {
        let four = |figure: f64| format!("{figure:.4}");
        [
            epoch.epoch.to_string(),
            epoch.step.to_string(),
            four(epoch.train_loss),
            four(epoch.train_acc),
            four(epoch.val_loss),
            four(epoch.val_acc),
            format!("{:.2e}", epoch.strength().unwrap_or(epoch.learning_rate)),
            format!("{:.0}", epoch.images_per_second),
            format!("{:.2}", epoch.train_time),
            if epoch.best {
                "*".to_owned()
            } else {
                String::new()
            },
        ]
    };
    output::table(&columns, epochs.iter().map(row).collect())
}
