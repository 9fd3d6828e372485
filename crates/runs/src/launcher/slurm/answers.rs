//! Reads the answers of `squeue` and `scontrol show job`. What is no answer is left out: another program may print lines between.

use warmstart_schema::identity::JobId;
use warmstart_schema::text;

/// The fields of a line of `squeue`: id, state, start, time limit, nodes, reason. Only the last is free text and may hold a `|`.
pub(super) const FORMAT: &str = "%i|%T|%S|%l|%N|%r";

/// The fields of a line of `sacct`, in the same order, with the exit code at the end.
pub(super) const ACCOUNTED: &str = "--format=JobID,State,Start,Timelimit,NodeList,ExitCode";

/// What Slurm says of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) id: JobId,
    /// `PENDING`, `RUNNING`, …
    pub(super) state: String,
    /// When it starts or has started, if Slurm knows.
    pub(super) start: Option<String>,
    /// Its time limit, as Slurm writes it; none if it has none.
    pub(super) limit: Option<String>,
    pub(super) nodes: Option<String>,
    pub(super) reason: Option<String>,
    /// Its exit code and signal, if it has ended.
    pub(super) exit: Option<(u32, u32)>,
    /// How often it was started again, if that is known.
    pub(super) restarts: Option<u32>,
}

/// The jobs in an answer of `squeue`.
pub(super) fn listed(answer: &str) -> Vec<Job> {
    answer.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Job> {
    let mut fields = line.splitn(6, '|').map(str::trim);
    let mut next = || fields.next();
    let (id, state) = (next()?, next()?);
    let (start, limit, nodes, reason) = (next()?, next()?, next()?, next()?);
    Some(Job {
        // `123_[0-3%2]` is several tasks of an array, and no run's.
        id: id.parse().ok()?,
        state: state_of(state)?,
        start: said(start),
        limit: limit_of(limit),
        nodes: said(nodes),
        reason: said(reason),
        exit: None,
        restarts: None,
    })
}

/// The job in an answer of `scontrol show job --oneliner`.
pub(super) fn shown(answer: &str) -> Option<Job> {
    let line = answer.lines().find(|line| line.starts_with("JobId="))?;
    let field = |name: &str| {
        // The name of a job may hold spaces; those of runs do not.
        let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
        fields
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    };
    // A task of an array has a job id of its own once it has started, and both ids of the array before and after.
    let task = field("ArrayTaskId").and_then(|task| task.parse().ok());
    let job = field("ArrayJobId").filter(|_| task.is_some());
    let job = job.or_else(|| field("JobId"))?.parse().ok()?;
    Some(Job {
        id: JobId { job, task },
        state: state_of(field("JobState")?)?,
        start: field("StartTime").and_then(said),
        limit: field("TimeLimit").and_then(limit_of),
        nodes: field("NodeList").and_then(said),
        reason: field("Reason").and_then(said),
        exit: field("ExitCode").and_then(exit_of),
        restarts: field("Restarts").and_then(|count| count.parse().ok()),
    })
}

/// A job in an answer of `sacct`. A job that was started several times has a line for each; the last one counts.
pub(super) fn accounted(answer: &str, id: JobId) -> Option<Job> {
    let own = |line: &str| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [job, state, start, limit, nodes, exit] = fields[..] else {
            return None;
        };
        if job.parse() != Ok(id) {
            return None;
        }
        Some(Job {
            id,
            // `CANCELLED by 1000`
            state: state_of(state.split(' ').next()?)?,
            start: said(start),
            limit: limit_of(limit),
            nodes: said(nodes).filter(|nodes| nodes != "None assigned"),
            reason: None,
            exit: exit_of(exit),
            restarts: None,
        })
    };
    answer.lines().filter_map(own).next_back()
}

/// A time limit, if there is one.
fn limit_of(text: &str) -> Option<String> {
    said(text).filter(|limit| limit != "UNLIMITED")
}

/// An exit code and a signal: `1:0`.
fn exit_of(text: &str) -> Option<(u32, u32)> {
    let (code, signal) = text.split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}

/// The ids in an answer of `squeue` that has nothing else, newest first.
pub(super) fn ids(answer: &str) -> Vec<u64> {
    let mut ids: Vec<u64> = answer
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids
}

/// The name of a state; none for anything else.
fn state_of(text: &str) -> Option<String> {
    let is_state = text.len() >= 4 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    is_state.then(|| text.to_owned())
}

/// A value, unless Slurm says that it has none.
fn said(value: &str) -> Option<String> {
    let is_none = matches!(
        value,
        "" | "N/A" | "NONE" | "None" | "Unknown" | "(null)" | "NOT_SET"
    );
    (!is_none).then(|| text::line(value, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of Slurm 22.05, with the jobs of other programs around.
    const LISTED: &str = "\
motd: maintenance on Sunday
123_[0-3%2]|PENDING|N/A|1:00:00||Priority
123_4|RUNNING|2026-11-29T09:04:14|1:00:00|n1|None
1|RUNNING|2026-11-29T09:04:14|365-00:00:00|vm|None
2|PENDING|2027-11-29T09:04:14|UNLIMITED||Resources
3|COMPLETING|2026-11-29T09:06:35|30:00|vm|None
5|PENDING|N/A|2-00:00:00||(ReqNodeNotAvail, UnavailableNodes:n1|n2)
a job\nwith a name|of two
lines|RUNNING
6|RUNNING
7|running|x|x|x|x

";

    #[test]
    fn lines_of_squeue_are_read_and_others_are_left_out() {
        let jobs = listed(LISTED);
        let short: Vec<(String, &str)> = jobs
            .iter()
            .map(|job| (job.id.to_string(), job.state.as_str()))
            .collect();
        let expected = [
            ("123_4", "RUNNING"),
            ("1", "RUNNING"),
            ("2", "PENDING"),
            ("3", "COMPLETING"),
            ("5", "PENDING"),
        ];
        assert_eq!(short, expected.map(|(id, state)| (id.to_owned(), state)));
        assert_eq!(jobs[0].nodes.as_deref(), Some("n1"));
        let jobs = &jobs[1..];
        assert_eq!(jobs[0].nodes.as_deref(), Some("vm"));
        assert_eq!(jobs[0].reason, None);
        assert_eq!(
            (jobs[1].start.as_deref(), &jobs[1].limit),
            (Some("2027-11-29T09:04:14"), &None)
        );
        assert_eq!(
            (jobs[3].start.as_deref(), jobs[3].reason.as_deref()),
            (None, Some("(ReqNodeNotAvail, UnavailableNodes:n1|n2)"))
        );
        assert!(
            listed("").is_empty() && listed("slurm_load_jobs error: Socket timed out").is_empty()
        );
    }

    /// Of Slurm 22.05.
    const SHOWN: &str = "JobId=2 JobName=warmstart-20261129-090414-0001 UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 Nice=0 \
Account=(null) QOS=(null) JobState=TIMEOUT Reason=TimeLimit Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:15 \
RunTime=00:02:02 TimeLimit=00:02:00 TimeMin=N/A SubmitTime=2026-11-29T09:04:14 EligibleTime=2026-11-29T09:04:14 \
StartTime=2026-11-29T09:05:53 EndTime=2026-11-29T09:07:53 Partition=low NodeList=vm BatchHost=vm NumNodes=1 Command=/tmp/a.sh Power= \n";

    #[test]
    fn a_job_of_scontrol_is_read() {
        let job = shown(SHOWN).unwrap();
        assert_eq!(
            job,
            Job {
                id: 2.into(),
                state: "TIMEOUT".to_owned(),
                start: Some("2026-11-29T09:05:53".to_owned()),
                limit: Some("00:02:00".to_owned()),
                nodes: Some("vm".to_owned()),
                reason: Some("TimeLimit".to_owned()),
                exit: Some((0, 15)),
                restarts: Some(0),
            }
        );
        let again = shown(&SHOWN.replace("Restarts=0", "Restarts=12")).unwrap();
        assert_eq!(again.restarts, Some(12));
        let task = SHOWN.replace("JobId=2 ", "JobId=7 ArrayJobId=5 ArrayTaskId=3 ");
        assert_eq!(shown(&task).unwrap().id, "5_3".parse().unwrap());
        let waiting = SHOWN.replace("JobId=2 ", "JobId=5 ArrayJobId=5 ArrayTaskId=0-4 ");
        assert_eq!(shown(&waiting).unwrap().id, JobId::from(5));
        assert_eq!(shown(""), None);
        assert_eq!(shown("JobId=x JobState=RUNNING"), None);
        assert_eq!(shown("No jobs in the system"), None);
    }

    /// In the form of Slurm's manual; this project has no cluster with accounting at hand.
    const ACCOUNTS: &str = "\
12|FAILED|2026-11-29T09:00:00|01:00:00|n1|1:0
12|CANCELLED by 1000|2026-11-29T10:00:00|01:00:00|n2|0:15
12_3|OUT_OF_MEMORY|2026-11-29T10:00:00|UNLIMITED|n3|0:125
12_[4-5]|PENDING|Unknown|01:00:00|None assigned|0:0
12.batch|COMPLETED|2026-11-29T10:00:00||n1|0:0
13|COMPLETED|2026-11-29T10:00:00|01:00:00
";

    #[test]
    fn the_last_start_of_a_job_is_read_from_its_accounts() {
        let read = |id: &str| accounted(ACCOUNTS, id.parse().unwrap());
        let job = read("12").unwrap();
        assert_eq!(
            (job.state.as_str(), job.nodes.as_deref(), job.exit),
            ("CANCELLED", Some("n2"), Some((0, 15)))
        );
        let task = read("12_3").unwrap();
        assert_eq!(
            (task.state.as_str(), &task.limit, task.exit),
            ("OUT_OF_MEMORY", &None, Some((0, 125)))
        );
        for absent in ["12_4", "13", "1"] {
            assert_eq!(read(absent), None, "{absent}");
        }
        assert_eq!(
            accounted("Slurm accounting storage is disabled", 12.into()),
            None
        );
    }

    #[test]
    fn ids_come_newest_first() {
        assert_eq!(ids("12\n  7\nx\n100\n"), [100, 12, 7]);
    }
}
