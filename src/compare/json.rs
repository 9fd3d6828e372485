//! A list of objects; what is not measured, or is no number, is `null`.

use serde::Serialize;
use warmstart_schema::experiment::Reference;

use super::{Figures, Gain, Metric, Row, Table};

#[derive(Serialize)]
struct Object<'a> {
    run: &'a str,
    experiment: &'a str,
    state: &'static str,
    #[serde(flatten)]
    figures: Measured,
    total_params: Option<u64>,
    trainable_params: Option<u64>,
    non_trainable_params: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<Difference<'a>>,
}

#[derive(Serialize)]
struct Difference<'a> {
    /// The run that this one started from.
    over: &'a str,
    train_acc: Option<f64>,
    val_acc: Option<f64>,
    train_loss: Option<f64>,
    val_loss: Option<f64>,
    test_acc: Option<f64>,
}

impl<'a> From<&'a Gain> for Difference<'a> {
    fn from(gain: &'a Gain) -> Self {
        let Measured { train_acc, val_acc, train_loss, val_loss, test_acc, .. } = Measured::from(&gain.figures);
        Self { over: gain.over.as_str(), train_acc, val_acc, train_loss, val_loss, test_acc }
    }
}

#[derive(Serialize)]
struct Measured {
    train_time: Option<f64>,
    train_acc: Option<f64>,
    val_acc: Option<f64>,
    train_loss: Option<f64>,
    val_loss: Option<f64>,
    test_acc: Option<f64>,
}

impl From<&Figures> for Measured {
    fn from(figures: &Figures) -> Self {
        let of = |metric| figures.get(metric).filter(|figure| figure.is_finite());
        let [train_time, train_acc, val_acc, train_loss, val_loss, test_acc] = Metric::ALL.map(of);
        Self { train_time, train_acc, val_acc, train_loss, val_loss, test_acc }
    }
}

impl<'a> From<&'a Row> for Object<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            run: row.run.as_str(),
            experiment: &row.experiment,
            state: row.status.as_str(),
            figures: Measured::from(&row.figures),
            total_params: row.params.map(|params| params.total),
            trainable_params: row.params.map(|params| params.trainable),
            non_trainable_params: row.params.map(|params| params.non_trainable()),
            reference: row.reference.as_ref(),
            gain: row.gain.as_ref().map(Difference::from),
        }
    }
}

pub fn render(table: &Table) -> String {
    let objects: Vec<Object> = table.rows.iter().map(Object::from).collect();
    // Nothing in it can fail to serialize: plain texts and finite numbers.
    serde_json::to_string_pretty(&objects).unwrap_or_default() + "\n"
}
