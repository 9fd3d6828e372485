use warmstart_runs::run::RunInfo;
use warmstart_schema::event::{Epoch, Event, Phase, Record, Test as Measured};
use warmstart_schema::state::Liveness;

use super::*;
use warmstart_runs::store::{Change, Run, Runs};

/// A run of `ResNet50` at 32 pixels, named "Two words", tagged and noted, trained and tested.
fn runs() -> Runs {
    let id: warmstart_runs::run::RunId = "20261122-100107-7f3a".parse().unwrap();
    let info: RunInfo = serde_json::from_value(serde_json::json!({
        "format": 1, "id": id, "experiment": "Two words", "group": "study", "stem": "1-resnet", "source": "s.yaml",
        "created": "2026-11-22T10:01:07Z", "device": "cuda:1",
    }))
    .unwrap();
    let yaml = "name: x\ndataset: { name: cifar100 }\nmodel: { backbone: resnet50, freeze: backbone }\n\
        train: { epochs: 30, batch_size: 128, optimizer: { name: adam, learning_rate: 0.001 } }\n";
    let experiment = warmstart_schema::experiment::parse(yaml, "x")
        .ok()
        .map(std::sync::Arc::new);
    let epoch = |epoch: u32, val_acc: f64, best| {
        Event::Epoch(Epoch {
            epoch,
            step: u64::from(epoch),
            train_loss: 0.5,
            train_acc: 0.9,
            val_loss: f64::NAN,
            val_acc,
            learning_rate: 0.001,
            images_per_second: 1.0,
            train_time: 150.0 * f64::from(epoch),
            best,
            ..Epoch::default()
        })
    };
    let events = [
        Event::Phase {
            phase: Phase::Training,
        },
        epoch(1, 0.7, true),
        epoch(2, 0.6, false),
        Event::Test(Measured {
            epoch: 1,
            loss: 1.0,
            accuracy: 0.65,
            views: None,
        }),
        Event::Finished {
            train_time: 300.0,
            stopped_early: false,
        },
    ];
    let mut annotation = warmstart_schema::annotation::Annotation::default();
    annotation.tags.insert("paper".to_owned());
    annotation.set_note("looks right, run again");
    let records = events
        .into_iter()
        .map(|event| Record { t: 1.0, event })
        .collect();
    let mut runs = Runs::default();
    for change in [
        Change::Added {
            id: id.clone(),
            info: Ok(info),
            experiment,
        },
        Change::Events {
            id: id.clone(),
            records,
            damaged: 0,
            restarted: false,
        },
        Change::Liveness {
            id: id.clone(),
            liveness: Liveness::Free,
        },
        Change::Annotation { id, annotation },
    ] {
        runs.apply(change);
    }
    runs
}

fn holds(query: &str) -> bool {
    let runs = runs();
    let run: &Run = runs.iter().next().unwrap();
    Query::parse_in(query, &TimeZone::UTC)
        .unwrap_or_else(|mistake| panic!("{query}: {mistake}"))
        .matches(&Subject::of_run(run))
}

#[test]
fn days_are_local_unless_their_time_ends_in_z() {
    let runs = runs();
    let run = Subject::of_run(runs.iter().next().unwrap());
    // There, the run was created one minute after midnight.
    let east = TimeZone::fixed(jiff::tz::offset(14));
    for (query, expected) in [
        ("created:2026-11-22", false),
        ("created:2026-11-23", true),
        ("created>2026-11-22", true),
        ("created:2026-11-23T00:01:07", true),
        ("created:2026-11-22T10:01:07Z", true),
        ("created:2026-11-23T00:01:07Z", false),
    ] {
        let found = Query::parse_in(query, &east).unwrap().matches(&run);
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn pixels_are_those_that_the_run_logged() {
    let runs = runs();
    let mut run = runs.iter().next().unwrap().clone();
    let model = serde_json::json!({
        "t": 1.0, "event": "model", "backbone": "resnet50", "pixels": 288, "weights": "w", "cached_features": false,
        "counts": { "blocks": [], "total": { "total": 1, "trainable": 1, "frozen": 0, "statistics": 0 } },
    });
    run.state
        .apply(Record::parse(model.to_string().as_bytes()).unwrap());
    for (query, expected) in [("px=288", true), ("px=32", false)] {
        let found = Query::parse(query).unwrap().matches(&Subject::of_run(&run));
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn queries_select_the_right_runs() {
    for (query, expected) in [
        ("", true),
        ("   ", true),
        ("two", true),
        ("TWO WORDS", true),
        ("\"two words\"", true),
        ("\"words two\"", false),
        ("words two", true),
        ("paper", true),
        ("7f3a", true),
        ("tw*ds", true),
        ("nothing", false),
        ("-nothing", true),
        ("-two", false),
        ("-\"two words\"", false),
        ("status:done", true),
        ("status:finished", true),
        ("state:running", false),
        ("-status:running", true),
        ("status:failed,done", true),
        ("backbone:resnet*", true),
        ("backbone:resnet50", true),
        ("backbone:resnet18", false),
        ("backbone:RESNET??", true),
        ("group:study", true),
        ("group:stud", false),
        ("tag:paper", true),
        ("tag:pap", false),
        ("tag:pap*", true),
        ("-tag:*", false),
        ("name:words", true),
        ("name:\"two words\"", true),
        ("name=two", true),
        ("note:again", true),
        ("file:1-resnet", true),
        ("run:20261122*", true),
        ("device:cuda:1", true),
        ("dataset:cifar100 weights:imagenet optimizer:adam", true),
        ("is:frozen", true),
        ("is:archived", false),
        ("is:resumed,tagged", true),
        ("val_acc>0.6", true),
        ("val_acc>70%", false),
        ("val_acc>=70%", true),
        ("VAL_ACC=0.7", true),
        ("val_acc:0.7", true),
        ("val_acc!=0.7", false),
        ("test_acc<0.65", false),
        ("test_acc<=0.65", true),
        ("time=5m", true),
        ("train_time<4m", false),
        ("val_loss<9", false),
        ("val_loss>=9", false),
        ("-val_loss<9", true),
        (
            "epoch=2 epochs=30 px=32 seed=42 lr=1e-3 batch_size=128",
            true,
        ),
        ("params>20M trainable<1M", true),
        ("#paper", true),
        ("#pap", false),
        ("#pap*", true),
        ("-#paper", false),
        ("-#old", true),
        ("\"#paper\"", false),
        ("tags:paper experiment:two", true),
        (
            "train.epochs:30 train.batch_size=128 train.optimizer.learning_rate<0.01",
            true,
        ),
        ("train.epochs:20", false),
        ("rate=1e-3 total_params>20M", true),
        ("model.freeze:backbone freeze:back* -freeze:none", true),
        ("model.head.dropout>=0 dropout<1", true),
        ("train.precision:float32,bfloat16 optimizer.name:adam", true),
        ("weight_decay:0.0 weight_decay=0 weight_decay!=1", true),
        ("init.from:*", false),
        ("created>2026-11", false),
        ("created>=2026-11", true),
        ("created:2026 created:2026-11-22", true),
        ("created:2026-11-22t10 created:2026-11-22T10:01:07", true),
        ("created<2026-11-23", true),
        ("created>2026-11-22T10:01:06Z", true),
        (
            "status:done backbone:resnet* val_acc>0.6 tag:paper group:study -junk \"two words\"",
            true,
        ),
        (
            "status:done backbone:resnet* val_acc>0.6 tag:paper group:study words",
            true,
        ),
    ] {
        assert_eq!(holds(query), expected, "{query}");
    }
}

#[test]
fn an_experiment_without_a_run_never_ran_and_has_no_figures() {
    let yaml = "name: Plain\ndataset: { name: cifar10 }\nmodel: { backbone: efficientnet_b0 }\n\
        train: { epochs: 3, batch_size: 8, optimizer: { name: sgd, learning_rate: 0.1 } }\n";
    let file = |loaded| warmstart_runs::store::ExperimentFile::new("a.yaml".into(), loaded);
    let good = file(warmstart_schema::experiment::parse(yaml, "a.yaml"));
    let bad = file(warmstart_schema::experiment::parse("name: [", "a.yaml"));
    let holds = |query: &str, file| {
        let subject = Subject::new(Some(file), None, "g");
        Query::parse(query).unwrap().matches(&subject)
    };
    assert!(
        holds("status:never backbone:eff* epochs=3 plain", &good) && !holds("val_acc>=0", &good)
    );
    assert!(
        holds("status:broken", &bad) && !holds("status:never", &bad) && !holds("epochs>0", &bad)
    );
}

#[test]
fn a_run_is_found_by_its_state_though_its_file_is_broken() {
    let loaded = warmstart_schema::experiment::parse("name: [", "a.yaml");
    let file = warmstart_runs::store::ExperimentFile::new("a.yaml".into(), loaded);
    let runs = runs();
    let subject = Subject::new(Some(&file), runs.iter().next(), "g");
    for (query, expected) in [
        ("status:done", true),
        ("status:broken", true),
        ("status:never", false),
        ("status:failed", false),
    ] {
        let query = Query::parse(query).unwrap();
        assert_eq!(query.matches(&subject), expected, "{}", query.source());
    }
}

#[test]
fn every_mistake_has_a_position_and_a_next_step() {
    for (query, at, message, help) in [
        (
            "a vall_acc>1",
            2,
            "no field is called `vall_acc`",
            "did you mean val_acc?",
        ),
        (
            "zzz:1",
            0,
            "no field is called `zzz`",
            "fields: backbone, px, state, epoch",
        ),
        (
            "train.epohcs:20",
            0,
            "no field is called `train.epohcs`",
            "did you mean train.epochs?",
        ),
        ("dropout>high", 8, "`high` is not a number", "-dropout:"),
        (
            "dropout:",
            8,
            "expected a value after dropout",
            "write dropout: and a value",
        ),
        (
            "dropout:,",
            8,
            "expected a value after dropout",
            "write dropout: and a value",
        ),
        (
            "status:runing",
            7,
            "no state is called `runing`",
            "did you mean running?",
        ),
        (
            "status:",
            7,
            "expected a value after status:",
            "one of running, queued",
        ),
        (
            "status:done,",
            12,
            "expected a value after status:",
            "one of running",
        ),
        (
            "backbone:swin*",
            9,
            "no backbone is called `swin*`",
            "one of resnet18",
        ),
        (
            "val_acc>",
            8,
            "expected a number after val_acc",
            "a number, or one with %",
        ),
        (
            "x -val_acc>abc",
            11,
            "`abc` is not a number",
            "expected a number, or one with %",
        ),
        ("val_acc>inf", 8, "`inf` is not a number", "expected"),
        ("seed>5k", 5, "`5k` is not a number", "expected a number"),
        (
            "status>done",
            6,
            "status is text; > works only with numbers",
            "write status:…, or -status:…",
        ),
        (
            "tag!=x",
            3,
            "tag is text; != works only with numbers",
            "-tag:",
        ),
        (">5", 0, "expected a field before >", "fields: "),
        ("-", 0, "nothing follows this -", "right behind it"),
        ("a - b", 2, "nothing follows this -", "right behind it"),
        (
            "name:\"two",
            5,
            "this quotation mark is never closed",
            "end the text",
        ),
        (
            "created>yesterday",
            8,
            "`yesterday` is not a day",
            "such as 2026-11-22",
        ),
        ("created:", 8, "expected a day after created", "2026-11"),
        ("created:2026-1", 8, "`2026-1` is not a day", "or 2026-11"),
        ("ä \u{1b}[31m:x", 2, "no field is called `[31m`", "quotes"),
    ] {
        let mistake = Query::parse(query).unwrap_err();
        assert_eq!(
            (mistake.at, mistake.message.as_str()),
            (at, message),
            "{query}"
        );
        assert!(
            mistake.help.as_deref().unwrap_or("").contains(help),
            "{query}: {mistake}"
        );
    }
}

#[test]
fn the_mark_lies_below_the_mistake_as_the_filter_is_shown() {
    for (query, shown, column) in [
        ("a zzz:1", "a zzz:1", 2),
        // Spaces become one, and those at the start are left out.
        ("   zzz:1", "zzz:1", 0),
        ("a \t  zzz:1", "a zzz:1", 2),
        // Each of these characters takes two columns.
        ("漢字 zzz:1", "漢字 zzz:1", 5),
        // Hidden characters take none.
        ("a\u{202e} zzz:1", "a zzz:1", 2),
    ] {
        let what = Query::parse(query).unwrap_err().explain(query).what;
        let lines: Vec<&str> = what.lines().collect();
        let mark = format!("{:width$}^", "", width = 2 + column);
        assert_eq!(lines[1..], [format!("  {shown}"), mark], "{query:?}");
    }
    // The mark of a mistake that is out of sight lies below the mark of the cut.
    let long = format!("{} zzz:1", "x".repeat(400));
    let what = Query::parse(&long).unwrap_err().explain(&long).what;
    let widths: Vec<usize> = what.lines().map(|line| line.chars().count()).collect();
    assert!(what.contains('…') && widths[1] == widths[2], "{what}");
}

#[test]
fn days_and_times_that_do_not_exist_are_mistakes() {
    for day in ["2026-13", "2026-02-30", "2026-11-22t25"] {
        let mistake = Query::parse(&format!("created>={day}")).unwrap_err();
        assert_eq!(
            (mistake.at, mistake.message),
            (9, format!("`{day}` is not a day"))
        );
        assert!(mistake.help.is_some_and(|help| help.contains("2026-11")));
    }
}

#[test]
fn operators_in_quotes_are_text() {
    assert!(!holds("\"a:b\"") && !holds("\"val_acc>2\"") && !holds("\"-two\""));
    assert_eq!(Query::parse("a\"b").unwrap_err().at, 1);
}

#[test]
fn a_missing_value_is_marked_behind_its_comma_also_after_quotes() {
    for query in [
        "status:finished,",
        "status:\"finished\",",
        "status:lost,\"finished\",",
    ] {
        let mistake = Query::parse(query).unwrap_err();
        assert_eq!(mistake.at, query.chars().count(), "{query}");
    }
}

#[test]
fn no_text_makes_the_parser_panic_and_positions_are_within_it() {
    let mut random = warmstart_schema::seed::SplitMix64::new(11);
    let pieces = [
        "status", ":", "\"", "-", " ", "*", "?", ",", ">", "=", "<", "!", "0.5", "é", "漢",
        "val_acc", "%", "x",
    ];
    for _ in 0..20_000 {
        let length = random.below(9);
        let pick = |random: &mut warmstart_schema::seed::SplitMix64| {
            pieces[usize::try_from(random.below(pieces.len() as u64)).unwrap()]
        };
        let query: String = (0..length).map(|_| pick(&mut random)).collect();
        if let Err(mistake) = Query::parse(&query) {
            assert!(mistake.at <= query.chars().count(), "{query}");
            assert!(!mistake.message.is_empty());
        }
    }
}

#[test]
fn only_a_filter_for_archived_runs_shows_them() {
    let asks = |text: &str| Query::parse(text).unwrap().asks_for_archived();
    for (text, expected) in [
        ("is:archived", true),
        ("-is:archived", true),
        ("is:resumed", false),
        ("archived", false),
        ("", false),
    ] {
        assert_eq!(asks(text), expected, "{text}");
    }
}
