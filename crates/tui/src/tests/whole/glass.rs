//! A fake terminal that stores the drawn cells, and a keyboard that reads from a channel.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crossterm::event::Event;
use futures_util::Stream;
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect, Size};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::effect::Ended;
use crate::host::Host;
use crate::terminal::Keyboard;

/// The screen, readable while the dashboard runs.
#[derive(Debug, Clone)]
pub(super) struct Glass(Rc<RefCell<Buffer>>);

impl Glass {
    pub(super) fn new(width: u16, height: u16) -> Self {
        Self(Rc::new(RefCell::new(Buffer::empty(Rect::new(
            0, 0, width, height,
        )))))
    }

    /// Changes the size without an event.
    pub(super) fn resize(&self, width: u16, height: u16) {
        self.0
            .replace(Buffer::empty(Rect::new(0, 0, width, height)));
    }

    pub(super) fn buffer(&self) -> Buffer {
        self.0.borrow().clone()
    }
}

impl Backend for Glass {
    type Error = Infallible;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(
        &mut self,
        content: I,
    ) -> Result<(), Infallible> {
        let mut buffer = self.0.borrow_mut();
        for (x, y, cell) in content {
            buffer[(x, y)] = cell.clone();
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, _: P) -> Result<(), Infallible> {
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().reset();
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> Result<(), Infallible> {
        self.clear()
    }

    fn size(&self) -> Result<Size, Infallible> {
        Ok(self.0.borrow().area.as_size())
    }

    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::ZERO,
        })
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Keys from a channel.
#[derive(Debug)]
pub(super) struct Keys(pub UnboundedReceiver<Event>);

impl Keyboard for Keys {
    fn pause(&mut self) {}
}

impl Stream for Keys {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// A terminal that accepts every frame at once, and has no shell.
#[derive(Debug)]
pub(super) struct NoHost;

impl Host for NoHost {
    fn is_ready(&self) -> bool {
        true
    }

    async fn ready(&self) {}

    fn suspend(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn edit(&mut self, _: &Path) -> Result<Ended, String> {
        Err("there is no editor here".to_owned())
    }

    fn copy(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn notify(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
}
