use rstest::rstest;

use super::*;

fn mistake(source: &str) -> String {
    let problems = parse(source, "config.yaml").unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_changes_nothing_and_every_line_of_it_can_be_used() {
    assert_eq!(parse(&sample(), "it").unwrap(), Config::default());
    // Comments that are sentences begin with a capital; settings do not.
    let is_setting = |line: &&str| {
        line.strip_prefix("# ").is_some_and(|rest| rest.starts_with(|c: char| c.is_lowercase() || c == ' '))
    };
    let settings = sample();
    let lines = settings.lines().filter(is_setting).filter(|line| !line.contains("yaml-language-server"));
    let used = lines.map(|line| format!("{}\n", &line[2..])).collect::<Vec<_>>().concat();
    let config = parse(&used, "it").unwrap();
    assert!(config.notify.is_some() && config.sort.as_deref() == Some("-val acc") && config.keys.len() == 2, "{used}");
    let changed = Config { notify: None, sort: None, columns: None, keys: BTreeMap::new(), ..config };
    assert_eq!(changed, Config::default(), "it shows defaults");
}

#[test]
fn every_setting_is_understood() {
    let config = parse("theme: 16\nascii: true\nmouse: false\nbell: false\nnotify: say done\ncolumns: [val acc, note]\nsort: -time\nkeys: { run.stop: X, quit: [Q, ctrl-c], mark: 9 }\n", "it").unwrap();
    assert_eq!((config.theme, config.ascii, config.mouse, config.bell), (Theme::Sixteen, true, false, false));
    assert_eq!(config.columns.unwrap(), ["val acc", "note"]);
    assert_eq!(config.keys["quit"], Keys(vec!["Q".to_owned(), "ctrl-c".to_owned()]));
    assert_eq!(config.keys["mark"], Keys(vec!["9".to_owned()]));
    for (name, theme) in [
        ("auto", Theme::Auto),
        ("dark", Theme::Dark),
        ("light", Theme::Light),
        ("\"16\"", Theme::Sixteen),
        ("mono", Theme::Mono),
    ] {
        assert_eq!(parse(&format!("theme: {name}"), "it").unwrap().theme, theme);
    }
}

#[rstest]
#[case::a_field("them: dark\n", "config.yaml:1:1: them: unknown field", "did you mean `theme`?")]
#[case::a_theme("ascii: true\ntheme: drak\n", "config.yaml:2:8: theme: expected", "did you mean `dark`?")]
#[case::a_type("mouse: 3\n", "config.yaml:1:8: mouse: expected `true` or `false`, found `3`", "")]
#[case::a_column(
    "columns: [val acc, tst acc]\n",
    "config.yaml:1:10: columns: expected one of",
    "did you mean `test acc`?"
)]
#[case::a_sort("sort: -vall acc\n", "config.yaml:1:7: sort: expected one of", "did you mean `val acc`?")]
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
#[case::twice("bell: true\nbell: true\n", "config.yaml:2:1: bell: `bell` stands twice", "")]
fn what_is_wrong_is_told_with_its_place(#[case] source: &str, #[case] message: &str, #[case] help: &str) {
    let told = mistake(source);
    assert!(told.contains(message) && told.contains(help), "{told}");
}

#[test]
fn a_file_that_is_not_there_is_no_problem_and_a_wrong_one_gives_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let loaded = read(path.clone());
    assert!(!loaded.is_there && loaded.problems.is_empty() && loaded.config == Config::default());
    std::fs::write(&path, "bell: true\nascii: perhaps\n").unwrap();
    let loaded = read(path.clone());
    assert!(loaded.is_there && loaded.problems.len() == 1 && loaded.config == Config::default());
    std::fs::write(&path, b"\xff").unwrap();
    assert_eq!(read(path).problems.len(), 1);
}
