//! Downloads what runs need: within a run before it loads anything, and ahead of runs for `warmstart prefetch`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::catalog::{DatasetName, Pretrained};
use warmstart_schema::event::{Event, Fetch, FetchAction, Level, Phase};
use warmstart_schema::experiment::Experiment;
use warmstart_schema::prefetch::{Fetched, Refused, Report};

use crate::failure::UserError;
use crate::fetch::{Fetcher, Progress, Sources, Stopped};
use crate::interrupt::{Flow, Interrupt};
use crate::reporter::Reporter;
use crate::{data, initial, weights};

/// The least time between two progress events.
const PROGRESS_EVERY: Duration = Duration::from_millis(300);

/// When progress is due: at the beginning and end of each download, and now and then between.
#[derive(Debug, Default)]
struct Pace {
    last: Option<(FetchAction, String, Instant)>,
}

impl Pace {
    fn is_due(&mut self, action: FetchAction, what: &str, done: u64, total: u64) -> bool {
        let is_new = self.last.as_ref().is_none_or(|(before, last, at)| {
            (*before, last.as_str()) != (action, what) || at.elapsed() >= PROGRESS_EVERY
        });
        if is_new || done == total {
            self.last = Some((action, what.to_owned(), Instant::now()));
        }
        is_new || done == total
    }
}

/// Downloads what a run lacks; a resumed run has its own weights.
pub fn for_run(
    experiment: &Experiment,
    has_weights: bool,
    reporter: &mut Reporter,
    interrupt: &Interrupt,
) -> Result<Flow> {
    let (places, sources) = (SearchPaths::from_env(), Sources::from_env());
    let mut progress = RunProgress {
        reporter,
        interrupt,
        is_fetching: false,
        pace: Pace::default(),
    };
    let mut fetcher = Fetcher {
        places: &places,
        sources: &sources,
        progress: &mut progress,
    };
    let needed = experiment.published().filter(|_| !has_weights);
    let mut bring = || {
        fetcher.dataset(experiment.dataset.name(), experiment.dataset.path())?;
        if let Some(pretrained) = &needed {
            let backbone = experiment.model.backbone;
            let verify = |path: &std::path::Path| weights::check_pretrained(path, backbone);
            fetcher.weights(pretrained, &verify)?;
        }
        anyhow::Ok(())
    };
    match bring() {
        Err(error) if error.is::<Stopped>() => Ok(Flow::Interrupted),
        other => other.map(|()| Flow::Done),
    }
}

/// Reports as events of a run.
struct RunProgress<'a> {
    reporter: &'a mut Reporter,
    interrupt: &'a Interrupt,
    is_fetching: bool,
    pace: Pace,
}

impl RunProgress<'_> {
    /// Logs the phase with the first download, so that a run that lacks nothing has no such phase.
    fn start(&mut self) {
        if !std::mem::replace(&mut self.is_fetching, true) {
            self.reporter.phase(Phase::Fetching);
        }
    }
}

impl Progress for RunProgress<'_> {
    fn progress(&mut self, action: FetchAction, what: &str, done: u64, total: u64) {
        self.start();
        if self.pace.is_due(action, what, done, total) {
            self.reporter.emit(&Event::Fetch(Fetch {
                what: what.to_owned(),
                done,
                total,
                action,
            }));
        }
    }

    fn note(&mut self, text: &str) {
        self.start();
        self.reporter.note(Level::Info, text);
    }

    fn is_stopped(&self) -> bool {
        self.interrupt.is_requested()
    }
}

/// `warmstart-worker prefetch`: downloads datasets, and weights by [`Pretrained::named`], and reports as JSON.
pub fn run(names: &[&str]) -> ExitCode {
    let interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            crate::worker_log::line(&format!("signals cannot be received: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let (places, sources) = (SearchPaths::from_env(), Sources::from_env());
    let mut progress = LineProgress {
        interrupt,
        pace: Pace::default(),
    };
    let mut is_good = true;
    for name in names {
        let had = bring(
            name,
            &mut Fetcher {
                places: &places,
                sources: &sources,
                progress: &mut progress,
            },
        );
        let item = (*name).to_owned();
        match had {
            Ok((path, fetched)) => {
                progress.say(&Report::Done(Fetched {
                    item,
                    path: path.display().to_string(),
                    fetched,
                }));
            }
            Err(error) if error.is::<Stopped>() => return ExitCode::from(130),
            Err(error) => {
                is_good = false;
                let UserError { error, help, .. } = UserError::of(&error);
                progress.say(&Report::Failed(Refused { item, error, help }));
            }
        }
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Downloads one item: its path, and whether it was downloaded just now.
fn bring(name: &str, fetcher: &mut Fetcher) -> Result<(PathBuf, bool)> {
    let places = fetcher.places;
    if let Some(dataset) = DatasetName::ALL
        .into_iter()
        .find(|dataset| dataset.as_str() == name)
    {
        let before = places.find_dataset(dataset, None);
        if dataset.archive().is_none() {
            return Ok((PathBuf::from("built in"), false));
        }
        let path = fetcher.dataset(dataset, None)?;
        let looked = before.as_ref().err().map_or(&[][..], Vec::as_slice);
        return Ok((
            path.ok_or_else(|| data::missing(dataset, None, looked, places))?,
            before.is_err(),
        ));
    }
    let (backbone, pretrained) = Pretrained::named(name).map_err(|_| {
        UserError::input(
            format!("nothing that can be downloaded is called `{name}`"),
            "name a dataset or a backbone",
        )
    })?;
    let before = places.find_weights(&pretrained);
    let path = fetcher.weights(&pretrained, &|path| {
        weights::check_pretrained(path, backbone)
    })?;
    let looked = before.as_ref().err().map_or(&[][..], Vec::as_slice);
    Ok((
        path.ok_or_else(|| initial::missing(&pretrained, looked, places))?,
        before.is_err(),
    ))
}

/// Reports as lines on stdout.
struct LineProgress {
    interrupt: Interrupt,
    pace: Pace,
}

impl LineProgress {
    /// Writes a line. Stops if the reader is gone.
    fn say(&self, report: &Report) {
        let line = serde_json::to_string(report).unwrap_or_default();
        if writeln!(std::io::stdout(), "{line}").is_err() {
            self.interrupt.request();
        }
    }
}

impl Progress for LineProgress {
    fn progress(&mut self, action: FetchAction, what: &str, done: u64, total: u64) {
        if self.pace.is_due(action, what, done, total) {
            self.say(&Report::Progress(Fetch {
                what: what.to_owned(),
                done,
                total,
                action,
            }));
        }
    }

    fn note(&mut self, text: &str) {
        self.say(&Report::Note {
            text: text.to_owned(),
        });
    }

    fn is_stopped(&self) -> bool {
        self.interrupt.is_requested()
    }
}
