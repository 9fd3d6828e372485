//! `warmstart config`

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::place::{Place, said};

#[test]
fn settings_are_written_once_shown_and_checked() {
    let place = Place::new();
    let path = place.folder.path().join("config/warmstart/config.yaml");
    let said = place.say(&["config"]);
    assert!(
        said.code == 0 && said.out.contains("not there") && said.out.contains("theme: auto"),
        "{}",
        said.out
    );
    let said = place.say(&["config", "init"]);
    assert_eq!(
        (said.code, said.out),
        (0, format!("wrote {}\n", path.display()))
    );
    assert_eq!(
        place.say(&["config", "check"]).out,
        format!("{}: ok\n", path.display())
    );
    let schema = fs::read_to_string(path.with_file_name("config.schema.json")).unwrap();
    assert_eq!(schema, place.say(&["config", "schema"]).out);

    fs::write(&path, "bell: true\nkeys: { run.stop: X }\n").unwrap();
    let said = place.say(&["config", "init"]);
    assert!(
        said.code == 2 && said.err.contains("is there already"),
        "{}",
        said.err
    );
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "bell: true\nkeys: { run.stop: X }\n"
    );
    let said = place.say(&["config", "--json"]).json();
    assert_eq!(
        (&said["config"]["bell"], &said["config"]["keys"]["run.stop"]),
        (&true.into(), &"X".into())
    );
    assert_eq!(said["path"], path.display().to_string());
}

#[test]
fn config_commands_answer_in_json() {
    let place = Place::new();
    let path = place.folder.path().join("config/warmstart/config.yaml");
    let check = |place: &Place| place.say(&["config", "check", "--json"]);
    let answer = |exists: bool, problems: u32| serde_json::json!({ "path": path, "exists": exists, "problems": problems });
    assert_eq!(check(&place).json(), answer(false, 0));
    let schema = path.with_file_name("config.schema.json");
    assert_eq!(
        place.say(&["config", "init", "--json"]).json(),
        serde_json::json!({ "path": path, "schema": schema })
    );
    assert_eq!(check(&place).json(), answer(true, 0));
    fs::write(&path, "bell: true\nthem: dark\n").unwrap();
    let checked = check(&place);
    assert_eq!((checked.code, checked.json()), (2, answer(true, 1)));
}

#[test]
fn json_answers_where_the_folder_of_settings_is_no_text() {
    let place = Place::new();
    let root = place.folder.path();
    let folder = root.join(OsStr::from_bytes(b"set\xfftings"));
    let file = format!("{}/set\u{fffd}tings/warmstart/config.yaml", root.display());
    for action in [None, Some("check"), Some("init")] {
        let mut command = place.command(&["config", "--json"]);
        let said = said(command.args(action).env("XDG_CONFIG_HOME", &folder));
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(said.json()["path"], file.as_str());
    }
}

#[test]
fn init_refreshes_the_schema_beside_an_existing_file() {
    let place = Place::new();
    let path = place.folder.path().join("config/warmstart/config.yaml");
    place.write("config/warmstart/config.yaml", "bell: true\n");
    let schema = path.with_file_name("config.schema.json");
    fs::write(&schema, "of an earlier version").unwrap();
    assert_eq!(place.say(&["config", "init"]).code, 2);
    assert_eq!(
        fs::read_to_string(&schema).unwrap(),
        place.say(&["config", "schema"]).out
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "bell: true\n");
}

#[test]
fn init_says_why_the_folder_cannot_be_created() {
    let place = Place::new();
    place.write("config", "a file where a folder must be");
    let said = place.say(&["config", "init"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.err.contains("Not a directory") && said.err.contains("help: set XDG_CONFIG_HOME"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("permissions"), "{}", said.err);
}

#[test]
fn mistakes_are_reported_with_their_line_and_an_exit_code() {
    let place = Place::new();
    place.write("config/warmstart/config.yaml", "bell: true\nthem: dark\n");
    for arguments in [&["config"][..], &["config", "check"]] {
        let said = place.say(arguments);
        assert_eq!(said.code, 2);
        assert!(
            said.err.contains("config.yaml:2:1: them: unknown field")
                && said.err.contains("did you mean `theme`?"),
            "{}",
            said.err
        );
    }
    // The valid settings apply.
    assert!(place.say(&["config"]).out.contains("bell: true\n"));
    place.write("config/warmstart/config.yaml", "bell: false\nthem: dark\n");
    let said = place.say(&["config", "--json"]).json();
    assert_eq!(
        (&said["config"]["bell"], &said["config"]["theme"]),
        (&false.into(), &"auto".into())
    );
    // Other commands ignore the mistake.
    assert_eq!(place.say(&["list"]).code, 0);
}

/// Waits for the notice, which the monitor of a run sends after the run's end.
fn arrived(path: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(Instant::now() < deadline, "{} did not come", path.display()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_notice_of_an_end_follows_the_settings_and_the_environment_overrides_them() {
    let place = Place::new();
    let got = |name: &str| place.folder.path().join(name);
    let notify = |name: &str| format!("cat > '{}'", got(name).display());
    place.write(
        "config/warmstart/config.yaml",
        &format!("notify: \"{}\"\n", notify("by-settings")),
    );
    assert_eq!(
        place.say(&["train", "1-resnet-original", "--quiet"]).code,
        0
    );
    assert!(arrived(&got("by-settings")).contains("finished"));
    fs::remove_file(got("by-settings")).unwrap();
    let mut command = place.command(&["train", "1-resnet-original", "--quiet"]);
    assert!(
        command
            .env("WARMSTART_NOTIFY", notify("by-variable"))
            .status()
            .unwrap()
            .success()
    );
    assert!(arrived(&got("by-variable")).contains("finished") && !got("by-settings").exists());
}

#[test]
fn train_and_resume_refuse_where_the_settings_that_say_where_workers_run_are_wrong() {
    let place = Place::new();
    let file = place.write(
        "a.yaml",
        "name: A\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random }\n\
         train: { epochs: 1, batch_size: 32, optimizer: { name: adam, learning_rate: 0.1 } }\n",
    );
    let write = |text: &str| place.write("config/warmstart/config.yaml", text);
    for wrong in [
        "launcher: slrum\n",
        "launcher: slurm\nslurm: { cpus: many }\n",
        "launcher: [\n",
    ] {
        write(wrong);
        for verb in ["train", "resume"] {
            let said = place.say(&[verb, &file, "--detach"]);
            assert!(
                said.code == 2 && said.err.contains("config.yaml:"),
                "{verb}, {wrong}: {} {}",
                said.code,
                said.err
            );
        }
        assert!(place.runs().is_empty(), "{wrong}");
    }
    // These settings do not matter here; there is only no run.
    let said = place.say(&["resume", &file, "--detach", "--launcher", "local"]);
    assert_eq!(said.code, 3, "{}", said.err);
    let said = place.say(&["train", &file, "--detach", "--launcher", "local"]);
    assert_eq!(said.code, 0, "{}", said.err);
    // A wrong setting of the screen prevents no launch.
    write("theme: drak\n");
    let said = place.say(&["train", &file, "--detach"]);
    assert_eq!(said.code, 0, "{}", said.err);
}
