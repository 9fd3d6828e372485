//! What a table shows, and the command line for the same table.

use clap::ValueEnum;
use warmstart_runs::run::RunId;
use warmstart_runs::shell::FolderOptions;

use super::{Column, Format};
use crate::query::Query;

/// Which runs, which figures, which columns, in which order.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the table"
)]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    pub selection: Selection,
    /// Only matching runs.
    pub filter: Query,
    /// None means the order of the experiments' files.
    pub sort: Option<Column>,
    pub reversed: bool,
    pub figures: FiguresOf,
    pub columns: Columns,
    pub baseline: Baseline,
    /// Runs whose experiments differ only in their seed as one row.
    pub merge_seeds: bool,
    /// The members of groups below their rows.
    pub members: bool,
    pub transposed: bool,
}

/// Which runs a table holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// One of each experiment: the newest finished one, or else the newest.
    #[default]
    Newest,
    All,
    /// These, in this order.
    Runs(Vec<RunId>),
    /// The groups of these, in this order; a run that has no group is itself.
    Groups(Vec<RunId>),
}

/// Which epoch's accuracies and losses are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FiguresOf {
    /// Those of the best epoch, whose checkpoint was measured on the test images
    #[default]
    BestEpoch,
    /// Those of the last epoch
    Last,
    /// The best value of each figure, from any epoch
    Best,
}

impl FiguresOf {
    /// Names the epoch, for the table's caption.
    pub fn words(self) -> &'static str {
        match self {
            Self::BestEpoch => "at the best epoch",
            Self::Last => "of the last epoch",
            Self::Best => "best of all epochs",
        }
    }

    /// The next choice, in a circle.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::BestEpoch => Self::Last,
            Self::Last => Self::Best,
            Self::Best => Self::BestEpoch,
        }
    }
}

/// Which columns a table has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Columns {
    /// The columns of the study's table.
    #[default]
    Standard,
    /// The study's columns, and the experiments' fields in which the shown runs differ.
    Differing,
    /// The experiments' fields in which the shown runs differ, and no figures.
    Config,
    Named(Vec<Column>),
}

/// What differences are computed from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Baseline {
    #[default]
    None,
    /// Each run's own published figures.
    Published,
    Run(RunId),
}

impl Options {
    /// The command that prints the same table, from the same folders.
    pub fn command(&self, format: Format, folders: &FolderOptions) -> String {
        let mut command = format!("warmstart compare{}", folders.of("compare"));
        let mut push = |words: &[&str]| {
            for word in words {
                command.push(' ');
                command.push_str(&shell_words::quote(word));
            }
        };
        match &self.selection {
            Selection::Newest => {}
            Selection::All => push(&["--all"]),
            Selection::Runs(ids) => ids.iter().for_each(|id| push(&[id.as_str()])),
            Selection::Groups(ids) => {
                for id in ids {
                    push(&[id.as_str()]);
                }
                push(&["--groups"]);
            }
        }
        if !self.filter.is_empty() {
            // One word, so that a filter may begin with a dash.
            push(&[&format!("--filter={}", self.filter.source())]);
        }
        if let Some(sort) = &self.sort {
            push(&["--sort", &sort.key()]);
        }
        if self.reversed {
            push(&["--reverse"]);
        }
        let figures = self.figures.to_possible_value();
        if let Some(figures) = figures.filter(|_| self.figures != FiguresOf::default()) {
            push(&["--figures", figures.get_name()]);
        }
        match &self.columns {
            Columns::Standard => {}
            Columns::Differing => push(&["--differing"]),
            Columns::Config => push(&["--config"]),
            Columns::Named(columns) => {
                push(&[
                    "--columns",
                    &columns
                        .iter()
                        .map(Column::key)
                        .collect::<Vec<_>>()
                        .join(","),
                ]);
            }
        }
        match &self.baseline {
            Baseline::None => {}
            Baseline::Published => push(&["--baseline", "published"]),
            Baseline::Run(id) => push(&["--baseline", id.as_str()]),
        }
        if self.merge_seeds {
            push(&["--seeds"]);
        }
        if self.members {
            push(&["--members"]);
        }
        if self.transposed {
            push(&["--transpose"]);
        }
        push(&["--format", format.key()]);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_every_filter_back() {
        for filter in [
            "plain",
            "two words",
            "it's",
            "$HOME `id` \\ *",
            "\"q r\"",
            "-x",
            "é漢",
            "val_acc>0.5",
        ] {
            let options = Options {
                filter: Query::parse(filter).unwrap(),
                ..Options::default()
            };
            let command = options.command(Format::Csv, &FolderOptions::default());
            let script = command.replace("warmstart compare", "printf '%s\\n'");
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(
                text,
                format!("--filter={filter}\n--format\ncsv\n"),
                "{command}"
            );
        }
    }
}
