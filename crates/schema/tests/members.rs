//! Files with `seeds` and `grid`: which runs they describe, and which changes make another group.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use warmstart_schema::experiment::{self, Group, Optimizer, Setting};

const PLAIN: &str = "name: Sweep\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18 }\n\
    train: { epochs: 3, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n";

const OPTIMIZERS: &str = "grid: { train.optimizer: [{ name: sgd, learning_rate: 0.1 }, { name: adam, learning_rate: 0.2 }] }\n";

fn texts(changes: &[&str]) -> Vec<String> {
    changes.iter().map(|&change| change.to_owned()).collect()
}

fn group(more: &str, changes: &[&str]) -> Group {
    let source = format!("{PLAIN}{more}");
    experiment::parse_group(&source, "sweep.yaml", &texts(changes))
        .unwrap()
        .1
        .unwrap()
}

fn problem(more: &str, changes: &[&str]) -> String {
    let source = format!("{PLAIN}{more}");
    let problems = experiment::parse_group(&source, "sweep.yaml", &texts(changes)).unwrap_err();
    problems[0].to_string()
}

#[test]
fn a_file_without_seeds_and_grid_is_one_run() {
    assert!(
        experiment::parse_group(PLAIN, "a.yaml", &[])
            .unwrap()
            .1
            .is_none()
    );
}

#[test]
fn members_are_all_combinations_and_the_first_seed_comes_first() {
    let group = group(
        "seeds: [7, 8]\ngrid: { train.optimizer.learning_rate: [0.1, 1.0e-2], model.freeze: [backbone, none] }\n",
        &[],
    );
    let found: Vec<(u64, f64, String, &str)> = group
        .members
        .iter()
        .map(|member| {
            let experiment = &member.experiment;
            let freeze = serde_json::to_value(experiment.model.freeze).unwrap();
            (
                experiment.seed,
                experiment.train.optimizer.learning_rate(),
                freeze.as_str().unwrap().to_owned(),
                experiment.name.as_str(),
            )
        })
        .collect();
    let mut expected = Vec::new();
    for seed in [7, 8] {
        for rate in [0.1, 0.01] {
            for freeze in ["backbone", "none"] {
                expected.push((
                    seed,
                    rate,
                    freeze.to_owned(),
                    format!("Sweep, learning_rate {rate}, freeze {freeze}"),
                ));
            }
        }
    }
    let expected: Vec<(u64, f64, String, &str)> = expected
        .iter()
        .map(|(seed, rate, freeze, name)| (*seed, *rate, freeze.clone(), name.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_member_is_an_ordinary_experiment() {
    for member in group("seeds: [1, 2]\ngrid: { train.epochs: [4, 5] }\n", &[]).members {
        let yaml = member.experiment.to_yaml().unwrap();
        assert!(
            !member.experiment.is_group() && !yaml.contains("grid"),
            "{yaml}"
        );
        assert_eq!(
            experiment::parse(&yaml, "again").unwrap(),
            member.experiment
        );
    }
}

#[test]
fn a_grid_may_vary_a_whole_section() {
    let members = group(OPTIMIZERS, &[]).members;
    assert!(matches!(
        members[0].experiment.train.optimizer,
        Optimizer::Sgd { .. }
    ));
    assert!(matches!(
        members[1].experiment.train.optimizer,
        Optimizer::Adam { .. }
    ));
}

#[test]
fn fields_with_the_same_last_word_are_named_whole() {
    let setting = |field: &str| Setting {
        field: field.to_owned(),
        value: "1".to_owned(),
    };
    let settings = [
        setting("train.groups.head"),
        setting("model.head"),
        setting("a.b"),
    ];
    assert_eq!(
        experiment::in_words(&settings),
        "train.groups.head 1, model.head 1, b 1"
    );
}

#[test]
fn more_values_and_another_name_keep_the_group_and_another_setting_makes_a_new_one() {
    let grid = "grid: { train.optimizer.learning_rate: [0.1, 0.01] }\n";
    let same = [
        group(grid, &[]),
        group(&format!("# a comment\nseeds: [1, 2]\n{grid}"), &[]),
        group(
            "grid: { train.optimizer.learning_rate: [0.1, 0.01, 0.5] }\nseed: 9\n",
            &[],
        ),
        group(grid, &["name=Other", "group=g"]),
    ];
    for other in &same {
        assert_eq!(other.identity, same[0].identity);
    }
    for other in [
        group(grid, &["train.epochs=4"]),
        group("grid: { train.epochs: [1] }\n", &[]),
        group(&format!("{grid}input: {{ resize: 64 }}\n"), &[]),
    ] {
        assert_ne!(other.identity, same[0].identity);
    }
}

#[test]
fn halving_belongs_to_the_group_and_to_no_member() {
    let grid = "grid: { train.optimizer.learning_rate: [0.1, 0.01, 0.001] }\n";
    let plain = group(grid, &[]);
    assert_eq!(plain.rounds, None);
    let halved = group(&format!("{grid}halving: {{ epochs: [1, 2] }}\n"), &[]);
    assert_eq!(halved.rounds.as_ref().unwrap().epochs, [1, 2]);
    assert_ne!(halved.identity, plain.identity);
    let other = group(
        &format!("{grid}halving: {{ epochs: [1, 2] }}\n"),
        &["halving.epochs=[1]"],
    );
    assert_ne!(other.identity, halved.identity);
    for member in halved.members {
        let yaml = member.experiment.to_yaml().unwrap();
        assert!(!yaml.contains("halving"), "{yaml}");
        assert!(experiment::parse(&yaml, "again").is_ok());
    }
}

#[test]
fn changes_apply_to_every_member_and_never_to_a_field_of_the_grid() {
    let grid = "grid: { train.optimizer.learning_rate: [0.1, 0.01] }\n";
    let members = group(grid, &["train.epochs=9"]).members;
    assert!(
        members
            .iter()
            .all(|member| member.experiment.train.epochs == 9)
    );
    let seeds = group(grid, &["seeds=[4, 5]"]).members;
    assert_eq!(seeds.len(), 4);
    for (more, change, field) in [
        (
            grid,
            "train.optimizer.learning_rate=1",
            "grid.train.optimizer.learning_rate",
        ),
        (
            grid,
            "train.optimizer={ name: adam, learning_rate: 1 }",
            "grid.train.optimizer.learning_rate",
        ),
        (
            OPTIMIZERS,
            "train.optimizer.learning_rate=0.5",
            "grid.train.optimizer",
        ),
        ("seeds: [1]\n", "seed=4", "seed"),
    ] {
        let said = problem(more, &[change]);
        assert!(said.contains(&format!(": {field}: ")), "{said}");
    }
    let beside = group(grid, &["train.optimizer.name=sgd"]).members;
    let optimizer = &beside[1].experiment.train.optimizer;
    assert!(matches!(optimizer, Optimizer::Sgd { .. }), "{optimizer:?}");
}

#[test]
fn fields_of_a_grid_do_not_lie_within_each_other() {
    let rates = "train.optimizer.learning_rate: [0.1, 0.01]";
    let optimizers = OPTIMIZERS.trim_start_matches("grid: { ");
    let optimizers = optimizers.trim_end_matches(" }\n");
    for fields in [
        format!("{rates}, {optimizers}"),
        format!("{optimizers}, train.epochs: [4, 5], {rates}"),
    ] {
        let said = problem(&format!("grid: {{ {fields} }}\n"), &[]);
        let both = "found `train.optimizer` and `train.optimizer.learning_rate`";
        assert!(said.contains(both), "{said}");
    }
    let apart =
        "grid: { model.freeze: [none], model.head.hidden: [8], model.head.dropout: [0.1, 0.2] }\n";
    assert_eq!(group(apart, &[]).members.len(), 2);
}

#[test]
fn a_mistake_within_a_list_is_a_problem_of_its_field_of_the_grid() {
    let said = problem(
        "grid: { input.progressive: [[{ until_epoch: 1, size: 64 }]] }\n",
        &[],
    );
    let place = "grid.input.progressive: input.progressive[0].size: unknown field";
    assert!(said.contains(place), "{said}");
}

#[test]
fn a_key_twice_within_a_value_of_the_grid_has_its_line() {
    let grid = "grid: { train.optimizer: [{ name: adam, name: sgd, learning_rate: 0.1 }] }\n";
    for changes in [&[][..], &["train.epochs=4"][..]] {
        let said = problem(grid, changes);
        let place = "sweep.yaml:5:41: grid.train.optimizer[0].name: `name` appears twice";
        assert!(said.starts_with(place), "{said}");
    }
}

#[test]
fn of_a_list_that_is_too_long_only_the_length_is_a_problem() {
    let most = experiment::MOST_MEMBERS;
    let problems = |count: usize| {
        let values = vec!["0.5"; count].join(", ");
        let source = format!("{PLAIN}grid: {{ model.head.dropout: [{values}] }}\n");
        let problems = experiment::parse_group(&source, "sweep.yaml", &[]).unwrap_err();
        let [only] = &problems[..] else {
            panic!("{problems:?}")
        };
        only.to_string()
    };
    assert!(problems(most).contains("found 0.5 twice"));
    let said = problems(most + 1);
    assert!(said.contains(&format!("found {}", most + 1)), "{said}");
}
