//! Keys from the terminal, which can be left alone while another program reads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crossterm::event::{Event, EventStream};
use futures_util::Stream;

use super::lost::Line;

/// Where keys come from.
pub trait Keyboard: Stream<Item = io::Result<Event>> + Unpin {
    /// Reads no key until it is polled again.
    fn pause(&mut self);
}

/// crossterm's stream, whose thread reads the terminal for as long as it lives. Ends when the terminal is gone: crossterm
/// itself would read on for ever, and never come back.
#[derive(Debug)]
pub struct TerminalKeys {
    keys: Option<EventStream>,
    line: Option<Line>,
}

impl TerminalKeys {
    pub fn new() -> Self {
        Self { keys: Some(EventStream::new()), line: Line::open() }
    }
}

impl Keyboard for TerminalKeys {
    fn pause(&mut self) {
        self.keys = None;
        // A new one begins with the lock that the old one's thread reads under, so that thread has ended then; and it reads
        // nothing before it is polled.
        self.keys = Some(EventStream::new());
    }
}

impl Stream for TerminalKeys {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.line.as_ref().is_some_and(Line::is_lost) {
            return Poll::Ready(None);
        }
        match &mut self.keys {
            Some(keys) => Pin::new(keys).poll_next(context),
            None => Poll::Pending,
        }
    }
}
