//! What a run's log says at its beginning about the parts of its recipe that change what figures mean.

use warmstart_schema::event::Level;

use super::Trainer;

impl Trainer<'_> {
    /// Logs a note for each such part before the first step. A run that ended before its first checkpoint logs them again.
    pub(super) fn explain_recipe(&mut self) {
        if self.setup.state.step > 0 {
            return;
        }
        let experiment = self.setup.experiment;
        let mut notes = Vec::new();
        if self.setup.average.is_some() {
            notes.push(
                "train.ema: the weights are averaged over the steps; validation, best epoch, test and saved model use the \
                 averaged weights; each epoch also reports figures of the plain ones"
                    .to_owned(),
            );
        }
        if let Some(sampler) = experiment.train.sampler {
            notes.push(format!(
                "train.sampler: {}: training figures are of the images that an epoch draws, not of each once",
                sampler.as_str()
            ));
        }
        if let Some(views) = experiment.train.cache_views {
            let times = match views {
                1 => "once".to_owned(),
                _ => format!("{views} times"),
            };
            notes.push(format!(
                "train.cache_views: each training image is augmented {times} before the first epoch; epoch {} sees the views of \
                 epoch 1 again",
                views + 1
            ));
        }
        if !experiment.model.unfreeze.is_empty() {
            let model = &experiment.model;
            let steps: Vec<String> = model.unfreeze.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "model.unfreeze: freeze {} first, {}; the learning rate schedule continues across these stages",
                model.freeze,
                steps.join(", ")
            ));
        }
        let stages = &experiment.input.progressive;
        if !stages.is_empty() {
            let stages: Vec<String> = stages.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "input.progressive: training images have {}, then their final size; validation and test always have that",
                stages.join(", ")
            ));
        }
        let evaluate = experiment.evaluate;
        if evaluate.views() > 1 {
            notes.push(format!(
                "evaluate: the test averages the logits of {} views of each image: {evaluate}; validation sees each image as it is",
                evaluate.views()
            ));
        }
        for note in notes {
            self.setup.reporter.note(Level::Info, note);
        }
    }
}
