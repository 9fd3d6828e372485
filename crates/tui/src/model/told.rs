//! What was told in the status line: good news fade, troubles stay until a key, and all of it can be read again.

use std::collections::VecDeque;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use unicode_width::UnicodeWidthStr;
use warmstart_schema::experiment::Problem;
use warmstart_schema::text;

use super::Model;
use crate::message::Report;

/// Seconds that good news stay in the status line.
pub(crate) const STAYS: f64 = 6.0;
/// Reports that are kept.
const KEPT: usize = 200;

/// All that was told, and how long the newest is shown.
#[derive(Debug, Default)]
pub struct Told {
    past: VecDeque<Saying>,
    /// When what is shown fades; nothing where nothing is shown, where it stays, or where the clock was not read since.
    fades: Option<f64>,
    /// Whether something waits for the clock to be read.
    is_untimed: bool,
}

#[derive(Debug)]
struct Saying {
    /// Seconds since the Unix epoch, once the clock was read.
    at: Option<f64>,
    report: Report,
}

impl Told {
    /// Keeps what was told, for reading it again.
    pub fn keep(&mut self, report: Report) {
        if self.past.len() == KEPT {
            self.past.pop_front();
        }
        self.past.push_back(Saying { at: None, report });
        self.is_untimed = true;
    }

    /// All of it in lines, the newest first.
    pub fn lines(&self, zone: &TimeZone) -> Vec<String> {
        let line = |saying: &Saying| {
            let at = saying.at.and_then(|at| {
                Timestamp::from_duration(jiff::SignedDuration::try_from_secs_f64(at).ok()?).ok()
            });
            let stamp = at.map(|at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string());
            let mark = if saying.report.good { ' ' } else { '✗' };
            format!(
                "{} {mark} {}",
                stamp.unwrap_or_default(),
                saying.report.text
            )
        };
        self.past.iter().rev().map(line).collect()
    }
}

/// A wrong setting for one line of a usual terminal: the cause first, where it is last. `!` shows all of it.
pub fn setting_left_out(problem: &Problem, others: usize) -> String {
    const ROOM: usize = 78;
    let name = problem.file.rsplit('/').next().unwrap_or_default();
    let line = problem
        .at
        .map_or(String::new(), |(line, _)| format!(":{line}"));
    let more = if others > 0 {
        format!(", {others} more")
    } else {
        String::new()
    };
    let tail = format!(" ({name}{line}{more}; ! for all)");
    let field = if problem.field.is_empty() {
        String::new()
    } else {
        format!("{}: ", problem.field)
    };
    let cause = format!("{field}{}", problem.message);
    // What was expected instead may be a long list.
    let brief = cause
        .split("; expected")
        .next()
        .unwrap_or_default()
        .to_owned();
    let helped = problem.help.as_ref().map(|help| format!("{brief}; {help}"));
    let room = ROOM.saturating_sub(tail.width());
    let all = [helped, Some(cause), Some(brief.clone())]
        .into_iter()
        .flatten();
    let cause = all
        .into_iter()
        .find(|cause| cause.width() <= room)
        .unwrap_or_else(|| text::middle(&brief, room));
    format!("{cause}{tail}")
}

impl Model {
    /// Sees what an update did to the status line: something new is kept, and its time begins when the clock is read.
    pub fn notice_report(&mut self, before: Option<&Report>) {
        if self.report.as_ref() == before {
            return;
        }
        self.told.fades = None;
        if let Some(report) = &mut self.report {
            report.text = self.folders.in_commands(&report.text);
        }
        if let Some(report) = self.report.clone() {
            self.told.keep(report);
        }
    }

    /// Time has come to this, in seconds since the Unix epoch.
    pub fn tick(&mut self, now: f64) {
        self.now = now;
        for saying in self
            .told
            .past
            .iter_mut()
            .rev()
            .take_while(|saying| saying.at.is_none())
        {
            saying.at = Some(now);
        }
        self.told.is_untimed = false;
        let is_good = self.report.as_ref().is_some_and(|report| report.good);
        match self.told.fades {
            _ if !is_good => self.told.fades = None,
            None => self.told.fades = Some(now + STAYS),
            // A clock that was set back must not keep it for hours.
            Some(fades) if now >= fades || now < fades - 2.0 * STAYS => {
                (self.report, self.told.fades) = (None, None);
            }
            Some(_) => {}
        }
    }

    /// Whether something was told that the clock must be read for.
    pub fn wants_clock(&self) -> bool {
        self.told.is_untimed
    }

    /// When the clock must be read again, in seconds since the Unix epoch, though nothing else happens.
    pub fn fades(&self) -> Option<f64> {
        self.told.fades
    }
}
