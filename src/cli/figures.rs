//! The figures of a run that `warmstart runs` and `list` print, in columns and in JSON.

use serde::{Serialize, Serializer};
use warmstart_report::field::{Field, Form, printed};
use warmstart_report::fit::Column;
use warmstart_report::group::Summary;
use warmstart_report::query::Subject;
use warmstart_runs::store::Run;
use warmstart_schema::metric::Unit;

use super::output;

/// The value of each printed field; `None` if it is missing or not finite. In JSON each is a member of an object, and `None` is null.
#[derive(Debug)]
pub(super) struct Figures(Vec<(&'static Field, Option<f64>)>);

impl Figures {
    pub(super) fn of(run: &Run) -> Self {
        Self::of_subject(&Subject::of_run(run))
    }

    /// The means of a run's group.
    pub(super) fn of_group(run: &Run, group: &Summary) -> Self {
        Self::of_subject(&Subject {
            members: Some(group),
            ..Subject::of_run(run)
        })
    }

    fn of_subject(subject: &Subject) -> Self {
        Self(
            printed()
                .map(|field| (field, field.finite(subject)))
                .collect(),
        )
    }

    pub(super) fn columns() -> impl Iterator<Item = Column> {
        printed().map(|field| Column::figures(field.title, field.printed.unwrap_or_default()))
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(field, figure)| cell(field, *figure))
    }

    /// The cells of an experiment that has no run.
    pub(super) fn no_cells() -> impl Iterator<Item = String> {
        printed().map(|field| cell(field, None))
    }
}

fn cell(field: &Field, figure: Option<f64>) -> String {
    match (field.form, figure) {
        (Form::Figure(Unit::Seconds), Some(seconds)) => output::duration(seconds),
        (Form::Count | Form::Parameters, Some(count)) => count.to_string(),
        (_, figure) => output::figure(figure),
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, figure)| (field.key, figure)))
    }
}
