//! `warmstart show`

use clap::Args;
use warmstart_schema::event::{ClassFacts, DatasetFacts, Epoch, now};
use warmstart_schema::state::{Outcome, Status};

use super::{Context, Exit, output};
use warmstart_report::compare::thousands;
use warmstart_report::fit::Column;
use warmstart_runs::names;
use warmstart_runs::params;
use warmstart_runs::run_json::{self, LOG_LINES};
use warmstart_runs::store::{
    ExperimentFile, Home, Run, RunProblem, Runs, experiments, worker_log_tail,
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
    let files = experiments(&context.experiments).unwrap_or_default();
    let file = runs.file_of(run, &files);
    let log = worker_log_tail(&context.checkpoints, &run.id, LOG_LINES);
    if context.json {
        output::answer_json(&run_json::with_log(run, &log))?;
        return Ok(Exit::Done);
    }
    let mut text: Vec<String> = facts(run, &runs, file)
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

/// The run's experiment file, and whether it changed since.
fn of_file(run: &Run, runs: &Runs, file: Option<&ExperimentFile>) -> Option<String> {
    let home = runs
        .home(run)
        .filter(|home| matches!(home, Home::File(_)))?
        .shown();
    Some(match file {
        None => format!("{home}, which is not among the experiments here"),
        Some(file) if run.is_changed_since(file) => format!("{home}, changed since this run"),
        Some(_) => home,
    })
}

fn facts(run: &Run, runs: &Runs, file: Option<&ExperimentFile>) -> Vec<(&'static str, String)> {
    let state = &run.state;
    let mut facts = vec![
        ("run", run.id.to_string()),
        ("experiment", run.label().to_owned()),
        ("state", status(run)),
    ];
    facts.extend(of_file(run, runs, file).map(|file| ("file", file)));
    if let Some(question) = run
        .experiment
        .as_deref()
        .and_then(|experiment| experiment.question.clone())
    {
        facts.push(("question", question));
    }
    match &run.info {
        Ok(info) => facts.push((
            "created",
            info.created.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )),
        Err(error) => facts.push(("run.json", error.clone())),
    }
    if let Some(attempt) = &state.attempt {
        facts.push(("attempt", attempt.number.to_string()));
        facts.push(("device", output::device(attempt)));
        facts.push(("exact", exactness(&attempt.not_exact)));
    }
    if let Some(dataset) = &state.dataset {
        facts.push(("images", images(dataset)));
    }
    if let Some(preparation) = state
        .model
        .as_ref()
        .and_then(|model| model.preparation.as_ref())
    {
        facts.push((
            "input",
            warmstart_schema::text::line(&preparation.to_string(), 300),
        ));
    }
    if let Some(share) = state.epochs.last().and_then(|epoch| epoch.data_wait) {
        facts.push((
            "data wait",
            format!("{:.1} % of the last epoch's training time", share * 100.0),
        ));
    }
    if let Some(weights) = &state.weights {
        facts.push((
            "weights",
            format!("{}, SHA-256 {}", weights.file, weights.sha256),
        ));
    }
    if let Some(time) = state.train_time() {
        facts.push(("trained", format!("{time:.2} s")));
    }
    if let Some(last) = state.skipped.last() {
        let count = state.skipped.len();
        facts.push((
            "left out",
            format!("steps without a finite loss or gradient: {count}, the last at step {last}"),
        ));
    }
    if let Some(params) = params::of(run) {
        let [total, trainable, non_trainable] =
            [params.total, params.trainable, params.non_trainable()].map(thousands);
        facts.push((
            "parameters",
            format!("{total} total, {trainable} trainable, {non_trainable} non-trainable"),
        ));
    }
    if let Some(proof) = &state.frozen {
        let verdict = if proof.unchanged() {
            "nothing moved"
        } else {
            "MOVED"
        };
        facts.push((
            "frozen",
            format!(
                "{verdict}: {} tensors, statistics included, compared by hash",
                proof.tensors
            ),
        ));
    }
    if let Some((_, checkpoint)) = &state.checkpoint {
        facts.push((
            "checkpoint",
            format!(
                "step {}, {} bytes",
                checkpoint.step,
                thousands(checkpoint.bytes)
            ),
        ));
    }
    if let Some(test) = &state.test {
        facts.push((
            "test acc",
            format!(
                "{:.4} (loss {:.4}), with the checkpoint of epoch {}",
                test.accuracy, test.loss, test.epoch
            ),
        ));
    }
    facts
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

fn status(run: &Run) -> String {
    let status = run.status();
    match (&run.state.outcome, status) {
        (_, Status::Queued(place)) => format!("queued, place {place}"),
        (
            Some(Outcome::Finished {
                stopped_early: true,
            }),
            Status::Finished,
        ) if run.state.setback.is_none() => "done, stopped early".to_owned(),
        _ => match run.trouble(now()) {
            Some(RunProblem { what, help }) => format!("{what}\nhelp: {help}"),
            None => status.as_str().to_owned(),
        },
    }
}

fn exactness(not_exact: &[String]) -> String {
    if not_exact.is_empty() {
        return "as an unbroken run on this machine".to_owned();
    }
    warmstart_schema::text::line(&format!("no: {}", not_exact.join("; ")), 400)
}

fn epochs(epochs: &[Epoch]) -> String {
    let columns = [
        Column::figures("epoch", 0),
        Column::figures("step", 8),
        Column::figures("train loss", 3),
        Column::figures("train acc", 4),
        Column::figures("val loss", 2),
        Column::figures("val acc", 1),
        Column::figures("rate", 6),
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
            format!("{:.2e}", epoch.learning_rate),
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
