//! Answers on stdout, as text and as JSON.

use warmstart_schema::architecture::Backbone;

use crate::place::Place;

#[test]
fn params_equal_the_studys_counts() {
    let place = Place::new();
    let counts = |arguments: &[&str]| {
        let json = place.say(arguments).json();
        ["total_params", "trainable_params", "non_trainable_params"]
            .map(|key| json[key].as_u64().unwrap())
    };
    assert_eq!(
        counts(&["params", "effnet-resized", "--json"]),
        [4_404_224, 4_361_696, 42_528]
    );
    assert_eq!(
        counts(&["params", "effnet-freeze", "--json"]),
        [4_404_224, 354_148, 4_050_076]
    );
    assert_eq!(
        counts(&[
            "params",
            "effnet-freeze",
            "--set",
            "model.freeze=none",
            "--json"
        ])[1],
        4_361_696
    );
    let text = place.say(&["params", "effnet-resized"]).out;
    for line in [
        "Total params: 4,404,224",
        "Trainable params: 4,361,696",
        "Non-trainable params: 42,528",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn the_counts_of_the_blocks_add_up_to_the_total() {
    let json = Place::new()
        .say(&["params", "resnet-original", "--json"])
        .json();
    let blocks = json["blocks"].as_array().unwrap();
    for key in ["total_params", "trainable_params", "non_trainable_params"] {
        assert_eq!(
            blocks
                .iter()
                .map(|block| block[key].as_u64().unwrap())
                .sum::<u64>(),
            json[key]
        );
    }
    assert_eq!(blocks.last().unwrap()["name"], "head");
}

#[test]
fn every_backbone_is_listed_with_its_size_and_its_weights() {
    let place = Place::new();
    let json = place.say(&["models", "--json"]).json();
    let models = json.as_array().unwrap();
    assert!(
        models
            .iter()
            .map(|model| &model["backbone"])
            .eq(Backbone::ALL.map(Backbone::as_str))
    );
    let of = |name: &str| {
        models
            .iter()
            .find(|model| model["backbone"] == name)
            .unwrap()
    };
    // The counts on timm's model cards.
    assert_eq!(
        (&of("resnet50")["params"], &of("resnet50")["statistics"]),
        (&23_508_032.into(), &53_120.into())
    );
    assert_eq!(
        (
            &of("convnext_tiny")["params"],
            &of("convnext_tiny")["statistics"]
        ),
        (&27_820_128.into(), &0.into())
    );
    assert_eq!(
        (
            &of("vit_small_patch14_dinov2")["multiple_of"],
            &of("vit_small_patch14_dinov2")["least_pixels"]
        ),
        (&14.into(), &56.into())
    );
    assert_eq!(
        of("resnet50").get("multiple_of"),
        Some(&serde_json::Value::Null)
    );
    assert_eq!(of("efficientnet_b3")["pixels"], 288);
    let (usual, others) = (&of("resnet50")["tag"], &of("resnet50")["others"]);
    assert_eq!(usual, "a1_in1k");
    assert_eq!(others[1]["tag"], "tv2_in1k");
    assert_eq!(others[1]["pretrained"], "timm/resnet50.tv2_in1k");
    assert_eq!(others[1]["pixels"], 176);
    assert_eq!(of("resnet26d")["others"], serde_json::json!([]));
    let text = place.say(&["models"]).out;
    assert!(
        text.contains(" timm/resnet50.a1_in1k, tv_in1k, tv2_in1k "),
        "{text}"
    );
    for model in models {
        let line = text
            .lines()
            .find(|line| line.split_whitespace().next() == model["backbone"].as_str())
            .unwrap();
        assert!(
            line.contains(model["pretrained"].as_str().unwrap()),
            "{line}"
        );
    }
}

#[test]
fn models_are_filtered_by_name_and_by_size() {
    let place = Place::new();
    let names = |arguments: &[&str]| -> Vec<String> {
        let json = place
            .say(&[&["models", "--json"], arguments].concat())
            .json();
        let models = json.as_array().unwrap();
        models
            .iter()
            .map(|model| model["backbone"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&["DINOv2", "small"]),
        ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"]
    );
    // 11,176,512 parameters without its classifier.
    assert!(names(&["resnet18", "--max-params", "11.2M"]) == ["resnet18"]);
    assert!(names(&["resnet", "--max-params", "11200k", "--min-params", "1M"]) == ["resnet18"]);
    assert!(!names(&["--min-params", "11176513"]).contains(&"resnet18".to_owned()));
    assert!(names(&["--min-params", "11176512"]).contains(&"resnet18".to_owned()));
    let text = place.say(&["models", "resnet50d"]).out;
    assert!(text.contains("GMACs") && text.contains("4.33"), "{text}");
    let none = place.say(&["models", "resnet51"]);
    assert_eq!(none.code, 3);
    assert!(none.err.contains("resnet50"), "{}", none.err);
    // The name is right, the size is not.
    let large = place.say(&["models", "resnet18", "--min-params", "50M"]);
    assert!(
        large.code == 3 && !large.err.contains("did you mean"),
        "{}",
        large.err
    );
    let tiny = place.say(&["models", "resnet18", "--max-params", "12"]);
    assert!(tiny.err.contains("`--max-params 12M`"), "{}", tiny.err);
    // In millions these would leave no backbone either.
    for (name, most) in [("resnet18", "0"), ("vgg16_bn", "12")] {
        let none = place.say(&["models", name, "--max-params", most]);
        assert!(
            none.code == 3 && !none.err.contains("did you mean"),
            "{}",
            none.err
        );
    }
    let capitals = place.say(&["models", "ResNet51"]);
    assert!(capitals.err.contains("`resnet50`"), "{}", capitals.err);
    let wrong = place.say(&["models", "--max-params", "many"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("5M"), "{}", wrong.err);
}

#[test]
fn experiments_are_listed_with_the_study_first() {
    let said = Place::new().say(&["list", "--json"]);
    let json = said.json();
    let groups: Vec<&str> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["group"].as_str().unwrap())
        .collect();
    assert_eq!(&groups[..5], ["study"; 5]);
    assert!(groups.contains(&"quickstart"));
    assert_eq!(json[0].get("newest"), Some(&serde_json::Value::Null));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn without_a_terminal_the_table_names_the_next_step() {
    let said = Place::new().say(&[]);
    assert_eq!(said.code, 0);
    assert!(said.out.contains("effnet-freeze") && !said.out.contains("From a script"));
    assert!(said.err.contains("warmstart train"), "{}", said.err);
    assert_eq!(Place::new().say(&["--quiet"]).err, "");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::new();
    for verb in [
        &["list"][..],
        &["--help"],
        &["params", "resnet-resized"],
        &["completions", "bash"],
    ] {
        // The pipe has no reader before the program starts.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(verb).stdout(writer).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), err.as_str()),
            (Some(0), ""),
            "{verb:?}"
        );
    }
}

#[test]
fn help_names_every_exit_code_and_colour_is_for_terminals() {
    let said = Place::new().say(&["--help"]);
    for code in [
        "0  done",
        "1  a run failed",
        "2  wrong input",
        "3  nothing",
        "4  the worker",
        "130  interrupted",
    ] {
        assert!(said.out.contains(code), "{code}");
    }
    let place = Place::new();
    assert!(!place.say(&["params", "none"]).err.contains('\u{1b}'));
    assert!(
        place
            .say(&["params", "none", "--color", "always"])
            .err
            .contains("\u{1b}[1;31merror:")
    );
}
