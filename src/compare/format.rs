//! What a table can be written as.

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
