//! `warmstart look`

use std::hash::{BuildHasher, RandomState};
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, channel};

use clap::{Args, ValueEnum};
use warmstart_schema::look::{Answer, Ask, Facts, Label, Picture, Split, Wanted};
use warmstart_schema::seed::SplitMix64;
use warmstart_schema::text;

use super::output::Problems;
use super::{Context, Exit, experiment, output};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::worker::{DatasetResponse, DatasetViewer, refused};

/// Show a picture of an experiment's dataset with its labels
///
/// On a terminal the picture is drawn. Nothing is downloaded: a dataset that is not on this machine is named.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File or name of an experiment
    experiment: String,
    /// Number of the picture, as its publisher counts; at random when left out
    #[arg(value_name = "NUMBER")]
    number: Option<u32>,
    /// Pick one at random
    #[arg(long, conflicts_with = "number")]
    random: bool,
    /// The part to pick it from; a number is also looked for in the part that was split off
    #[arg(long, value_name = "PART", default_value = "train")]
    part: PartName,
    /// As training sees it in this epoch, augmented; only for a training image
    #[arg(long, value_name = "EPOCH", value_parser = clap::value_parser!(u32).range(1..))]
    epoch: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    Train,
    Validation,
    Test,
}

impl From<PartName> for Split {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Train => Self::Train,
            PartName::Validation => Self::Validation,
            PartName::Test => Self::Test,
        }
    }
}

pub(super) fn look(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let file = experiment::named(context, &arguments.experiment, &[])?;
    if let Err(problems) = file.loaded {
        return Err(Problems(problems).into());
    }
    let (heard, answers) = channel();
    let viewer = DatasetViewer::start(&file.path, move |news| heard.send(news).is_ok())?;
    let mut source = DatasetSource { viewer, answers };
    let Answer::Opened(facts) = source.next()? else {
        return Err(unexpected().into());
    };
    let (part, position) = source.pick(&facts, arguments)?;
    if part != Split::Train && arguments.epoch.is_some() {
        let text = format!(
            "--epoch is left out: training sees no {} image",
            part.adjective()
        );
        output::note(context, &text);
    }
    let wanted = vec![Wanted {
        position,
        epoch: arguments.epoch.filter(|_| part == Split::Train),
    }];
    let Answer::Pictures { pictures, .. } = source.ask(&Ask::Pictures { part, wanted })? else {
        return Err(unexpected().into());
    };
    let mut picture = pictures.into_iter().next().ok_or_else(unexpected)?;
    if context.json {
        for label in [&mut picture.fine, &mut picture.coarse]
            .into_iter()
            .flatten()
        {
            label.name = label
                .exact
                .take()
                .unwrap_or_else(|| std::mem::take(&mut label.name));
        }
        output::answer_json(&serde_json::json!({ "part": part, "picture": picture }))?;
    } else {
        let has_color = output::use_color(context.color_choice, &std::io::stdout());
        output::answer(&shown(has_color, &facts, part, &picture))?;
    }
    if let Some(error) = &picture.error {
        output::error(context, error);
        return Ok(Exit::Input);
    }
    Ok(Exit::Done)
}

/// The worker and its responses.
struct DatasetSource {
    viewer: DatasetViewer,
    answers: Receiver<DatasetResponse>,
}

impl DatasetSource {
    fn next(&self) -> Result<Answer, Failure> {
        match self.answers.recv() {
            Ok(DatasetResponse::Answer(Answer::Refused { error, help: next })) => {
                Err(refused(Kind::Input, &error, &next))
            }
            Ok(DatasetResponse::Answer(Answer::NotThere { error })) => {
                Err(Failure::new(Kind::Input, text::line(&error, 500)))
            }
            Ok(DatasetResponse::Answer(answer)) => Ok(answer),
            Ok(DatasetResponse::Ended(failure)) => Err(failure),
            Err(_) => Err(unexpected()),
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Answer, Failure> {
        // The next response says why the request failed.
        let _ = self.viewer.ask(ask);
        self.next()
    }

    fn pick(&mut self, facts: &Facts, arguments: &Arguments) -> Result<(Split, u32), Failure> {
        let part = arguments.part.into();
        let Some(number) = arguments.number else {
            let images = facts.part(part).images;
            if images == 0 {
                let what = format!("{} has no {} images", facts.dataset, part.adjective());
                return Err(Failure::new(Kind::Input, what).help("name another --part"));
            }
            let seed = RandomState::new().hash_one(0);
            let position = SplitMix64::new(seed).below(u64::from(images));
            return Ok((part, u32::try_from(position).unwrap_or(0)));
        };
        match self.ask(&Ask::Number { part, number })? {
            Answer::Found { part, position } => Ok((part, position)),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> Failure {
    Failure::new(Kind::Worker, "the worker answered another question")
        .help("run `warmstart doctor`: the worker may be of another version")
}

/// The picture, if stdout is a terminal, and its labels.
fn shown(has_color: bool, facts: &Facts, part: Split, picture: &Picture) -> String {
    let drawn = picture
        .pixels
        .as_ref()
        .filter(|_| std::io::stdout().is_terminal());
    let drawn = drawn
        .map(|pixels| warmstart_tui::printed(pixels, has_color))
        .unwrap_or_default();
    let seen = picture
        .wanted
        .epoch
        .map(|epoch| format!(", as epoch {epoch} sees it"))
        .unwrap_or_default();
    let labels: Vec<String> = picture
        .labels()
        .map(|(kind, Label { number, name, .. })| format!("{kind} {number} {name}\n"))
        .collect();
    let labels = labels.concat();
    let file = picture
        .file
        .as_ref()
        .map(|file| format!("{file}\n"))
        .unwrap_or_default();
    format!(
        "{drawn}image number {} of {}, a {} image{seen}\n{labels}{file}",
        picture.number,
        facts.dataset,
        part.adjective(),
    )
}
