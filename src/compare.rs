//! The study's table: a row a run, what it gained over the run that it started from, the published row below its
//! experiment, in every format that it leaves in.
//!
//! One function makes it of runs and [`Options`]; the dashboard and `warmstart compare` both call it, so that what is on
//! screen is what is exported.

mod column;
mod config;
mod csv;
mod figures;
mod gain;
mod grid;
mod html;
mod json;
mod latex;
mod markdown;
mod options;
mod seeds;
mod table;
mod text;
mod value;

pub use self::column::Column;
pub use self::config::{differing as config_differing, fields as config_fields, value as config_value};
pub use self::figures::Figures;
pub use self::gain::Gain;
pub use self::options::{At, Baseline, Columns, Options, Selection};
pub use self::table::{Cell, Kind, Row, Table, table};
pub use self::value::{Value, thousands};
pub use warmstart_schema::metric::Metric;

use std::str::FromStr;

/// What a table can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for a terminal; columns that do not fit it are left out
    Table,
    Csv,
    /// Markdown
    Md,
    /// A `tabular` for the package booktabs
    Latex,
    /// Every measured figure, whatever columns are chosen
    Json,
    /// A page of its own
    Html,
}

impl Format {
    pub const ALL: [Self; 6] = [Self::Csv, Self::Md, Self::Latex, Self::Json, Self::Html, Self::Table];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "text",
            Self::Csv => "CSV",
            Self::Md => "Markdown",
            Self::Latex => "LaTeX",
            Self::Json => "JSON",
            Self::Html => "HTML",
        }
    }

    /// What it is called on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Latex => "latex",
            Self::Json => "json",
            Self::Html => "html",
        }
    }

    /// The ending of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Latex => "tex",
            other => other.key(),
        }
    }

    /// The format that a file's name asks for.
    pub fn of_file(path: &std::path::Path) -> Option<Self> {
        path.extension()?.to_str()?.parse().ok()
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(ending: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|format| format.extension() == ending).ok_or(())
    }
}

/// The table as text, ending in a newline. `width` is what a terminal has room for: only the aligned format leaves out
/// columns for it.
pub fn render(table: &Table, format: Format, width: Option<usize>) -> String {
    match format {
        Format::Table => text::render(table, width),
        Format::Csv => csv::render(table),
        Format::Md => markdown::render(table),
        Format::Latex => latex::render(table),
        Format::Json => json::render(table),
        Format::Html => html::render(table),
    }
}
