//! What rows of the list are sorted by.

use crate::columns::ColumnId;
use crate::model::Entry;
use warmstart_runs::store::Run;

/// What rows are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum Worth {
    Nothing,
    Figure(f64),
    Text(String),
}

impl Worth {
    fn figure(value: Option<f64>) -> Self {
        value.filter(|value| !value.is_nan()).map_or(Self::Nothing, Self::Figure)
    }

    fn text(text: Option<&str>) -> Self {
        text.filter(|text| !text.is_empty()).map_or(Self::Nothing, |text| Self::Text(text.to_owned()))
    }
}

/// What a row is sorted by.
pub fn worth(column: ColumnId, entry: &Entry) -> Worth {
    let (run, experiment) = (entry.run, entry.experiment());
    let state = run.map(|run| &run.state);
    let epoch = state.and_then(|state| state.best_epoch().or(state.epochs.last()));
    match column {
        ColumnId::Backbone => Worth::text(experiment.map(|experiment| experiment.model.backbone.as_str())),
        ColumnId::Pixels => Worth::figure(experiment.map(|experiment| f64::from(experiment.pixels()))),
        ColumnId::State => Worth::text(run.map(|run| run.status().as_str())),
        ColumnId::Epoch => {
            Worth::figure(state.and_then(|state| state.epochs.last()).map(|epoch| f64::from(epoch.epoch)))
        }
        ColumnId::ValAcc => Worth::figure(epoch.map(|epoch| epoch.val_acc)),
        ColumnId::TrainAcc => Worth::figure(epoch.map(|epoch| epoch.train_acc)),
        ColumnId::ValLoss => Worth::figure(epoch.map(|epoch| epoch.val_loss)),
        ColumnId::TrainLoss => Worth::figure(epoch.map(|epoch| epoch.train_loss)),
        ColumnId::TestAcc => Worth::figure(state.and_then(|state| state.test.as_ref()).map(|test| test.accuracy)),
        ColumnId::Time => Worth::figure(state.and_then(|state| state.train_time())),
        ColumnId::LearningRate => Worth::figure(experiment.map(|experiment| experiment.train.optimizer.learning_rate)),
        ColumnId::Seed => Worth::figure(experiment.map(|experiment| experiment.seed as f64)),
        ColumnId::Device => Worth::text(run.map(Run::device)),
        ColumnId::Created => {
            let created = run.and_then(|run| run.info.as_ref().ok()).map(|info| info.created.as_second());
            Worth::figure(created.map(|second| second as f64))
        }
        ColumnId::Run => Worth::text(run.map(|run| run.id.as_str())),
        ColumnId::Tags => Worth::text(run.map(tags).as_deref()),
        ColumnId::Note => Worth::text(run.map(|run| run.annotation.note.as_str())),
    }
}

/// All tags of a run in a row.
pub fn tags(run: &Run) -> String {
    run.annotation.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}
