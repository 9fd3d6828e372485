//! What a state of Slurm means for a run, in words.

use super::answers::Job;
use crate::launcher::contract::{Stage, Standing};

impl Job {
    /// What happens next to the worker.
    pub(super) fn stage(&self) -> Stage {
        match self.state.as_str() {
            "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD"
            | "SPECIAL_EXIT" | "RESV_DEL_HOLD" | "POWER_UP_NODE" => Stage::Waiting,
            "RUNNING" | "RESIZING" | "SIGNALING" => Stage::Running,
            "SUSPENDED" | "STOPPED" => Stage::Suspended,
            "COMPLETED" | "CANCELLED" | "FAILED" | "TIMEOUT" | "DEADLINE" | "OUT_OF_MEMORY"
            | "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "LAUNCH_FAILED" => Stage::Over,
            "COMPLETING" | "STAGE_OUT" => Stage::Ending,
            // `REVOKED`: another cluster of a federation may run it. And what later versions may say.
            _ => Stage::Unknown,
        }
    }

    /// Where the worker is, in words.
    pub(super) fn standing(&self) -> Standing {
        let id = self.id;
        let on = self
            .nodes
            .as_ref()
            .map_or_else(String::new, |nodes| format!(" on {nodes}"));
        let stage = self.stage();
        let (text, help) = match stage {
            Stage::Waiting => self.waits(),
            Stage::Starting | Stage::Running => (format!("job {id} runs{on}"), String::new()),
            Stage::Suspended if self.state == "STOPPED" => (
                format!("a signal has stopped job {id}{on}"),
                format!("`scancel --signal=CONT {id}` continues it"),
            ),
            Stage::Suspended => (
                format!("Slurm has suspended job {id}{on}"),
                "Slurm or an administrator continues it; if it stays suspended, ask them"
                    .to_owned(),
            ),
            Stage::Ending => (
                format!("job {id} is ending{on} ({})", self.state),
                String::new(),
            ),
            Stage::Unknown => (
                format!(
                    "Slurm says {} of job {id}{on}, and warmstart does not know that state",
                    self.state
                ),
                format!("`scontrol show job {id}` says more"),
            ),
            Stage::Over => (
                format!("job {id} has ended ({})", self.state),
                String::new(),
            ),
        };
        Standing { stage, text, help }
    }

    /// A job that runs, and whose worker has logged nothing yet.
    pub(super) fn starting(&self) -> Standing {
        Standing {
            stage: Stage::Starting,
            ..self.standing()
        }
    }

    /// Why it waits, and what to do about it.
    fn waits(&self) -> (String, String) {
        let (id, reason) = (self.id, self.reason.as_deref().unwrap_or(&self.state));
        let is_held = matches!(
            self.state.as_str(),
            "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RESV_DEL_HOLD"
        ) || reason.starts_with("JobHeld")
            || reason.starts_with("JobHoldMaxRequeue")
            || reason.ends_with(" held")
            // `scontrol` writes underscores for spaces.
            || reason.ends_with("_held");
        if is_held {
            let help = if reason == "JobHeldAdmin" {
                "an administrator holds it: ask them".to_owned()
            } else {
                format!("`scontrol release {id}` releases it")
            };
            return (format!("held in Slurm as job {id}: {reason}"), help);
        }
        let (why, help) = explained(reason);
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" ({why})")
        };
        let start = self.start.as_ref().map_or_else(String::new, |start| {
            format!(", expected to start {}", start.replace('T', " "))
        });
        (
            format!("waits in Slurm as job {id}: {reason}{why}{start}"),
            help.to_owned(),
        )
    }
}

/// A reason in plain words, and what to do about it.
fn explained(reason: &str) -> (&'static str, &'static str) {
    const ASK_FOR_LESS: &str = "stop it, ask for less with `slurm:` or --slurm, and resume it";
    match reason {
        "Resources" => ("nothing that it asks for is free", ""),
        "Priority" => ("other jobs come first", ""),
        "BeginTime" => ("Slurm lets it begin later", ""),
        "Dependency" => ("another job comes first", ""),
        "DependencyNeverSatisfied" => ("the job that it waits for failed", "stop it and resume it"),
        "Licenses" => ("all licences are in use", ""),
        "Reservation" => ("its reservation has not begun", ""),
        "PartitionDown" | "PartitionInactive" => {
            ("its partition is closed", "ask your administrators")
        }
        "PartitionTimeLimit" => ("its partition allows less time", ASK_FOR_LESS),
        "PartitionNodeLimit" | "BadConstraints" => ("no node has what it asks for", ASK_FOR_LESS),
        "InvalidAccount" | "InvalidQOS" | "AccountNotAllowed" | "QOSNotAllowed" => {
            ("you may not use what it names", ASK_FOR_LESS)
        }
        _ if reason.contains("PerJob") => ("more than your account allows one job", ASK_FOR_LESS),
        _ if reason.starts_with("QOS") || reason.starts_with("Assoc") => {
            ("a limit of your account or quality of service", "")
        }
        _ if reason.contains("ReqNodeNotAvail") || reason == "NodeDown" => {
            ("nodes are down or reserved", "")
        }
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: &str, reason: Option<&str>) -> Job {
        Job {
            id: 12.into(),
            state: state.to_owned(),
            start: Some("2026-11-29T10:06:33".to_owned()),
            nodes: (state == "RUNNING").then(|| "n3".to_owned()),
            reason: reason.map(str::to_owned),
            ..Job::default()
        }
    }

    #[test]
    fn every_state_of_slurm_has_a_stage() {
        for (states, stage) in [
            (
                "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD SPECIAL_EXIT RESV_DEL_HOLD POWER_UP_NODE",
                Stage::Waiting,
            ),
            ("RUNNING RESIZING SIGNALING", Stage::Running),
            ("SUSPENDED STOPPED", Stage::Suspended),
            (
                "COMPLETED CANCELLED FAILED TIMEOUT DEADLINE OUT_OF_MEMORY NODE_FAIL BOOT_FAIL PREEMPTED LAUNCH_FAILED",
                Stage::Over,
            ),
            ("COMPLETING STAGE_OUT", Stage::Ending),
            ("REVOKED SOMETHING_OF_A_LATER_VERSION", Stage::Unknown),
        ] {
            for state in states.split(' ') {
                assert_eq!(job(state, None).standing().stage, stage, "{state}");
            }
        }
    }

    #[test]
    fn words_say_why_it_waits_and_what_to_do() {
        for (state, reason, text, help) in [
            (
                "PENDING",
                Some("Resources"),
                "waits in Slurm as job 12: Resources (nothing that it asks for is free), expected to start 2026-11-29 10:06:33",
                "",
            ),
            ("PENDING", Some("Priority"), "other jobs come first", ""),
            (
                "PENDING",
                Some("QOSMaxGRESPerUser"),
                "QOSMaxGRESPerUser (a limit of your account",
                "",
            ),
            (
                "PENDING",
                Some("PartitionTimeLimit"),
                "allows less time",
                "ask for less",
            ),
            (
                "PENDING",
                Some("JobHeldUser"),
                "held in Slurm as job 12: JobHeldUser",
                "`scontrol release 12`",
            ),
            (
                "PENDING",
                Some("JobHeldAdmin"),
                "JobHeldAdmin",
                "an administrator holds it",
            ),
            (
                "PENDING",
                Some("launch failed requeued held"),
                "launch failed",
                "`scontrol release 12`",
            ),
            (
                "PENDING",
                Some("launch_failed_requeued_held"),
                "held in Slurm as job 12: launch_failed",
                "`scontrol release 12`",
            ),
            (
                "REQUEUE_HOLD",
                None,
                "held in Slurm as job 12",
                "`scontrol release 12`",
            ),
            (
                "PENDING",
                Some("SomethingNew"),
                "as job 12: SomethingNew, expected",
                "",
            ),
            ("RUNNING", None, "job 12 runs on n3", ""),
            (
                "SUSPENDED",
                None,
                "Slurm has suspended job 12",
                "an administrator continues it",
            ),
            (
                "STOPPED",
                None,
                "a signal has stopped job 12",
                "`scancel --signal=CONT 12`",
            ),
            (
                "PENDING",
                Some("QOSMaxWallDurationPerJobLimit"),
                "allows one job",
                "ask for less",
            ),
            (
                "PENDING",
                Some("(ReqNodeNotAvail, UnavailableNodes:sheldon1)"),
                "waits in Slurm as job 12",
                "",
            ),
            (
                "REVOKED",
                None,
                "Slurm says REVOKED of job 12",
                "`scontrol show job 12`",
            ),
        ] {
            let standing = job(state, reason).standing();
            assert!(
                standing.text.contains(text)
                    && standing.help.contains(help)
                    && standing.help.is_empty() == help.is_empty(),
                "{state} {reason:?}: {standing:?}"
            );
        }
    }
}
