//! What the keys of the machine screen mean.

/// Changes the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueCommand {
    /// Swaps the selected run with the one before it in the queue. If it is a job of a cluster, asks for the first place among the
    /// user's jobs.
    Up,
    Down,
    /// Removes a run from the queue, after a question.
    Remove,
    /// Pauses or resumes the queue.
    Pause,
    /// Lets the device take more runs at a time.
    MoreSlots,
    FewerSlots,
}
