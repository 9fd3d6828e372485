//! `warmstart selftest`

use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use signal_hook::iterator::Signals;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::run::{Launch, RunDir};
use warmstart_runs::verify::{self, Fingerprints, TemporaryRuns};
use warmstart_runs::worker::{Response, Worker};
use warmstart_schema::experiment::{self, Experiment};
use warmstart_schema::selftest::{Check, Verdict};
use warmstart_schema::state::Outcome;
use warmstart_schema::text;

use super::output::Problems;
use super::verify_resume::{FINISHED, Interrupted, carry_out};
use super::{Context, Exit, follow, output};

const POLL: Duration = Duration::from_millis(20);
/// How often the check `killed` kills its run.
const KILLS: u64 = 3;
/// A small model with dropout, augmentation and running statistics. It is saved after every step.
const EXPERIMENT: &str = "
name: self-test
dataset: { name: emoji98, limit: 200 }
input: { resize: 64 }
augment: { rotation: 10, horizontal_flip: true, zoom: 0.1 }
model: { backbone: efficientnet_lite0, weights: random }
train:
  epochs: 2
  batch_size: 16
  deterministic: true
  optimizer: { name: adam, learning_rate: 1.0e-3 }
  checkpoint: { every_minutes: 1.0e-5 }
";

/// Check that a device computes what PyTorch and timm compute, and that runs survive there
///
/// Features, gradients and optimizers are compared with PyTorch's and timm's numbers; short runs are stopped, killed and resumed.
/// Nothing of them is left. Exit code 0 when every check passed, 1 when not. It takes a minute on a GPU and several on a CPU.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "`--help` shows it literally")]
pub(super) struct Arguments {
    /// Checks to run, by a part of their name; all without one
    #[arg(value_name = "CHECK")]
    only: Vec<String>,
    /// What to check: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = super::train::device)]
    device: String,
}

pub(super) fn selftest(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut session = Session {
        context,
        arguments,
        checks: Vec::new(),
        signals: follow::listen()?,
    };
    if session.computation()? == Flow::Interrupted || session.resuming()? == Flow::Interrupted {
        return Ok(Exit::Interrupted);
    }
    session.conclude()
}

#[derive(PartialEq, Eq)]
enum Flow {
    Done,
    Interrupted,
}

struct Session<'a> {
    context: &'a Context,
    arguments: &'a Arguments,
    checks: Vec<Check>,
    signals: Signals,
}

impl Session<'_> {
    /// The checks that one worker does alone.
    fn computation(&mut self) -> anyhow::Result<Flow> {
        let worker = Worker::find()?;
        let mut command = worker.command(["selftest", &self.arguments.device]);
        command.args(&self.arguments.only);
        let (sender, receiver) = mpsc::channel();
        // The receiver exists until this function returns.
        let stream = worker.stream(&mut command, move |response: Response<Check>| {
            sender.send(response).is_ok()
        })?;
        loop {
            match receiver.recv_timeout(POLL) {
                Ok(Response::Answer(check)) => self.add(check)?,
                Ok(Response::Ended(failure)) => {
                    return if stream.wait()?.success() {
                        Ok(Flow::Done)
                    } else {
                        Err(failure.into())
                    };
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if self.signals.pending().next().is_some() {
                        return Ok(Flow::Interrupted);
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(
                        Failure::new(Kind::Worker, "the self-test's worker went away").into(),
                    );
                }
            }
        }
    }

    /// Short runs by real workers: one uninterrupted, one stopped and resumed, one killed and resumed.
    fn resuming(&mut self) -> anyhow::Result<Flow> {
        let has_no_device = self
            .checks
            .iter()
            .any(|check| check.name == "device" && check.verdict == Verdict::Failed);
        if has_no_device || !["resume", "killed"].iter().any(|name| self.is_wanted(name)) {
            return Ok(Flow::Done);
        }
        let experiment = experiment::parse(EXPERIMENT, "self-test.yaml").map_err(Problems)?;
        let place = TemporaryRuns::new(&std::env::temp_dir(), Worker::find()?)?;
        let begun = Instant::now();
        let whole = match self.unbroken(&place, &experiment) {
            Ok(Some(whole)) => whole,
            Ok(None) => return Ok(Flow::Interrupted),
            Err(error) => {
                self.broke("unbroken run", &error, begun.elapsed())?;
                return Ok(Flow::Done);
            }
        };
        for name in ["resume", "killed"] {
            if !self.is_wanted(name) {
                continue;
            }
            let begun = Instant::now();
            let found = if name == "resume" {
                self.stopped(&place, &experiment, whole.steps)
            } else {
                self.killed(&place, &experiment, whole.steps)
            };
            match found {
                Ok(Some((what, parts))) => {
                    self.compare(name, &what, &whole, &parts, begun.elapsed())?;
                }
                Ok(None) => return Ok(Flow::Interrupted),
                Err(error) => self.broke(name, &error, begun.elapsed())?,
            }
        }
        Ok(Flow::Done)
    }

    /// A run from start to end; none after a signal.
    fn unbroken(
        &mut self,
        place: &TemporaryRuns,
        experiment: &Experiment,
    ) -> anyhow::Result<Option<Fingerprints>> {
        let run = self.new_run(place, experiment)?;
        match carry_out(place, &run, None, &mut self.signals)? {
            Ok(status) => outcomes(&run, status).map(Some),
            Err(Interrupted) => Ok(None),
        }
    }

    /// A run of `steps` that is stopped twice and resumed, and what was done to it; none after a signal.
    fn stopped(
        &mut self,
        place: &TemporaryRuns,
        experiment: &Experiment,
        steps: u64,
    ) -> anyhow::Result<Option<(String, Fingerprints)>> {
        let run = self.new_run(place, experiment)?;
        let stops = [steps / 4, steps * 3 / 4];
        for stop in stops {
            let Ok(status) = carry_out(place, &run, Some(stop), &mut self.signals)? else {
                return Ok(None);
            };
            verify::check_end(&run, status, &Outcome::Stopped)?;
        }
        let Ok(status) = carry_out(place, &run, None, &mut self.signals)? else {
            return Ok(None);
        };
        let [first, second] = stops;
        let what = format!("stopped after steps {first} and {second} of {steps}");
        Ok(Some((what, outcomes(&run, status)?)))
    }

    /// A run of `steps` that is killed [`KILLS`] times and resumed, and what was done to it; none after a signal.
    fn killed(
        &mut self,
        place: &TemporaryRuns,
        experiment: &Experiment,
        steps: u64,
    ) -> anyhow::Result<Option<(String, Fingerprints)>> {
        let run = self.new_run(place, experiment)?;
        for kill in 1..=KILLS {
            let least = steps * kill / (KILLS + 1);
            if self.kill_after(place, &run, least)? == Flow::Interrupted {
                return Ok(None);
            }
        }
        let Ok(status) = carry_out(place, &run, None, &mut self.signals)? else {
            return Ok(None);
        };
        let what = format!("killed {KILLS} times while it trained and saved after every step");
        Ok(Some((what, outcomes(&run, status)?)))
    }

    /// Adds a run that broke as a failed check. As an error it would hide the checks before it from `--json`.
    fn broke(&mut self, name: &str, error: &anyhow::Error, took: Duration) -> anyhow::Result<()> {
        self.add(Check {
            name: name.to_owned(),
            case: String::new(),
            verdict: Verdict::Failed,
            text: text::line(&format!("{error:#}"), 500),
            value: None,
            seconds: took.as_secs_f64(),
        })
    }

    fn new_run(&self, place: &TemporaryRuns, experiment: &Experiment) -> anyhow::Result<RunDir> {
        place
            .new_run(&Launch {
                experiment,
                source: std::path::Path::new("self-test.yaml"),
                device: &self.arguments.device,
            })
            .map_err(Into::into)
    }

    /// Kills a worker (SIGKILL) once it has saved this many steps.
    fn kill_after(
        &mut self,
        place: &TemporaryRuns,
        run: &RunDir,
        least: u64,
    ) -> anyhow::Result<Flow> {
        let mut child = place.start(run, None)?;
        loop {
            if let Some(status) = child.try_wait()? {
                let what = format!("the worker ended by itself with {status} before it was killed");
                return Err(Failure::new(Kind::Worker, what).into());
            }
            let is_interrupted = self.signals.pending().next().is_some();
            let saved = run.state()?.checkpoint.map_or(0, |(_, saved)| saved.step);
            if is_interrupted || saved >= least {
                child.kill()?;
                child.wait()?;
                return Ok(if is_interrupted {
                    Flow::Interrupted
                } else {
                    Flow::Done
                });
            }
            std::thread::sleep(POLL);
        }
    }

    fn compare(
        &mut self,
        name: &str,
        what: &str,
        whole: &Fingerprints,
        parts: &Fingerprints,
        took: Duration,
    ) -> anyhow::Result<()> {
        let (verdict, text) = if whole.equals(parts) {
            (
                Verdict::Passed,
                format!("{what}: every bit is that of an unbroken run"),
            )
        } else {
            (
                Verdict::Failed,
                format!("{what}: the weights are not those of an unbroken run"),
            )
        };
        self.add(Check {
            name: name.to_owned(),
            case: String::new(),
            verdict,
            text,
            value: None,
            seconds: took.as_secs_f64(),
        })
    }

    fn is_wanted(&self, name: &str) -> bool {
        let only = &self.arguments.only;
        only.is_empty() || only.iter().any(|part| name.contains(part.as_str()))
    }

    /// The names on the command line that no check has.
    fn unknown(&self) -> Vec<&str> {
        let has = |part: &str| self.checks.iter().any(|check| check.name.contains(part));
        let names = self.arguments.only.iter().map(String::as_str);
        names.filter(|part| !has(part)).collect()
    }

    fn add(&mut self, check: Check) -> anyhow::Result<()> {
        if !self.context.json {
            output::answer(&line(&check))?;
        }
        self.checks.push(check);
        Ok(())
    }

    fn conclude(&self) -> anyhow::Result<Exit> {
        let count = |verdict| {
            self.checks
                .iter()
                .filter(|check| check.verdict == verdict)
                .count()
        };
        let (passed, failed) = (count(Verdict::Passed), count(Verdict::Failed));
        if self.checks.is_empty() && self.arguments.only.is_empty() {
            return Err(Failure::new(Kind::Worker, "the self-test's worker made no check").into());
        }
        // After a failure, the checks behind it may be missing.
        let unknown = if failed == 0 {
            self.unknown()
        } else {
            Vec::new()
        };
        if self.context.json && !self.checks.is_empty() {
            let all_passed = failed == 0 && unknown.is_empty();
            output::answer_json(&json!({ "passed": all_passed, "checks": self.checks }))?;
        } else if !self.checks.is_empty() {
            output::answer(&format!("{passed} passed, {failed} failed\n"))?;
        }
        if !unknown.is_empty() {
            let what = format!("no check is called {}", unknown.join(" or "));
            return Err(Failure::new(Kind::NotFound, text::line(&what, 200))
                .help("`warmstart selftest` without a name runs all")
                .into());
        }
        Ok(if failed == 0 {
            Exit::Done
        } else {
            Exit::RunFailed
        })
    }
}

fn outcomes(run: &RunDir, status: ExitStatus) -> anyhow::Result<Fingerprints> {
    verify::fingerprints(run, &verify::check_end(run, status, &FINISHED)?)
}

fn line(check: &Check) -> String {
    let verdict = match check.verdict {
        Verdict::Passed => "passed ",
        Verdict::Failed => "FAILED ",
        Verdict::Skipped => "skipped",
        Verdict::Measured => "       ",
    };
    let subject = [check.name.as_str(), check.case.as_str()].join(" ");
    format!(
        "{verdict}  {:<44}  {:>6.1} s  {}\n",
        subject.trim_end(),
        check.seconds,
        check.text
    )
}
