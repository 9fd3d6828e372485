//! The dashboard without a terminal, for benchmarks. It applies changes and keys, and draws frames
//! into memory.

use std::path::PathBuf;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::message::{Catalogue, Message};
use super::model::Model;
use super::screen;
use super::theme::{Appearance, Palette, Theme};
use super::update::update;
use warmstart_runs::store::Change;

/// A dashboard that draws into memory and runs no effects.
#[derive(Debug)]
pub struct HeadlessDashboard {
    model: Model,
    terminal: Terminal<TestBackend>,
}

impl HeadlessDashboard {
    /// A screen of `width` × `height` characters.
    pub fn new(width: u16, height: u16) -> anyhow::Result<Self> {
        let mut model = Model::new(
            PathBuf::from("experiments"),
            Appearance {
                ascii: false,
                theme: Theme::Dark,
                palette: Palette::True,
            },
            TimeZone::UTC,
        );
        update(&mut model, Message::Experiments(Catalogue::default()));
        Ok(Self {
            model,
            terminal: Terminal::new(TestBackend::new(width, height))?,
        })
    }

    /// Applies changes of runs.
    pub fn apply(&mut self, now: f64, changes: Vec<Change>) {
        update(&mut self.model, Message::Changes { now, changes });
    }

    /// Presses a key and drops its effects.
    pub fn press(&mut self, key: KeyCode) {
        let event = Event::Key(KeyEvent::new(key, KeyModifiers::NONE));
        if let Some(message) = self.model.keys.message(self.model.context(), &event) {
            update(&mut self.model, message);
        }
    }

    /// Draws a frame.
    pub fn draw(&mut self) -> anyhow::Result<()> {
        self.terminal
            .draw(|frame| screen::draw(frame, &self.model))?;
        Ok(())
    }

    /// The characters of the newest frame, row after row without line breaks.
    pub fn text(&self) -> String {
        self.terminal
            .backend()
            .buffer()
            .content
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect()
    }
}
