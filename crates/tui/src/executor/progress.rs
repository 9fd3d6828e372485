//! Reports the progress of a long effect. Reports are rare, and a short effect has none.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::message::{Activity, Message};

/// Time between two reports, and before the first.
const EVERY: Duration = Duration::from_millis(200);

/// Progress of an effect. Dropping it reports the end.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    messages: &'a UnboundedSender<Message>,
    what: &'static str,
    total: usize,
    began: Instant,
    reported: Instant,
    is_shown: bool,
}

impl<'a> Progress<'a> {
    /// Progress over `total` items; `what` names the effect.
    pub(super) fn of(
        messages: &'a UnboundedSender<Message>,
        what: &'static str,
        total: usize,
    ) -> Self {
        let now = Instant::now();
        Self {
            messages,
            what,
            total,
            began: now,
            reported: now,
            is_shown: false,
        }
    }

    /// Reports that `done` items are done, if the last report is old enough.
    pub(super) fn at(&mut self, done: usize) {
        if self.reported.elapsed() < EVERY {
            return;
        }
        self.reported = Instant::now();
        self.is_shown = true;
        let seconds = self.began.elapsed().as_secs_f64();
        let activity = Activity {
            what: self.what,
            done,
            total: self.total,
            seconds,
        };
        // The receiver is gone only while leaving.
        let _ = self.messages.send(Message::Activity(Some(activity)));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = self.messages.send(Message::Activity(None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_effect_is_not_reported_and_long_effect_reports_its_end() {
        let (messages, mut received) = tokio::sync::mpsc::unbounded_channel();
        let mut short = Progress::of(&messages, "deleting", 3);
        (1..=3).for_each(|done| short.at(done));
        drop(short);
        assert!(received.try_recv().is_err());

        let mut long = Progress::of(&messages, "deleting", 3);
        long.reported = Instant::now().checked_sub(EVERY).unwrap();
        long.at(1);
        long.at(2);
        drop(long);
        let Ok(Message::Activity(Some(activity))) = received.try_recv() else {
            panic!("no report")
        };
        assert_eq!(
            (activity.what, activity.done, activity.total),
            ("deleting", 1, 3)
        );
        assert!(matches!(received.try_recv(), Ok(Message::Activity(None))));
        assert!(received.try_recv().is_err());
    }
}
