//! Which parameters train alike: at which factor of the learning rate, and whether they decay.

use std::collections::BTreeMap;

use warmstart_schema::architecture::{Architecture, HeadSpec, TensorKind};
use warmstart_schema::experiment::Groups;

/// How one parameter trains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Treatment {
    /// Factor of the learning rate.
    pub factor: f64,
    pub decays: bool,
}

/// What an experiment says of each parameter of a model.
#[derive(Debug)]
pub struct Treatments<'a> {
    groups: &'a Groups,
    stem: Option<&'a str>,
    /// The block of each tensor of the backbone, and its layer.
    places: BTreeMap<&'a str, (&'a str, u32)>,
    head: u32,
}

impl<'a> Treatments<'a> {
    pub fn new(groups: &'a Groups, architecture: &'a Architecture) -> Self {
        let (layers, head) = architecture.layers();
        let blocks = architecture.blocks.iter().flat_map(|block| {
            let name = block.name.as_str();
            block.tensors.iter().map(move |_| name)
        });
        Self {
            groups,
            stem: architecture.blocks.first().map(|block| block.name.as_str()),
            places: layers
                .into_iter()
                .zip(blocks)
                .map(|((spec, layer), block)| (spec.name.as_str(), (block, layer)))
                .collect(),
            head,
        }
    }

    /// How the parameter of this name and kind trains.
    pub fn of(&self, name: &str, kind: TensorKind) -> Treatment {
        let Groups {
            stem,
            blocks,
            head,
            layer_decay,
            decay_norms_and_biases,
        } = *self.groups;
        let place = self.places.get(name).filter(|_| !HeadSpec::owns(name));
        let (part, layer) = match place {
            Some((block, layer)) if self.stem == Some(block) => (stem, *layer),
            Some((_, layer)) => (blocks, *layer),
            None => (head, self.head),
        };
        let depth = self.head.saturating_sub(layer);
        Treatment {
            factor: part * layer_decay.powi(depth.cast_signed()),
            decays: decay_norms_and_biases || kind.is_matrix(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use warmstart_schema::architecture::Backbone;

    use super::*;

    #[test]
    fn parts_and_layers_multiply_their_factors() {
        let architecture = Architecture::new(Backbone::Resnet18);
        let groups = Groups {
            stem: 0.1,
            blocks: 0.2,
            layer_decay: 0.5,
            decay_norms_and_biases: false,
            ..Groups::default()
        };
        let treatments = Treatments::new(&groups, &architecture);
        let of = |name, kind| {
            let Treatment { factor, decays } = treatments.of(name, kind);
            (factor, decays)
        };
        // Nine layers are below the head.
        assert_eq!(
            of("conv1.weight", TensorKind::Weight),
            (0.1 * 0.5_f64.powi(9), true)
        );
        assert_eq!(
            of("layer4.1.bn2.weight", TensorKind::NormWeight),
            (0.2 * 0.5, false)
        );
        assert_eq!(of("head.fc1.bias", TensorKind::Bias), (1.0, false));
        assert_eq!(of("head.fc2.weight", TensorKind::Weight), (1.0, true));
    }

    /// `tests/reference/layer_decay.py` writes the table.
    #[test]
    fn layer_decay_gives_each_parameter_timms_factor_and_weight_decay() {
        let table: Value =
            serde_json::from_str(include_str!("../../tests/reference/layer_decay.json")).unwrap();
        let groups = Groups {
            layer_decay: table["layer_decay"].as_f64().unwrap(),
            decay_norms_and_biases: false,
            ..Groups::default()
        };
        for (name, backbone) in table["backbones"].as_object().unwrap() {
            let architecture = Architecture::new(name.parse().unwrap());
            let treatments = Treatments::new(&groups, &architecture);
            let check = |parameter: &str, kind, factor: &Value, decays: &Value| {
                let found = treatments.of(parameter, kind);
                let away = found.factor / factor.as_f64().unwrap() - 1.0;
                assert!(away.abs() < 1e-12, "{name}: {parameter}: {found:?}");
                assert_eq!(found.decays, *decays, "{name}: {parameter}");
            };
            let mut expected = BTreeMap::new();
            for group in backbone["groups"].as_array().unwrap() {
                for parameter in group["parameters"].as_array().unwrap() {
                    expected.insert(parameter.as_str().unwrap(), group);
                }
            }
            for spec in architecture.tensors() {
                if spec.kind.is_statistic() {
                    continue;
                }
                let group = expected.remove(spec.name.as_str()).unwrap();
                check(&spec.name, spec.kind, &group["factor"], &group["decays"]);
            }
            assert!(expected.is_empty(), "{name}: {expected:?}");
            let decays = Value::Bool(true);
            check(
                "head.fc2.weight",
                TensorKind::Weight,
                &backbone["head"],
                &decays,
            );
        }
    }
}
