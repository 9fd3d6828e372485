//! Keys of the dataset screen.

use crossterm::event::KeyCode;

use crate::command::{Command, DatasetCommand, Movement};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, key};
use crate::keys::everywhere::{BACK, ENDS, FIRST, LAST, MOVES};

pub(crate) const BINDINGS: &[&[Binding]] = &[&[BACK], MOVES, &[FIRST, LAST], ENDS, PICTURES];

const PICTURES: &[Binding] = &[
    bind(
        "open",
        &[code(KeyCode::Enter)],
        "enter",
        Command::Open,
        "",
        "show the chosen picture alone",
    ),
    bind(
        "view",
        &[code(KeyCode::Tab)],
        "tab",
        Command::Dataset(DatasetCommand::View),
        "view",
        "a picture, a page of them, the classes",
    ),
    bind(
        "random",
        &[key(' ')],
        "space",
        Command::Dataset(DatasetCommand::Random),
        "random",
        "a picture at random",
    ),
    bind(
        "number",
        &[key('n')],
        "n 0–9",
        Command::Dataset(DatasetCommand::Number),
        "number",
        "the picture of a number; a digit begins to type it",
    ),
    bind(
        "part",
        &[key('t')],
        "t",
        Command::Dataset(DatasetCommand::Part),
        "part",
        "training, validation or test images",
    ),
    bind(
        "augment",
        &[key('a')],
        "a",
        Command::Dataset(DatasetCommand::Augment),
        "augment",
        "the picture as training sees it; again: in the next epoch",
    ),
    bind(
        "as-it-is",
        &[key('A')],
        "A",
        Command::Dataset(DatasetCommand::AsItIs),
        "",
        "the picture alone, as it is",
    ),
    bind(
        "left",
        &[code(KeyCode::Left)],
        "←",
        Command::Move(Movement::Left),
        "",
        "the picture before",
    ),
    bind(
        "right",
        &[code(KeyCode::Right)],
        "→",
        Command::Move(Movement::Right),
        "",
        "the next picture",
    ),
    bind(
        "sort",
        &[key('o')],
        "o",
        Command::Sort,
        "",
        "classes by number, or by how many images they have",
    ),
    bind(
        "predict",
        &[key('p')],
        "p",
        Command::Predict,
        "predict",
        "what the run sees in the picture shown",
    ),
];
