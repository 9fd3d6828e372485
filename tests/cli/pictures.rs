//! Folders of one's own pictures, what a run sees in a picture, and what it gives away.

use crate::place::Place;

const OWN: &str = "name: Mine\ndataset: { name: image_folder, path: pictures }\nmodel: { backbone: resnet18, weights: random }\n\
    train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 0.001 } }\n";

#[test]
fn the_folder_says_how_many_classes_there_are() {
    let place = Place::new();
    let file = place.write("mine.yaml", OWN);
    let said = place.say(&["params", &file]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("pictures cannot be read") && said.err.contains("train/<class>"), "{}", said.err);
    assert!(place.say(&["check", &file]).out.contains("not here yet: data: the folder /"));
    for class in ["ape", "bee", "cow\u{1b}[31m"] {
        place.write(&format!("pictures/train/{class}/1.png"), "");
    }
    let checked = place.say(&["check", &file]);
    let classes = "  pictures: training 3, validation split off from them, test split off from them\n  \
        3 classes: ape 1, bee 1, cow[31m 1\n";
    assert!(checked.out.ends_with(classes), "{}", checked.out);
    let said = place.say(&["params", &file]);
    assert!(said.out.starts_with("Mine: resnet18 at 224 px, 3 classes\n"), "{}", said.out);
    // The head's last layer has a weight for each of 256 hidden units and a bias, for each class.
    let trainable =
        |place: &Place| place.say(&["params", &file, "--json"]).json()["trainable_params"].as_u64().unwrap();
    let three = trainable(&place);
    place.write("pictures/train/dog/1.png", "");
    assert_eq!(trainable(&place) - three, 257);
}

#[test]
fn check_counts_the_pictures_of_each_part_and_tells_uneven_classes() {
    let place = Place::new();
    let file = place.write("mine.yaml", OWN);
    for number in 0..20 {
        place.write(&format!("pictures/train/bee/{number}.png"), "");
    }
    place.write("pictures/train/ape/1.jpg", "");
    place.write("pictures/train/ape/notes.txt", "no picture");
    place.write("pictures/val/bee/1.webp", "");
    let checked = place.say(&["check", &file]);
    let expected = "  pictures: training 21, validation 1, test split off from them\n  2 classes: ape 1, bee 20\n  \
        imbalance 20.0 to 1: bee 20, ape 1\n  \
        `train.class_weights: balanced` makes up for classes that are so uneven\n";
    assert!(checked.out.ends_with(expected), "{}", checked.out);
    let weighed = OWN.replace("optimizer", "class_weights: balanced, optimizer");
    let checked = place.say(&["check", &place.write("weighed.yaml", &weighed)]);
    assert!(checked.out.ends_with("imbalance 20.0 to 1: bee 20, ape 1\n"), "{}", checked.out);
}

#[test]
fn predictions_come_as_a_list_and_a_bad_picture_hides_no_other() {
    let place = Place::new();
    assert_eq!(place.say(&["train", "lite0-freeze", "--quiet"]).code, 0);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let said = place.say(&["predict", &run, "good.png", "bad.png"]);
    assert_eq!(said.out, "good.png\n  1   87.50 %  tiger\n  2   12.50 %  lion\n");
    assert_eq!((said.code, said.err.as_str()), (2, "error: bad.png: is empty\n"));
    let json = place.say(&["predict", &run, "good.png", "--json"]);
    assert_eq!((json.code, json.json()["images"][0]["classes"][0]["name"].as_str()), (0, Some("tiger")));
    assert_eq!(json.json()["epoch"], 3);

    let refused = place.say_with("no-checkpoint", &["predict", &run, "good.png"]);
    assert_eq!((refused.code, refused.err.as_str()), (2, "error: no checkpoint yet\nhelp: wait\n"));
    let mute = place.say_with("no-libtorch", &["predict", &run, "good.png"]);
    assert!(mute.code == 4 && mute.err.contains("libtorch_cpu.so") && mute.err.contains("doctor"), "{}", mute.err);
    assert_eq!(place.say(&["predict", "nothing", "good.png"]).code, 3);
    assert_eq!(place.say(&["predict", &run]).code, 2);
}

#[test]
fn an_export_says_how_it_is_loaded_and_a_full_disk_is_told_from_a_mistake() {
    let place = Place::new();
    assert_eq!(place.say(&["train", "lite0-freeze", "--quiet"]).code, 0);
    let said = place.say(&["export", "lite0-freeze"]);
    assert_eq!((said.code, said.out.as_str()), (0, "import timm\n"));
    assert!(said.err.contains("default.safetensors (1,234,567 bytes), x.labels.json"), "{}", said.err);
    let json = place.say(&["export", "lite0-freeze", "--output", "mine.safetensors", "--json"]);
    assert_eq!((json.code, json.json()["file"].as_str()), (0, Some("mine.safetensors")));

    let refused = place.say_with("no-checkpoint", &["export", "lite0-freeze"]);
    assert_eq!((refused.code, refused.err.as_str()), (2, "error: no checkpoint yet\nhelp: wait\n"));
    let full = place.say_with("fail", &["export", "lite0-freeze"]);
    assert!(full.code == 1 && full.err.ends_with("no space left\nhelp: make room\n"), "{}", full.err);
    assert_eq!(place.say(&["export", "nothing"]).code, 3);
}

#[test]
fn a_picture_of_the_dataset_is_shown_with_both_labels() {
    let place = Place::new();
    let said = place.say(&["look", "lite0-freeze", "7"]);
    let expected = "image number 7 of emoji98, a training image\ncategory 8 large_carnivores\nsubcategory 88 tiger\n";
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, expected, ""));
    let said = place.say(&["look", "lite0-freeze", "--part", "test"]);
    assert!(said.out.contains("a test image"), "{}", said.out);
    let json = place.say(&["look", "lite0-freeze", "7", "--epoch", "3", "--json"]).json();
    assert_eq!((&json["part"], &json["picture"]["epoch"]), (&"train".into(), &3.into()));
    assert_eq!(json["picture"]["pixels"]["rgb"], "/wAAAP8AAAD/////");

    let unreadable = place.say(&["look", "lite0-freeze", "13"]);
    assert_eq!((unreadable.code, unreadable.err.as_str()), (2, "error: is empty\n"));
    assert!(unreadable.out.contains("image number 13"));
    let missing = place.say(&["look", "lite0-freeze", "99"]);
    assert_eq!((missing.code, missing.err.as_str()), (2, "error: there is no image 99\n"));
    let refused = place.say_with("refused", &["look", "lite0-freeze"]);
    assert_eq!(refused.code, 2);
    assert_eq!(refused.err, "error: cifar100 is not on this machine\nhelp: fetch it\n");
    let mute = place.say_with("no-libtorch", &["look", "lite0-freeze"]);
    assert!(mute.code == 4 && mute.err.contains("libtorch_cpu.so") && mute.err.contains("doctor"), "{}", mute.err);
    assert_eq!(place.say(&["look", "nothing"]).code, 3);
    assert_eq!(place.say(&["look", "lite0-freeze", "7", "--random"]).code, 2);
}
