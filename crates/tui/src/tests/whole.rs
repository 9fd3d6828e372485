//! The whole dashboard without a terminal: keys in, screens out, files on a real disk.

mod glass;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crossterm::event::Event;
use jiff::tz::TimeZone;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use warmstart_runs::run::RunDir;

use self::glass::{Glass, Keys, NoHost};
use super::fixtures::{DONE, LIVE, data, id};
use super::{events, text};
use crate::app::{App, Settings};
use crate::config::{Config, Loaded};
use crate::folders::Folders;
use crate::message::Message;
use crate::theme::{Appearance, Palette, Theme};

/// How long a test waits for an expected screen.
const DEADLINE: Duration = Duration::from_secs(20);

/// A simulated user.
struct User {
    keys: UnboundedSender<Event>,
    glass: Glass,
    folders: Folders,
    _root: tempfile::TempDir,
}

impl User {
    fn press(&self, keys: &str) {
        for event in events(keys) {
            self.keys.send(event).unwrap();
        }
    }

    fn screen(&self) -> String {
        text(&self.glass.buffer())
    }

    /// Waits until the screen shows all of these texts.
    async fn wait_for(&self, wanted: &[&str]) -> String {
        self.wait_until(wanted, |screen| {
            wanted.iter().all(|text| screen.contains(text))
        })
        .await
    }

    async fn wait_until(&self, wanted: &[&str], is_there: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return screen;
            }
            assert!(
                begin.elapsed() < DEADLINE,
                "{wanted:?} did not come:\n{screen}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}

/// The dashboard on these folders, behind a glass.
fn dashboard(
    glass: Glass,
    input: UnboundedReceiver<Event>,
    folders: Folders,
    config: Config,
) -> App<Glass, Keys, NoHost> {
    let settings = Settings {
        folder_options: warmstart_runs::shell::FolderOptions::default(),
        folders,
        appearance: Appearance {
            ascii: false,
            theme: Theme::Dark,
            palette: Palette::True,
        },
        zone: TimeZone::UTC,
        config: Loaded {
            config,
            ..Loaded::default()
        },
        hazard: None,
        launcher: warmstart_runs::launcher::Choice::default(),
    };
    let terminal = ratatui::Terminal::new(glass).unwrap();
    App::new(terminal, Keys(input), NoHost, settings)
}

/// Opens the dashboard on copies of the recorded runs, runs the script, and returns the text that the dashboard prints at its end.
/// It keeps the script's result until then: a lock, for example.
fn with_dashboard<T>(script: impl AsyncFnOnce(&User) -> T) -> Option<String> {
    with_settings(Config::default(), script)
}

/// The same with these settings, which leave `q` to quit.
fn with_settings<T>(config: Config, script: impl AsyncFnOnce(&User) -> T) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    let below = |name: &str| root.path().join(name);
    copy(&data().join("experiments"), &below("experiments"));
    copy(&data().join("runs"), &below("runs"));
    fs::create_dir(below("exports")).unwrap();
    let folders = Folders {
        experiments: below("experiments"),
        checkpoints: below("runs"),
        exports: below("exports"),
        state: Some(below("state.json")),
    };
    let (keys, input) = unbounded_channel();
    let glass = Glass::new(100, 30);
    let user = User {
        keys,
        glass: glass.clone(),
        folders: folders.clone(),
        _root: root,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let note = runtime.block_on(async {
        let app = dashboard(glass, input, folders, config);
        let (note, _kept) = tokio::join!(app.run(), async {
            let kept = script(&user).await;
            user.press("<esc><esc><esc><esc>q");
            kept
        });
        note.unwrap()
    });
    runtime.shutdown_background();
    note
}

#[test]
fn run_opens_and_closes() {
    let note = with_dashboard(async |user| {
        user.wait_for(&["Lite0, freeze", "20/20", "0.4884", "experiments"])
            .await;
        user.press("jjjj<enter>");
        user.wait_for(&[
            "test acc 0.4884 with epoch 17",
            "353,634",
            "best at 17",
            "accuracy",
            "loss",
        ])
        .await;
        user.press("l");
        user.wait_for(&["resumed from step 204"]).await;
        user.press("<esc><esc>");
        user.wait_for(&["experiment ", "val acc", "quickstart"])
            .await;
    });
    assert_eq!(note, None);
}

#[test]
fn signal_before_the_first_frame_ends_the_dashboard() {
    let root = tempfile::tempdir().unwrap();
    let below = |name: &str| root.path().join(name);
    let folders = Folders {
        experiments: below("experiments"),
        checkpoints: below("runs"),
        exports: below("exports"),
        state: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        // The keyboard stays open, so nothing else ends the dashboard.
        let (_keys, input) = unbounded_channel();
        let app = dashboard(Glass::new(100, 30), input, folders, Config::default());
        app.sender().send(Message::Leave).unwrap();
        tokio::time::timeout(DEADLINE, app.run()).await
    });
    runtime.shutdown_background();
    assert_eq!(ended.unwrap().unwrap(), None);
}

#[test]
fn filter_narrows_and_escape_clears_it() {
    with_dashboard(async |user| {
        user.wait_for(&["ResNet, original input"]).await;
        user.press("/failed");
        let screen = user
            .wait_until(&["only the failed run"], |screen| {
                !screen.contains("ResNet, original")
            })
            .await;
        assert!(screen.contains("Lite0, fine-tune"), "{screen}");
        user.press("<enter><esc>");
        user.wait_for(&["ResNet, original input"]).await;
    });
}

#[test]
fn run_is_tagged_deleted_and_restored() {
    with_dashboard(async |user| {
        user.wait_for(&["quickstart", "5 runs"]).await;
        user.press("jt+keep<enter>");
        user.wait_for(&[
            "20261122-100107-7f3a tagged",
            "ResNet, original input #keep",
        ])
        .await;
        let run = RunDir::of(&user.folders.checkpoints, &id(DONE));
        assert!(run.annotation().unwrap().tags.contains("keep"));
        user.press("U");
        user.wait_until(&["no tag"], |screen| !screen.contains("#keep"))
            .await;
        user.press("D");
        user.wait_for(&["Delete ResNet, original input"]).await;
        user.press("y");
        user.wait_for(&["20261122-100107-7f3a deleted", "never run"])
            .await;
        assert!(!run.path().exists());
        user.press("U");
        user.wait_for(&["20261122-100107-7f3a restored", "0.2946"])
            .await;
        assert!(run.events().exists());
    });
}

#[test]
fn keys_act_on_the_drawn_size() {
    with_dashboard(async |user| {
        user.wait_for(&["quickstart", "5 runs"]).await;
        user.press("jj");
        user.glass.resize(20, 5);
        user.press("k");
        user.wait_for(&["40×10 characters"]).await;
        user.press("Dyr");
        user.keys.send(Event::Resize(100, 30)).unwrap();
        user.glass.resize(100, 30);
        user.press("?");
        user.wait_for(&["launch the experiment"]).await;
        user.press("q");
        user.wait_for(&["ResNet, original input", "5 runs"]).await;
        assert!(
            RunDir::of(&user.folders.checkpoints, &id(DONE))
                .events()
                .exists()
        );
    });
}

#[test]
fn grown_terminal_refuses_keys_before_resize_event() {
    with_dashboard(async |user| {
        user.wait_for(&["quickstart", "5 runs"]).await;
        user.press("jj");
        user.glass.resize(20, 5);
        user.press("k");
        user.wait_for(&["40×10 characters"]).await;
        user.glass.resize(100, 30);
        user.press("Dy");
        user.keys.send(Event::Resize(100, 30)).unwrap();
        user.press("?");
        user.wait_for(&["launch the experiment"]).await;
        user.press("q");
        user.wait_for(&["ResNet, original input", "5 runs"]).await;
        assert!(
            RunDir::of(&user.folders.checkpoints, &id(DONE))
                .events()
                .exists()
        );
    });
}

#[test]
fn help_names_every_key_and_closes() {
    with_dashboard(async |user| {
        user.wait_for(&["quickstart"]).await;
        user.press("?");
        user.wait_for(&["launch the experiment", "stop the run"])
            .await;
        user.press("q");
        user.wait_until(&["no help"], |screen| {
            !screen.contains("launch the experiment")
        })
        .await;
    });
}

#[test]
fn exports_equal_the_screen_and_never_overwrite() {
    with_dashboard(async |user| {
        user.wait_for(&["quickstart", "5 runs"]).await;
        user.press("c/lite0<enter>E<enter>");
        user.wait_for(&["wrote"]).await;
        user.press("Ejj<enter>");
        user.wait_for(&[".tex"]).await;
        user.press("E<enter>");
        user.wait_for(&[".csv"]).await;
        let read = |end: &str| -> Vec<String> {
            let paths = fs::read_dir(&user.folders.exports)
                .unwrap()
                .flatten()
                .map(|entry| entry.path());
            let mut paths: Vec<_> = paths
                .filter(|path| path.extension().is_some_and(|extension| extension == end))
                .collect();
            paths.sort();
            paths
                .iter()
                .map(|path| fs::read_to_string(path).unwrap())
                .collect()
        };
        let csv = read("csv");
        assert_eq!(csv.len(), 2);
        assert!(
            csv[0].contains("Lite0, freeze") && !csv[0].contains("ResNet"),
            "{}",
            csv[0]
        );
        assert_eq!(csv[0], csv[1]);
        assert!(read("tex")[0].contains("\\begin{tabular}"));
    });
}

#[test]
fn worker_events_appear_and_run_without_worker_is_lost() {
    let note = with_dashboard(async |user| {
        let run = RunDir::of(&user.folders.checkpoints, &id(LIVE));
        user.wait_for(&["lost"]).await;
        let lock = run.lock().unwrap().unwrap();
        user.press("jj<enter>");
        // The newest event is old: a worker holds the run but makes no progress.
        user.wait_for(&["◒ stalled", "epoch 8/12", "no progress for"])
            .await;
        let mut log = fs::OpenOptions::new()
            .append(true)
            .open(run.events())
            .unwrap();
        let epoch = r#","event":"epoch","epoch":8,"step":272,"train_loss":1.0,"train_acc":0.44,"val_loss":2.2,"val_acc":0.4321,"learning_rate":0.0004,"images_per_second":98,"train_time":177,"best":true}"#;
        writeln!(log, "{{\"t\":{}{epoch}", warmstart_schema::event::now()).unwrap();
        user.wait_for(&["◐ training", "0.4321", "best at 8"]).await;
        lock
    });
    assert_eq!(
        note.unwrap(),
        "ResNet, resized input continues. Open warmstart again to see it live."
    );
}

#[test]
fn added_or_fixed_experiment_appears() {
    with_dashboard(async |user| {
        user.wait_for(&["6-typo.yaml"]).await;
        let file = user.folders.experiments.join("quickstart/6-typo.yaml");
        let mended = fs::read_to_string(&file)
            .unwrap()
            .replace("dropuot", "dropout");
        fs::write(file, mended).unwrap();
        user.wait_until(&["the mended one"], |screen| {
            screen.contains("more dropout") && !screen.contains("6-typo")
        })
        .await;
    });
}

#[test]
fn without_a_shell_to_go_back_to_the_key_of_the_settings_leaves() {
    let quit = crate::config::Keys(vec!["f10".to_owned(), "q".to_owned()]);
    let config = Config {
        keys: [("experiments.quit".to_owned(), quit)].into(),
        ..Config::default()
    };
    with_settings(config, async |user| {
        user.wait_for(&["quickstart"]).await;
        user.press("<ctrl-z>");
        user.wait_for(&["there is no shell", "; f10 leaves"]).await;
    });
}
