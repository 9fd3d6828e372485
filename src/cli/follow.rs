//! Following runs to their end, with Ctrl-C as a request to save and leave.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use warmstart_runs::event_log::EventReader;
use warmstart_runs::run::{RunDir, RunId};
use warmstart_schema::event::now;
use warmstart_schema::state::{Outcome, Status};

use super::progress::Progress;
use super::{Context, Exit, output};
use warmstart_report::compare::{Format, Options, Selection, render, table};
use warmstart_runs::actions::{self, Stop};
use warmstart_runs::store::{Change, Run, RunProblem, Runs, Watcher, worker_log_tail};

const POLL: Duration = Duration::from_millis(100);
/// Interval of starting waiting runs, in case a worker died without starting the next one.
const ADVANCE: Duration = Duration::from_secs(2);
/// A run counts as lost, or as one that waits for its group, after this long, because its last events may still arrive.
const SETTLING: Duration = Duration::from_millis(500);
/// How many lines of the worker's output to print if its log has no cause.
const LOG_LINES: usize = 5;

/// Receives signals from now on. Call it before a run starts, or an early Ctrl-C would leave the run behind.
pub(super) fn listen() -> anyhow::Result<Signals> {
    Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals cannot be received")
}

/// Follows runs until none is live, and prints their table.
pub(super) fn follow(
    context: &Context,
    mut signals: Signals,
    (mut watcher, runs): (Watcher, Runs),
    followed: Vec<RunId>,
) -> anyhow::Result<Exit> {
    watcher.want(followed.iter().cloned());
    let progress = Progress::new(context, &followed);
    let announced = followed
        .iter()
        .filter(|id| runs.get(id).is_some())
        .cloned()
        .collect();
    let mut following = Following {
        context,
        watcher,
        runs,
        followed,
        announced,
        progress,
        unqueued: HashSet::new(),
        interrupts: 0,
        advanced: Instant::now(),
        over: None,
    };
    // Read the runs before the first signal, because only known runs can be stopped.
    while !following.step()? {
        for signal in signals.pending() {
            if signal == SIGHUP {
                // The terminal is gone; the runs continue.
                return Ok(Exit::Done);
            }
            following.interrupt();
        }
        std::thread::sleep(POLL);
    }
    following.conclude()
}

struct Following<'a> {
    context: &'a Context,
    watcher: Watcher,
    /// Runs that need no announcement any more.
    announced: HashSet<RunId>,
    runs: Runs,
    followed: Vec<RunId>,
    progress: Progress,
    /// Runs that Ctrl-C took out of the queue before they had started.
    unqueued: HashSet<RunId>,
    /// How often the user asked to stop.
    interrupts: u32,
    advanced: Instant,
    /// Since when no run is live, and one is lost or waits for its group.
    over: Option<Instant>,
}

impl Following<'_> {
    /// Applies changes. True once all runs have ended.
    fn step(&mut self) -> anyhow::Result<bool> {
        let mut entries = Vec::new();
        let mut changes = self.watcher.poll();
        // A run that is not read yet must not count as gone.
        while self.watcher.unread() > 0 {
            changes.extend(self.watcher.poll());
        }
        for change in changes {
            if let Change::Events { id, records, .. } = &change
                && self.followed.contains(id)
                && let Some(first) = records.first()
            {
                entries.push((first.t, id.clone(), records.clone()));
                self.announced.insert(id.clone());
            }
            self.runs.apply(change);
        }
        for id in &self.followed {
            let is_over = self
                .runs
                .get(id)
                .is_some_and(|run| run.state.outcome.is_some());
            if is_over && self.announced.insert(id.clone()) {
                // It had ended before the first read, which brings its summary without its log.
                let log = RunDir::of(&self.context.checkpoints, id).events();
                let records = EventReader::new(log)
                    .poll()
                    .map(|poll| poll.records)
                    .unwrap_or_default();
                entries.extend(
                    records
                        .first()
                        .map(|first| first.t)
                        .map(|at| (at, id.clone(), records)),
                );
            }
        }
        // Several runs may have logged since the last poll.
        entries.sort_by(|(first, ..), (second, ..)| first.total_cmp(second));
        for (_, id, records) in entries {
            self.progress.print(self.runs.get(&id), &records);
        }
        let runs: Vec<&Run> = self
            .followed
            .iter()
            .filter_map(|id| self.runs.get(id))
            .collect();
        self.progress.draw(&runs);
        let waits = runs
            .iter()
            .any(|run| matches!(run.status(), Status::Queued(_)));
        let is_live = runs.iter().any(|run| run.status().is_live());
        let is_over = !waits && !is_live;
        let has_lost = runs.iter().any(|run| run.status() == Status::Lost);
        // A user who has asked to stop wants no run of the next round. A run that continues is paused until the process that has
        // decided puts it into the queue; `advance_queue` waits for that process.
        let is_paused = |run: &&Run| run.status() == Status::Paused && self.interrupts == 0;
        let pauses = runs.iter().any(is_paused);
        let is_time = self.advanced.elapsed() >= ADVANCE;
        if ((waits || pauses) && is_time) || (is_over && pauses && self.over.is_none()) {
            self.advanced = Instant::now();
            let advanced = self.advance_queue();
            // While a run is live, the next try is soon enough: a disk that does not answer for a moment ends nothing.
            if !is_live {
                advanced?;
            }
        }
        if !is_over || !(has_lost || pauses) {
            self.over = None;
            return Ok(is_over);
        }
        Ok(self.over.get_or_insert_with(Instant::now).elapsed() >= SETTLING)
    }

    /// Halves groups that are due, and starts waiting runs whose device is free.
    fn advance_queue(&self) -> anyhow::Result<()> {
        for failed in actions::advance(&self.context.checkpoints)? {
            self.progress.warn(self.context, &failed.to_string());
        }
        Ok(())
    }

    /// The first request removes waiting runs and asks the others to save and exit. A further one asks them to exit now.
    fn interrupt(&mut self) {
        self.interrupts += 1;
        let now = self.interrupts > 1;
        let text = if now {
            "leaving without saving"
        } else {
            "stopping: saving what runs; Ctrl-C again stops without saving"
        };
        self.progress.note(self.context, text);
        let is_waiting = |run: &&Run| matches!(run.status(), Status::Queued(_));
        let runs = || self.followed.iter().filter_map(|id| self.runs.get(id));
        let mut unqueued = Vec::new();
        // Remove waiting runs first, or the end of a running one starts them.
        for run in runs()
            .filter(is_waiting)
            .chain(runs().filter(|run| run.status().is_live()))
        {
            match actions::stop(&self.context.checkpoints, run, now) {
                Ok(Stop::Unqueued) if run.state.attempt.is_none() => unqueued.push(run.id.clone()),
                Ok(_) => {}
                Err(error) => self.progress.warn(self.context, &format!("{error:#}")),
            }
        }
        self.unqueued.extend(unqueued);
    }

    /// Says how each run ended and prints the table of all.
    fn conclude(self) -> anyhow::Result<Exit> {
        self.progress.finish();
        let left: Vec<&Run> = self
            .followed
            .iter()
            .filter_map(|id| self.runs.get(id))
            .collect();
        for run in &left {
            self.explain(run);
        }
        let format = if self.context.json {
            Format::Json
        } else {
            Format::Table
        };
        let ids: Vec<RunId> = left.iter().map(|run| run.id.clone()).collect();
        let options = Options {
            selection: if left.iter().any(|run| run.member().is_some()) {
                Selection::Groups(ids)
            } else {
                Selection::Runs(ids)
            },
            ..Options::default()
        };
        output::answer(&render(
            &table(&self.runs, &[], &options),
            format,
            output::width(),
        ))?;
        let missing = self
            .followed
            .iter()
            .filter(|id| self.runs.get(id).is_none());
        let (unqueued, gone): (Vec<&RunId>, Vec<&RunId>) =
            missing.partition(|id| self.unqueued.contains(id));
        for id in unqueued {
            let text = format!("run {id} had not started; it is out of the queue");
            output::note(self.context, &text);
        }
        let has_gone = !gone.is_empty();
        for id in gone {
            let root = super::shown(&self.context.checkpoints);
            let what = format!(
                "run {id} is gone: its folder was moved or removed from {root} while it was followed"
            );
            self.report_problem(
                &what,
                &[],
                "`warmstart trash` lists what was deleted there; a worker that still has the run ends by itself",
            );
        }
        let is_done = |run: &Run| {
            let is_over = matches!(run.status(), Status::Finished | Status::Halved);
            is_over && run.state.setback.is_none()
        };
        let has_failed = |run: &Run| {
            let failed = matches!(run.state.setback, Some(Outcome::Failed { .. }));
            failed
                || matches!(
                    run.status(),
                    Status::Failed | Status::Lost | Status::Unreadable
                )
        };
        let never_started = |run: &Run| {
            matches!(run.status(), Status::Failed | Status::Lost) && run.state.attempt.is_none()
        };
        Ok(
            if left.len() == self.followed.len() && left.iter().all(|run| is_done(run)) {
                Exit::Done
            } else if self.interrupts > 0 {
                Exit::Interrupted
            } else if left.iter().any(|run| never_started(run)) {
                Exit::Worker
            } else if has_gone || left.iter().any(|run| has_failed(run)) {
                Exit::RunFailed
            } else {
                // Another process stopped it.
                Exit::Interrupted
            },
        )
    }

    /// Why a run did not finish, and what to do.
    fn explain(&self, run: &Run) {
        let id = &run.id;
        match run.status() {
            Status::Failed | Status::Lost | Status::Unreadable | Status::Finished => {
                let Some(RunProblem { what, help }) = run.trouble(now()) else {
                    return;
                };
                let outcome = run.state.setback.as_ref().or(run.state.outcome.as_ref());
                let is_explained = matches!(outcome, Some(Outcome::Failed { kind, .. }) if kind.is_explained_by_error());
                let log = worker_log_tail(
                    &self.context.checkpoints,
                    id,
                    if is_explained { 0 } else { LOG_LINES },
                );
                let resume = if is_explained {
                    String::new()
                } else {
                    format!(" (`warmstart resume {id}`)")
                };
                self.report_problem(&format!("run {id} {what}"), &log, &(help + &resume));
            }
            Status::Stopped => {
                let text = if run.state.has_unsaved_steps() {
                    format!(
                        "run {id} stopped without saving; `warmstart resume {id}` continues it from its last checkpoint"
                    )
                } else {
                    format!("run {id} saved and stopped; `warmstart resume {id}` continues it")
                };
                output::note(self.context, &text);
            }
            Status::Paused => {
                if let Some(text) = self.runs.waits_for_group(run) {
                    output::note(self.context, &format!("run {id} {text}"));
                }
            }
            _ => {}
        }
    }

    fn report_problem(&self, what: &str, lines: &[String], help: &str) {
        output::error(self.context, what);
        for line in lines {
            output::note(self.context, &format!("  {line}"));
        }
        output::help(self.context, help);
    }
}
