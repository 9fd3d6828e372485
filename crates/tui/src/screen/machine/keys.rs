//! Keys of the machine screen.

use crossterm::event::KeyCode;

use crate::command::{Command, QueueCommand};
use crate::keys::binding::{Binding, Row, bind, code, key};
use crate::keys::everywhere::{BACK, ENDS, FIRST, LAST, LAUNCH, MOVES, OF_A_RUN, OPEN_RUN};

pub(crate) const BINDINGS: &[&[Binding]] = &[
    &[OPEN_RUN, LAUNCH],
    OF_A_RUN,
    QUEUE,
    &[BACK],
    MOVES,
    &[FIRST, LAST],
    ENDS,
];

const QUEUE: &[Binding] = &[
    bind(Row {
        action: "queue-up",
        keys: &[key('K')],
        label: "K",
        command: UP,
        word: "up",
        help: "a waiting run before the one above it",
    }),
    bind(Row {
        action: "queue-down",
        keys: &[key('J')],
        label: "J",
        command: DOWN,
        word: "down",
        help: "a waiting run after the one below it",
    }),
    bind(Row {
        action: "queue-remove",
        keys: &[key('x'), code(KeyCode::Delete)],
        label: "x",
        command: Command::Queue(QueueCommand::Remove),
        word: "",
        help: "take a waiting run out of the queue (asks)",
    }),
    bind(Row {
        action: "queue-pause",
        keys: &[key('P')],
        label: "P",
        command: PAUSE,
        word: "pause",
        help: "pause the queue, or resume it",
    }),
    bind(Row {
        action: "more-slots",
        keys: &[key('+'), key('=')],
        label: "+-",
        command: Command::Queue(QueueCommand::MoreSlots),
        word: "",
        help: "how many runs a device takes at a time",
    }),
    bind(Row {
        action: "fewer-slots",
        keys: &[key('-'), key('_')],
        label: "-",
        command: Command::Queue(QueueCommand::FewerSlots),
        word: "",
        help: "one run at a time fewer",
    }),
];

const UP: Command = Command::Queue(QueueCommand::Up);
const DOWN: Command = Command::Queue(QueueCommand::Down);
const PAUSE: Command = Command::Queue(QueueCommand::Pause);

/// The same keys on the list of experiments, where the footer has no space for them.
pub(crate) const QUEUE_FROM_AFAR: &[Binding] = &[
    bind(Row {
        action: "queue-up",
        keys: &[key('K')],
        label: "K",
        command: UP,
        word: "",
        help: "a waiting run: one place up",
    }),
    bind(Row {
        action: "queue-down",
        keys: &[key('J')],
        label: "J",
        command: DOWN,
        word: "",
        help: "a waiting run: one place down",
    }),
    bind(Row {
        action: "queue-pause",
        keys: &[key('P')],
        label: "P",
        command: PAUSE,
        word: "",
        help: "pause the queue, or resume it",
    }),
];
