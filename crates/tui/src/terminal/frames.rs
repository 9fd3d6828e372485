//! Sends frames to the terminal, one at a time, on a thread that may block. No new frame is drawn
//! meanwhile, so a slow link drops frames and never queues them.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use tokio::sync::Notify;

/// How long leaving waits for a terminal that accepts no output.
const PATIENCE: Duration = Duration::from_millis(300);

/// Sends frames to the writing thread.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    queue: Sender<Vec<u8>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Frames, and texts for the clipboard, that the terminal has not taken yet. A text may follow a
    /// frame in flight.
    in_flight: AtomicUsize,
    freed: Notify,
}

impl Frames {
    pub(crate) fn start() -> Self {
        Self::written_by(super::write_all)
    }

    fn written_by(write: impl Fn(&[u8]) -> io::Result<()> + Send + 'static) -> Self {
        let (queue, frames): (_, Receiver<Vec<u8>>) = channel();
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::spawn(move || {
            for frame in frames {
                // The terminal watcher detects a terminal that is gone.
                let _ = write(&frame);
                writer.in_flight.fetch_sub(1, Ordering::Release);
                writer.freed.notify_one();
            }
        });
        Self { queue, shared }
    }

    /// Whether the terminal has taken all that was sent.
    pub(crate) fn is_free(&self) -> bool {
        self.shared.in_flight.load(Ordering::Acquire) == 0
    }

    /// Waits until the terminal has taken something.
    pub(crate) async fn freed(&self) {
        self.shared.freed.notified().await;
    }

    /// Waits briefly for what is in flight.
    pub(crate) fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_free() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends bytes after the frame in flight.
    pub(crate) fn send(&self, frame: Vec<u8>) -> io::Result<()> {
        self.shared.in_flight.fetch_add(1, Ordering::AcqRel);
        self.queue
            .send(frame)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Collects a frame's bytes and ignores flushes within a frame. Shared, because crossterm's backend
/// gives no access to its writer.
#[derive(Debug, Clone, Default)]
struct Frame(Rc<RefCell<Vec<u8>>>);

impl Write for Frame {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// ratatui's backend for crossterm. It sends nothing if nothing changed, and sends a frame as one
/// piece.
#[derive(Debug)]
pub(crate) struct QuietBackend {
    inner: CrosstermBackend<Frame>,
    frame: Frame,
    frames: Frames,
}

impl QuietBackend {
    pub(crate) fn new(frames: Frames) -> Self {
        let frame = Frame::default();
        Self {
            inner: CrosstermBackend::new(frame.clone()),
            frame,
            frames,
        }
    }
}

impl Backend for QuietBackend {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut content = content.peekable();
        // Without a cell to draw, crossterm would still reset all styles.
        if content.peek().is_none() {
            Ok(())
        } else {
            self.inner.draw(content)
        }
    }

    /// The cursor is hidden all the time.
    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        let frame = self.frame.0.take();
        if frame.is_empty() {
            Ok(())
        } else {
            self.frames.send(frame)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_behind_a_frame_in_flight_is_in_flight_too() {
        let (begins, begun) = channel();
        let (lets, go) = channel::<()>();
        let frames = Frames::written_by(move |bytes| {
            begins.send(bytes.to_vec()).map_err(io::Error::other)?;
            go.recv().map_err(io::Error::other)
        });
        frames.send(b"frame".to_vec()).unwrap();
        frames.send(b"text".to_vec()).unwrap();
        assert_eq!(begun.recv().unwrap(), b"frame");
        assert!(!frames.is_free());
        lets.send(()).unwrap();
        // The terminal has taken the frame, and takes the text now.
        assert_eq!(begun.recv().unwrap(), b"text");
        assert!(!frames.is_free());
        lets.send(()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !frames.is_free() {
            assert!(Instant::now() < deadline, "the text is still in flight");
            std::thread::yield_now();
        }
    }
}
