//! Keys of the dataset screen.

use crossterm::event::KeyCode;

use crate::command::{Command, DatasetCommand, Movement};
use crate::keys::binding::{Binding, Row, bind, code, key};
use crate::keys::everywhere::{BACK, ENDS, FIRST, LAST, MOVES};

pub(crate) const BINDINGS: &[&[Binding]] = &[&[BACK], MOVES, &[FIRST, LAST], ENDS, PICTURES];

const PICTURES: &[Binding] = &[
    bind(Row {
        action: "open",
        keys: &[code(KeyCode::Enter)],
        label: "enter",
        command: Command::Open,
        word: "",
        help: "show the chosen picture alone",
    }),
    bind(Row {
        action: "view",
        keys: &[code(KeyCode::Tab)],
        label: "tab",
        command: Command::Dataset(DatasetCommand::View),
        word: "view",
        help: "a picture, a page of them, the classes",
    }),
    bind(Row {
        action: "random",
        keys: &[key(' ')],
        label: "space",
        command: Command::Dataset(DatasetCommand::Random),
        word: "random",
        help: "a picture at random",
    }),
    bind(Row {
        action: "number",
        keys: &[key('n')],
        label: "n 0–9",
        command: Command::Dataset(DatasetCommand::Number),
        word: "number",
        help: "the picture of a number; a digit begins to type it",
    }),
    bind(Row {
        action: "part",
        keys: &[key('t')],
        label: "t",
        command: Command::Dataset(DatasetCommand::Part),
        word: "part",
        help: "training, validation or test images",
    }),
    bind(Row {
        action: "augment",
        keys: &[key('a')],
        label: "a",
        command: Command::Dataset(DatasetCommand::Augment),
        word: "augment",
        help: "the picture as training sees it; again: in the next epoch",
    }),
    bind(Row {
        action: "as-it-is",
        keys: &[key('A')],
        label: "A",
        command: Command::Dataset(DatasetCommand::AsItIs),
        word: "",
        help: "the picture alone, as it is",
    }),
    bind(Row {
        action: "left",
        keys: &[code(KeyCode::Left)],
        label: "←",
        command: Command::Move(Movement::Left),
        word: "",
        help: "the picture before",
    }),
    bind(Row {
        action: "right",
        keys: &[code(KeyCode::Right)],
        label: "→",
        command: Command::Move(Movement::Right),
        word: "",
        help: "the next picture",
    }),
    bind(Row {
        action: "sort",
        keys: &[key('o')],
        label: "o",
        command: Command::Sort,
        word: "",
        help: "classes by number, or by how many images they have",
    }),
    bind(Row {
        action: "predict",
        keys: &[key('p')],
        label: "p",
        command: Command::Predict,
        word: "predict",
        help: "what the run sees in the picture shown",
    }),
];
