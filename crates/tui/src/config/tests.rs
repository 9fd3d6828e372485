use rstest::rstest;

use super::*;

fn mistake(source: &str) -> String {
    let problems = parse(source, "config.yaml").1;
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn sample_changes_nothing_and_every_line_is_valid() {
    assert_eq!(parse(&sample(), "it"), (Config::default(), Vec::new()));
    // In the sample, comments start with a capital letter and settings do not.
    let is_setting = |line: &&str| {
        line.strip_prefix("# ")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_lowercase() || c == ' '))
    };
    let settings = sample();
    let lines = settings
        .lines()
        .filter(is_setting)
        .filter(|line| !line.contains("yaml-language-server"));
    let used = lines
        .map(|line| format!("{}\n", &line[2..]))
        .collect::<Vec<_>>()
        .concat();
    let (config, problems) = parse(&used, "it");
    assert_eq!(problems, []);
    assert!(
        config.notify.is_some()
            && config.sort.as_deref() == Some("-val acc")
            && config.keys.len() == 2
            && config.launcher == Some(LauncherName::Local)
            && config.slurm.cpus == Some(8),
        "{used}"
    );
    let changed = Config {
        notify: None,
        launcher: None,
        slurm: Slurm::default(),
        sort: None,
        columns: None,
        keys: BTreeMap::new(),
        ..config
    };
    assert_eq!(changed, Config::default(), "it shows defaults");
}

#[test]
fn every_setting_is_parsed() {
    let config = parse("theme: 16\nascii: true\nmouse: false\nbell: false\nnotify: say done\ncolumns: [val acc, note]\nsort: -time\nkeys: { run.stop: X, quit: [Q, ctrl-c], mark: 9 }\n", "it").0;
    assert_eq!(
        (config.theme, config.ascii, config.mouse, config.bell),
        (Theme::Sixteen, true, false, false)
    );
    assert_eq!(config.columns.unwrap(), ["val acc", "note"]);
    assert_eq!(
        config.keys["quit"],
        Keys(vec!["Q".to_owned(), "ctrl-c".to_owned()])
    );
    assert_eq!(config.keys["mark"], Keys(vec!["9".to_owned()]));
    for (name, theme) in [
        ("auto", Theme::Auto),
        ("dark", Theme::Dark),
        ("light", Theme::Light),
        ("\"16\"", Theme::Sixteen),
        ("mono", Theme::Mono),
    ] {
        assert_eq!(parse(&format!("theme: {name}"), "it").0.theme, theme);
    }
}

#[test]
fn what_jobs_ask_for_is_read_and_wrong_values_are_left_out() {
    let source = "launcher: slurm\nslurm:\n  partition: gpu\n  cpus: 0\n  time: 90\n  options: [--array=0-9]\n  before: [module load cuda]\n";
    let (config, problems) = parse(source, "config.yaml");
    assert_eq!(config.launcher, Some(LauncherName::Slurm));
    assert_eq!(config.slurm.options(), ["--partition=gpu", "--time=90"]);
    assert_eq!(config.slurm.before, ["module load cuda"]);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        said.len() == 2
            && said[0].contains("config.yaml:4:")
            && said[0].contains("expected a number of CPUs from 1 to 1024, found 0")
            && said[1].contains("config.yaml:6:")
            && said[1].contains("--array is not free to choose"),
        "{said:?}"
    );
    let typo = mistake("slurm: { partitoin: gpu }\n");
    assert!(
        typo.contains("slurm.partitoin") && typo.contains("did you mean `partition`?"),
        "{typo}"
    );
    assert!(mistake("slurm: { cpus: many }\n").contains("slurm.cpus"));
    assert!(mistake("launcher: pbs\n").contains("launcher"));
}

#[rstest]
#[case::a_field(
    "them: dark\n",
    "config.yaml:1:1: them: unknown field",
    "did you mean `theme`?"
)]
#[case::a_theme(
    "ascii: true\ntheme: drak\n",
    "config.yaml:2:8: theme: expected",
    "did you mean `dark`?"
)]
#[case::a_type(
    "mouse: 3\n",
    "config.yaml:1:8: mouse: expected `true` or `false`, found `3`",
    ""
)]
#[case::a_column(
    "columns: [val acc, tst acc]\n",
    "config.yaml:1:10: columns: no column is called `tst acc`",
    "did you mean `test acc`?"
)]
#[case::a_sort(
    "sort: -vall acc\n",
    "config.yaml:1:7: sort: no column is called `vall acc`",
    "did you mean `val acc`?"
)]
#[case::an_action(
    "keys:\n  run.stpo: x\n",
    "config.yaml:2:13: keys.run.stpo: no action is called `stpo` on `run`",
    "did you mean `stop`?"
)]
#[case::a_collision(
    "keys:\n  quit: Q\n  run.stop: x\n",
    "config.yaml:3:13: keys.run.stop: `x` is the key of `axis` on `run`",
    "run.axis"
)]
#[case::a_key("keys: { stop: { a: b } }\n", "keys.stop: expected a key like `x`", "")]
#[case::no_yaml("keys: {\n", "not valid YAML", "")]
#[case::twice(
    "bell: true\nbell: true\n",
    "config.yaml:2:1: bell: `bell` appears twice",
    ""
)]
fn mistakes_are_reported_with_their_position(
    #[case] source: &str,
    #[case] message: &str,
    #[case] help: &str,
) {
    let text = mistake(source);
    assert!(text.contains(message) && text.contains(help), "{text}");
}

/// The lines with mistakes, in a file that also contains `bell: false` and `mouse: false`. These two always apply.
#[rstest]
#[case::an_unknown_key("bell: false\nthem: dark\nmouse: false\n", &[2])]
#[case::one_over_lines("bell: false\nthemes:\n  - dark\n  - light\nmouse: false\n", &[2])]
#[case::two_and_their_lines("them: dark\nbell: false\n\nnotifyy: |\n  a\n  b\nmouse: false\n", &[1, 4])]
#[case::a_wrong_value("bell: false\ntheme: drak\nmouse: false\nascii: 3\n", &[2, 4])]
#[case::in_braces("{ bell: false, them: dark, mouse: false }\n", &[1])]
#[case::first_in_braces("{ them: dark, bell: false, mouse: false }\n", &[1])]
#[case::a_key_of_an_action("bell: false\nmouse: false\nkeys:\n  run.stpo: x\n  run.stop: X\n", &[4])]
#[case::an_invalid_key("bell: false\nmouse: false\nkeys:\n  run.stop: X\n  quit: { a: b }\n", &[5])]
#[case::a_key_twice_used("bell: false\nmouse: false\nkeys:\n  quit: Q\n  run.stop: x\n", &[5])]
#[case::a_column("bell: false\nmouse: false\ncolumns: [val acc, tst acc]\n", &[3])]
#[case::an_item_of_a_list("bell: false\nmouse: false\ncolumns: [{name: val acc}]\n", &[3])]
#[case::an_item_of_a_list_in_a_section("bell: false\nmouse: false\nslurm:\n  before: [{a: b}]\n  cpus: 2\n", &[4])]
#[case::an_item_among_the_keys_of_an_action("bell: false\nmouse: false\nkeys:\n  quit: [~, x]\n  run.stop: X\n", &[4])]
#[case::setting_given_twice("bell: false\nmouse: false\nmouse: true\n", &[3])]
fn wrong_settings_are_ignored_and_others_apply(#[case] source: &str, #[case] lines: &[usize]) {
    for source in [
        source.to_owned(),
        source.replace('\n', "\r\n"),
        format!("\u{feff}{source}"),
    ] {
        let (config, problems) = parse(&source, "config.yaml");
        let found: Vec<usize> = problems
            .iter()
            .filter_map(|problem| Some(problem.at?.0))
            .collect();
        assert_eq!(found, lines, "{problems:?}");
        assert_eq!(
            (config.bell, config.mouse, config.theme),
            (false, false, Theme::Auto),
            "{source}"
        );
        if source.contains("run.stop: X") {
            assert_eq!(
                config.keys["run.stop"],
                Keys(vec!["X".to_owned()]),
                "{source}"
            );
        }
        if source.contains("quit: Q") {
            assert_eq!(config.keys.keys().collect::<Vec<_>>(), ["quit"], "{source}");
        }
        if source.contains("columns: [val acc") {
            assert_eq!(config.columns.as_deref(), Some(&["val acc".to_owned()][..]));
        }
    }
}

#[test]
fn an_action_outside_of_keys_does_not_take_the_other_settings_with_it() {
    let (config, problems) = parse("bell: false\nrun.stop: X\nmouse: false\n", "config.yaml");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().contains("run.stop"), "{problems:?}");
    assert_eq!((config.bell, config.mouse), (false, false));
}

#[test]
fn missing_file_is_valid_and_broken_file_gives_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let loaded = read(path.clone());
    assert!(!loaded.is_there && loaded.problems.is_empty() && loaded.config == Config::default());
    std::fs::write(&path, "bell: true\nascii: perhaps\n").unwrap();
    let loaded = read(path.clone());
    assert!(loaded.is_there && loaded.problems.len() == 1 && loaded.config == Config::default());
    std::fs::write(&path, "bell: [\n").unwrap();
    let loaded = read(path.clone());
    assert!(loaded.problems.len() == 1 && loaded.config == Config::default());
    std::fs::write(&path, b"\xff").unwrap();
    assert_eq!(read(path.clone()).problems.len(), 1);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(folder.path().join("gone"), &path).unwrap();
    let loaded = read(path);
    assert!(loaded.is_there && loaded.problems.len() == 1);
}
