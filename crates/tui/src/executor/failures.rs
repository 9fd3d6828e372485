//! Several runs that failed in one effect: the status line counts them and says why the first did; the messages say why each did.

use std::fmt::Display;

use tokio::sync::mpsc::UnboundedSender;
use warmstart_schema::text;

use crate::format::plural;
use crate::message::{Message, Report};

/// An error if anything failed. If several did, sends each cause as a message before.
pub(super) fn none_failed<E: Display>(
    failed: &[E],
    messages: &UnboundedSender<Message>,
) -> anyhow::Result<()> {
    let [first, others @ ..] = failed else {
        return Ok(());
    };
    if others.is_empty() {
        anyhow::bail!("{first:#}");
    }
    // The messages are shown newest first.
    for one in failed.iter().rev() {
        // The receiver is gone only while leaving.
        let _ = messages.send(Message::Report(Report {
            good: false,
            text: text::line(&format!("{one:#}"), 400),
        }));
    }
    let runs = plural(failed.len(), "run");
    anyhow::bail!("{runs} failed, the first because: {first:#}; the messages say why each did")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn every_cause_is_a_message_and_the_first_one_is_in_the_status_line() {
        let (messages, mut heard) = unbounded_channel();
        let failed = ["the disk is full", "no worker", "no memory"];
        let error = none_failed(&failed, &messages).unwrap_err().to_string();
        assert!(error.contains(failed[0]) && error.contains('3'), "{error}");
        drop(messages);
        let mut texts = Vec::new();
        while let Ok(Message::Report(report)) = heard.try_recv() {
            texts.push(report.text);
        }
        texts.reverse();
        assert_eq!(texts, failed);
    }

    #[test]
    fn one_failure_is_only_itself() {
        let (messages, mut heard) = unbounded_channel();
        assert!(none_failed::<String>(&[], &messages).is_ok());
        let error = none_failed(&["no worker"], &messages).unwrap_err();
        assert_eq!(error.to_string(), "no worker");
        assert!(heard.try_recv().is_err());
    }
}
