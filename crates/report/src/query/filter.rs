//! The filter as an option of the command line.

use clap::Args;

use super::Query;
use warmstart_runs::failure::Failure;

/// A filter for runs.
#[derive(Debug, Args)]
pub struct FilterOption {
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true,
        help = "Only runs that fit, for example 'status:done backbone:resnet* val_acc>0.6 -tag:old \"two words\"'"
    )]
    filter: String,
}

impl FilterOption {
    /// The query, or the mistake in it.
    pub fn query(&self) -> Result<Query, Failure> {
        Query::parse(&self.filter).map_err(|mistake| mistake.explain(&self.filter))
    }
}
