//! The formats of a table.

/// A format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for a terminal; columns that do not fit it are left out
    Table,
    Csv,
    /// Tab-separated values
    Tsv,
    /// Markdown
    Md,
    /// A `tabular` for the package booktabs
    Latex,
    /// Every measured figure, whatever columns are chosen
    Json,
    /// A complete page
    Html,
}

impl Format {
    /// In the order of the dashboard's menu.
    pub const ALL: [Self; 7] = [
        Self::Csv,
        Self::Md,
        Self::Latex,
        Self::Json,
        Self::Html,
        Self::Table,
        Self::Tsv,
    ];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "text",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Md => "Markdown",
            Self::Latex => "LaTeX",
            Self::Json => "JSON",
            Self::Html => "HTML",
        }
    }

    /// Its name on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Md => "md",
            Self::Latex => "latex",
            Self::Json => "json",
            Self::Html => "html",
        }
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        self.extensions()[0]
    }

    /// All extensions for it, the usual one first.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Table => &["txt", "text"],
            Self::Csv => &["csv"],
            Self::Tsv => &["tsv", "tab"],
            Self::Md => &["md", "markdown"],
            Self::Latex => &["tex", "latex"],
            Self::Json => &["json"],
            Self::Html => &["html", "htm"],
        }
    }

    /// The format for a file's name.
    pub fn of_file(path: &std::path::Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| format.extensions().contains(&ending.as_str()))
    }

    /// What the files of all formats end in, for a message: `*.csv, *.md, …`.
    pub fn endings() -> String {
        Self::ALL
            .map(|format| format!("*.{}", format.extension()))
            .join(", ")
    }
}
