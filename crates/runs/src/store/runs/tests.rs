//! Which runs belong to which experiment, and what the fold counts.

use super::*;
use crate::store::ExperimentFile;

fn info(id: &str, created: &str) -> RunInfo {
    serde_json::from_value(serde_json::json!({
        "format": 1, "id": id, "experiment": "Name", "group": "g", "stem": "s", "source": "s.yaml",
        "created": created, "device": "auto",
    }))
    .unwrap()
}

fn added(id: &str, created: &str) -> Change {
    Change::Added {
        id: id.parse().unwrap(),
        info: Ok(info(id, created)),
        experiment: None,
    }
}

#[test]
fn newest_run_is_by_creation_not_by_arrival_or_name() {
    let mut runs = Runs::default();
    runs.apply(added("b", "2026-01-02T00:00:00Z"));
    runs.apply(added("a", "2026-01-03T00:00:00Z"));
    runs.apply(added("z", "2026-01-01T00:00:00Z"));
    assert_eq!(
        runs.latest_of(&ExperimentKey::Stem("s".to_owned()))
            .unwrap()
            .id
            .as_str(),
        "a"
    );
    runs.apply(Change::Removed {
        id: "a".parse().unwrap(),
    });
    assert_eq!(
        runs.latest_of(&ExperimentKey::Stem("s".to_owned()))
            .unwrap()
            .id
            .as_str(),
        "b"
    );
    assert_eq!(runs.all_of(&ExperimentKey::Stem("s".to_owned())).count(), 2);
    assert!(
        runs.latest_of(&ExperimentKey::Stem("other".to_owned()))
            .is_none()
    );
}

fn of_file(id: &str, file: Option<&str>, text: &str, source: &str) -> Change {
    let stem = crate::run::stem(source.as_ref());
    let info = RunInfo {
        stem,
        source: source.into(),
        file: file.map(Into::into),
        sha256: file.map(|_| text.to_owned()),
        ..info(id, "2026-01-02T00:00:00Z")
    };
    Change::Added {
        id: id.parse().unwrap(),
        info: Ok(info),
        experiment: None,
    }
}

fn file(path: &str, text: &str) -> ExperimentFile {
    let file = ExperimentFile::new(path.into(), Err(Vec::new()));
    ExperimentFile {
        sha256: Some(text.to_owned()),
        ..file
    }
}

fn ids_of(runs: &Runs, path: &str) -> String {
    let ids: Vec<&str> = runs
        .all_of(&ExperimentKey::File(path.into()))
        .map(|run| run.id.as_str())
        .collect();
    ids.join(" ")
}

#[test]
fn runs_belong_to_their_file_and_not_to_one_of_the_same_name() {
    let mut runs = Runs::default();
    runs.set_files(&[
        file("/p/quick.yaml", "one"),
        file("/p/sub/quick.yaml", "two"),
    ]);
    runs.apply(of_file("a", Some("/p/quick.yaml"), "one", "quick.yaml"));
    runs.apply(of_file(
        "b",
        Some("/p/sub/quick.yaml"),
        "two",
        "sub/quick.yaml",
    ));
    // c: its file was edited later. d and e: runs of earlier versions, which record a source but no file.
    runs.apply(of_file("c", Some("/p/quick.yaml"), "older", "quick.yaml"));
    runs.apply(of_file("d", None, "", "sub/quick.yaml"));
    runs.apply(of_file("e", None, "", "quick.yaml"));
    assert_eq!(
        (
            ids_of(&runs, "/p/quick.yaml"),
            ids_of(&runs, "/p/sub/quick.yaml")
        ),
        ("a c".into(), "b d".into())
    );
    assert_eq!(
        runs.all_of(&ExperimentKey::Stem("quick".to_owned()))
            .count(),
        1,
        "its experiment is unknown"
    );
    // quick.yaml is removed: c stays with its old file, but e can only belong to the remaining file.
    runs.set_files(&[file("/p/sub/quick.yaml", "two")]);
    assert_eq!(
        (
            ids_of(&runs, "/p/quick.yaml"),
            ids_of(&runs, "/p/sub/quick.yaml")
        ),
        ("a c".into(), "b d e".into())
    );
}

#[test]
fn runs_follow_a_renamed_file_and_stay_without_it() {
    let mut runs = Runs::default();
    runs.set_files(&[file("/p/a.yaml", "text"), file("/p/other.yaml", "else")]);
    runs.apply(of_file("a", Some("/p/a.yaml"), "text", "a.yaml"));
    for (files, key) in [
        (
            vec![file("/p/b.yaml", "text"), file("/p/other.yaml", "else")],
            "/p/b.yaml",
        ),
        // Moved with its project, where the text exists twice: the file with the same name.
        (
            vec![file("/q/a.yaml", "text"), file("/q/copy.yaml", "text")],
            "/q/a.yaml",
        ),
        // Renamed and edited, or two files with the text: unknown.
        (vec![file("/p/b.yaml", "new")], "/p/a.yaml"),
        (
            vec![file("/p/b.yaml", "text"), file("/p/c.yaml", "text")],
            "/p/a.yaml",
        ),
        // The same path, edited.
        (
            vec![file("/p/a.yaml", "new"), file("/p/b.yaml", "text")],
            "/p/a.yaml",
        ),
        (Vec::new(), "/p/a.yaml"),
    ] {
        runs.set_files(&files);
        assert_eq!(ids_of(&runs, key), "a", "{files:?}");
        assert_eq!(runs.experiment_keys().count(), 1);
    }
    runs.apply(Change::Removed {
        id: "a".parse().unwrap(),
    });
    assert_eq!(runs.experiment_keys().count(), 0);
}

#[test]
fn a_file_and_a_link_to_it_are_one() {
    let mut runs = Runs::default();
    let link = ExperimentFile {
        full_path: "/p/a.yaml".into(),
        ..file("/p/sub/a.yaml", "text")
    };
    runs.set_files(&[file("/p/a.yaml", "text"), link]);
    runs.apply(of_file("moved", Some("/old/x.yaml"), "text", "x.yaml"));
    runs.apply(of_file("old", None, "", "a.yaml"));
    assert_eq!(ids_of(&runs, "/p/a.yaml"), "moved old");
}

#[test]
fn runs_of_earlier_versions_belong_to_the_only_file_of_their_name() {
    let mut runs = Runs::default();
    runs.apply(of_file("old", None, "", "experiments/quick.yaml"));
    assert_eq!(
        runs.all_of(&ExperimentKey::Stem("quick".to_owned()))
            .count(),
        1
    );
    runs.apply(of_file("new", Some("/p/quick.yaml"), "one", "quick.yaml"));
    assert_eq!(ids_of(&runs, "/p/quick.yaml"), "new old");
    runs.apply(of_file(
        "other",
        Some("/p/sub/quick.yaml"),
        "two",
        "sub/quick.yaml",
    ));
    assert_eq!(
        ids_of(&runs, "/p/quick.yaml"),
        "new",
        "it may belong to either"
    );
    runs.apply(Change::Removed {
        id: "other".parse().unwrap(),
    });
    assert_eq!(ids_of(&runs, "/p/quick.yaml"), "new old");
}

#[test]
fn runs_are_counted_by_their_current_state() {
    let mut runs = Runs::default();
    let id: RunId = "a".parse().unwrap();
    let liveness = |liveness| Change::Liveness {
        id: "a".parse().unwrap(),
        liveness,
    };
    let mut after = |change| {
        runs.apply(change);
        let live: Vec<&str> = runs.live().map(|run| run.id.as_str()).collect();
        let unreadable = runs.latest().filter(|run| run.info.is_err()).count();
        (runs.tally(), live.len(), unreadable)
    };
    let tally = |live, queued, failed_or_lost| Tally {
        live,
        queued,
        failed_or_lost,
    };
    assert_eq!(
        after(added("a", "2026-01-02T00:00:00Z")),
        (tally(0, 0, 1), 0, 0)
    );
    assert_eq!(after(liveness(Liveness::Queued(1))), (tally(0, 1, 0), 0, 0));
    assert_eq!(after(liveness(Liveness::Held)), (tally(1, 0, 0), 1, 0));
    assert_eq!(
        after(Change::Info {
            id: id.clone(),
            info: Err("torn".to_owned())
        }),
        (tally(1, 0, 0), 1, 1)
    );
    assert_eq!(after(Change::Removed { id }), (tally(0, 0, 0), 0, 0));
}

#[test]
fn replaced_log_restarts_the_fold() {
    let mut runs = Runs::default();
    runs.apply(added("a", "2026-01-02T00:00:00Z"));
    let stopping = || vec![serde_json::from_str("{\"t\":1,\"event\":\"stopping\"}").unwrap()];
    let id: RunId = "a".parse().unwrap();
    runs.apply(Change::Events {
        id: id.clone(),
        records: stopping(),
        damaged: 2,
        restarted: false,
    });
    assert!(runs.get(&id).unwrap().state.stopping);
    runs.apply(Change::Events {
        id: id.clone(),
        records: Vec::new(),
        damaged: 0,
        restarted: true,
    });
    assert_eq!(*runs.get(&id).unwrap().state, RunState::default());
}
