//! Keys of the machine screen.

use crossterm::event::KeyCode;

use crate::command::{Command, QueueCommand};
use crate::keys::binding::Binding;
use crate::keys::binding::{bind, code, key};
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
    bind(
        "queue-up",
        &[key('K')],
        "K",
        UP,
        "up",
        "a waiting run before the one above it",
    ),
    bind(
        "queue-down",
        &[key('J')],
        "J",
        DOWN,
        "down",
        "a waiting run after the one below it",
    ),
    bind(
        "queue-remove",
        &[key('x'), code(KeyCode::Delete)],
        "x",
        Command::Queue(QueueCommand::Remove),
        "",
        "take a waiting run out of the queue (asks)",
    ),
    bind(
        "queue-pause",
        &[key('P')],
        "P",
        PAUSE,
        "pause",
        "pause the queue, or resume it",
    ),
    bind(
        "more-slots",
        &[key('+'), key('=')],
        "+-",
        Command::Queue(QueueCommand::MoreSlots),
        "",
        "how many runs a device takes at a time",
    ),
    bind(
        "fewer-slots",
        &[key('-'), key('_')],
        "-",
        Command::Queue(QueueCommand::FewerSlots),
        "",
        "one run at a time fewer",
    ),
];

const UP: Command = Command::Queue(QueueCommand::Up);
const DOWN: Command = Command::Queue(QueueCommand::Down);
const PAUSE: Command = Command::Queue(QueueCommand::Pause);

/// The same keys on the list of experiments, where the footer has no space for them.
pub(crate) const QUEUE_FROM_AFAR: &[Binding] = &[
    bind(
        "queue-up",
        &[key('K')],
        "K",
        UP,
        "",
        "a waiting run: one place up",
    ),
    bind(
        "queue-down",
        &[key('J')],
        "J",
        DOWN,
        "",
        "a waiting run: one place down",
    ),
    bind(
        "queue-pause",
        &[key('P')],
        "P",
        PAUSE,
        "",
        "pause the queue, or resume it",
    ),
];
