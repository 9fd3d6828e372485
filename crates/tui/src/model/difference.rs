//! Two experiments side by side, with every default filled in.

use std::borrow::Cow;

use super::Model;
use super::palette::Target;
use warmstart_report::compare::{config_differing, config_fields, config_value};

/// The state of the popup.
#[derive(Debug)]
pub(crate) struct Difference {
    pub titles: [String; 2],
    rows: Vec<DifferenceRow>,
    /// Whether to show equal fields too.
    pub all: bool,
    /// Rows scrolled out at the top.
    pub down: usize,
}

/// A field of both experiments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DifferenceRow {
    pub path: String,
    /// `None` if the experiment does not have the field.
    pub values: [Option<String>; 2],
}

impl DifferenceRow {
    pub(crate) fn differs(&self) -> bool {
        self.values[0] != self.values[1]
    }
}

impl Difference {
    fn new(titles: [String; 2], sides: [&[(String, String)]; 2]) -> Self {
        let differing = config_differing(&sides);
        let mut paths: Vec<&str> = sides[0].iter().map(|(path, _)| path.as_str()).collect();
        // A field that only the second experiment has.
        for (path, _) in sides[1]
            .iter()
            .filter(|(path, _)| config_value(sides[0], path).is_none())
        {
            paths.insert(place(&paths, path), path);
        }
        let rows = paths.into_iter().map(|path| DifferenceRow {
            path: path.to_owned(),
            values: sides.map(|side| config_value(side, path).map(str::to_owned)),
        });
        Self {
            titles,
            rows: rows.collect(),
            all: differing.is_empty(),
            down: 0,
        }
    }

    /// The visible rows.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &DifferenceRow> {
        self.rows.iter().filter(|row| self.all || row.differs())
    }

    /// The number of fields that differ, and of all fields.
    pub(crate) fn count(&self) -> (usize, usize) {
        (
            self.rows.iter().filter(|row| row.differs()).count(),
            self.rows.len(),
        )
    }
}

/// The section of a field by its path; empty for a field outside of sections.
fn section(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(section, _)| section)
}

/// Where a field belongs among others: after those of its section, or of the nearest section around it.
fn place(paths: &[&str], path: &str) -> usize {
    let mut around = Some(section(path));
    while let Some(outer) = around {
        let last = paths.iter().rposition(|other| section(other) == outer);
        let last = last.or_else(|| {
            paths.iter().rposition(|other| {
                other
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.starts_with('.'))
            })
        });
        if let Some(last) = last {
            return last + 1;
        }
        around = outer.rsplit_once('.').map(|(outer, _)| outer);
    }
    paths.len()
}

impl Model {
    /// Compares the fields of two experiments. The error names the one that cannot be parsed.
    pub(crate) fn difference(&self, one: &Target, other: &Target) -> Result<Difference, String> {
        let fields = |target: &Target| {
            let experiment = match target {
                Target::Experiment(path) => self
                    .files()
                    .iter()
                    .find(|file| file.path == *path)
                    .and_then(|file| file.loaded.as_ref().ok()),
                Target::Run(id) => self.runs.get(id).and_then(|run| run.experiment.as_deref()),
                Target::Action(_) | Target::Field(_) => None,
            };
            let experiment = experiment.ok_or_else(|| {
                format!("the experiment of {} cannot be read", self.name_of(target))
            });
            // A file may omit its split rule; the experiment of a run always has one.
            let experiment = experiment.map(|experiment| match target {
                Target::Experiment(_) => Cow::Owned(experiment.clone().frozen()),
                _ => Cow::Borrowed(experiment),
            });
            experiment.map(|experiment| config_fields(&experiment))
        };
        let sides = [fields(one)?, fields(other)?];
        Ok(Difference::new(
            [one, other].map(|target| self.name_of(target)),
            [&sides[0], &sides[1]],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_second_experiment_is_in_its_section() {
        let fields = |paths: &[&str]| -> Vec<_> { paths.iter().map(|path| field(path)).collect() };
        let one = fields(&[
            "seed",
            "augment.zoom",
            "train.epochs",
            "train.schedule.name",
        ]);
        let other = fields(&[
            "augment.mix.alpha",
            "augment.mix.share",
            "train.precision",
            "train.schedule.warmup",
            "train.stop.after.epochs",
            "init.from",
        ]);
        let difference = Difference::new([String::new(), String::new()], [&one, &other]);
        let paths: Vec<&str> = difference.rows.iter().map(|row| &*row.path).collect();
        assert_eq!(
            paths,
            [
                "seed",
                "augment.zoom",
                "augment.mix.alpha",
                "augment.mix.share",
                "train.epochs",
                "train.precision",
                "train.stop.after.epochs",
                "train.schedule.name",
                "train.schedule.warmup",
                "init.from",
            ]
        );
    }

    fn field(path: &str) -> (String, String) {
        (path.to_owned(), "1".to_owned())
    }
}
