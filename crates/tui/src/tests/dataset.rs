//! The dataset screen and predictions: requests, drawing and colours, for any response of a worker.

mod fake_worker;

use crossterm::event::Event;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use warmstart_schema::experiment::{DatasetKind, Sampler};
use warmstart_schema::look::{Answer, Ask, Split};
use warmstart_schema::prediction::{ClassProbability, Predicted, Predictions};

use super::fixtures::{DONE, FAILED, LIVE, id, typical};
use super::{drawn, press, says, text};
use crate::effect::Effect;
use crate::message::Message;
use crate::model::{Model, Screen};
use crate::theme::{Appearance, Palette, Theme};
use crate::update::update;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::worker::DatasetResponse;
use warmstart_runs::worker::Subject;

pub(super) use self::fake_worker::{DatasetSource, answering, looking, picture, tell};

fn screen(model: &Model) -> String {
    text(&drawn(model, 80, 24))
}

/// Number of image cells: cells with different colours in their upper and lower half.
fn pixels(buffer: &Buffer) -> usize {
    buffer
        .content
        .iter()
        .filter(|cell| cell.symbol() == "▀" && matches!(cell.fg, Color::Rgb(..)))
        .count()
}

#[test]
fn every_dataset_view_is_drawn() {
    for (name, keys) in [
        ("picture", ""),
        ("augmented", "aa"),
        ("page", "<tab><right>"),
        ("classes", "<tab><tab>o"),
    ] {
        let mut model = looking(&format!("jjjjd{keys}"), &DatasetSource::typical());
        for (width, height) in [(80, 24), (120, 40), (200, 60)] {
            tell(
                &mut model,
                &Event::Resize(width, height),
                &DatasetSource::typical(),
            );
            insta::assert_snapshot!(
                format!("dataset-{name}-{width}x{height}"),
                text(&drawn(&model, width, height))
            );
        }
    }
}

#[test]
fn skipped_images_are_noted_above_every_view() {
    let mut source = DatasetSource::typical();
    source.facts.notes = vec![
        "2 pictures in old/ are not used".to_owned(),
        "left out 3 pictures".to_owned(),
    ];
    for keys in ["", "<tab>"] {
        let shown = screen(&looking(&format!("jjjjd{keys}"), &source));
        assert!(
            shown.contains("1 more above the classes · 2 pictures in old/ are not used"),
            "{shown}"
        );
    }
    let shown = screen(&looking("jjjjd<tab><tab>", &source));
    assert!(
        shown.contains("2 pictures in old/ are not used") && shown.contains("left out 3 pictures"),
        "{shown}"
    );
    assert!(shown.contains("tiger"), "{shown}");
}

#[test]
fn larger_terminal_shows_more_images_and_keeps_selection() {
    let source = DatasetSource::typical();
    let mut model = looking("jjjjd<tab><down><down><down><right>", &source);
    let page = |model: &Model| match &model.open {
        Screen::Dataset(view) => (
            view.position,
            view.page(),
            view.page() + view.grid.pictures(),
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        page(&model),
        (13, 8, 16),
        "four beside each other in two rows"
    );
    tell(&mut model, &Event::Resize(200, 60), &source);
    assert_eq!(
        page(&model),
        (13, 0, 18),
        "six of 33 columns in three rows of 17"
    );
    let shown = text(&drawn(&model, 200, 60));
    assert!(
        !shown.contains("loading"),
        "the rest was asked for: {shown}"
    );
    answering(&mut model, "<down>", &source);
    assert_eq!(page(&model), (19, 18, 36));
    tell(&mut model, &Event::Resize(u16::MAX, u16::MAX), &source);
    let (_, first, end) = page(&model);
    assert!(
        (end - first) as usize <= warmstart_schema::look::MOST_PICTURES,
        "a question has no more"
    );
}

#[test]
fn image_keeps_colours_and_positions() {
    let model = looking("jjjjd", &DatasetSource::typical());
    let buffer = drawn(&model, 80, 24);
    // Half blocks: 32 columns and 16 rows show 32×32 pixels. The first row is below two lines of text.
    assert_eq!(pixels(&buffer), 32 * 16);
    let expected = picture(Split::Train, 0, None).pixels.unwrap();
    for (x, y) in [(0, 0), (31, 0), (5, 14), (31, 30)] {
        let at = (y * 32 + x) * 3;
        let colour = |at: usize| {
            Color::Rgb(
                expected.rgb()[at],
                expected.rgb()[at + 1],
                expected.rgb()[at + 2],
            )
        };
        let cell = &buffer[(
            1 + u16::try_from(x).unwrap(),
            5 + u16::try_from(y / 2).unwrap(),
        )];
        assert_eq!(
            (cell.fg, cell.bg),
            (colour(at), colour(at + 32 * 3)),
            "{x} {y}"
        );
    }
}

#[test]
fn image_is_drawn_with_available_colours() {
    let with = |appearance: Appearance| Model {
        appearance,
        ..looking("jjjjd", &DatasetSource::typical())
    };
    let beyond = |buffer: &Buffer, is: fn(Color) -> bool| {
        buffer.content.iter().any(|cell| is(cell.fg) || is(cell.bg))
    };
    let is_rgb: fn(Color) -> bool = |colour| matches!(colour, Color::Rgb(..));
    let is_indexed: fn(Color) -> bool = |colour| matches!(colour, Color::Indexed(_));
    let indexed = drawn(
        &with(Appearance {
            ascii: false,
            theme: Theme::Dark,
            palette: Palette::Indexed,
        }),
        80,
        24,
    );
    assert!(!beyond(&indexed, is_rgb) && beyond(&indexed, is_indexed));
    let sixteen = drawn(
        &with(Appearance {
            ascii: false,
            theme: Theme::Dark,
            palette: Palette::Sixteen,
        }),
        80,
        24,
    );
    assert!(
        !beyond(&sixteen, is_rgb) && !beyond(&sixteen, is_indexed) && text(&sixteen).contains('▀')
    );
    let plain = drawn(
        &with(Appearance {
            ascii: false,
            theme: Theme::Mono,
            palette: Palette::True,
        }),
        80,
        24,
    );
    assert!(
        plain
            .content
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    assert!(!text(&plain).contains('▀'));
    let ascii = text(&drawn(
        &with(Appearance {
            ascii: true,
            theme: Theme::Dark,
            palette: Palette::True,
        }),
        80,
        24,
    ));
    assert!(ascii.is_ascii(), "{ascii}");
    insta::assert_snapshot!("dataset-ascii", ascii);
}

#[test]
fn dataset_opens_for_experiment_and_for_run() {
    let opened = |keys: &str| match &press(&mut typical(), keys)[..] {
        [.., Effect::ShowDataset { source, .. }] => format!("{source:?}"),
        other => panic!("{other:?}"),
    };
    assert!(opened("jd").contains("1-resnet-original.yaml"));
    assert!(
        opened("d").contains("7-effnet-freeze.yaml"),
        "without a run too"
    );
    assert!(opened("jj<enter>d").contains(LIVE));
    assert!(opened("j<tab>jd").contains(DONE), "below its experiment");
    assert!(opened("vd").contains(FAILED), "in the list of all runs");
    let mut model = typical();
    press(&mut model, "Gd");
    assert!(
        says(&model).contains("6-typo.yaml has a mistake"),
        "{}",
        says(&model)
    );
}

#[test]
fn one_request_is_pending_and_last_image_wins() {
    let mut model = typical();
    let source = DatasetSource::typical();
    assert!(matches!(
        press(&mut model, "jjjjd")[..],
        [Effect::ShowDataset { ticket: 1, .. }]
    ));
    assert!(
        press(&mut model, "<right> n").is_empty(),
        "nothing is known yet"
    );
    assert!(
        says(&model).contains("still being read"),
        "{}",
        says(&model)
    );
    let ask = update(
        &mut model,
        Message::DatasetResponse {
            ticket: 1,
            response: DatasetResponse::Answer(Answer::Opened(source.facts.clone())),
        },
    );
    let [Effect::AskDataset(first)] = &ask[..] else {
        panic!("{ask:?}")
    };
    assert!(
        press(&mut model, "<right><right><right>").is_empty(),
        "the answer is awaited"
    );
    assert!(screen(&model).contains("loading …"));
    let next = update(
        &mut model,
        Message::DatasetResponse {
            ticket: 1,
            response: DatasetResponse::Answer(source.answer(first)),
        },
    );
    let [Effect::AskDataset(Ask::Pictures { wanted, .. })] = &next[..] else {
        panic!("{next:?}")
    };
    assert_eq!(
        wanted
            .iter()
            .map(|wanted| wanted.position)
            .collect::<Vec<_>>(),
        [3]
    );
    // A late response of the previous worker is ignored.
    let late = Message::DatasetResponse {
        ticket: 9,
        response: DatasetResponse::Answer(Answer::NotThere {
            error: "late".to_owned(),
        }),
    };
    assert!(update(&mut model, late).is_empty() && says(&model).is_empty());
    assert!(matches!(
        press(&mut model, "<esc>")[..],
        [Effect::CloseDataset]
    ));
    assert!(matches!(model.open, Screen::Experiments(_)));
}

#[test]
fn an_unknown_number_leaves_no_image_waiting() {
    let source = DatasetSource::typical();
    let mut model = looking("jjjjd", &source);
    let answered = |model: &mut Model, ask: &[Effect]| {
        let [Effect::AskDataset(ask)] = ask else {
            panic!("{ask:?}")
        };
        let response = DatasetResponse::Answer(source.answer(ask));
        let ticket = model.tickets;
        update(model, Message::DatasetResponse { ticket, response })
    };
    // While the worker reads one image, the user moves to the next one and types a number.
    let first = press(&mut model, "<right>");
    press(&mut model, "<right>n9999<enter>");
    let number = answered(&mut model, &first);
    let next = answered(&mut model, &number);
    assert!(says(&model).contains("no image 9999"));
    assert!(answered(&mut model, &next).is_empty());
    let shown = screen(&model);
    assert!(shown.contains("training image 3 of 120"), "{shown}");
    assert!(!shown.contains("loading …"), "{shown}");
}

#[test]
fn images_are_picked_by_number_randomly_and_by_steps() {
    let source = DatasetSource::typical();
    let mut model = looking("jjjjd", &source);
    answering(&mut model, "107<enter>", &source);
    assert!(screen(&model).contains("image number 107") && screen(&model).contains("▸training"));
    // The number of a validation image selects the validation split.
    answering(&mut model, "n2003<enter>", &source);
    assert!(
        screen(&model).contains("image number 2003") && screen(&model).contains("▸validation"),
        "{}",
        screen(&model)
    );
    answering(&mut model, "n9999<enter>", &source);
    assert!(says(&model).contains("no image 9999") && screen(&model).contains("image number 2003"));
    answering(&mut model, "n1<backspace><enter>", &source);
    assert!(
        says(&model).contains("`` is not the number"),
        "{}",
        says(&model)
    );
    answering(&mut model, "t", &source);
    assert!(
        screen(&model).contains("test image 1 of 60"),
        "{}",
        screen(&model)
    );
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..5 {
        answering(&mut model, " ", &source);
        seen.push(screen(&model).lines().nth(3).unwrap().to_owned());
    }
    seen.dedup();
    assert!(seen.len() > 2, "{seen:?}");
    answering(&mut model, "tG", &source);
    assert!(
        screen(&model).contains("training image 120 of 120"),
        "{}",
        screen(&model)
    );
    answering(&mut model, "<right>g<left><down>", &source);
    assert!(
        screen(&model).contains("training image 2 of 120"),
        "{}",
        screen(&model)
    );
    answering(&mut model, "<tab><down><right><enter>", &source);
    assert!(
        screen(&model).contains("training image 7 of 120"),
        "{}",
        screen(&model)
    );
}

#[test]
fn augmentation_advances_by_epoch_or_is_refused_with_reason() {
    let source = DatasetSource::typical();
    let mut model = looking("jjjjda", &source);
    let buffer = drawn(&model, 120, 40);
    assert!(
        text(&buffer)
            .contains("beside it epochs 1, 2: resized crop, padding crop, ±15°, flip, zoom ±10 %"),
        "{}",
        text(&buffer)
    );
    assert!(pixels(&buffer) >= 2 * 32 * 16);
    answering(&mut model, "a", &source);
    assert!(
        screen(&model).contains("beside it epoch 2: resized crop"),
        "{}",
        screen(&model)
    );
    answering(&mut model, "ta", &source);
    assert!(
        says(&model).contains("only training images"),
        "{}",
        says(&model)
    );
    answering(&mut model, "ttA", &source);
    assert!(!screen(&model).contains("beside it"));
    let mut still = DatasetSource::typical();
    *still.facts.augment = warmstart_schema::experiment::Augment::default();
    assert!(says(&looking("jjjjda", &still)).contains("augments nothing"));
}

#[test]
fn classes_show_their_imbalance() {
    let mut source = DatasetSource::typical();
    let shown = |source: &DatasetSource| screen(&looking("jjjjd<tab><tab>", source));
    let said = shown(&source);
    assert!(
        said.contains("2 to 40 training images each: imbalance 20.0 to 1"),
        "{said}"
    );
    assert!(
        said.contains("class_weights: none")
            && said.contains("fewest walrus (2)")
            && said.contains("most tiger (40)"),
        "{said}"
    );
    source.facts.class_weights = Some(vec![0.5; 9]);
    assert!(shown(&source).contains("class_weights: balanced, from 0.50 to 0.50; walrus 0.50"));
    source.facts.class_weights = None;
    source.facts.sampler = Some(Sampler::Balanced);
    source.facts.train.by_class = vec![30, 10, 5, 5, 5, 5, 5, 5, 20];
    let said = shown(&source);
    // 90 images of 9 classes: each class gets 10.
    assert!(
        said.contains("sampler: balanced, each ")
            && said.contains(" 2.00 times an epoch, each ")
            && said.contains(" 0.33"),
        "{said}"
    );
    source.facts.sampler = None;
    source.facts.train.by_class = vec![5; 9];
    assert!(shown(&source).contains("5 training images each: as even as can be"));
    source.facts.train.by_class[3] = 0;
    assert!(shown(&source).contains("1 without any"));
    source.facts.train.by_class = vec![0; 9];
    let said = shown(&source);
    assert!(
        said.contains("9 classes, no training images") && !said.contains("as even"),
        "{said}"
    );
}

#[test]
fn one_key_scrolls_the_classes_back_from_their_end() {
    let names: Vec<String> = (0..40).map(|class| format!("class {class}")).collect();
    let mut source = DatasetSource::of_classes(&names);
    for notes in [0, 1, 4000] {
        source.facts.notes = vec!["word ".repeat(40); notes];
        let mut model = looking("jjjjd<tab><tab>G", &source);
        let end = screen(&model);
        assert!(end.contains("class 39"), "{end}");
        answering(&mut model, "k", &source);
        assert!(!screen(&model).contains("class 39"), "{}", screen(&model));
        answering(&mut model, "j", &source);
        assert_eq!(screen(&model), end);
    }
}

#[test]
fn missing_dataset_shows_help() {
    let mut model = typical();
    press(&mut model, "jjjjd");
    assert!(screen(&model).contains("reading the dataset"));
    let refused = Answer::Refused {
        error: "the files are not here".to_owned(),
        help: "warmstart prefetch".to_owned(),
    };
    update(
        &mut model,
        Message::DatasetResponse {
            ticket: 1,
            response: DatasetResponse::Answer(refused),
        },
    );
    let failure = Failure::new(Kind::Worker, "the worker exited without output");
    update(
        &mut model,
        Message::DatasetResponse {
            ticket: 1,
            response: DatasetResponse::Ended(failure),
        },
    );
    assert!(
        screen(&model).contains("the files are not here; warmstart prefetch"),
        "{}",
        screen(&model)
    );
    press(&mut model, " ");
    assert!(says(&model).contains("nothing to see"), "{}", says(&model));
    let mut model = typical();
    press(&mut model, "jjjjd");
    let failure =
        Failure::new(Kind::Worker, "libtorch is missing").help("`warmstart doctor` says more");
    update(
        &mut model,
        Message::DatasetResponse {
            ticket: 1,
            response: DatasetResponse::Ended(failure),
        },
    );
    assert!(
        screen(&model).contains("libtorch is missing; `warmstart doctor` says more"),
        "{}",
        screen(&model)
    );
}

fn prediction(pixels: bool) -> Predictions {
    let class = |(name, probability): (&str, f64)| ClassProbability {
        name: name.to_owned(),
        probability,
        label: None,
    };
    let classes = [
        ("lion", 0.625),
        ("tiger", 0.25),
        ("leopard", 0.0625),
        ("wolf", 0.03125),
        ("a class with a very long name", 0.0),
    ];
    let image = Predicted {
        image: "x".to_owned(),
        classes: classes.map(class).to_vec(),
        error: None,
        pixels: pixels.then(|| picture(Split::Train, 0, None).pixels.unwrap()),
    };
    Predictions {
        run: id(DONE),
        epoch: 17,
        step: 578,
        images: vec![image],
    }
}

#[test]
fn run_predicts_the_shown_image() {
    let source = DatasetSource::typical();
    let mut model = looking("jd", &source);
    let asked = press(&mut model, "p");
    let [
        Effect::Predict {
            ticket,
            run,
            subject,
        },
    ] = &asked[..]
    else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (run.as_str(), subject),
        (
            DONE,
            &Subject::OfDataset {
                part: Split::Train,
                number: 100
            }
        )
    );
    assert!(screen(&model).contains("asking its best checkpoint"));
    let ticket = *ticket;
    update(
        &mut model,
        Message::Predicted {
            ticket: ticket + 1,
            result: Ok(prediction(false)),
        },
    );
    assert!(
        screen(&model).contains("asking its best checkpoint"),
        "another question's answer"
    );
    update(
        &mut model,
        Message::Predicted {
            ticket,
            result: Ok(prediction(true)),
        },
    );
    insta::assert_snapshot!("prediction", screen(&model));
    let colours = Model {
        appearance: Appearance {
            ascii: true,
            theme: Theme::Mono,
            palette: Palette::True,
        },
        ..model
    };
    assert!(
        screen(&colours).is_ascii() && screen(&colours).contains("* tiger"),
        "{}",
        screen(&colours)
    );
}

#[test]
fn lines_of_a_prediction_cover_no_other_at_any_height() {
    let mut model = looking("jd", &DatasetSource::typical());
    let asked = press(&mut model, "p");
    let [Effect::Predict { ticket, .. }] = &asked[..] else {
        panic!("{asked:?}")
    };
    let result = Ok(prediction(true));
    let ticket = *ticket;
    update(&mut model, Message::Predicted { ticket, result });
    let (last_class, checkpoint) = ("a class wit", "its checkpoint of epoch");
    let whole = screen(&model);
    assert!(
        whole.contains(last_class) && whole.contains(checkpoint),
        "{whole}"
    );
    for height in 10..=24 {
        let picture = text(&drawn(&model, 80, height));
        if let Some(line) = picture.lines().find(|line| line.contains(last_class)) {
            assert!(line.contains("0.00 %"), "{picture}");
        }
        if picture.contains(checkpoint) {
            assert!(
                picture.contains("0.00 %") && picture.contains("it is: tiger"),
                "{picture}"
            );
        }
    }
}

#[test]
fn run_does_not_predict_images_of_another_dataset() {
    let source = DatasetSource::typical();
    let mut model = typical();
    for file in &mut model.catalogue.as_mut().unwrap().files {
        if let Ok(experiment) = &mut file.loaded {
            experiment.dataset.kind = DatasetKind::Cifar10 { path: None };
        }
    }
    answering(&mut model, "jd", &source);
    assert!(matches!(model.open, Screen::Dataset(_)));
    assert!(press(&mut model, "p").is_empty());
    assert!(model.popup.is_none(), "{}", screen(&model));
}

#[test]
fn image_file_is_predicted_by_path() {
    for keys in ["j<enter>p", "cP"] {
        let mut model = typical();
        assert!(
            !press(&mut model, keys)
                .iter()
                .any(|effect| matches!(effect, Effect::Predict { .. }))
        );
        assert!(
            press(&mut model, "<enter>").is_empty(),
            "nothing is typed yet"
        );
        assert!(
            matches!(&press(&mut model, "cat q<tab>")[..], [Effect::CompletePath { typed, only_folders: false }] if typed == "cat q")
        );
        let completed = |longer: &str| Message::Completed {
            typed: "cat q".to_owned(),
            longer: longer.to_owned(),
            candidates: vec!["cat quick.png".to_owned(), "cat quiet.png".to_owned()],
        };
        update(&mut model, completed("cat qui"));
        assert!(
            screen(&model).contains("cat quick.png  cat quiet.png"),
            "{}",
            screen(&model)
        );
        if keys == "cP" {
            insta::assert_snapshot!("prompt-for-a-picture", screen(&model));
        }
        update(&mut model, completed("too late"));
        assert!(screen(&model).contains("cat qui ") && !screen(&model).contains("too late"));
        let asked = press(&mut model, "ck.png<enter>");
        assert!(
            matches!(&asked[..], [Effect::Predict { subject: Subject::Shown(path), .. }] if path.as_os_str() == "cat quick.png"),
            "{asked:?}"
        );
        let failed = Err(Failure::new(Kind::Input, "no checkpoint").help("wait"));
        update(
            &mut model,
            Message::Predicted {
                ticket: 1,
                result: failed,
            },
        );
        assert!(
            screen(&model).contains("no checkpoint; wait"),
            "{}",
            screen(&model)
        );
        press(&mut model, "<esc>");
        assert!(model.popup.is_none());
    }
    let mut model = looking("d", &DatasetSource::typical());
    press(&mut model, "p");
    assert!(says(&model).contains("no run to ask"), "{}", says(&model));
}
