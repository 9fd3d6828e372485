//! What `look` shows of a dataset. The tests read the bytes of the pictures and labels themselves.
//! The augmented pictures must equal the batches of training.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

#[path = "support/pictures.rs"]
mod pictures;

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use pictures::{broken, folder};
use tch::{Device, Tensor};
use warmstart_engine::augment::augment;
use warmstart_engine::data::{self, Input};
use warmstart_engine::look::{pixels, serve};
use warmstart_engine::model::{Model, ModelSpec};
use warmstart_engine::train::{Examples, Views};
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::architecture::{Backbone, Stem};
use warmstart_schema::experiment::{Interpolation, NumberFormat, parse};
use warmstart_schema::look::{Answer, Ask, Facts, Picture, Split, Wanted};
use warmstart_schema::seed::{derive, epoch_order};

const RECORD: usize = 3074;
const TRAIN: usize = 3038;

fn yaml(dataset: &str, rest: &str) -> String {
    format!(
        "name: looked at\nseed: 7\ndataset: {dataset}\n{rest}model: {{ backbone: resnet18, weights: random }}\n\
         train: {{ epochs: 2, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
    )
}

/// The worker's answers to the questions, one question a line.
fn answers_to(experiment: &str, questions: &str) -> Vec<Answer> {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    fs::write(file.path(), experiment).unwrap();
    let mut answers = Vec::new();
    serve(file.path(), questions.as_bytes(), &mut answers).unwrap();
    String::from_utf8(answers)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn facts_and_answers(experiment: &str, questions: &[Ask]) -> (Facts, Vec<Answer>) {
    let lines: Vec<String> = questions
        .iter()
        .map(|ask| serde_json::to_string(ask).unwrap() + "\n")
        .collect();
    let mut answers = answers_to(experiment, &lines.concat()).into_iter();
    match answers.next() {
        Some(Answer::Opened(facts)) => (facts, answers.collect()),
        other => panic!("{other:?}"),
    }
}

fn shown(part: Split, positions: std::ops::Range<u32>, epoch: Option<u32>) -> Vec<Ask> {
    let wanted: Vec<Wanted> = positions
        .map(|position| Wanted { position, epoch })
        .collect();
    wanted
        .chunks(64)
        .map(|wanted| Ask::Pictures {
            part,
            wanted: wanted.to_vec(),
        })
        .collect()
}

fn all_pictures(answers: Vec<Answer>) -> Vec<Picture> {
    let pictures = |answer| match answer {
        Answer::Pictures { pictures, .. } => pictures,
        other => panic!("{other:?}"),
    };
    answers.into_iter().flat_map(pictures).collect()
}

/// Whether a picture equals a record: label bytes, then pixels channel by channel.
fn is_record(picture: &Picture, record: &[u8]) -> bool {
    let (labels, planes) = record.split_at(2);
    let rgb = picture.pixels.as_ref().unwrap().rgb();
    let same_pixels = (0..1024)
        .all(|at| (0..3).all(|channel| rgb[at * 3 + channel] == planes[channel * 1024 + at]));
    let number = |label: &Option<warmstart_schema::look::Label>| label.as_ref().unwrap().number;
    same_pixels
        && [number(&picture.coarse), number(&picture.fine)]
            == [u32::from(labels[0]), u32::from(labels[1])]
}

#[test]
fn every_embedded_picture_is_shown_once_with_its_own_bytes() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut bytes = Vec::new();
    let packed = fs::File::open(assets.join("emoji98.bin.gz")).unwrap();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .unwrap();
    let about: serde_json::Value =
        serde_json::from_slice(&fs::read(assets.join("emoji98.json")).unwrap()).unwrap();
    let (train, test) = bytes.split_at(TRAIN * RECORD);

    let questions = [
        shown(Split::Train, 0..2127, None),
        shown(Split::Validation, 0..911, None),
        shown(Split::Test, 0..774, None),
    ];
    let (facts, answers) = facts_and_answers(
        &yaml("{ name: emoji98, validation: 0.3 }", ""),
        &questions.concat(),
    );
    assert_eq!(
        [
            facts.train.images,
            facts.validation.images,
            facts.test.images
        ],
        [2127, 911, 774]
    );
    let pictures = all_pictures(answers);
    let (own, tests) = pictures.split_at(TRAIN);
    let mut numbers: Vec<u32> = own.iter().map(|picture| picture.number).collect();
    numbers.sort_unstable();
    assert!(
        numbers.into_iter().eq(0..3038),
        "every training image is in one part"
    );
    for (pictures, bytes) in [(own, train), (tests, test)] {
        for picture in pictures {
            let at = picture.number as usize * RECORD;
            assert!(
                is_record(picture, &bytes[at..at + RECORD]),
                "number {}",
                picture.number
            );
            let fine = picture.fine.as_ref().unwrap();
            assert_eq!(about["fine"][fine.number as usize], fine.name);
        }
    }
    // The class counts equal the counts of the label bytes.
    for (class, count) in facts.test.by_class.iter().enumerate() {
        let expected = test
            .chunks(RECORD)
            .filter(|record| usize::from(record[1]) == class)
            .count();
        assert_eq!(*count as usize, expected, "class {class}");
    }
}

#[test]
fn a_picture_number_is_found_in_its_part_and_at_its_position() {
    let experiment = yaml("{ name: emoji98, validation: 0.3 }", "");
    let numbers = [0, 1234, 3037];
    let questions = numbers.map(|number| Ask::Number {
        part: Split::Validation,
        number,
    });
    let (_, answers) = facts_and_answers(&experiment, &questions);
    assert_eq!(answers.len(), numbers.len());
    for (answer, number) in answers.into_iter().zip(numbers) {
        let Answer::Found { part, position } = answer else {
            panic!("{answer:?}")
        };
        assert_ne!(part, Split::Test);
        let (_, answers) =
            facts_and_answers(&experiment, &shown(part, position..position + 1, None));
        assert_eq!(all_pictures(answers)[0].number, number);
    }
    let wrong = [
        Ask::Number {
            part: Split::Test,
            number: 774,
        },
        Ask::Pictures {
            part: Split::Test,
            wanted: vec![Wanted {
                position: 774,
                epoch: None,
            }],
        },
        Ask::Pictures {
            part: Split::Test,
            wanted: vec![Wanted {
                position: 0,
                epoch: Some(1),
            }],
        },
        Ask::Pictures {
            part: Split::Train,
            wanted: vec![Wanted {
                position: 0,
                epoch: Some(0),
            }],
        },
        Ask::Pictures {
            part: Split::Test,
            wanted: vec![
                Wanted {
                    position: 0,
                    epoch: None
                };
                65
            ],
        },
        Ask::Number {
            part: Split::Test,
            number: 773,
        },
    ];
    let (_, answers) = facts_and_answers(&experiment, &wrong);
    for (answer, sign) in answers.iter().zip([
        "the last one is 773",
        "below 774",
        "only training",
        "from 1",
        "64",
    ]) {
        assert!(
            matches!(answer, Answer::NotThere { error } if error.contains(sign)),
            "{answer:?}"
        );
    }
    assert_eq!(
        answers[5],
        Answer::Found {
            part: Split::Test,
            position: 773
        }
    );
    let answers = answers_to(
        &experiment,
        "nonsense\n\n{\"ask\":\"number\",\"part\":\"test\",\"number\":1}\n",
    );
    assert!(
        matches!(
            &answers[1..3],
            [Answer::NotThere { .. }, Answer::NotThere { .. }]
        ),
        "{answers:?}"
    );
    assert_eq!(
        answers[3],
        Answer::Found {
            part: Split::Test,
            position: 1
        }
    );
}

#[test]
fn an_image_beyond_the_limit_is_not_called_missing_from_the_dataset() {
    let experiment = yaml("{ name: emoji98, limit: 200 }", "");
    let last = Ask::Number {
        part: Split::Train,
        number: u32::try_from(TRAIN).unwrap() - 1,
    };
    let (_, answers) = facts_and_answers(&experiment, &[last]);
    assert!(
        matches!(&answers[..], [Answer::NotThere { error }] if error.contains("dataset.limit")),
        "{answers:?}"
    );
}

#[test]
fn an_epoch_shows_each_image_as_training_augments_it() {
    let text = yaml(
        "{ name: emoji98, limit: 200 }",
        "augment: { rotation: 15, horizontal_flip: true, zoom: 0.1 }\n",
    );
    let experiment = parse(&text, "x").unwrap();
    let splits = data::splits(&experiment, &SearchPaths::from_env(), Device::Cpu).unwrap();
    let train = Examples::new(Split::Train, splits.train);
    let images = u32::try_from(train.len()).unwrap();
    let (_, answers) = facts_and_answers(&text, &shown(Split::Train, 0..images, Some(2)));
    let pictures = all_pictures(answers);
    let order = epoch_order(7, 2, train.len());
    let mut compared = 0;
    // The training loop takes the images like this: five batches for an epoch of 140 images.
    for (number, batch) in (0_u64..).zip(train.in_order(&order, 2, 32).unwrap()) {
        let Input::Images(images) = batch.unwrap().input else {
            panic!("no images")
        };
        let seen = augment(&images, &experiment.augment, |stream| {
            derive(7, stream, 2, 5 + number)
        })
        .unwrap();
        for row in 0..seen.size()[0] {
            let position =
                order[usize::try_from(number).unwrap() * 32 + usize::try_from(row).unwrap()];
            let expected = pixels(&seen.narrow(0, row, 1)).unwrap();
            assert_eq!(
                pictures[position as usize].pixels.as_ref().unwrap(),
                &expected,
                "position {position}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, train.len());
    // Without augmentation an epoch shows the unchanged pictures.
    let plain = yaml("{ name: emoji98, limit: 200 }", "");
    let questions = [
        shown(Split::Train, 0..40, None),
        shown(Split::Train, 0..40, Some(2)),
    ]
    .concat();
    let still = all_pictures(facts_and_answers(&plain, &questions).1);
    assert!((0..40).all(|at| still[at].pixels == still[at + 40].pixels));
    assert!((0..40).any(|at| still[at].pixels != pictures[at].pixels));
}

#[test]
fn kept_views_repeat_and_an_epoch_shows_the_view_that_its_features_are_of() {
    let text = yaml(
        "{ name: emoji98, limit: 200 }",
        "augment: { rotation: 15, horizontal_flip: true, zoom: 0.1 }\n",
    )
    .replace("weights: random", "weights: random, freeze: backbone")
    .replace("batch_size: 32", "batch_size: 32, cache_views: 2");
    let experiment = parse(&text, "x").unwrap();
    let views = Views::of_training(&experiment).unwrap();
    let splits = data::splits(&experiment, &SearchPaths::from_env(), Device::Cpu).unwrap();
    let mut train = Examples::new(Split::Train, splits.train);
    let count = u32::try_from(train.len()).unwrap();
    let in_epoch = |epoch| {
        let answers = facts_and_answers(&text, &shown(Split::Train, 0..count, Some(epoch))).1;
        let pictures = all_pictures(answers).into_iter();
        pictures
            .map(|picture| picture.pixels.unwrap())
            .collect::<Vec<_>>()
    };
    let (first, second, third) = (in_epoch(1), in_epoch(2), in_epoch(3));
    assert_eq!(first, third);
    assert_ne!(first, second);

    let spec = ModelSpec {
        backbone: Backbone::Resnet18,
        stem: Stem::Original,
        classes: 98,
        hidden: 0,
        dropout: 0.0,
        drop_path: 0.0,
        frozen_blocks: usize::MAX,
        norm_inference: false,
        input_size: None,
        interpolation: Interpolation::Bilinear,
        mean: [0.5; 3],
        std: [0.25; 3],
    };
    let model = Model::new(&spec, 7, Device::Cpu).unwrap();
    let mut expected = Vec::new();
    for (number, batch) in (0_u64..).zip(train.all(32).unwrap()) {
        let Input::Images(images) = batch.unwrap().input else {
            panic!("no images")
        };
        let draw = |stream| derive(7, stream, 2, number);
        let seen = augment(&images, &experiment.augment, draw).unwrap();
        for row in 0..seen.size()[0] {
            let at = usize::try_from(number).unwrap() * 32 + usize::try_from(row).unwrap();
            assert_eq!(second[at], pixels(&seen.narrow(0, row, 1)).unwrap(), "{at}");
        }
        expected.push(model.features(&seen).unwrap());
    }
    let expected = Tensor::cat(&expected, 0);
    let mut done = Vec::new();
    train
        .keep_features(&model, 32, NumberFormat::Float32, &views, |now| {
            done.push(now);
            true
        })
        .unwrap();
    assert_eq!(done.last(), Some(&(2 * train.len())));
    assert!(done.is_sorted());
    assert_eq!(
        train.len(),
        count as usize,
        "an epoch visits each image once"
    );
    let order = epoch_order(7, 4, train.len());
    let mut at = 0;
    for batch in train.in_order(&order, 4, 32).unwrap() {
        let batch = batch.unwrap();
        let Input::Features(features) = batch.input else {
            panic!("no features")
        };
        let size = batch.members.len();
        let wanted: Vec<i64> = order[at..at + size].iter().map(|&p| p.into()).collect();
        assert_eq!(
            features,
            expected.index_select(0, &Tensor::from_slice(&wanted))
        );
        at += size;
    }
    assert_eq!(at, train.len());
}

#[test]
fn the_study_s_first_figure_is_found_by_its_number() {
    let root = tempfile::tempdir().unwrap();
    // A sparse file with one record: the other bytes are zeros and take no disk space.
    for (name, records) in [("train.bin", 50_000), ("test.bin", 10_000)] {
        fs::File::create(root.path().join(name))
            .unwrap()
            .set_len(records * 3074)
            .unwrap();
    }
    let mut record: Vec<u8> = (0..RECORD)
        .map(|at| u8::try_from(at * 7 % 256).unwrap())
        .collect();
    (record[0], record[1]) = (8, 88);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(root.path().join("train.bin"))
        .unwrap();
    file.seek(SeekFrom::Start(34_133 * 3074)).unwrap();
    file.write_all(&record).unwrap();
    let names = |count: usize, class: usize, name: &str| -> String {
        (0..count)
            .map(|other| {
                if other == class {
                    format!("{name}\n")
                } else {
                    format!("c{other}\n")
                }
            })
            .collect()
    };
    fs::write(
        root.path().join("fine_label_names.txt"),
        names(100, 88, "tiger"),
    )
    .unwrap();
    fs::write(
        root.path().join("coarse_label_names.txt"),
        names(20, 8, "large_carnivores"),
    )
    .unwrap();
    let experiment = yaml(
        &format!("{{ name: cifar100, path: {} }}", root.path().display()),
        "",
    );
    let (facts, answers) = facts_and_answers(
        &experiment,
        &[Ask::Number {
            part: Split::Train,
            number: 34_133,
        }],
    );
    assert_eq!(facts.train.images + facts.validation.images, 50_000);
    let Answer::Found { part, position } = answers[0] else {
        panic!("{answers:?}")
    };
    let picture =
        all_pictures(facts_and_answers(&experiment, &shown(part, position..position + 1, None)).1)
            .remove(0);
    assert!(picture.number == 34_133 && is_record(&picture, &record));
    let label = |label: Option<warmstart_schema::look::Label>| {
        label.map(|label| (label.number, label.name)).unwrap()
    };
    assert_eq!(label(picture.coarse), (8, "large_carnivores".to_owned()));
    assert_eq!(label(picture.fine), (88, "tiger".to_owned()));
}

#[test]
fn own_pictures_are_shown_with_their_files_and_unreadable_ones_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), &["train", "test"]);
    for (name, bytes, _) in broken() {
        fs::write(root.path().join("test/red").join(name), bytes).unwrap();
    }
    let dataset = format!(
        "{{ name: image_folder, path: {}, strict: true }}",
        root.path().display()
    );
    let experiment = yaml(&dataset, "input: { resize: 224 }\n")
        .replace("train: {", "train: { class_weights: balanced,");
    let (facts, _) = facts_and_answers(&experiment, &[]);
    assert_eq!(facts.classes, ["blue ones", "green", "red"]);
    let whole = shown(Split::Test, 0..facts.test.images, None);
    let mut answers = facts_and_answers(&experiment, &[whole.clone(), whole].concat()).1;
    let again = all_pictures(answers.split_off(answers.len() / 2));
    let pictures = all_pictures(answers);
    assert_eq!(again, pictures, "reasons do not get lost");
    let unreadable = pictures.iter().filter(|picture| picture.pixels.is_none());
    assert_eq!(unreadable.clone().count(), broken().len());
    for picture in unreadable {
        let file = Path::new(picture.file.as_ref().unwrap())
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let (_, _, why) = broken()
            .into_iter()
            .find(|(name, ..)| *name == file)
            .unwrap();
        let error = picture.error.as_ref().unwrap();
        assert!(
            error.contains(&file) && why.is_none_or(|why| error.contains(why)),
            "{file}: {error}"
        );
    }
    let good = pictures
        .iter()
        .find(|picture| picture.pixels.is_some())
        .unwrap();
    assert_eq!(
        good.pixels.as_ref().unwrap().side(),
        112,
        "large pictures are sent at half their side"
    );
    let (counts, weights) = (facts.train.by_class, facts.class_weights.unwrap());
    assert!(
        counts[1] < counts[2] && weights[1] > weights[2],
        "{counts:?} {weights:?}"
    );
}

#[test]
fn an_unreadable_dataset_or_experiment_is_refused_with_the_next_step() {
    let answers = answers_to(&yaml("{ name: cifar100, path: /nowhere }", ""), "");
    assert!(
        matches!(&answers[..], [Answer::Refused { error, help }] if error.contains("not on this machine") && help.contains("/nowhere")),
        "{answers:?}"
    );
    let answers = answers_to("name: [", "");
    assert!(
        matches!(&answers[..], [Answer::Refused { help, .. }] if help.contains("warmstart check")),
        "{answers:?}"
    );
}
