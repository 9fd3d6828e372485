//! Features of a frozen backbone: read from the cache of this machine, or computed and kept there for other runs.

mod key;
mod stored;

use std::time::Duration;

use anyhow::Result;
use tch::Device;
use warmstart_runs::checkpoint::Conditions;
use warmstart_runs::feature_cache::{FeatureCache, Written};
use warmstart_schema::event::Level;
use warmstart_schema::experiment::{Experiment, NumberFormat};

use self::key::{Key, Keys};
use crate::data::Features;
use crate::model::Model;
use crate::reporter::Reporter;
use crate::train::{Examples, Views};

/// Where features come from and go to.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// None where the cache is off.
    cache: Option<(FeatureCache, Keys)>,
    batch_size: usize,
    format: NumberFormat,
}

impl Keeper {
    /// For a model whose backbone is frozen whole. Says where the cache cannot be used; that is no error.
    pub(crate) fn new(
        experiment: &Experiment,
        model: &Model,
        conditions: &Conditions,
        batch_size: usize,
        reporter: &mut Reporter,
    ) -> Self {
        let cache = FeatureCache::from_env().map_err(anyhow::Error::msg);
        let with_keys = |cache: FeatureCache| -> Result<_> {
            let keys = Keys::new(experiment, model, conditions, batch_size)?;
            Ok((cache, keys))
        };
        let cache = match cache {
            Ok(cache) if cache.is_off() => Ok(None),
            Ok(cache) => with_keys(cache).map(Some),
            Err(error) => Err(error),
        };
        let cache = cache.unwrap_or_else(|error| {
            let text = format!("this run does not use the cache of features: {error:#}");
            reporter.note(Level::Warning, text);
            None
        });
        Self {
            cache,
            batch_size,
            format: conditions.precision.unwrap_or(NumberFormat::Float32),
        }
    }

    /// Puts the features of all views of all examples in the place of their pictures. `each` gets the number of views done so far and
    /// returns whether to continue. Returns how long the model waited for pictures; `None` if interrupted.
    pub(crate) fn keep(
        &self,
        (examples, views): (&mut Examples, &Views),
        model: &Model,
        reporter: &mut Reporter,
        mut each: impl FnMut(&mut Reporter, usize) -> bool,
    ) -> Result<Option<Duration>> {
        let place = self.cache.as_ref().zip(examples.identity());
        let place = match place {
            Some(((cache, keys), identity)) => Some((cache, keys.of(identity, examples, views)?)),
            None => None,
        };
        if let Some((cache, key)) = &place
            && read(cache, key, (examples, views), model, reporter)?
        {
            return Ok(Some(Duration::ZERO));
        }
        let pictures = examples.len();
        let are_unchanged = examples.unchanged_check();
        let (size, format) = (self.batch_size, self.format);
        let waited =
            examples.keep_features(model, size, format, views, |done| each(reporter, done))?;
        // Features of fewer pictures, or of pictures that somebody changed meanwhile, are not those that the key names.
        let is_whole = waited.is_some() && examples.len() == pictures && are_unchanged();
        if let Some((cache, key)) = place.filter(|_| is_whole) {
            write(cache, &key, examples, reporter);
        }
        Ok(waited)
    }
}

/// Whether the features were in the cache and are now used.
fn read(
    cache: &FeatureCache,
    key: &Key,
    (examples, views): (&mut Examples, &Views),
    model: &Model,
    reporter: &mut Reporter,
) -> Result<bool> {
    let shape = (
        examples.len() * views.count(),
        model.architecture().features,
    );
    let Some(features) = found(cache, key, shape, model.device(), reporter)? else {
        return Ok(false);
    };
    examples.use_features(features, views)?;
    let text = format!(
        "features read from the cache: {} {} images",
        examples.len(),
        examples.part().adjective()
    );
    reporter.note(Level::Info, text);
    Ok(true)
}

/// The features of a key in the cache, on a device. None if they must be computed; damage is reported. It is an error if the
/// device does not take them: that says nothing about their file.
fn found(
    cache: &FeatureCache,
    key: &Key,
    shape: (usize, usize),
    device: Device,
    reporter: &mut Reporter,
) -> Result<Option<Features>> {
    let bytes = match cache.read(&key.hash) {
        Ok(None) => return Ok(None),
        Ok(Some(bytes)) => bytes,
        Err(error) => {
            let text = format!(
                "features are computed, because the cache cannot be read: {error}: {}",
                cache.folder().display()
            );
            reporter.note(Level::Warning, text);
            return Ok(None);
        }
    };
    match stored::parse(&bytes, key, shape) {
        Ok(features) => features.moved_to(device).map(Some),
        Err(error) => {
            let text = format!(
                "features are computed again, because their file in the cache is damaged: {error:#}: {}.safetensors in {}",
                key.hash,
                cache.folder().display()
            );
            reporter.note(Level::Warning, text);
            // The new ones replace it, if they can be written.
            let _ = cache.remove(&key.hash);
            Ok(None)
        }
    }
}

/// Keeps features for other runs. A failure costs only that, and is reported.
fn write(cache: &FeatureCache, key: &Key, examples: &Examples, reporter: &mut Reporter) {
    let Some(features) = examples.features() else {
        return;
    };
    let written = stored::write(features, key)
        .and_then(|bytes| cache.write(&key.hash, &bytes).map_err(Into::into));
    let text = match written {
        Ok(Written::Kept { removed: 0 }) => return,
        Ok(Written::Kept { removed }) => {
            let text = format!(
                "the cache of features was full: removed {removed} of its files, those used longest ago"
            );
            return reporter.note(Level::Info, text);
        }
        Ok(Written::TooLarge { bytes, limit }) => format!(
            "features are not kept for other runs: they take {bytes} bytes, and the whole cache may take {limit}; set {} to allow more",
            warmstart_runs::feature_cache::VARIABLE
        ),
        Err(error) => format!(
            "features are not kept for other runs: {error:#}: {}",
            cache.folder().display()
        ),
    };
    reporter.note(Level::Warning, text);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::Tensor;

    use super::*;

    #[test]
    fn a_device_that_takes_no_features_does_not_cost_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(folder.path().join("features"), 1 << 20);
        let key = Key {
            hash: "5".repeat(64),
            facts: BTreeMap::new(),
        };
        let numbers = Tensor::from_slice(&[1.5_f32, -2.0]).view([1, 2]);
        let features = Features::new(&[numbers], &[Tensor::from_slice(&[3_i64])]).unwrap();
        let bytes = stored::write(&features, &key).unwrap();
        cache.write(&key.hash, &bytes).unwrap();
        let mut reporter = Reporter::silent();
        let mut on = |device| found(&cache, &key, (1, 2), device, &mut reporter);
        // No machine has so many.
        assert!(on(Device::Cuda(99)).is_err());
        assert!(on(Device::Cpu).unwrap().is_some());
        // A damaged file goes.
        cache.write(&key.hash, &bytes[1..]).unwrap();
        assert!(on(Device::Cpu).unwrap().is_none());
        assert_eq!(cache.read(&key.hash).unwrap(), None);
    }
}
