//! Looking at a dataset as an experiment uses it: its parts, its pictures with their labels, and what training sees of them.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tch::{Device, Kind, Tensor};
use warmstart_runs::pictures::Sets;
use warmstart_runs::run::RunDir;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment::{self, ClassWeights, Experiment, SplitRule};
use warmstart_schema::look::{
    Answer, Ask, Facts, Label, MOST_PICTURES, MOST_SIDE, Picture, Pixels, Split, SplitFacts, Wanted,
};
use warmstart_schema::policy;
use warmstart_schema::preparation::Preparation;
use warmstart_schema::seed::{derive, epoch_order};
use warmstart_schema::text;

use crate::augment::augment_alone;
use crate::data::{self, Input, Splits, prepared_splits};
use crate::failure::UserError;
use crate::initial;
use crate::train::{classes, place_in_run, view_in_epoch};

/// Says what the dataset of the experiment in `file` holds, then answers questions until there are no more.
pub fn serve(file: &Path, questions: impl BufRead, mut answers: impl Write) -> Result<()> {
    let mut say = |answer: &Answer| -> Result<()> {
        let line = serde_json::to_string(answer)? + "\n";
        answers
            .write_all(line.as_bytes())
            .and_then(|()| answers.flush())
            .context("answering")
    };
    // The file in the run's folder is that of the launch.
    let is_runs = file.with_file_name("run.json").is_file();
    let loaded = if is_runs {
        experiment::load_frozen(file)
    } else {
        experiment::load(file, &[])
    };
    let experiment = loaded.map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        UserError::input(
            texts.join("\n"),
            "`warmstart check` shows what is wrong with it",
        )
    });
    let known = is_runs.then(|| file.parent().map(RunDir::new)).flatten();
    let known = known.and_then(|run| run.pictures().ok().flatten());
    let mut dataset =
        match experiment.and_then(|experiment| DatasetSource::open(experiment, known.as_ref())) {
            Ok(dataset) => dataset,
            Err(error) => {
                let UserError { error, help, .. } = UserError::of(&error);
                return say(&Answer::Refused { error, help });
            }
        };
    say(&Answer::Opened(dataset.facts()))?;
    for question in questions.lines() {
        let question = question.context("reading a question")?;
        let answer = serde_json::from_str(&question).context("the question is not understood");
        say(&answer
            .and_then(|ask| dataset.answer(&ask))
            .unwrap_or_else(|error| Answer::NotThere {
                error: text::line(&format!("{error:#}"), 300),
            }))?;
    }
    Ok(())
}

/// A dataset in its parts, on the CPU.
#[derive(Debug)]
pub struct DatasetSource {
    experiment: Experiment,
    splits: Splits,
    /// How many pictures of each part a run uses. Behind them come unreadable ones, so that a viewer shows why each is left out.
    used: [usize; 3],
    notes: Vec<String>,
    /// Why images could not be read; sources report it only once.
    unreadable: BTreeMap<(Split, u32), String>,
}

/// The longest wait for images before the viewer opens.
const PATIENCE: Duration = Duration::from_secs(3);

impl DatasetSource {
    /// Reads the dataset of an experiment. Downloads nothing: a missing dataset is an error.
    /// Reads its images once, if that is fast, so that the counts hold only readable ones.
    pub fn open(experiment: Experiment, known: Option<&Sets>) -> Result<Self> {
        let preparation = initial::preparation(&experiment, &SearchPaths::from_env());
        let (dataset, started) = (Self::listed(experiment, &preparation)?, Instant::now());
        let Some(folder) = &dataset.splits.folder else {
            return Ok(dataset);
        };
        let is_by_name = folder.rule == SplitRule::ByName;
        let Self {
            experiment, splits, ..
        } = dataset;
        let Some(mut splits) = data::inspect(splits, known, |_, _| started.elapsed() < PATIENCE)?
        else {
            let mut dataset = Self::listed(experiment, &preparation)?;
            dataset.notes.push(
                "pictures are counted by their names: reading all takes longer, `warmstart check` does".to_owned(),
            );
            return Ok(dataset);
        };
        let notes = data::verdict(&experiment, &splits)
            .into_iter()
            .map(|finding| finding.text)
            .collect();
        let used = [&splits.train, &splits.validation, &splits.test].map(|part| part.members.len());
        if let Some(folder) = splits.folder.as_ref().filter(|_| is_by_name) {
            let left_out = |part: Split| {
                folder
                    .inspected(part)
                    .unreadable
                    .iter()
                    .map(|one| one.member)
            };
            splits.train.members.extend(left_out(Split::Train));
            splits
                .validation
                .members
                .extend(left_out(Split::Validation));
            splits.test.members.extend(left_out(Split::Test));
        }
        Ok(Self {
            experiment,
            splits,
            used,
            notes,
            unreadable: BTreeMap::new(),
        })
    }

    /// Lists the dataset of an experiment and reads no image, so unreadable ones count too. `preparation` is how images are preprocessed.
    pub fn listed(mut experiment: Experiment, preparation: &Preparation) -> Result<Self> {
        // Here a picture that cannot be read hides no other.
        if let Some(folder) = experiment.dataset.folder_mut() {
            folder.strict = false;
        }
        let splits = prepared_splits(
            &experiment,
            preparation,
            &SearchPaths::from_env(),
            Device::Cpu,
        )?;
        let used = [&splits.train, &splits.validation, &splits.test].map(|part| part.members.len());
        Ok(Self {
            experiment,
            splits,
            used,
            notes: Vec::new(),
            unreadable: BTreeMap::new(),
        })
    }

    /// What there is to see.
    pub fn facts(&self) -> Facts {
        let learnt = &self.splits.labels;
        let weights = self
            .experiment
            .train
            .class_weights
            .map(|ClassWeights::Balanced| policy::balanced_weights(&learnt.train_images));
        Facts {
            dataset: self.experiment.dataset.name().as_str().to_owned(),
            labels: self.experiment.dataset.labels(),
            classes: learnt.shown(),
            train: self.part_facts(Split::Train),
            validation: self.part_facts(Split::Validation),
            test: self.part_facts(Split::Test),
            augment: Box::new(self.experiment.augment.clone()),
            notes: self.notes.clone(),
            class_weights: weights,
            sampler: self.experiment.train.sampler,
        }
    }

    fn part_facts(&self, part: Split) -> SplitFacts {
        let data::Subset { source, members } = self.part(part);
        let mut by_class = vec![0; self.splits.labels.names.len()];
        let classes = members
            .iter()
            .take(self.used[part as usize])
            .filter_map(|&member| {
                source
                    .described(member)
                    .label(self.experiment.dataset.labels())
            });
        classes.for_each(|class| by_class[class as usize] += 1);
        SplitFacts {
            images: u32::try_from(members.len()).unwrap_or(u32::MAX),
            by_class,
        }
    }

    fn part(&self, part: Split) -> &data::Subset {
        match part {
            Split::Train => &self.splits.train,
            Split::Validation => &self.splits.validation,
            Split::Test => &self.splits.test,
        }
    }

    fn answer(&mut self, ask: &Ask) -> Result<Answer> {
        match *ask {
            Ask::Pictures { part, ref wanted } => Ok(Answer::Pictures {
                part,
                pictures: self.pictures(part, wanted)?,
            }),
            Ask::Number { part, number } => {
                let (part, position) = self.find(part, number)?;
                Ok(Answer::Found { part, position })
            }
        }
    }

    /// Where the picture of a number is: in the part, or in another one of the same source.
    pub fn find(&self, part: Split, number: u32) -> Result<(Split, u32)> {
        let source = &self.part(part).source;
        let others = Split::ALL.into_iter().filter(|other| *other != part);
        let related = others.filter(|other| Rc::ptr_eq(&self.part(*other).source, source));
        for part in std::iter::once(part).chain(related.clone()) {
            if let Some(position) = self
                .part(part)
                .members
                .iter()
                .position(|&member| member == number)
            {
                return Ok((part, u32::try_from(position)?));
            }
        }
        let splits: Vec<Split> = std::iter::once(part).chain(related).collect();
        let last = splits
            .iter()
            .filter_map(|part| self.part(*part).members.iter().max())
            .max();
        let names: Vec<&str> = splits.iter().map(|part| part.adjective()).collect();
        match last {
            Some(last) if *last < number => {
                // A published dataset is cut at the limit, so nobody knows here what comes after it.
                let kept = match self.experiment.dataset.limit {
                    Some(_) => " among those that dataset.limit keeps",
                    None => "",
                };
                bail!(
                    "there is no {} image {number}{kept}; the last one is {last}",
                    names.join(" or ")
                )
            }
            Some(_) => bail!("image {number} is left out by dataset.limit"),
            None => bail!("there are no {} images", part.adjective()),
        }
    }

    /// The pictures wanted, in that order; one that cannot be read says why.
    pub fn pictures(&mut self, part: Split, wanted: &[Wanted]) -> Result<Vec<Picture>> {
        ensure!(
            wanted.len() <= MOST_PICTURES,
            "expected {MOST_PICTURES} pictures at most, found {}",
            wanted.len()
        );
        let images = self.images(part, wanted)?;
        let mut latest = None;
        wanted
            .iter()
            .map(|&wanted| self.picture(part, wanted, &images, &mut latest))
            .collect()
    }

    /// The images `[1, 3, H, W]` in 0..1 at some positions, by their numbers, without those that cannot be read.
    fn images(&mut self, part: Split, wanted: &[Wanted]) -> Result<BTreeMap<u32, Tensor>> {
        let members = &self.part(part).members;
        let mut order = Vec::with_capacity(wanted.len());
        for Wanted { position, .. } in wanted {
            let member = members.get(*position as usize).copied();
            let found = || {
                format!(
                    "expected a position below {}, found {position}",
                    members.len()
                )
            };
            order.push(member.with_context(found)?);
        }
        order.sort_unstable();
        order.dedup();
        let mut images = BTreeMap::new();
        if order.is_empty() {
            return Ok(images);
        }
        let source = Rc::clone(&self.part(part).source);
        for batch in source.batches(&order, order.len())? {
            let batch = batch?;
            let Input::Images(tensor) = batch.input else {
                bail!("expected pictures, found features")
            };
            for (row, member) in (0..).zip(batch.members) {
                images.insert(member, tensor.f_narrow(0, row, 1)?);
            }
        }
        let mut reasons = source.unreadable().into_iter();
        for member in order
            .into_iter()
            .filter(|member| !images.contains_key(member))
        {
            self.unreadable
                .entry((part, member))
                .or_insert_with(|| reasons.next().unwrap_or_default());
        }
        Ok(images)
    }

    /// One image `[1, 3, H, W]` in 0..1.
    pub fn image(&mut self, part: Split, position: u32) -> Result<Tensor> {
        let mut images = self.images(
            part,
            &[Wanted {
                position,
                epoch: None,
            }],
        )?;
        let member = self.part(part).members[position as usize];
        let why = || {
            self.unreadable
                .get(&(part, member))
                .cloned()
                .unwrap_or_default()
        };
        images.remove(&member).with_context(why)
    }

    /// One of the pictures wanted. `latest` keeps the order of an epoch for the next picture.
    fn picture(
        &self,
        part: Split,
        wanted: Wanted,
        images: &BTreeMap<u32, Tensor>,
        latest: &mut Option<(u32, Vec<u32>)>,
    ) -> Result<Picture> {
        let data::Subset { source, members } = self.part(part);
        let number = members[wanted.position as usize];
        let about = source.described(number);
        let label = |class: Option<u32>, names: &[String]| {
            class.map(|number| {
                let name = names
                    .get(number as usize)
                    .cloned()
                    .unwrap_or_else(|| format!("class {number}"));
                let folder = self
                    .splits
                    .labels
                    .names
                    .get(number as usize)
                    .filter(|_| self.splits.folder.is_some());
                let exact = folder.unwrap_or(&name).clone();
                let shown = text::line(&name, 80);
                Label {
                    number,
                    exact: (exact != shown).then_some(exact),
                    name: shown,
                }
            })
        };
        let [fine, coarse] = &self.splits.names;
        let unreadable = || {
            self.unreadable
                .get(&(part, number))
                .cloned()
                .unwrap_or_default()
        };
        let pixels = match (images.get(&number), wanted.epoch) {
            (None, _) => Err(unreadable()),
            (Some(image), None) => Ok(pixels(image)?),
            (Some(image), Some(epoch)) => {
                match self.augmented(part, wanted.position, epoch, image, latest)? {
                    Some(image) => Ok(pixels(&image)?),
                    None if self.experiment.train.sampler.is_some() => Err(format!(
                        "train.sampler does not draw this image in epoch {epoch}"
                    )),
                    None => Err(format!(
                        "epoch {epoch} leaves this image out: alone it would be a batch"
                    )),
                }
            }
        };
        let (pixels, error) = match pixels {
            Ok(pixels) => (Some(pixels), None),
            Err(error) => (None, Some(error)),
        };
        let file = about
            .file
            .map(|path| text::line(&path.display().to_string(), 300));
        Ok(Picture {
            wanted,
            number,
            fine: label(about.fine, fine),
            coarse: label(about.coarse, coarse),
            file,
            pixels,
            error,
        })
    }

    /// The positions of the training images that an epoch visits, in order. Epochs count from 1, positions from 0.
    fn order(&self, epoch: u32) -> Result<Vec<u32>> {
        let data::Subset { source, members } = self.part(Split::Train);
        let used = &members[..self.used[Split::Train as usize].min(members.len())];
        let (seed, epoch) = (self.experiment.seed, u64::from(epoch));
        let Some(sampler) = self.experiment.train.sampler else {
            return Ok(epoch_order(seed, epoch, used.len()));
        };
        let classes = classes(&**source, used, self.experiment.dataset.labels())?;
        Ok(sampler.order(seed, epoch, &classes))
    }

    /// What training sees of an image in an epoch, from 1; `None` where it sees nothing of it.
    fn augmented(
        &self,
        part: Split,
        position: u32,
        epoch: u32,
        image: &Tensor,
        latest: &mut Option<(u32, Vec<u32>)>,
    ) -> Result<Option<Tensor>> {
        ensure!(part == Split::Train, "only training images are augmented");
        ensure!(epoch > 0, "epochs are counted from 1");
        let Experiment {
            seed,
            augment,
            train,
            ..
        } = &self.experiment;
        // The order goes through the whole training set, so the pictures of a screen share it.
        let order = match latest.take() {
            Some((known, order)) if known == epoch => order,
            _ => self.order(epoch)?,
        };
        let place = place_in_run(&self.experiment, epoch, position, &order);
        *latest = Some((epoch, order));
        // Kept views are drawn in the order of the images, and before the first epoch.
        let (number, place) = match self.experiment.train.cache_views {
            Some(views) => {
                let (position, size) = (position as usize, train.batch_size as usize);
                let first = ((position / size) as u64, position % size);
                (view_in_epoch(views, epoch), place.map(|_| first))
            }
            None => (epoch, place),
        };
        let seen = |(batch, row)| {
            augment_alone(
                image,
                augment,
                |stream| derive(*seed, stream, u64::from(number), batch),
                row,
            )
        };
        place.map(seen).transpose()
    }
}

/// An image `[1, 3, H, W]` in 0..1 as bytes, made smaller where it is too large to be sent.
pub fn pixels(image: &Tensor) -> Result<Pixels> {
    let (_, _, height, width) = image.size4()?;
    let side = height.min(width).min(i64::from(MOST_SIDE));
    let image = if (height, width) == (side, side) {
        image.shallow_clone()
    } else {
        image.f_adaptive_avg_pool2d([side, side])?
    };
    let bytes = image
        .f_mul_scalar(255.0)?
        .f_round()?
        .f_clamp(0.0, 255.0)?
        .f_to_kind(Kind::Uint8)?;
    let bytes = bytes
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_view([-1])?;
    Pixels::new(u32::try_from(side)?, Vec::<u8>::try_from(bytes)?)
        .context("an image without pixels")
}
