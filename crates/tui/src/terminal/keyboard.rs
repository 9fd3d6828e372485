//! Keys from the terminal. Reading can pause while another program reads them. [`Decoder`] replaces
//! crossterm's decoder: crossterm 0.29 waits forever for the rest of some reports, and takes
//! letters of others for keys.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Instant;

use crossterm::event::Event;
use futures_util::Stream;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::SigId;
use signal_hook::consts::SIGWINCH;
use signal_hook::low_level::{pipe, unregister};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::decoder::Decoder;
use super::lost::Line;

/// Bytes per read.
const CHUNK: usize = 1024;

/// A source of keys.
pub(crate) trait Keyboard: Stream<Item = io::Result<Event>> + Unpin {
    /// Stops reading keys until it is polled again.
    fn pause(&mut self);
}

/// The terminal's keys and sizes in order. Ends when the terminal is gone.
#[derive(Debug)]
pub(crate) struct TerminalKeys {
    sender: UnboundedSender<InputEvent>,
    events: UnboundedReceiver<InputEvent>,
    /// The reading thread, if not paused.
    reader: Option<Reader>,
}

#[derive(Debug)]
enum InputEvent {
    Event(Event),
    /// The terminal is gone.
    Lost,
}

impl TerminalKeys {
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, events) = unbounded_channel();
        let reader = Some(Reader::start(sender.clone(), size())?);
        Ok(Self {
            sender,
            events,
            reader,
        })
    }
}

impl Keyboard for TerminalKeys {
    fn pause(&mut self) {
        self.reader = None;
    }
}

impl Stream for TerminalKeys {
    type Item = io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.reader.is_none() {
            // Report the size even if it did not change.
            match Reader::start(self.sender.clone(), None) {
                Ok(reader) => self.reader = Some(reader),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        self.events.poll_recv(context).map(|events| match events {
            Some(InputEvent::Event(event)) => Some(Ok(event)),
            Some(InputEvent::Lost) | None => None,
        })
    }
}

/// The reading thread; dropping this ends it.
#[derive(Debug)]
struct Reader {
    /// Closing it ends the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
    resized: SigId,
}

impl Reader {
    fn start(events: UnboundedSender<InputEvent>, known: Option<(u16, u16)>) -> io::Result<Self> {
        let line = Line::open().ok_or(io::ErrorKind::NotFound)?;
        let (stopped, stop) = io::pipe()?;
        let (woken, wake) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let resized = pipe::register(SIGWINCH, wake)?;
        let mut listener = Listener {
            line,
            stopped,
            woken,
            known,
            events,
        };
        let thread = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                if listener.listen().is_none() {
                    // The receiver is gone only while leaving.
                    let _ = listener.events.send(InputEvent::Lost);
                }
            });
        match thread {
            Ok(thread) => Ok(Self {
                stop: Some(stop),
                thread: Some(thread),
                resized,
            }),
            Err(error) => {
                unregister(resized);
                Err(error)
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        unregister(self.resized);
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has already ended the program.
            let _ = thread.join();
        }
    }
}

/// The inputs of the thread.
struct Listener {
    line: Line,
    stopped: PipeReader,
    /// Readable after the size may have changed.
    woken: UnixStream,
    /// The last reported size.
    known: Option<(u16, u16)>,
    events: UnboundedSender<InputEvent>,
}

impl Listener {
    /// Reads until `stop` closes; `None` if the terminal is gone.
    fn listen(&mut self) -> Option<()> {
        let mut decoder = Decoder::default();
        let mut bytes = [0; CHUNK];
        self.send(Vec::new(), size())?;
        loop {
            let mut watched = [
                PollFd::new(self.line.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.stopped.as_fd(), PollFlags::empty()),
                PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut watched, patience(decoder.deadline())) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(_) => return None,
            }
            let [line, stopped, woken] =
                watched.map(|watched| watched.revents().unwrap_or(PollFlags::empty()));
            if !stopped.is_empty() {
                return Some(());
            }
            if !woken.is_empty() {
                // The number of changes has no meaning. Report the size even if it is the old one:
                // the dashboard may have drawn at another size in between.
                while matches!((&self.woken).read(&mut bytes), Ok(1..)) {}
                self.known = None;
            }
            // Get the size before reading keys: this read then contains every key pressed at the
            // old size.
            let size = size();
            let understood = if line.contains(PollFlags::POLLIN) {
                match nix::unistd::read(&self.line, &mut bytes) {
                    // Reading 0 bytes means end of file elsewhere; a terminal may still be there.
                    Ok(count) if count > 0 || !self.line.is_lost() => {
                        decoder.feed(&bytes[..count], Instant::now())
                    }
                    // Another program took the bytes.
                    Err(Errno::EINTR | Errno::EAGAIN) => Vec::new(),
                    Ok(_) | Err(_) => return None,
                }
            } else if line.is_empty() {
                decoder.tick(Instant::now())
            } else {
                return None;
            };
            self.send(understood, size)?;
        }
    }

    /// Sends the events, then the size if it changed: the user pressed these keys at the old size.
    fn send(&mut self, mut events: Vec<Event>, size: Option<(u16, u16)>) -> Option<()> {
        if let Some((width, height)) = size.filter(|_| size != self.known) {
            self.known = size;
            events.push(Event::Resize(width, height));
        }
        for event in events {
            self.events.send(InputEvent::Event(event)).ok()?;
        }
        Some(())
    }
}

fn size() -> Option<(u16, u16)> {
    crossterm::terminal::size().ok()
}

/// The time until the deadline, rounded up: waking early would make the loop spin.
fn patience(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    PollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX)
}
