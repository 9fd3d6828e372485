//! The machine screen: drawn at all sizes, read only while it is open, and the reason why each queued run waits.

use std::collections::HashMap;

use warmstart_runs::queue::{Active, Content, Entry, Move};
use warmstart_schema::state::Liveness;

use super::fixtures::{LIVE, RESUMED, STOPPED, id, typical};
use super::{drawn, press, says, text};
use crate::command::{Command, QueueCommand};
use crate::effect::{Effect, QueueChange};
use crate::keys::Context;
use crate::machine::{Gpu, Machine, Process};
use crate::message::Message;
use crate::model::{Model, Screen};
use crate::theme::{Appearance, Palette, Theme};
use crate::update::update;
use warmstart_runs::store::Change;

fn reading(gpus: Result<Vec<Gpu>, String>) -> Message {
    let gpu_memory = gpus.as_ref().ok().map(|_| 61_000_000_000);
    let process = Process {
        cpu: Some(104.4),
        memory: 3_210_000_000,
        gpu_memory,
    };
    Message::Machine(Box::new(Machine {
        processor: "AMD EPYC 9B14".to_owned(),
        cores: 8,
        cpu: Some(87.4),
        memory: Some((3_100_000_000, 33_700_000_000)),
        disk: Some((990_000_000_000, 1_000_200_000_000)),
        gpus,
        processes: HashMap::from([(id(LIVE), process)]),
    }))
}

fn two_gpus() -> Vec<Gpu> {
    let gpu = Gpu {
        index: 0,
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        busy: Some(97.0),
        memory: Some((61_200_000_000, 85_500_000_000)),
        temperature: Some(64),
        power: Some((512.3, Some(700.0))),
        hidden: false,
    };
    vec![
        gpu.clone(),
        Gpu {
            index: 1,
            busy: Some(0.0),
            memory: None,
            temperature: None,
            power: None,
            ..gpu
        },
    ]
}

/// One live run and two queued runs: one waits for its device, the other for the run that it starts from.
fn busy() -> Model {
    let mut model = typical();
    let entry = |run: &str, stem: &str, slot: &str, after: Option<&str>| Entry {
        run: id(run),
        stem: stem.to_owned(),
        slot: slot.to_owned(),
        after: after.map(str::to_owned),
        file: None,
        after_file: None,
    };
    let worker = model
        .runs
        .get(&id(LIVE))
        .unwrap()
        .state
        .attempt
        .as_ref()
        .unwrap()
        .worker
        .clone();
    let active = Active {
        entry: entry(LIVE, "2-resnet-resized", "cpu", None),
        worker,
        since: 0,
    };
    let waiting = vec![
        entry(STOPPED, "3-lite0-resized", "cpu", None),
        entry(RESUMED, "4-lite0-freeze", "cuda:1", Some("3-lite0-resized")),
    ];
    let changes = vec![
        Change::Queue(Content {
            waiting,
            active: vec![active],
            ..Content::default()
        }),
        Change::Liveness {
            id: id(STOPPED),
            liveness: Liveness::Queued(1),
        },
        Change::Liveness {
            id: id(RESUMED),
            liveness: Liveness::Queued(2),
        },
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    model.report = None;
    model
}

fn opened(gpus: Result<Vec<Gpu>, String>) -> Model {
    let mut model = busy();
    press(&mut model, "M");
    update(&mut model, reading(gpus));
    press(&mut model, "j");
    model
}

#[test]
fn pictures() {
    let model = opened(Ok(two_gpus()));
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        insta::assert_snapshot!(
            format!("machine-{width}x{height}"),
            text(&drawn(&model, width, height))
        );
    }
    let none = opened(Err(
        "no NVIDIA driver answers: the library libnvidia-ml.so.1 is not there".to_owned(),
    ));
    insta::assert_snapshot!("machine-without-gpu", text(&drawn(&none, 80, 24)));
    let ascii = Model {
        appearance: Appearance {
            ascii: true,
            theme: Theme::Mono,
            palette: Palette::True,
        },
        ..model
    };
    let picture = text(&drawn(&ascii, 80, 24));
    assert!(picture.is_ascii(), "{picture}");
}

#[test]
fn a_gpu_that_the_environment_hides_is_named_without_its_use() {
    let mut gpus = two_gpus();
    gpus[0].hidden = true;
    let picture = text(&drawn(&opened(Ok(gpus)), 80, 24));
    let of_gpu = |number: u8| {
        let label = format!("gpu {number} ");
        let mut lines = picture.lines();
        lines.find(|line| line.contains(&label)).unwrap()
    };
    let words = "hidden by CUDA_VISIBLE_DEVICES: NVIDIA H100 80GB HBM3";
    assert!(of_gpu(0).ends_with(words), "{picture}");
    assert!(of_gpu(1).contains(" 0 %"), "{picture}");
}

#[test]
fn the_processor_is_described_as_far_as_it_is_known() {
    for (processor, cores, words) in [
        ("AMD EPYC 9B14", 1, "AMD EPYC 9B14, 1 core "),
        ("", 4, "4 cores "),
        ("", 0, "– "),
    ] {
        let Message::Machine(mut machine) = reading(Ok(Vec::new())) else {
            panic!("no reading");
        };
        (machine.processor, machine.cores) = (processor.to_owned(), cores);
        let mut model = busy();
        press(&mut model, "M");
        update(&mut model, Message::Machine(machine));
        let picture = text(&drawn(&model, 80, 24));
        let mut lines = picture.lines();
        let row = lines.find_map(|line| line.strip_prefix(" cpu ")).unwrap();
        assert!(row.trim_start().starts_with(words), "{picture}");
    }
}

#[test]
fn every_gpu_is_drawn_or_named_as_not_drawn() {
    for (width, height) in [(80, 24), (80, 20), (120, 40)] {
        for number in [1, 2, 6, 7, 8, 9, 16, 64] {
            // The first GPU of the machine does not answer.
            let gpus = (1..=number).map(|index| Gpu {
                index,
                ..two_gpus()[0].clone()
            });
            let gpus = gpus.collect();
            let picture = text(&drawn(&opened(Ok(gpus)), width, height));
            let has = |label: String| picture.lines().any(|line| line.starts_with(&label));
            let shown = (1..=number)
                .take_while(|index| has(format!(" gpu {index} ")))
                .last()
                .unwrap_or(0);
            let rest = format!(" gpu      {} to {number}: ", shown + 1);
            assert!(shown == number || has(rest), "{number} GPUs:\n{picture}");
            // The usual number of a server is drawn even on a small terminal, and the runs beside it.
            assert!(shown == number || number > 8 || height < 24, "{picture}");
            assert!(picture.contains("Lite0, freeze"), "{picture}");
        }
    }
}

#[test]
fn a_run_with_several_gpus_names_all_of_them() {
    let mut model = opened(Ok(Vec::new()));
    let mut queue = model.runs.queue().clone();
    queue.waiting[0].slot = "cuda:0-15".to_owned();
    let now = model.now;
    let changes = vec![Change::Queue(queue)];
    update(&mut model, Message::Changes { now, changes });
    let picture = text(&drawn(&model, 80, 24));
    assert!(picture.contains(" cuda:0-15 "), "{picture}");
}

#[test]
fn power_in_four_digits_fits_a_small_terminal() {
    let mut gpus = two_gpus();
    gpus[0].name = "NVIDIA B200".to_owned();
    gpus[0].power = Some((1000.0, Some(1200.0)));
    let picture = text(&drawn(&opened(Ok(gpus)), 80, 24));
    assert!(picture.contains(" 64 °C 1000 W of 1200 W "), "{picture}");
}

#[test]
fn machine_is_read_once_at_a_time_while_open() {
    let asks = |effects: &[Effect]| {
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::ReadMachine(_)))
            .count()
    };
    let mut model = busy();
    let effects = press(&mut model, "M");
    assert!(
        matches!(&effects[..], [Effect::ReadMachine(workers)] if workers.len() == 1 && workers[0].0 == id(LIVE))
    );
    assert_eq!(asks(&press(&mut model, "?<esc>")), 0, "one is on its way");
    assert_eq!(asks(&update(&mut model, reading(Ok(Vec::new())))), 1);
    press(&mut model, "<enter>");
    assert!(matches!(model.open, Screen::Run(_)));
    assert_eq!(
        asks(&update(&mut model, reading(Ok(Vec::new())))),
        0,
        "nobody looks"
    );
    assert_eq!(asks(&press(&mut model, "<esc>")), 1, "somebody looks again");
    press(&mut model, "<esc>");
    assert_eq!(
        asks(&press(&mut model, "M")),
        0,
        "the answer to the last question is still on its way"
    );
    assert_eq!(asks(&update(&mut model, reading(Ok(Vec::new())))), 1);
}

#[test]
fn every_queued_run_says_why_it_waits() {
    let mut model = opened(Ok(Vec::new()));
    let picture = text(&drawn(&model, 80, 24));
    assert!(
        picture.contains("1  waits for cpu") && picture.contains("2  waits for its base"),
        "{picture}"
    );
    assert!(
        picture.contains("cpu goes to ResNet, resized input before it.")
            && picture.contains("none here"),
        "{picture}"
    );
    press(&mut model, "j");
    let picture = text(&drawn(&model, 80, 24));
    assert!(
        picture.contains("It starts from Lite0, resized input, which has not ended."),
        "{picture}"
    );
}

#[test]
fn keys_reorder_pause_and_empty_the_queue() {
    let queued = |effects: &[Effect]| -> Vec<QueueChange> {
        effects
            .iter()
            .filter_map(|effect| {
                if let Effect::Queue(change) = effect {
                    Some(change.clone())
                } else {
                    None
                }
            })
            .collect()
    };
    // The first row is the live run, which is not in the queue.
    let mut model = busy();
    press(&mut model, "M");
    for key in ["K", "J", "x"] {
        assert!(queued(&press(&mut model, key)).is_empty());
        assert!(
            says(&model).contains("does not wait in the queue"),
            "{key}: {}",
            says(&model)
        );
    }
    press(&mut model, "j");
    assert!(
        queued(&press(&mut model, "K")).is_empty() && says(&model).contains("first that waits")
    );
    let run = id(STOPPED);
    assert_eq!(
        queued(&press(&mut model, "J")),
        [QueueChange::Move {
            run: run.clone(),
            to: Move::Down
        }]
    );
    assert!(queued(&press(&mut model, "x")).is_empty(), "asks first");
    assert!(text(&drawn(&model, 80, 24)).contains("Take Lite0, resized input"));
    assert!(queued(&press(&mut model, "n")).is_empty());
    assert!(
        matches!(&queued(&press(&mut model, "xy"))[..], [QueueChange::Remove { run: removed, .. }] if *removed == run)
    );
    press(&mut model, "j");
    assert!(queued(&press(&mut model, "J")).is_empty() && says(&model).contains("last that waits"));
    assert_eq!(
        queued(&press(&mut model, "K")),
        [QueueChange::Move {
            run: id(RESUMED),
            to: Move::Up
        }]
    );
    assert_eq!(queued(&press(&mut model, "P")), [QueueChange::Pause]);
    assert_eq!(queued(&press(&mut model, "+")), [QueueChange::Slots(2)]);
    assert!(queued(&press(&mut model, "-")).is_empty());

    let paused = Content {
        paused: Some("by hand".to_owned()),
        slots: 2,
        ..model.runs.queue().clone()
    };
    let now = model.now;
    update(
        &mut model,
        Message::Changes {
            now,
            changes: vec![Change::Queue(paused)],
        },
    );
    let picture = text(&drawn(&model, 80, 24));
    assert!(
        picture.contains("queue 2 paused")
            && picture.contains("The queue is paused: by hand; P resumes it."),
        "{picture}"
    );
    assert_eq!(queued(&press(&mut model, "P")), [QueueChange::Resume]);
    assert_eq!(queued(&press(&mut model, "-")), [QueueChange::Slots(1)]);
    // The same keys move a queued run in the list of experiments.
    press(&mut model, "<esc>/lite0, resized<enter>");
    assert_eq!(
        queued(&press(&mut model, "J")),
        [QueueChange::Move {
            run,
            to: Move::Down
        }]
    );
}

#[test]
fn a_narrow_header_keeps_the_queue_when_the_figures_do_not_fit() {
    let model = busy();
    let header = |width| {
        let picture = text(&drawn(&model, width, 24));
        picture.lines().next().unwrap_or_default().to_owned()
    };
    let [wide, narrow, narrowest] = [80, 60, 40].map(header);
    assert!(
        wide.contains("cpu 97 %") && wide.ends_with("queue 2"),
        "{wide}"
    );
    assert!(
        narrow.contains("◐ cpu") && !narrow.contains('%') && narrow.ends_with("queue 2"),
        "{narrow}"
    );
    assert!(
        !narrowest.contains("cpu") && narrowest.ends_with("queue 2"),
        "{narrowest}"
    );
}

#[test]
fn a_run_in_a_paused_queue_names_the_key_that_resumes_the_queue() {
    let mut model = busy();
    let paused = Content {
        paused: Some("by hand".to_owned()),
        ..model.runs.queue().clone()
    };
    let changes = vec![
        Change::Queue(paused),
        Change::Liveness {
            id: id(LIVE),
            liveness: Liveness::Free,
        },
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    model.report = None;
    let key = model
        .keys
        .label(Context::Experiments, Command::Queue(QueueCommand::Pause))
        .unwrap();
    let hint = format!("{key} resumes the queue");
    press(&mut model, "/lite0, resized<enter>u");
    assert!(
        says(&model).contains("by hand") && says(&model).ends_with(&hint),
        "{}",
        says(&model)
    );
}

#[test]
fn machine_screen_without_colour_has_the_same_text() {
    let model = opened(Ok(two_gpus()));
    let coloured = text(&drawn(&model, 120, 40));
    let plain = text(&drawn(
        &Model {
            appearance: Appearance {
                ascii: false,
                theme: Theme::Mono,
                palette: Palette::True,
            },
            ..model
        },
        120,
        40,
    ));
    assert_eq!(coloured, plain);
}
