//! The dataset of an experiment, with the settings that its kind has.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::misplaced::{Misplaced, forbid};
use crate::dataset_name::{DatasetName, Labels};

/// The images, and how they are split.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Share of the training images that become validation.
    pub validation: f64,
    /// Use at most so many training images, and as many test images.
    pub limit: Option<u32>,
    pub kind: DatasetKind,
}

/// A kind of dataset, with the settings that others lack. A `path` of CIFAR is its folder or its published archive.
#[derive(Debug, Clone, PartialEq)]
pub enum DatasetKind {
    Emoji98 {
        labels: Labels,
    },
    Cifar100 {
        labels: Labels,
        path: Option<PathBuf>,
    },
    Cifar10 {
        path: Option<PathBuf>,
    },
    ImageFolder(ImageFolder),
}

/// A folder of the user's own pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFolder {
    pub path: PathBuf,
    /// Share of the pictures that become the test set, where the folder has no `test/`.
    pub test: Option<f64>,
    pub split: Option<SplitRule>,
    /// Whether the first picture that cannot be read ends the run.
    pub strict: bool,
}

impl ImageFolder {
    /// The share that becomes the test set where the experiment says none.
    pub const TEST: f64 = 0.2;

    /// Share of the pictures that become the test set, where the folder has no `test/`.
    pub fn test_share(&self) -> f64 {
        self.test.unwrap_or(Self::TEST)
    }

    /// How the folder is listed and split.
    pub fn split_rule(&self) -> SplitRule {
        self.split.unwrap_or_default()
    }
}

/// How to split an image folder that has no split folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitRule {
    /// By each image's name and the seed. An image keeps its split when others are added or removed, and the shares are
    /// approximate.
    #[default]
    ByName,
    /// By each image's position in its class, as earlier versions did. The shares are exact, and change when images are added or
    /// removed. The folder is listed as in earlier versions: classes one folder deep; png, jpg, jpeg and webp.
    ByOrder,
}

impl Dataset {
    /// The share that becomes validation where the experiment says none.
    pub const VALIDATION: f64 = 0.3;

    pub fn name(&self) -> DatasetName {
        match self.kind {
            DatasetKind::Emoji98 { .. } => DatasetName::Emoji98,
            DatasetKind::Cifar100 { .. } => DatasetName::Cifar100,
            DatasetKind::Cifar10 { .. } => DatasetName::Cifar10,
            DatasetKind::ImageFolder(_) => DatasetName::ImageFolder,
        }
    }

    /// The label that the model learns; `Fine` if each image has only one.
    pub fn labels(&self) -> Labels {
        match self.kind {
            DatasetKind::Emoji98 { labels } | DatasetKind::Cifar100 { labels, .. } => labels,
            DatasetKind::Cifar10 { .. } | DatasetKind::ImageFolder(_) => Labels::Fine,
        }
    }

    /// Where the experiment says that the files are.
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            DatasetKind::Emoji98 { .. } => None,
            DatasetKind::Cifar100 { path, .. } | DatasetKind::Cifar10 { path } => path.as_deref(),
            DatasetKind::ImageFolder(folder) => Some(&folder.path),
        }
    }

    /// As [`Self::path`], to change it.
    pub fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match &mut self.kind {
            DatasetKind::Emoji98 { .. } => None,
            DatasetKind::Cifar100 { path, .. } | DatasetKind::Cifar10 { path } => path.as_mut(),
            DatasetKind::ImageFolder(folder) => Some(&mut folder.path),
        }
    }

    /// The user's own pictures, where it is a folder of them.
    pub fn folder(&self) -> Option<&ImageFolder> {
        match &self.kind {
            DatasetKind::ImageFolder(folder) => Some(folder),
            DatasetKind::Emoji98 { .. }
            | DatasetKind::Cifar100 { .. }
            | DatasetKind::Cifar10 { .. } => None,
        }
    }

    pub fn folder_mut(&mut self) -> Option<&mut ImageFolder> {
        match &mut self.kind {
            DatasetKind::ImageFolder(folder) => Some(folder),
            DatasetKind::Emoji98 { .. }
            | DatasetKind::Cifar100 { .. }
            | DatasetKind::Cifar10 { .. } => None,
        }
    }
}

/// The images, and how they are split.
// Read flat, so that an error keeps its place in the text.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Dataset")]
#[schemars(transform = restrict)]
struct Fields {
    name: DatasetName,
    /// Share of the training images that become validation images, stratified by class and fixed by the seed. The share is
    /// approximate for an `image_folder`.
    #[serde(default = "default_validation")]
    validation: f64,
    #[serde(default)]
    labels: Labels,
    /// Share of the images that become the test set, for an `image_folder` without `test/`. The default is 0.2; the share is
    /// approximate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test: Option<f64>,
    /// Use only this many training images, and as many test images: for a quick try, not for a result. An `image_folder` draws
    /// them at random, a published dataset takes the first ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    /// A folder with the dataset's files, or their published archive. By default, the usual folders are searched. Required for
    /// `image_folder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    /// How to split an `image_folder` without `val/` or `test/`. The default is `by_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<SplitRule>,
    /// For `image_folder`: end the run at the first unreadable image, instead of skipping it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

fn default_validation() -> f64 {
    Dataset::VALIDATION
}

/// Fields that only a folder of pictures has.
const FOLDER_FIELDS: [&str; 3] = ["test", "split", "strict"];

fn restrict(schema: &mut Schema) {
    forbid(
        schema,
        &[
            (&["emoji98"], &["path"]),
            (&["emoji98", "cifar100", "cifar10"], &FOLDER_FIELDS),
        ],
    );
    if let Some(Value::Array(rules)) = schema.get_mut("allOf") {
        rules.push(json!({
            "if": { "properties": { "name": { "enum": ["image_folder"] } } },
            "then": { "required": ["path"] },
        }));
        rules.push(json!({
            "if": { "properties": { "name": { "enum": ["cifar10", "image_folder"] } } },
            "then": { "properties": { "labels": { "const": "fine" } } },
        }));
    }
}

impl Fields {
    /// Refuses what belongs to folders of pictures.
    fn refuse_folder_fields(&self) -> Result<(), Misplaced> {
        let is_set = [self.test.is_some(), self.split.is_some(), self.strict];
        let found = FOLDER_FIELDS
            .into_iter()
            .zip(is_set)
            .find(|(_, is_set)| *is_set);
        match found {
            Some((field, _)) => Err(Misplaced::only(field, "`name: image_folder`")),
            None => Ok(()),
        }
    }

    fn folder(self) -> Result<ImageFolder, Misplaced> {
        Ok(ImageFolder {
            path: self.path.ok_or_else(|| {
                Misplaced::new(
                    "path",
                    "the folder with the pictures",
                    "nothing",
                    "add `path: DIR`, where DIR holds train/<class>/*.jpg or <class>/*.jpg",
                )
            })?,
            test: self.test,
            split: self.split,
            strict: self.strict,
        })
    }
}

impl TryFrom<Fields> for Dataset {
    type Error = Misplaced;

    fn try_from(mut fields: Fields) -> Result<Self, Misplaced> {
        fields.path = fields.path.filter(|path| !path.as_os_str().is_empty());
        let (validation, limit, labels) = (fields.validation, fields.limit, fields.labels);
        let has_coarse_labels = matches!(fields.name, DatasetName::Emoji98 | DatasetName::Cifar100);
        if labels == Labels::Coarse && !has_coarse_labels {
            return Err(Misplaced::new(
                "labels",
                "`fine`",
                "`coarse`",
                "remove the line: each image of this dataset has one label",
            ));
        }
        if fields.name != DatasetName::ImageFolder {
            fields.refuse_folder_fields()?;
        }
        let kind = match fields.name {
            DatasetName::Emoji98 if fields.path.is_some() => {
                return Err(Misplaced::new(
                    "path",
                    "no path",
                    "a path",
                    "remove the line: emoji98 is part of warmstart",
                ));
            }
            DatasetName::Emoji98 => DatasetKind::Emoji98 { labels },
            DatasetName::Cifar100 => DatasetKind::Cifar100 {
                labels,
                path: fields.path,
            },
            DatasetName::Cifar10 => DatasetKind::Cifar10 { path: fields.path },
            DatasetName::ImageFolder => DatasetKind::ImageFolder(fields.folder()?),
        };
        Ok(Self {
            validation,
            limit,
            kind,
        })
    }
}

impl<'de> Deserialize<'de> for Dataset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::deserialize(deserializer)?
            .try_into()
            .map_err(D::Error::custom)
    }
}

impl Serialize for Dataset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let folder = self.folder();
        let fields = Fields {
            name: self.name(),
            validation: self.validation,
            labels: self.labels(),
            test: folder.and_then(|folder| folder.test),
            limit: self.limit,
            path: self.path().map(Path::to_path_buf),
            split: folder.and_then(|folder| folder.split),
            strict: folder.is_some_and(|folder| folder.strict),
        };
        fields.serialize(serializer)
    }
}

impl JsonSchema for Dataset {
    fn schema_name() -> Cow<'static, str> {
        "Dataset".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Fields::json_schema(generator)
    }
}
