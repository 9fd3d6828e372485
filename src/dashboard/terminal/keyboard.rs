//! Keys from the terminal, which can be left alone while another program reads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crossterm::event::{Event, EventStream};
use futures_util::Stream;

/// Where keys come from.
pub trait Keyboard: Stream<Item = io::Result<Event>> + Unpin {
    /// Reads no key until it is polled again.
    fn pause(&mut self);
}

/// crossterm's stream, whose thread reads the terminal for as long as it lives.
#[derive(Debug)]
pub struct TerminalKeys(Option<EventStream>);

impl TerminalKeys {
    pub fn new() -> Self {
        Self(Some(EventStream::new()))
    }
}

impl Keyboard for TerminalKeys {
    fn pause(&mut self) {
        self.0 = None;
        // A new one begins with the lock that the old one's thread reads under, so that thread has ended then; and it reads
        // nothing before it is polled.
        self.0 = Some(EventStream::new());
    }
}

impl Stream for TerminalKeys {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Some(keys) => Pin::new(keys).poll_next(context),
            None => Poll::Pending,
        }
    }
}
