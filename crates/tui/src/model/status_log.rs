//! The log of status messages. Success messages disappear after some seconds; errors stay until a
//! key. All of them can be read again.

use std::collections::VecDeque;

use jiff::tz::TimeZone;

use warmstart_schema::experiment::Problem;
use warmstart_schema::text;

use super::Model;
use crate::format::time_of_day;
use crate::message::Report;

/// Seconds that a success message stays in the status line.
pub(crate) const STAYS: f64 = 6.0;
/// Messages to keep.
const KEPT: usize = 200;

/// All messages, and when the newest one disappears.
#[derive(Debug, Default)]
pub(crate) struct StatusLog {
    past: VecDeque<Saying>,
    /// When the shown message disappears. `None` if there is none, if it stays, or if its time is
    /// not known yet.
    fades: Option<f64>,
    /// Whether a message waits for its time.
    is_untimed: bool,
}

#[derive(Debug)]
struct Saying {
    /// Seconds since the Unix epoch; `None` until the clock is read.
    at: Option<f64>,
    report: Report,
}

impl StatusLog {
    /// Adds a message.
    pub(crate) fn keep(&mut self, report: Report) {
        if self.past.len() == KEPT {
            self.past.pop_front();
        }
        self.past.push_back(Saying { at: None, report });
        self.is_untimed = true;
    }

    /// All messages as lines, newest first.
    pub(crate) fn lines(&self, zone: &TimeZone) -> Vec<String> {
        let line = |saying: &Saying| {
            let stamp = saying.at.map(|at| time_of_day(at, zone));
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

/// A wrong setting as one line of a narrow terminal: the cause, then its file and line. `others` more settings are wrong;
/// `key_hint` says which key lists all of them in full.
pub(crate) fn setting_left_out(problem: &Problem, others: usize, key_hint: &str) -> String {
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
    let tail = format!(" ({name}{line}{more}{key_hint})");
    let field = if problem.field.is_empty() {
        String::new()
    } else {
        format!("{}: ", problem.field)
    };
    let cause = format!("{field}{}", problem.message);
    // The list of expected values may be long.
    let brief = cause
        .split("; expected")
        .next()
        .unwrap_or_default()
        .to_owned();
    let helped = problem.help.as_ref().map(|help| format!("{brief}; {help}"));
    let room = ROOM.saturating_sub(text::columns(&tail));
    let all = [helped, Some(cause), Some(brief.clone())]
        .into_iter()
        .flatten();
    let cause = all
        .into_iter()
        .find(|cause| text::columns(cause) <= room)
        .unwrap_or_else(|| text::middle(&brief, room));
    format!("{cause}{tail}")
}

impl Model {
    /// Compares the status line before and after an update, and adds a new message.
    pub(crate) fn notice_report(&mut self, before: Option<&Report>) {
        if self.report.as_ref() == before {
            return;
        }
        self.status_log.fades = None;
        if let Some(report) = &mut self.report {
            report.text = self.folders.in_commands(&report.text);
        }
        if let Some(report) = self.report.clone() {
            self.status_log.keep(report);
        }
    }

    /// Sets the time, in seconds since the Unix epoch.
    pub(crate) fn tick(&mut self, now: f64) {
        self.now = now;
        for saying in self
            .status_log
            .past
            .iter_mut()
            .rev()
            .take_while(|saying| saying.at.is_none())
        {
            saying.at = Some(now);
        }
        self.status_log.is_untimed = false;
        let is_good = self.report.as_ref().is_some_and(|report| report.good);
        match self.status_log.fades {
            _ if !is_good => self.status_log.fades = None,
            None => self.status_log.fades = Some(now + STAYS),
            // Handle a clock that was set back: the message must not stay for hours.
            Some(fades) if now >= fades || now < fades - 2.0 * STAYS => {
                (self.report, self.status_log.fades) = (None, None);
            }
            Some(_) => {}
        }
    }

    /// Whether a message still needs a time.
    pub(crate) fn wants_clock(&self) -> bool {
        self.status_log.is_untimed
    }

    /// When the shown message disappears, in seconds since the Unix epoch. The loop must read the
    /// clock then.
    pub(crate) fn fades(&self) -> Option<f64> {
        self.status_log.fades
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_fits_even_if_a_font_joins_its_letters() {
        let problem = Problem {
            file: "/somewhere/config.yaml".to_owned(),
            at: Some((1, 1)),
            field: "theme".to_owned(),
            // Each pair may be drawn as one letter, and takes two columns here.
            message: format!("unknown theme {}", "\u{644}\u{627}".repeat(30)),
            help: None,
            excerpt: None,
        };
        let line = setting_left_out(&problem, 0, "; f5 for all");
        assert!(text::columns(&line) <= 80, "{line}");
        assert!(line.ends_with("f5 for all)"), "{line}");
    }
}
