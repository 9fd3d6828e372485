//! Checks the bytes that the dashboard sends to a terminal. Every field of every run and file contains hostile text.
//! Only text and known sequences may be sent, and each cell must be where the dashboard put it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::num::NonZero;
use std::path::Path;
use std::rc::Rc;

use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use unicode_width::UnicodeWidthStr;
use warmstart_runs::queue::{Content, Entry};
use warmstart_runs::run::RunId;
use warmstart_runs::search_paths::MissingFile;
use warmstart_schema::prediction::{ClassProbability, Predicted, Predictions};

use super::dataset::{DatasetSource, answering};
use super::fixtures::{DONE, empty, id, typical};
use super::press;
use crate::effect::Effect;
use crate::machine::{Gpu, Machine};
use crate::message::{Catalogue, Message, Report};
use crate::model::{ChartView, Model, Pane, Popup, RunView, Screen};
use crate::screen;
use crate::update::update;
use warmstart_runs::store::{Change, Watcher, experiments, worker_log_tail};

#[path = "../../../../tests/support/hostile.rs"]
mod texts;

use texts::{Kind, Texts, number_of_texts, refuse, strings, write_experiment, write_run};

/// Runs per dashboard.
const RUNS: usize = 500;

#[derive(Debug, Clone, Default)]
struct Wire(Rc<RefCell<Vec<u8>>>);

impl io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal that receives crossterm's bytes.
struct Line {
    wire: Wire,
    terminal: Terminal<CrosstermBackend<Wire>>,
    parser: vt100::Parser,
    frames: usize,
}

impl Line {
    fn new(width: u16, height: u16) -> Self {
        let wire = Wire::default();
        let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
        let terminal = Terminal::with_options(
            CrosstermBackend::new(wire.clone()),
            TerminalOptions { viewport },
        )
        .unwrap();
        let cells = |number| NonZero::new(number).unwrap();
        Self {
            wire,
            terminal,
            parser: vt100::Parser::new(cells(height), cells(width), 0),
            frames: 0,
        }
    }

    /// Draws, and checks the bytes and the terminal's screen.
    fn draw(&mut self, model: &Model) {
        let meant = self
            .terminal
            .draw(|frame| screen::draw(frame, model))
            .unwrap()
            .buffer
            .clone();
        let bytes = self.wire.0.take();
        if let Err(wrong) = refuse(&bytes, Kind::Frames) {
            panic!("{wrong}\n{}", super::text(&meant));
        }
        // Unlike other emulators, this one gives the replacement character no width.
        self.parser.process(
            String::from_utf8(bytes)
                .unwrap()
                .replace('\u{fffd}', "?")
                .as_bytes(),
        );
        self.frames += 1;
        compare(&meant, self.parser.screen());
    }
}

/// Checks that each cell has the expected content.
fn compare(meant: &Buffer, seen: &vt100::Screen) {
    let Rect { width, height, .. } = meant.area;
    for y in 0..height {
        let mut x = 0;
        while x < width {
            let symbol = meant[(x, y)].symbol().replace('\u{fffd}', "?");
            let end = x + u16::try_from(symbol.width()).unwrap().max(1);
            // A cluster of letters may take several cells of the terminal, one for each letter.
            let contents: String = (x..end)
                .filter_map(|x| seen.cell(y, x))
                .map(vt100::Cell::contents)
                .collect();
            let contents = if contents.is_empty() { " " } else { &contents };
            assert!(
                symbol == *contents,
                "{symbol:?} is {contents:?} at {x}, {y}:\n{}\n{}",
                super::text(meant),
                seen.contents()
            );
            x = end;
        }
    }
}

/// A dashboard that reads a folder in the usual way.
fn read(folder: &Path) -> Model {
    let mut model = empty();
    let files = experiments(&folder.join("experiments")).unwrap();
    update(
        &mut model,
        Message::Experiments(Catalogue {
            files,
            error: None,
            missing: HashMap::new(),
        }),
    );
    let mut watcher = Watcher::new(&folder.join("checkpoints"));
    loop {
        let changes = watcher.poll();
        update(
            &mut model,
            Message::Changes {
                now: 1_795_341_700.0,
                changes,
            },
        );
        if watcher.unread() == 0 {
            return model;
        }
    }
}

/// Moves down a list from the first to the last row.
fn down(line: &mut Line, model: &mut Model, rows: usize) {
    for _ in 0..=rows / 15 {
        line.draw(model);
        press(model, "<pagedown>");
    }
}

fn line_of(text: &str) -> String {
    warmstart_schema::text::line(text, 80)
}

/// A worker's message after a round trip through JSON.
fn as_read<T: serde::Serialize + serde::de::DeserializeOwned>(said: &T) -> T {
    serde_json::from_str(&serde_json::to_string(said).unwrap()).unwrap()
}

#[test]
fn runs() {
    let strings = strings(number_of_texts());
    let mut frames = 0;
    for first in (0..strings.len()).step_by(RUNS) {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("checkpoints");
        let names: Vec<RunId> = (first..first + RUNS)
            .map(|number| id(&format!("{number:06}")))
            .collect();
        for (number, name) in (first..).zip(&names) {
            write_run(&runs, name.as_str(), Texts::new(&strings, number));
        }
        std::fs::create_dir(folder.path().join("experiments")).unwrap();
        let mut model = read(folder.path());
        let mut line = Line::new(80, 24);
        press(&mut model, "v");
        down(&mut line, &mut model, RUNS);
        press(&mut model, "c");
        down(&mut line, &mut model, RUNS);
        press(&mut model, "<esc>");
        for (number, name) in names.iter().enumerate() {
            let pane = if number.is_multiple_of(3) {
                Pane::Log { up: 0 }
            } else {
                Pane::Charts
            };
            model.open = Screen::Run(RunView {
                id: name.clone(),
                charts: ChartView::default(),
                pane,
                searched: None,
                logged: [0; 3],
            });
            let lines = worker_log_tail(&runs, name, 10);
            update(
                &mut model,
                Message::WorkerLog {
                    id: name.clone(),
                    lines,
                },
            );
            line.draw(&model);
        }
        frames += line.frames;
    }
    let texts = strings.len();
    println!(
        "FIGURE C5\tframes of runs with {texts} hostile texts in each of 31 fields, bytes that are not allowed\t{frames}, 0\t≥ 10,000 texts, 0\tok"
    );
}

#[test]
fn files() {
    let strings = strings(number_of_texts());
    for first in (0..strings.len()).step_by(RUNS) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("experiments")).unwrap();
        for number in first..first + RUNS {
            write_experiment(
                &folder.path().join("experiments"),
                Texts::new(&strings, number),
            );
        }
        let mut model = read(folder.path());
        let mut catalogue = model.catalogue.take().unwrap();
        assert_eq!(catalogue.files.len(), RUNS);
        let lacks = |number: usize| {
            vec![MissingFile {
                text: Texts::new(&strings, first + number).of(6),
                is_fetched: false,
            }]
        };
        catalogue.missing = catalogue
            .files
            .iter()
            .enumerate()
            .map(|(number, file)| (file.path.clone(), lacks(number)))
            .collect();
        update(&mut model, Message::Experiments(catalogue));
        let mut line = Line::new(80, 24);
        // Shows a file's problem, or an experiment's question and missing data.
        for _ in 0..RUNS {
            press(&mut model, "<enter>");
            assert!(
                matches!(model.popup, Some(Popup::Text { .. })),
                "{:?}",
                model.popup
            );
            line.draw(&model);
            press(&mut model, "<esc>j");
        }
        line.draw(&model);
    }
}

#[test]
fn worker_and_driver_texts() {
    let strings = strings(number_of_texts());
    let mut line = Line::new(80, 24);
    // Class names on the dataset screen and beside images.
    let mut source = DatasetSource::of_classes(&strings);
    source.facts = as_read(&source.facts);
    let mut model = typical();
    answering(&mut model, "jjjjd<tab><tab>", &source);
    down(&mut line, &mut model, strings.len());
    let mut model = typical();
    press(&mut model, "M");
    for (number, names) in strings.chunks(10).enumerate() {
        // The text is cleaned in the same way as in the reading thread.
        let gpus = names
            .iter()
            .map(|name| Gpu {
                name: line_of(name),
                ..Gpu::default()
            })
            .collect();
        let machine = Machine {
            processor: line_of(&names[0]),
            cores: 2,
            cpu: None,
            memory: None,
            disk: None,
            gpus: if number % 10 == 9 {
                Err(line_of(&names[0]))
            } else {
                Ok(gpus)
            },
            processes: HashMap::new(),
        };
        update(&mut model, Message::Machine(Box::new(machine)));
        let entry = |name: &String| Entry {
            run: id(DONE),
            stem: name.clone(),
            slot: name.clone(),
            after: Some(name.clone()),
            file: None,
            after_file: None,
        };
        let content = Content {
            waiting: names.iter().map(entry).collect(),
            paused: Some(names[1].clone()),
            ..Content::default()
        };
        let changes = vec![
            Change::Queue(content),
            Change::Problem {
                text: names[2].clone(),
            },
        ];
        update(&mut model, Message::Changes { now: 1e9, changes });
        update(
            &mut model,
            Message::Report(Report {
                good: false,
                text: names[3].clone(),
            }),
        );
        line.draw(&model);
    }
    let mut model = typical();
    press(&mut model, "j<enter>p");
    for names in strings.chunks(8) {
        let Some(Popup::Input(prompt)) = &model.popup else {
            panic!("{:?}", model.popup)
        };
        let typed = prompt.input().value().to_owned();
        // The dashboard offers only cleaned names.
        let candidates = names.iter().map(|name| line_of(name)).collect();
        let completed = Message::Completed {
            typed,
            longer: line_of(&names[0]),
            candidates,
        };
        update(&mut model, completed);
        line.draw(&model);
    }
    let mut model = typical();
    for (number, names) in strings.chunks(5).enumerate() {
        press(&mut model, "<esc><esc>gj<enter>px");
        let Some(Effect::Predict { ticket, .. }) = press(&mut model, "<enter>").pop() else {
            panic!("{:?}", model.popup)
        };
        let class = |name: &String| ClassProbability {
            name: name.clone(),
            probability: 0.2,
            label: None,
        };
        let error = (number % 4 == 3).then(|| names[1].clone());
        let image = Predicted {
            image: names[0].clone(),
            classes: names.iter().map(class).collect(),
            error,
            pixels: None,
        };
        let predictions = Predictions {
            run: id(DONE),
            epoch: 1,
            step: 1,
            images: vec![image],
        };
        update(
            &mut model,
            Message::Predicted {
                ticket,
                result: Ok(as_read(&predictions)),
            },
        );
        line.draw(&model);
    }
}
