//! The study's table: one row per run, its gain over the run that it started from, the published row below its
//! experiment, in every format.
//!
//! One pure function makes it from runs and [`Options`]. The dashboard and `warmstart compare` both call it, so an export equals
//! the screen.

mod arguments;
mod bundle;
mod column;
mod config;
mod csv;
mod figures;
mod format;
mod gain;
mod grid;
mod html;
mod json;
mod latex;
mod line;
mod markdown;
mod options;
mod seeds;
mod table;
mod text;
mod value;

pub use self::arguments::ShownArguments;
pub use self::bundle::{Paired, Pairing};
pub use self::column::Column;
pub use self::config::{
    differing as config_differing, fields as config_fields, value as config_value,
};
pub use self::figures::Figures;
pub use self::format::Format;
pub use self::gain::Gain;
pub use self::options::{Baseline, Columns, FiguresOf, Options, Selection};
pub use self::table::{Cell, Kind, Row, Table, table};
pub use self::value::Value;
pub use crate::format::count as thousands;
pub use warmstart_schema::metric::Metric;

/// The table as text, ending in a newline. Only the aligned format hides columns to fit a terminal of `width`
/// columns; without `width` it shows all.
pub fn render(table: &Table, format: Format, width: Option<usize>) -> String {
    match format {
        Format::Table => text::render(table, width),
        Format::Csv => csv::render(table, b','),
        Format::Tsv => csv::render(table, b'\t'),
        Format::Md => markdown::render(table),
        Format::Latex => latex::render(table),
        Format::Json => json::render(table),
        Format::Html => html::render(table),
    }
}
