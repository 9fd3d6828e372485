//! The loop: wait, handle, run effects, draw. It is generic over the terminal and the key stream,
//! so tests run all of it without a terminal.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::time::Duration;

use crossterm::event::Event;
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::Backend;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout_at};
use warmstart_schema::event::now;

use super::choices::ChoiceTracker;
use super::command::Command;
use super::effect::Effect;
use super::executor::{Effects, PATIENCE};
use super::folders::Folders;
use super::host::Host;
use super::layout::fits;
use super::memory::Memory;
use super::message::{Message, Report};
use super::model::Model;
use super::mouse::HitMap;
use super::terminal::Keyboard;
use super::theme::Appearance;
use super::update::update;
use super::watch::Demand;
use super::{screen, watch};
use crate::config::Loaded;
use warmstart_runs::launcher;
use warmstart_runs::shell::FolderOptions;

/// Minimum time from the last frame to one that only changed data causes. A slow link cannot take
/// more than four a second.
const FRAME: Duration = Duration::from_millis(250);
/// How long the first frame waits for data.
const FIRST_WAIT: Duration = Duration::from_millis(25);
/// Interval of clock messages while something runs.
const CLOCK: Duration = Duration::from_secs(1);
/// A slower frame gets a line in the debug log.
const SLOW_FRAME: Duration = Duration::from_millis(16);
/// Messages to handle before the next frame, so that a flood of messages cannot freeze the screen.
const MESSAGE_BATCH: usize = 1000;
/// Printed after the exit if some effects are not done.
const CUT_SHORT: &str =
    "The last actions take long and may not be done; `warmstart runs` shows the runs.";

/// Folders, settings and the terminal's abilities.
#[derive(Debug)]
pub(crate) struct Settings {
    pub folders: Folders,
    /// Folder options for the commands that users copy and paste.
    pub folder_options: FolderOptions,
    pub appearance: Appearance,
    pub zone: TimeZone,
    /// The user's settings, or the problems in them.
    pub config: Loaded,
    /// A message about what would end runs together with this session.
    pub hazard: Option<String>,
    /// Where new runs and resumed ones go.
    pub launcher: launcher::Choice,
}

/// Whether to draw, and how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Dirty {
    No,
    /// Data changed: draw with the next frame.
    Data,
    /// The user pressed a key, or waits for an answer: draw at once.
    Now,
}

/// Whether the loop continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continues,
    Leaves,
}

/// The running dashboard.
#[derive(Debug)]
pub(crate) struct App<B: Backend, I, H> {
    terminal: Terminal<B>,
    input: I,
    host: H,
    model: Model,
    messages: UnboundedReceiver<Message>,
    sender: UnboundedSender<Message>,
    effects: Effects,
    /// What the watcher reads, and how often.
    demand: Arc<Demand>,
    /// Makes the watcher look at once; dropping it ends the watcher.
    wake: Sender<()>,
    dirty: Dirty,
    drawn: Instant,
    choices: ChoiceTracker,
    /// Where the newest frame accepts clicks.
    hit_map: HitMap,
}

impl<B, I, H> App<B, I, H>
where
    B: Backend<Error: Send + Sync + 'static>,
    I: Keyboard,
    H: Host,
{
    pub(crate) fn new(terminal: Terminal<B>, input: I, host: H, settings: Settings) -> Self {
        let (sender, messages) = unbounded_channel();
        let (wake, woken) = channel();
        let demand = Arc::new(Demand::default());
        let Settings {
            folders,
            folder_options,
            appearance,
            zone,
            config,
            hazard,
            launcher,
        } = settings;
        watch::start(&folders, Arc::clone(&demand), woken, sender.clone());
        let mut model =
            Model::new(folders.experiments.clone(), appearance, zone).with_config(config);
        model.hazard = hazard;
        model.launcher = launcher;
        model.folders = folder_options;
        model.size = terminal.size().unwrap_or(model.size);
        let saved = folders
            .state
            .as_deref()
            .map(Memory::read)
            .unwrap_or_default();
        let choices = ChoiceTracker::start(&mut model, &saved);
        let effects = Effects::start(folders, sender.clone(), wake.clone());
        Self {
            terminal,
            input,
            host,
            model,
            messages,
            sender,
            effects,
            demand,
            wake,
            dirty: Dirty::Now,
            drawn: Instant::now(),
            choices,
            hit_map: HitMap::default(),
        }
    }

    /// A sender for other sources of messages, such as signals and the terminal watcher.
    pub(crate) fn sender(&self) -> UnboundedSender<Message> {
        self.sender.clone()
    }

    /// Runs until the user or the system asks to leave. Returns a message about the runs that
    /// continue without the dashboard, and about effects that are not done.
    pub(crate) async fn run(mut self) -> anyhow::Result<Option<String>> {
        let left = self.until_left().await;
        // After an error of the terminal too: the user may just have launched a run.
        let is_done = self.effects.finish(PATIENCE);
        left?;
        let cut_short = (!is_done).then(|| self.model.folders.in_commands(CUT_SHORT));
        let sentences: Vec<String> = screen::note_after_exit(&self.model)
            .into_iter()
            .chain(cut_short)
            .collect();
        Ok((!sentences.is_empty()).then(|| sentences.join(" ")))
    }

    /// Handles messages until one asks to leave.
    async fn until_left(&mut self) -> anyhow::Result<()> {
        let effects = self.wait_for_data().await;
        if self.carry_out(effects)? == Flow::Leaves {
            return Ok(());
        }
        self.draw()?;
        loop {
            // Wait: block until a message comes, so that an idle dashboard costs nothing.
            let message = self.wait().await;
            // Handle: this message and all queued ones before one drawing.
            let mut effects = Vec::new();
            if let Some(message) = message {
                self.handle(message, &mut effects);
            }
            self.drain(&mut effects).await;
            self.update_demand();
            if let Some(memory) = self.choices.changed(&self.model) {
                effects.insert(0, Effect::Remember(Box::new(memory)));
            }
            // Carry out the effects.
            if self.carry_out(effects)? == Flow::Leaves {
                return Ok(());
            }
            // Draw: at once after a key, with the next frame after a change of data, and never
            // before the terminal has taken the last frame.
            let is_due = self.dirty == Dirty::Now
                || self.dirty == Dirty::Data && self.drawn.elapsed() >= FRAME;
            if is_due && self.host.is_ready() {
                self.draw()?;
            }
        }
    }

    /// Waits briefly for the first data, so that the first frame is not empty. A signal may ask to
    /// leave meanwhile, so the effects must be carried out.
    async fn wait_for_data(&mut self) -> Vec<Effect> {
        let deadline = Instant::now() + FIRST_WAIT;
        let mut effects = Vec::new();
        while self.model.catalogue.is_none() || !self.model.runs_read {
            let Ok(Some(message)) = timeout_at(deadline, self.messages.recv()).await else {
                break;
            };
            let is_last = matches!(message, Message::Leave);
            effects.extend(update(&mut self.model, message));
            if is_last {
                break;
            }
        }
        self.update_demand();
        effects
    }

    /// Runs the effects on the terminal, and asks the other thread for all others.
    fn carry_out(&mut self, effects: Vec<Effect>) -> anyhow::Result<Flow> {
        for effect in effects {
            match effect {
                Effect::Leave => return Ok(Flow::Leaves),
                Effect::Repaint => self.terminal.clear()?,
                Effect::Suspend => self.suspend()?,
                Effect::Edit(path) => self.edit(path)?,
                Effect::Copy(text) => self.host.copy(&text)?,
                Effect::Notice(text) => self.host.notify(&text)?,
                effect => self.effects.ask(effect),
            }
        }
        Ok(Flow::Continues)
    }

    fn update_demand(&self) {
        self.demand.set_live(self.model.is_anything_live());
        if self.demand.set_opened(self.model.opened_runs()) {
            // The watcher ends only when `self` does, so this cannot fail.
            let _ = self.wake.send(());
        }
    }

    /// The next message; `None` when it is only time to draw.
    async fn wait(&mut self) -> Option<Message> {
        let waits_for_terminal = self.dirty != Dirty::No && !self.host.is_ready();
        let waits_for_frame = self.dirty == Dirty::Data && !waits_for_terminal;
        let is_live = self.demand.is_live();
        let fades = self
            .model
            .fades()
            .map(|at| Duration::from_secs_f64((at - now()).clamp(0.0, 60.0)));
        tokio::select! {
            biased;
            event = self.input.next() => self.translate_event(event),
            message = self.messages.recv() => message,
            () = self.host.ready(), if waits_for_terminal => None,
            () = sleep_until(self.drawn + FRAME), if waits_for_frame => None,
            () = tokio::time::sleep(fades.unwrap_or_default()), if fades.is_some() => Some(Message::Clock(now())),
            () = tokio::time::sleep(CLOCK), if is_live => Some(Message::Clock(now())),
        }
    }

    /// Translates a terminal event into a message. A read error means that the terminal is gone.
    fn translate_event(&mut self, event: Option<io::Result<Event>>) -> Option<Message> {
        let Some(Ok(event)) = event else {
            return Some(Message::Leave);
        };
        if let Event::Resize(width, height) = event {
            tracing::debug!(width, height, "resized");
        }
        let message = match event {
            Event::Mouse(event) => self.hit_map.message(event),
            event => self.model.keys.message(self.model.context(), &event),
        };
        if message.is_some() {
            self.dirty = Dirty::Now;
        }
        // Do not log typed or pasted text: it may be private.
        if let Some(Message::Command(command)) = &message {
            tracing::debug!(?command, context = ?self.model.context(), "key");
        }
        message
    }

    fn handle(&mut self, message: Message, effects: &mut Vec<Effect>) {
        let urgency = if matches!(
            message,
            Message::Changes { .. }
                | Message::Clock(_)
                | Message::Machine(_)
                | Message::Activity(_)
        ) {
            Dirty::Data
        } else {
            Dirty::Now
        };
        self.dirty = self.dirty.max(urgency);
        effects.extend(update(&mut self.model, message));
        // The status line may need the time even while no clock ticks.
        if self.model.wants_clock() {
            effects.extend(update(&mut self.model, Message::Clock(now())));
        }
    }

    async fn drain(&mut self, effects: &mut Vec<Effect>) {
        for _ in 0..MESSAGE_BATCH {
            // Poll with this task's waker: any other waker would lose the next key.
            let event = poll_fn(|context| {
                let event = self.input.poll_next_unpin(context);
                Poll::Ready(if let Poll::Ready(event) = event {
                    Some(event)
                } else {
                    None
                })
            });
            let message = match event.await {
                // What a key means depends on the effect of the key before it.
                Some(event) => self.translate_event(event),
                None => match self.messages.try_recv() {
                    Ok(message) => Some(message),
                    Err(_) => return,
                },
            };
            if let Some(message) = message {
                let ends = matches!(message, Message::Leave);
                self.handle(message, effects);
                if ends {
                    return;
                }
            }
        }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        let (model, hit_map) = (&self.model, &mut self.hit_map);
        let size = self
            .terminal
            .draw(|frame| *hit_map = screen::draw_with_hit_map(frame, model))?
            .area
            .as_size();
        self.dirty = Dirty::No;
        if start.elapsed() > SLOW_FRAME {
            tracing::debug!(elapsed = ?start.elapsed(), ?size, "slow frame");
        }
        self.drawn = Instant::now();
        // Keys act on what is shown, even before the resize event arrives. A terminal that grew
        // large enough must wait for that event: keys from before it belong to the small terminal.
        if size != self.model.size && (fits(self.model.size) || !fits(size)) {
            for effect in update(&mut self.model, Message::Resized(size)) {
                self.effects.ask(effect);
            }
        }
        Ok(())
    }

    /// Opens a file in the user's editor. The result is reported after the file is read again.
    fn edit(&mut self, path: PathBuf) -> anyhow::Result<()> {
        self.input.pause();
        let ended = self.host.edit(&path);
        self.terminal.clear()?;
        self.dirty = Dirty::Now;
        self.effects.ask(Effect::Edited { path, ended });
        Ok(())
    }

    fn suspend(&mut self) -> anyhow::Result<()> {
        self.input.pause();
        if self.host.suspend()? {
            self.terminal.clear()?;
        } else {
            let quit = self.model.key_hint(Command::Quit, "leaves");
            let text = format!("there is no shell to go back to{quit}");
            drop(update(
                &mut self.model,
                Message::Report(Report { good: false, text }),
            ));
        }
        self.dirty = Dirty::Now;
        Ok(())
    }
}
