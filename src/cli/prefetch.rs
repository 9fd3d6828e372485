//! `warmstart prefetch`

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use signal_hook::iterator::Signals;
use warmstart_schema::architecture::{Backbone, UnknownWeights};
use warmstart_schema::catalog::{DatasetName, Pretrained};
use warmstart_schema::event::Fetch;
use warmstart_schema::experiment::{Experiment, Problem};
use warmstart_schema::prefetch::{Fetched, Refused, Report};
use warmstart_schema::text;

use super::output::Problems;
use super::progress::{Tenths, fetched, sizes};
use super::{Context, Exit, experiment, follow, output};
use warmstart_runs::store::{ExperimentFile, experiments};
use warmstart_runs::worker::{Response, Stream, Worker};

const ENVIRONMENT: &str = "\
Environment:
  WARMSTART_DATA             folder of datasets [default: ~/.cache/warmstart/datasets]
  WARMSTART_MIRROR           as --mirror
  HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN
                             for weights, as in Hugging Face's own tools
  HF_HUB_OFFLINE=1           download nothing
  HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE";
const POLL: Duration = Duration::from_millis(100);

/// Download datasets and pretrained weights ahead of the runs that need them
///
/// Without a name: what all experiments of the folder need. A run downloads what it lacks; this is for machines whose
/// computing nodes have no network, and to find problems early. An interrupted download continues where it stopped.
#[derive(Debug, Args)]
#[command(after_help = ENVIRONMENT)]
pub(super) struct Arguments {
    /// Files or names of experiments
    #[arg(value_name = "EXPERIMENT")]
    names: Vec<String>,
    /// A dataset: cifar100 or cifar10
    #[arg(long, value_name = "NAME", value_parser = dataset)]
    dataset: Vec<DatasetName>,
    /// The pretrained weights of a backbone: `resnet50`, or with a tag `resnet50.tv_in1k`
    #[arg(long, value_name = "NAME", value_parser = weights)]
    backbone: Vec<&'static str>,
    /// Address of the folder that has the datasets' archives, instead of their publisher's
    #[arg(
        long,
        value_name = "URL",
        env = "WARMSTART_MIRROR",
        hide_env_values = true
    )]
    mirror: Option<String>,
}

/// The result for one item.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Here(Fetched),
    Refused(Refused),
}

pub(super) fn prefetch(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let items = items(context, arguments)?;
    if items.is_empty() {
        output::note(context, "nothing of this has to be downloaded");
        conclude(context, &[])?;
        return Ok(Exit::Done);
    }
    let mut signals = follow::listen()?;
    let worker = Worker::find()?;
    let mut command = worker.command([OsStr::new("prefetch")]);
    if let Some(mirror) = &arguments.mirror {
        command.env("WARMSTART_MIRROR", mirror);
    }
    // In a separate process group, so that Ctrl-C reaches it once, through this program.
    command.args(&items).stdin(Stdio::null()).process_group(0);
    let (sender, reports) = channel();
    let stream = worker.stream(&mut command, move |report| sender.send(report).is_ok())?;
    let outcomes = listen(context, &stream, &reports, &mut signals);
    let status = stream.wait().context("waiting for the worker")?;
    conclude(context, &outcomes)?;
    let is_here = |outcome: &&Outcome| matches!(outcome, Outcome::Here(_));
    let here = outcomes.iter().filter(is_here).count();
    // A worker of another version may end well, with reports that are unknown here.
    Ok(if status.success() && here == items.len() {
        Exit::Done
    } else if status.code() == Some(130) {
        output::note(context, "stopped; run the same command again to continue");
        Exit::Interrupted
    } else if status.code() == Some(1) {
        Exit::RunFailed
    } else {
        let all = items.len();
        let what = format!("the worker exited with {status} when {here} of {all} were here");
        output::error(context, &what);
        output::help(context, "run `warmstart doctor` for details");
        Exit::Worker
    })
}

/// The names of all items to fetch, each once.
fn items(context: &Context, arguments: &Arguments) -> anyhow::Result<Vec<String>> {
    let has_wish = !arguments.dataset.is_empty() || !arguments.backbone.is_empty();
    let files: Vec<ExperimentFile> = if arguments.names.is_empty() && !has_wish {
        experiments(&context.experiments)?
    } else {
        arguments
            .names
            .iter()
            .map(|name| experiment::named(context, name, &[]))
            .collect::<anyhow::Result<_>>()?
    };
    let problems: Vec<Problem> = files
        .iter()
        .filter_map(|file| file.loaded.as_ref().err())
        .flatten()
        .cloned()
        .collect();
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let mut items: Vec<String> = Vec::new();
    let wanted = files
        .iter()
        .flat_map(ExperimentFile::of_runs)
        .flat_map(needs);
    let named = arguments.dataset.iter().map(|name| name.as_str());
    let named = named.chain(arguments.backbone.iter().copied());
    for item in wanted.chain(named) {
        if !items.iter().any(|known| known == item) {
            items.push(item.to_owned());
        }
    }
    Ok(items)
}

/// The downloads that an experiment needs.
fn needs(experiment: &Experiment) -> impl Iterator<Item = &'static str> {
    let dataset = &experiment.dataset;
    let name = dataset.name();
    let data = (dataset.path().is_none() && name.archive().is_some()).then(|| name.as_str());
    let backbone = experiment.model.backbone;
    let weights = experiment.published().map(|own| item(backbone, own));
    data.into_iter().chain(weights)
}

/// What the worker calls published weights: by the backbone alone, or with a tag if they are not its default ones.
fn item(backbone: Backbone, weights: Pretrained) -> &'static str {
    if weights == Pretrained::of(backbone) {
        backbone.as_str()
    } else {
        weights.name()
    }
}

/// Shows what the worker reports until it exits, and passes signals on.
fn listen(
    context: &Context,
    stream: &Stream,
    reports: &Receiver<Response<Report>>,
    signals: &mut Signals,
) -> Vec<Outcome> {
    let (mut show, mut outcomes) = (Show::new(context), Vec::new());
    loop {
        for _ in signals.pending() {
            stream.interrupt();
        }
        match reports.recv_timeout(POLL) {
            Ok(Response::Answer(report)) => match report {
                Report::Progress(fetch) => show.progress(&fetch),
                Report::Note { text: said } => show.line(&text::line(&said, 300)),
                Report::Done(fetched) => outcomes.push(Outcome::Here(fetched)),
                Report::Failed(refused) => outcomes.push(Outcome::Refused(refused)),
            },
            Err(RecvTimeoutError::Timeout) => {}
            // The exit status says why.
            Ok(Response::Ended(_)) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    show.finish();
    outcomes
}

/// Progress as a bar on a terminal, as lines elsewhere, or not at all.
struct Show<'a> {
    context: &'a Context,
    bar: Option<ProgressBar>,
    tenths: Tenths,
}

impl<'a> Show<'a> {
    fn new(context: &'a Context) -> Self {
        let bar = (!context.quiet && output::is_interactive()).then(|| {
            let bar = if context.color {
                "{bar:24.cyan/dim}"
            } else {
                "{bar:24}"
            };
            let style = ProgressStyle::with_template(&format!(
                "{{prefix}} {bar} {{percent:>3}} %  {{msg}}  {{eta}} left"
            ));
            let style = style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─");
            ProgressBar::new(1).with_style(style)
        });
        Self {
            context,
            bar,
            tenths: Tenths::default(),
        }
    }

    fn progress(&mut self, fetch: &Fetch) {
        if let Some(bar) = &self.bar {
            let what = text::line(&fetched(fetch), 40);
            if bar.prefix() != what {
                bar.set_prefix(what);
                // Bytes from earlier downloads do not count for the speed.
                bar.set_position(fetch.done);
                bar.reset_eta();
            }
            bar.set_length(fetch.total);
            bar.set_position(fetch.done);
            bar.set_message(sizes(fetch));
        } else if let Some(line) = self.tenths.next("", fetch) {
            output::note(self.context, &line);
        }
    }

    fn line(&self, said: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(self.context, said)),
            None => output::note(self.context, said),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn conclude(context: &Context, outcomes: &[Outcome]) -> anyhow::Result<()> {
    if context.json {
        output::answer_json(&outcomes)?;
    }
    for outcome in outcomes {
        match outcome {
            Outcome::Here(_) if context.json => {}
            Outcome::Here(Fetched {
                item,
                path,
                fetched,
            }) => {
                let how = if *fetched { "downloaded" } else { "was here" };
                output::answer(&format!("{item}: {how}: {}\n", text::line(path, 300)))?;
            }
            Outcome::Refused(Refused { error, help, .. }) => {
                output::error(context, &text::line(error, 2000));
                output::help(context, &text::line(help, 1000));
            }
        }
    }
    Ok(())
}

fn dataset(name: &str) -> Result<DatasetName, String> {
    let can_be_fetched = |dataset: &DatasetName| dataset.archive().is_some();
    let mut known = DatasetName::ALL.into_iter().filter(can_be_fetched);
    known
        .find(|dataset| dataset.as_str() == name)
        .ok_or_else(|| "expected cifar100 or cifar10".to_owned())
}

fn weights(name: &str) -> Result<&'static str, UnknownWeights> {
    Pretrained::named(name).map(|(backbone, weights)| item(backbone, weights))
}
