//! `warmstart queue`

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use warmstart_runs::queue::{Failed, MOST_SLOTS, Move};
use warmstart_runs::run::RunId;

use super::{Context, Exit, output};
use warmstart_report::fit::Column;
use warmstart_runs::actions::{self, waiting};
use warmstart_runs::names;
use warmstart_runs::store::{Run, Runs};
use warmstart_schema::state::Status;

/// List the runs that wait, in their order, or change the order
///
/// A device takes one run at a time, or as many as `slots` says. The queue outlives every terminal: the end of a run starts
/// the next. Without a command, lists what runs and what waits.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Move a waiting run
    Move {
        /// Id or experiment of a run
        run: String,
        /// up, down, top, or a place from 1
        #[arg(value_parser = to)]
        to: Move,
    },
    /// Take a waiting run out of the queue
    Remove {
        /// Id or experiment of a run
        run: String,
    },
    /// Start nothing more until `queue resume`; live runs continue
    Pause,
    /// Start waiting runs again
    Resume,
    /// How many runs a device takes at a time, from now on
    Slots {
        #[arg(
            value_name = "N",
            value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SLOTS)),
            help = format!("From 1 to {MOST_SLOTS}")
        )]
        slots: u32,
    },
}

fn to(text: &str) -> Result<Move, String> {
    match text {
        "up" => Ok(Move::Up),
        "down" => Ok(Move::Down),
        "top" => Ok(Move::First),
        place => match place.parse() {
            Ok(place @ 1..) => Ok(Move::To(place)),
            _ => Err("expected up, down, top, or a place from 1".to_owned()),
        },
    }
}

pub(super) fn queue(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (_, mut runs) = context.runs();
    let root = &context.checkpoints;
    if arguments.verb.is_none() && runs.has_due_round() {
        match actions::advance(root) {
            Ok(failed) => warn(context, failed),
            // A user who may only read the folder still gets the list.
            Err(error) => output::warn(context, &format!("{error:#}")),
        }
        (_, runs) = context.runs();
    }
    let said = match &arguments.verb {
        None => {
            list(context, &runs)?;
            return Ok(Exit::Done);
        }
        Some(Verb::Move { run, to }) => {
            let run = names::run(&runs, run)?;
            let id = &run.id;
            if *to == Move::First && run.status() == Status::Waiting {
                waiting::put_first(root, id)?;
                let text = format!("{id}: the first of your jobs that waits");
                return answer(context, &json!({ "run": id, "result": "first" }), &text);
            }
            let place = waiting::shift(root, id, *to)?;
            (
                json!({ "run": id, "place": place }),
                format!("{id}: place {place}"),
            )
        }
        Some(Verb::Remove { run }) => {
            let id = &names::run(&runs, run)?.id;
            waiting::remove(root, id)?;
            (
                json!({ "run": id, "result": "unqueued" }),
                format!("{id}: taken out of the queue"),
            )
        }
        Some(Verb::Pause) => {
            waiting::pause(root)?;
            let text = "the queue is paused: live runs continue, nothing else starts; `warmstart queue resume` resumes it";
            (json!({ "paused": true }), text.to_owned())
        }
        Some(Verb::Resume) => {
            warn(context, waiting::unpause(root)?);
            (
                json!({ "paused": false }),
                "the queue is resumed".to_owned(),
            )
        }
        Some(Verb::Slots { slots }) => {
            warn(context, waiting::set_slots(root, *slots)?);
            (json!({ "slots": slots }), slots_in_words(*slots))
        }
    };
    answer(context, &said.0, &said.1)
}

fn answer(context: &Context, json: &Value, text: &str) -> anyhow::Result<Exit> {
    if context.json {
        output::answer_json(json)?;
    } else {
        output::answer(&(context.folders.in_commands(text) + "\n"))?;
    }
    Ok(Exit::Done)
}

fn warn(context: &Context, failed: Vec<Failed>) {
    for one in failed {
        output::warn(context, &one.to_string());
    }
}

fn slots_in_words(slots: u32) -> String {
    if slots == 1 {
        "a device takes one run at a time".to_owned()
    } else {
        format!("a device takes {slots} runs at a time")
    }
}

fn list(context: &Context, runs: &Runs) -> anyhow::Result<()> {
    let queue = runs.queue();
    if context.json {
        let running = runs.live().map(|run| {
            let mut row = json!({ "run": run.id, "experiment": run.exact_label(), "slot": runs.slot_of(run), "state": run.status().as_str() });
            // Only a worker of a cluster has them.
            if let (Some(text), Some(object)) = (run.whereabouts(), row.as_object_mut()) {
                object.insert("waits_for".to_owned(), Value::from(text));
            }
            row
        });
        let waiting = queue.waiting.iter().zip(1..).map(|(entry, place)| {
            let waits_for = runs.waits_for(entry).sentence;
            let experiment = runs.get(&entry.run).map_or(&*entry.stem, Run::exact_label);
            json!({
                "place": place, "run": entry.run, "experiment": experiment,
                "slot": entry.slot, "after": entry.after, "waits_for": waits_for,
            })
        });
        let (running, waiting): (Vec<Value>, Vec<Value>) = (running.collect(), waiting.collect());
        let groups = runs
            .groups_that_wait()
            .map(|(run, text)| json!({ "run": run.id, "waits_for": text }));
        let groups: Vec<Value> = groups.collect();
        return output::answer_json(
            &json!({ "paused": queue.paused, "slots": queue.slots, "running": running, "waiting": waiting, "halving": groups }),
        );
    }
    let running = runs.live().map(|run| {
        let state = run.status().as_str().to_owned();
        let state = run
            .whereabouts()
            .map_or(state.clone(), |text| format!("{state}: {text}"));
        [
            "–".to_owned(),
            run.id.to_string(),
            run.label().to_owned(),
            runs.slot_of(run).to_owned(),
            state,
        ]
    });
    let waiting = queue
        .waiting
        .iter()
        .zip(1..)
        .map(|(entry, place): (_, usize)| {
            let state = format!("waits for {}", runs.waits_for(entry).word);
            let label = label(runs, &entry.run, &entry.stem).to_owned();
            [
                place.to_string(),
                entry.run.to_string(),
                label,
                entry.slot.clone(),
                state,
            ]
        });
    let rows: Vec<[String; 5]> = running.chain(waiting).collect();
    if rows.is_empty() {
        output::note(context, "nothing runs and nothing waits");
    } else {
        let columns = [
            Column::words("place", 1),
            Column::names("run"),
            Column::words("experiment", 3),
            Column::words("slot", 4),
            Column::words("state", 2),
        ];
        output::answer(&output::table(&columns, rows))?;
    }
    for (run, text) in runs.groups_that_wait() {
        output::note(context, &format!("run {}, {}, {text}", run.id, run.label()));
    }
    if let Some(reason) = &queue.paused {
        output::note(
            context,
            &format!("the queue is paused: {reason}; `warmstart queue resume` resumes it"),
        );
    }
    if queue.slots != 1 {
        output::note(context, &slots_in_words(queue.slots));
    }
    Ok(())
}

/// The name of a waiting run: the stem of its file, if its folder is gone.
fn label<'a>(runs: &'a Runs, run: &RunId, stem: &'a str) -> &'a str {
    runs.get(run).map_or(stem, Run::label)
}
