//! What a state of Slurm means for a run, in words.

use super::answers::Job;
use crate::launcher::contract::{Stage, Standing};

impl Job {
    /// What happens next to the worker.
    pub(super) fn stage(&self) -> Stage {
        match self.state.as_str() {
            "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD"
            | "SPECIAL_EXIT" | "RESV_DEL_HOLD" | "POWER_UP_NODE" => Stage::Waiting,
            "RUNNING" | "RESIZING" | "SIGNALING" | "STOPPED" => Stage::Running,
            "SUSPENDED" => Stage::Suspended,
            "COMPLETED" | "CANCELLED" | "FAILED" | "TIMEOUT" | "DEADLINE" | "OUT_OF_MEMORY"
            | "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "LAUNCH_FAILED" | "REVOKED" => Stage::Over,
            // `COMPLETING`, `STAGE_OUT`, and what later versions may say: nothing is known to be over.
            _ => Stage::Ending,
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
            Stage::Running => (format!("job {id} runs{on}"), String::new()),
            Stage::Suspended => (
                format!("Slurm has suspended job {id}{on}, for another job"),
                "it continues by itself when that one ends".to_owned(),
            ),
            Stage::Ending | Stage::Unknown => (
                format!("job {id} is ending{on} ({})", self.state),
                String::new(),
            ),
            Stage::Over => (
                format!("job {id} has ended ({})", self.state),
                String::new(),
            ),
        };
        Standing { stage, text, help }
    }

    /// Why it waits, and what to do about it.
    fn waits(&self) -> (String, String) {
        let (id, reason) = (self.id, self.reason.as_deref().unwrap_or(&self.state));
        let is_held = matches!(
            self.state.as_str(),
            "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RESV_DEL_HOLD"
        ) || reason.contains("Held")
            || reason.contains("Hold")
            || reason.contains("held");
        if is_held {
            let help = if reason.contains("Admin") {
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
    const RAISE: &str = "stop it, ask for less with `slurm:` or --slurm, and resume it";
    match reason {
        "Resources" => ("nothing that it asks for is free", ""),
        "Priority" => ("other jobs come first", ""),
        "BeginTime" => ("Slurm lets it begin later", ""),
        "Dependency" => ("another job comes first", ""),
        "DependencyNeverSatisfied" => ("that job failed", "stop it and resume it"),
        "Licenses" => ("all licences are in use", ""),
        "Reservation" => ("its reservation has not begun", ""),
        "PartitionDown" | "PartitionInactive" => {
            ("its partition is closed", "ask your administrators")
        }
        "PartitionTimeLimit" => ("its partition allows less time", RAISE),
        "PartitionNodeLimit" | "BadConstraints" => ("no node has what it asks for", RAISE),
        "InvalidAccount" | "InvalidQOS" | "AccountNotAllowed" | "QOSNotAllowed" => {
            ("you may not use what it names", RAISE)
        }
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
            ("RUNNING RESIZING SIGNALING STOPPED", Stage::Running),
            ("SUSPENDED", Stage::Suspended),
            (
                "COMPLETED CANCELLED FAILED TIMEOUT DEADLINE OUT_OF_MEMORY NODE_FAIL BOOT_FAIL PREEMPTED LAUNCH_FAILED REVOKED",
                Stage::Over,
            ),
            (
                "COMPLETING STAGE_OUT SOMETHING_OF_A_LATER_VERSION",
                Stage::Ending,
            ),
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
                "has suspended job 12",
                "continues by itself",
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
