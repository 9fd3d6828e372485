//! Where all ranks meet, and what they tell each other there.

use anyhow::Result;

use super::{LOOK_AGAIN, Rank};
use crate::interrupt::{Flow, Interrupt};
use crate::parallel::link::{Decision, Message};

impl Rank {
    /// On rank 0: waits until all others have read what they begin with, unless a stop is requested first. The others call
    /// [`Self::barrier`] meanwhile.
    pub(crate) fn wait_for_all(&mut self, interrupt: &Interrupt) -> Result<Flow> {
        for index in 0..self.links.len() {
            loop {
                match self.links[index].receive_within(LOOK_AGAIN) {
                    Ok(Some(Message::Arrived)) => break,
                    Ok(Some(message)) => return Err(self.unexpected(index, message)),
                    Ok(None) if interrupt.is_requested() => return Ok(Flow::Interrupted),
                    Ok(None) => {}
                    Err(error) => return Err(self.lost(index, &error)),
                }
            }
        }
        self.memory.forget_parts()?;
        self.send_to_all(Decision::Proceed)?;
        Ok(Flow::Done)
    }

    /// Waits until all ranks are here.
    pub fn barrier(&mut self) -> Result<()> {
        if !self.is_first() {
            self.send_to(0, &Message::Arrived)?;
            return self.receive_decision().map(drop);
        }
        for index in 0..self.links.len() {
            match self.receive_from(index)? {
                Message::Arrived => {}
                message => return Err(self.unexpected(index, message)),
            }
        }
        self.send_to_all(Decision::Proceed)
    }

    /// What rank 0 decides; what the others want does not count.
    pub fn decision(&mut self, next: Decision) -> Result<Decision> {
        if !self.is_first() {
            return self.receive_decision();
        }
        self.send_to_all(next)?;
        Ok(next)
    }

    /// The lines of all ranks on rank 0, none on the others.
    pub fn gather(&mut self, lines: Vec<String>) -> Result<Vec<String>> {
        if !self.is_first() {
            self.send_to(0, &Message::Lines(lines))?;
            return Ok(Vec::new());
        }
        let mut all = lines;
        for index in 0..self.links.len() {
            match self.receive_from(index)? {
                Message::Lines(lines) => all.extend(lines),
                message => return Err(self.unexpected(index, message)),
            }
        }
        Ok(all)
    }

    /// Asks all ranks to end an evaluation.
    pub fn ask_to_end(&self) -> Result<()> {
        self.memory.raise_flag()
    }

    /// Whether rank 0 has asked to end an evaluation.
    pub fn is_asked_to_end(&self) -> Result<bool> {
        self.memory.is_flag_raised()
    }

    /// Tells all other ranks.
    fn send_to_all(&mut self, next: Decision) -> Result<()> {
        for index in 0..self.links.len() {
            self.send_to(index, &Message::Decision(next))?;
        }
        Ok(())
    }

    /// What rank 0 tells.
    fn receive_decision(&mut self) -> Result<Decision> {
        match self.receive_from(0)? {
            Message::Decision(next) => Ok(next),
            message => Err(self.unexpected(0, message)),
        }
    }

    fn send_to(&mut self, index: usize, message: &Message) -> Result<()> {
        let said = self.links[index].send(message);
        said.map_err(|error| self.lost(index, &error))
    }

    fn receive_from(&mut self, index: usize) -> Result<Message> {
        let heard = self.links[index].receive();
        heard.map_err(|error| self.lost(index, &error))
    }
}
