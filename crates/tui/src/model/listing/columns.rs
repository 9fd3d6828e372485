//! What rows of the list are sorted by.

use crate::columns::ColumnId;
use crate::model::Entry;
use warmstart_runs::store::Run;

/// What rows are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum SortKey {
    Nothing,
    Figure(f64),
    Text(String),
}

impl SortKey {
    fn figure(value: Option<f64>) -> Self {
        value
            .filter(|value| !value.is_nan())
            .map_or(Self::Nothing, Self::Figure)
    }

    fn text(text: Option<&str>) -> Self {
        text.filter(|text| !text.is_empty())
            .map_or(Self::Nothing, |text| Self::Text(text.to_owned()))
    }
}

/// What a row is sorted by.
pub fn worth(column: ColumnId, entry: &Entry) -> SortKey {
    let (run, experiment) = (entry.run, entry.experiment());
    let state = run.map(|run| &run.state);
    let epoch = state.and_then(|state| state.best_epoch().or(state.epochs.last()));
    match column {
        ColumnId::Backbone => {
            SortKey::text(experiment.map(|experiment| experiment.model.backbone.as_str()))
        }
        ColumnId::Pixels => {
            SortKey::figure(experiment.map(|experiment| f64::from(experiment.pixels())))
        }
        ColumnId::State => SortKey::text(run.map(|run| run.status().as_str())),
        ColumnId::Epoch => SortKey::figure(
            state
                .and_then(|state| state.epochs.last())
                .map(|epoch| f64::from(epoch.epoch)),
        ),
        ColumnId::ValAcc => SortKey::figure(epoch.map(|epoch| epoch.val_acc)),
        ColumnId::TrainAcc => SortKey::figure(epoch.map(|epoch| epoch.train_acc)),
        ColumnId::ValLoss => SortKey::figure(epoch.map(|epoch| epoch.val_loss)),
        ColumnId::TrainLoss => SortKey::figure(epoch.map(|epoch| epoch.train_loss)),
        ColumnId::TestAcc => SortKey::figure(
            state
                .and_then(|state| state.test.as_ref())
                .map(|test| test.accuracy),
        ),
        ColumnId::Time => SortKey::figure(state.and_then(|state| state.train_time())),
        ColumnId::LearningRate => {
            SortKey::figure(experiment.map(|experiment| experiment.train.optimizer.learning_rate()))
        }
        ColumnId::Seed => SortKey::figure(experiment.map(|experiment| experiment.seed as f64)),
        ColumnId::Device => SortKey::text(run.map(Run::device)),
        ColumnId::Created => {
            let created = run
                .and_then(|run| run.info.as_ref().ok())
                .map(|info| info.created.as_second());
            SortKey::figure(created.map(|second| second as f64))
        }
        ColumnId::Run => SortKey::text(run.map(|run| run.id.as_str())),
        ColumnId::Tags => SortKey::text(run.map(tags).as_deref()),
        ColumnId::Note => SortKey::text(run.map(|run| run.annotation.note.as_str())),
    }
}

/// All tags of a run in a row.
pub fn tags(run: &Run) -> String {
    run.annotation
        .tags
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}
