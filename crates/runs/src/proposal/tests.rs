use std::fs;
use std::path::Path;

use warmstart_schema::experiment::{self, Experiment, Freeze};

use super::*;

fn facts(counts: &[usize], shorter_side: Option<u32>) -> Facts {
    let classes = counts.iter().enumerate();
    Facts {
        classes: classes
            .map(|(index, &count)| (format!("class {index}"), count))
            .collect(),
        own_validation: false,
        own_test: false,
        shorter_side,
    }
}

fn proposed(facts: &Facts) -> (Experiment, String) {
    let yaml = yaml("Mine", "pictures", facts);
    let experiment = experiment::parse(&yaml, "mine.yaml");
    (
        experiment.unwrap_or_else(|problems| panic!("{problems:?}\n{yaml}")),
        yaml,
    )
}

#[test]
fn every_proposal_is_valid() {
    let sides = [None, Some(1), Some(32), Some(150), Some(u32::MAX)];
    for images in [1, 40, 900, 3000, 50_000] {
        for classes in [2, 7, 300, 2000] {
            for (side, ratio) in sides
                .into_iter()
                .flat_map(|side| [(side, 1), (side, 4), (side, 100)])
            {
                let mut counts = vec![images; classes];
                counts[0] = images * ratio;
                let (experiment, yaml) = proposed(&facts(&counts, side));
                assert!(experiment.pixels().is_multiple_of(32), "{yaml}");
                let widest = yaml.lines().map(|line| line.chars().count()).max();
                assert!(widest <= Some(130), "{yaml}");
            }
        }
    }
}

#[test]
fn few_pictures_train_the_head_and_many_all_of_a_better_backbone() {
    let freeze = |images| {
        let (experiment, _) = proposed(&facts(&[images, images], Some(300)));
        let model = experiment.model;
        (
            model.freeze,
            model.frozen_at_last(),
            model.backbone.as_str(),
        )
    };
    let lite = "tf_efficientnet_lite0";
    assert_eq!(freeze(50), (Freeze::Backbone, Freeze::Backbone, lite));
    assert_eq!(freeze(2000), (Freeze::Backbone, Freeze::None, lite));
    assert_eq!(
        freeze(20_000),
        (Freeze::None, Freeze::None, "efficientnet_b0")
    );
    // Where the folder has its own splits, all of its training pictures train.
    let own = Facts {
        own_validation: true,
        own_test: true,
        ..facts(&[600, 600], Some(300))
    };
    assert_eq!(proposed(&own).0.model.frozen_at_last(), Freeze::None);
}

#[test]
fn what_remains_to_train_on_follows_from_the_shares_of_the_experiment() {
    let facts = facts(&[500, 500], None);
    let dataset = proposed(&facts).0.dataset;
    let test = dataset.folder().unwrap().test_share();
    let expected = 1000.0 * (1.0 - test) * (1.0 - dataset.validation);
    assert!((training_images(&facts) as f64 - expected).abs() < 1.0);
}

#[test]
fn uneven_classes_are_weighted_or_drawn_more_often() {
    let of = |counts: &[usize]| {
        let train = proposed(&facts(counts, None)).0.train;
        (train.class_weights.is_some(), train.sampler.is_some())
    };
    assert_eq!(of(&[50, 60]), (false, false));
    assert_eq!(of(&[50, 200]), (true, false));
    assert_eq!(of(&[5, 200]), (false, true));
}

#[test]
fn the_file_says_what_was_found_and_why() {
    let (_, yaml) = proposed(&facts(&[4, 90], Some(60)));
    assert!(yaml.lines().all(|line| !line.ends_with(' ')), "{yaml}");
    // Comments are wrapped.
    let yaml = yaml.replace("\n# ", " ");
    for words in [
        "# Found 94 pictures in 2 classes, from 4 (class 0) to 90 (class 1).",
        "About 52 remain to train on.",
        "fewer than 10 pictures, whose figures say little: class 0 (4).",
        "has 60 pixels",
        "resize: 96",
        "22 times as many",
    ] {
        assert!(yaml.contains(words), "{words}:\n{yaml}");
    }
}

#[test]
fn the_file_counts_only_what_it_looked_at() {
    let own = |own_validation, own_test| {
        let facts = Facts {
            own_validation,
            own_test,
            ..facts(&[450, 450], Some(300))
        };
        proposed(&facts).1.replace("\n# ", " ")
    };
    assert!(own(false, false).contains("Found 900 pictures"));
    for (validation, test) in [(true, false), (false, true), (true, true)] {
        let yaml = own(validation, test);
        assert!(yaml.contains("Found 900 training pictures"), "{yaml}");
        // Without a split there is no estimate of what is left.
        let is_estimate = yaml.contains("remain to train on");
        assert_eq!(is_estimate, !(validation && test), "{yaml}");
    }
}

#[test]
fn the_reason_for_the_size_fits_the_size() {
    for (own, size, reason) in [
        (60, 96, "see little below 96"),
        (95, 96, "see little below 96"),
        (97, 128, "the next multiple of 32"),
        (200, 224, "the next multiple of 32"),
        (96, 96, "96 is enough"),
        (224, 224, "224 is enough"),
        (1000, 224, "224 is enough"),
    ] {
        let (_, yaml) = proposed(&facts(&[900, 900], Some(own)));
        let yaml = yaml.replace("\n# ", " ");
        assert!(
            yaml.contains(reason) && yaml.contains(&format!("resize: {size},")),
            "{own}: {yaml}"
        );
        assert_eq!(yaml.contains("see little below"), own < 96, "{yaml}");
    }
}

/// A folder of pictures in two classes.
fn pictures(folder: &Path) {
    for class in ["cats", "dogs"] {
        let class = folder.join(class);
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join("1.png"), "").unwrap();
    }
}

#[test]
fn the_file_has_the_name_of_the_folder_and_is_not_hidden() {
    let root = tempfile::tempdir().unwrap();
    for (name, file) in [
        ("my pictures", "my_pictures.yaml"),
        (".mine", "mine.yaml"),
        ("--", "pictures.yaml"),
    ] {
        let data = root.path().join(name);
        pictures(&data);
        let written = write(&data, None, root.path()).unwrap();
        assert_eq!(written.file, root.path().join(file));
        let again = write(&data, None, root.path()).unwrap_err();
        assert!(again.what.contains("is there already"), "{again}");
    }
}

#[test]
fn help_about_a_folder_names_no_field_of_an_experiment() {
    let root = tempfile::tempdir().unwrap();
    pictures(&root.path().join("inner"));
    for data in [root.path(), Path::new("/nowhere/at/all")] {
        let refused = write(data, None, root.path()).unwrap_err();
        assert!(!refused.to_string().contains("dataset.path"), "{refused}");
    }
}

#[test]
fn a_folder_with_a_character_that_yaml_lacks_gets_a_file_that_names_it() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a\u{7f}b", "a\u{85}b", "a\u{2028}b", "a\u{feff}b"] {
        let data = root.path().join(name);
        pictures(&data);
        let file = root.path().join("new.yaml");
        let written = write(&data, Some(&file), root.path()).unwrap();
        let yaml = fs::read_to_string(&written.file).unwrap();
        let experiment = experiment::parse(&yaml, "new.yaml").unwrap();
        assert_eq!(experiment.dataset.folder().unwrap().path, data, "{yaml}");
        fs::remove_file(file).unwrap();
    }
}
