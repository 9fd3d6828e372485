//! `warmstart runs`

use clap::Args;
use serde::Serialize;
use warmstart_schema::event::now;

use super::figures::Figures;
use super::{Context, Exit, output, shown};
use warmstart_report::fit::Column;
use warmstart_report::query::{FilterOption, Query, Subject};
use warmstart_runs::store::{ExperimentKey, Run, Runs};

/// List the runs, the newest first, without the archived ones
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    filter: FilterOption,
    #[command(flatten)]
    columns: output::ColumnsArgument,
}

#[derive(Serialize)]
struct Listed<'a> {
    run: &'a str,
    /// The name of its experiment, exactly as the file has it.
    experiment: &'a str,
    /// The same for the table.
    #[serde(skip)]
    label: &'a str,
    stem: Option<&'a str>,
    /// The file of its experiment.
    file: Option<String>,
    state: &'static str,
    queue_position: Option<usize>,
    created: Option<String>,
    tags: &'a std::collections::BTreeSet<String>,
    note: &'a str,
    archived: bool,
    device: &'a str,
    attempt: Option<u32>,
    /// For a resumed run: whether it ends with the same bits as an uninterrupted one, or why not.
    exact: Option<bool>,
    not_exact: &'a [String],
    epoch: Option<u32>,
    epochs: Option<u32>,
    #[serde(flatten)]
    figures: Figures,
    /// The problem, and what to do.
    trouble: Option<String>,
    help: Option<String>,
}

pub(super) fn runs(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let query = arguments.filter.query()?;
    let (_, runs) = context.runs();
    let mut newest_first: Vec<&Run> = runs
        .iter()
        .filter(|run| query.asks_for_archived() || !run.annotation.archived)
        .filter(|run| query.matches(&Subject::of_run(run)))
        .collect();
    // Ids have seconds only.
    newest_first.sort_by_key(|run| {
        std::cmp::Reverse((run.info.as_ref().ok().map(|info| info.created), &run.id))
    });
    let listed: Vec<Listed> = newest_first
        .into_iter()
        .map(|run| describe(&runs, run))
        .collect();
    if context.json {
        output::answer_json(&listed)?;
    } else if listed.is_empty() {
        output::note(context, &no_run(context, &runs, &query));
    } else {
        output::answer(&output::chosen(
            &columns(),
            &listed.iter().map(row).collect::<Vec<_>>(),
            &arguments.columns,
        )?)?;
    }
    if let Some(text) = runs.ignored_folders() {
        output::note(context, text);
    }
    Ok(Exit::Done)
}

/// The columns of the table.
pub(super) fn columns() -> Vec<Column> {
    let own = [
        Column::names("run"),
        Column::words("experiment", 1),
        Column::words("state", 2),
        Column::words("device", 7),
        Column::figures("epoch", 6),
    ];
    own.into_iter().chain(Figures::columns()).collect()
}

fn describe<'a>(runs: &Runs, run: &'a Run) -> Listed<'a> {
    let (state, info) = (&run.state, run.info.as_ref().ok());
    let (trouble, help) = run
        .trouble(now())
        .map(|trouble| (trouble.what, trouble.help))
        .unzip();
    let resumed = state
        .attempt
        .as_ref()
        .filter(|attempt| attempt.resumed_from.is_some());
    let planned = run
        .experiment
        .as_deref()
        .map(|experiment| experiment.train.epochs);
    Listed {
        run: run.id.as_str(),
        experiment: run.exact_label(),
        label: run.label(),
        stem: run.stem(),
        file: runs.experiment_key(run).and_then(|key| match key {
            ExperimentKey::File(path) => Some(path.display().to_string()),
            ExperimentKey::Stem(_) => None,
        }),
        state: run.status().as_str(),
        queue_position: match run.status() {
            warmstart_schema::state::Status::Queued(place) => Some(place),
            _ => None,
        },
        created: info.map(|info| info.created.to_string()),
        tags: &run.annotation.tags,
        note: &run.annotation.note,
        archived: run.annotation.archived,
        device: run.device(),
        attempt: state.attempt.as_ref().map(|attempt| attempt.number),
        exact: resumed.map(|attempt| attempt.not_exact.is_empty()),
        not_exact: resumed.map_or(&[], |attempt| &attempt.not_exact),
        epoch: state.epochs.last().map(|epoch| epoch.epoch),
        epochs: state.epochs_planned().or(planned),
        figures: Figures::of(run),
        trouble,
        help,
    }
}

fn row(listed: &Listed) -> Vec<String> {
    let state = match listed.queue_position {
        Some(place) => format!("queued {place}"),
        None => listed.state.to_owned(),
    };
    let epochs = listed
        .epochs
        .map_or_else(|| "–".to_owned(), |epochs| epochs.to_string());
    let mut row = vec![
        listed.run.to_owned(),
        listed.label.to_owned(),
        state,
        listed.device.to_owned(),
        format!("{}/{epochs}", listed.epoch.unwrap_or(0)),
    ];
    row.extend(listed.figures.cells());
    row
}

/// Why the list is empty: there is no run, all are archived, or none matches the filter.
pub(super) fn no_run(context: &Context, runs: &Runs, query: &Query) -> String {
    let folder = shown(&context.checkpoints);
    let away = runs.iter().filter(|run| run.annotation.archived).count();
    let hidden = |text: String| {
        format!("{text}; `warmstart runs --filter is:archived` lists the archived runs")
    };
    match (runs.is_empty(), query.is_empty()) {
        (true, _) if context.checkpoints.try_exists().is_ok_and(|exists| !exists) => {
            format!(
                "there is no run, and no folder {folder} yet; `warmstart train EXPERIMENT` makes one"
            )
        }
        (true, _) => format!("there is no run in {folder}; `warmstart train EXPERIMENT` makes one"),
        (false, true) => hidden(format!("all runs in {folder} are archived ({away})")),
        (false, false) if away > 0 && !query.asks_for_archived() => hidden(format!(
            "no run in {folder} fits the filter; {away} more are archived"
        )),
        (false, false) => format!("no run in {folder} fits the filter"),
    }
}
