//! Writes and follows `events.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memchr::memchr;

use crate::run::RunDir;
use warmstart_schema::event::{Event, FORMAT, Record, now};

/// A line longer than this is damaged.
const MAX_LINE: usize = 1 << 20;
/// The most bytes that one poll reads, so that a long log does not block its reader.
const POLL_BYTES: usize = 4 << 20;
/// The most bytes of unwritten lines that are kept while the disk is full.
const MAX_BACKLOG: usize = 4 << 20;

/// Appends one event to a run's log, and waits until it is on the disk.
pub(crate) fn append(run: &RunDir, event: &Event) -> io::Result<()> {
    let mut log = EventWriter::open(&run.events())?;
    log.write(event)?;
    log.sync()
}

/// Appends events, one write a line. A line that does not fit a full disk is written with the next one.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    backlog: Vec<u8>,
}

impl EventWriter {
    /// Opens a log to append to it; starts a new one with its header. Ends a line torn by an earlier crash, so that it damages no
    /// other.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let len = file.metadata()?.len();
        let mut writer = Self {
            file: file.try_clone()?,
            backlog: Vec::new(),
        };
        if len == 0 {
            let software = concat!("warmstart ", env!("CARGO_PKG_VERSION")).to_owned();
            writer.write(&Event::Header {
                format: FORMAT,
                software,
            })?;
        } else {
            let mut last = [0_u8];
            file.seek(SeekFrom::Start(len - 1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                writer.backlog.push(b'\n');
            }
        }
        Ok(writer)
    }

    /// Appends one event. On an error, keeps the line and tries again with the next one; drops it if too many lines wait already.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let record = Record {
            t: now(),
            event: event.clone(),
        };
        // The disk may have space again; then this event needs no place among those that wait.
        if self.backlog.len() >= MAX_BACKLOG
            && let Err(error) = self.flush()
            && self.backlog.len() >= MAX_BACKLOG
        {
            return Err(error);
        }
        serde_json::to_writer(&mut self.backlog, &record)?;
        self.backlog.push(b'\n');
        self.flush()
    }

    /// Writes the lines that an earlier error held back.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.backlog.is_empty() {
            match self.file.write(&self.backlog) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.backlog.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the log durable.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Follows a log by polling, because inotify misses changes on network file systems. Returns each whole line once.
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    inode: u64,
    offset: u64,
    partial: Vec<u8>,
    /// Skips the rest of a line that is too long.
    skipping: bool,
    /// No poll has told yet that the file was replaced or cut.
    restarted: bool,
}

/// The result of a poll.
#[derive(Debug, Default)]
pub struct Poll {
    pub records: Vec<Record>,
    /// How many lines were no events.
    pub damaged: usize,
    /// The file was replaced or cut, so discard the earlier events.
    pub restarted: bool,
    /// More is available: poll again.
    pub more: bool,
}

impl EventReader {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            inode: 0,
            offset: 0,
            partial: Vec::new(),
            skipping: false,
            restarted: false,
        }
    }

    /// Skips what the log holds now. Reads all of a log that does not exist yet.
    pub(crate) fn at_end(path: PathBuf) -> Self {
        let end = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        Self::after(path, end)
    }

    /// Skips so many bytes. Reads all of a log that is shorter, or that does not exist yet.
    pub(crate) fn after(path: PathBuf, offset: u64) -> Self {
        let inode = std::fs::metadata(&path).map_or(0, |meta| meta.ino());
        Self {
            inode,
            offset,
            ..Self::new(path)
        }
    }

    /// Whether the unread part of the log has the end of an attempt.
    pub(crate) fn has_end(mut self) -> io::Result<bool> {
        loop {
            let poll = self.poll()?;
            if poll.records.iter().any(|record| record.event.is_end()) {
                return Ok(true);
            }
            if !poll.more {
                return Ok(false);
            }
        }
    }

    /// Reads what was appended since the last poll; a log that does not exist yet is empty.
    pub fn poll(&mut self) -> io::Result<Poll> {
        let mut poll = Poll::default();
        let meta = match std::fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(poll),
            Err(error) => return Err(error),
        };
        if meta.ino() != self.inode || meta.len() < self.offset {
            // If the new file cannot be read now, a later poll reports it.
            *self = Self {
                inode: meta.ino(),
                restarted: self.restarted || self.offset > 0,
                ..Self::new(std::mem::take(&mut self.path))
            };
        }
        if meta.len() > self.offset {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            let start = self.partial.len();
            self.read_on(file)?;
            poll.more = self.offset < meta.len();
            self.take_lines(start, &mut poll);
        }
        poll.restarted = std::mem::take(&mut self.restarted);
        Ok(poll)
    }

    /// Reads from the offset on. On an error, drops what came before it, because the next poll reads that again.
    fn read_on(&mut self, file: impl Read) -> io::Result<()> {
        let start = self.partial.len();
        match file.take(POLL_BYTES as u64).read_to_end(&mut self.partial) {
            Ok(read) => {
                self.offset += read as u64;
                Ok(())
            }
            Err(error) => {
                self.partial.truncate(start);
                Err(error)
            }
        }
    }

    fn take_lines(&mut self, mut searched: usize, poll: &mut Poll) {
        let mut begin = 0;
        while let Some(length) = memchr(b'\n', &self.partial[searched..]) {
            let end = searched + length;
            let line = &self.partial[begin..end];
            if std::mem::take(&mut self.skipping) || line.len() > MAX_LINE {
                poll.damaged += 1;
            } else if !line.iter().all(u8::is_ascii_whitespace) {
                match Record::parse(line) {
                    Ok(record) => poll.records.push(record),
                    Err(_) => poll.damaged += 1,
                }
            }
            begin = end + 1;
            searched = begin;
        }
        self.partial.drain(..begin);
        if self.partial.is_empty() {
            // Free the buffer: ten thousand logs at rest would each keep one.
            self.partial = Vec::new();
        }
        if self.partial.len() > MAX_LINE {
            self.partial.clear();
            self.skipping = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warmstart_schema::event::Phase;

    fn phase() -> Event {
        Event::Phase {
            phase: Phase::Training,
        }
    }

    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        (folder, path)
    }

    #[test]
    fn log_starts_with_its_format() {
        let (_folder, path) = log();
        EventWriter::open(&path).unwrap().write(&phase()).unwrap();
        let records = EventReader::new(path).poll().unwrap().records;
        assert!(matches!(
            records[0].event,
            Event::Header { format: FORMAT, .. }
        ));
        assert_eq!(records[1].event, phase());
        assert_eq!(records.len(), 2);
    }

    #[test]
    fn log_cut_at_any_byte_loses_at_most_that_line() {
        let (_folder, path) = log();
        let mut writer = EventWriter::open(&path).unwrap();
        writer.write(&phase()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            EventWriter::open(&path).unwrap().write(&phase()).unwrap();
            let poll = EventReader::new(path.clone()).poll().unwrap();
            let lines = whole[..cut].split(|&byte| byte == b'\n').count() - 1;
            assert_eq!(poll.records.last().unwrap().event, phase(), "cut at {cut}");
            assert!(
                poll.records.len() > lines && poll.damaged <= 1,
                "cut at {cut}: {poll:?}"
            );
        }
    }

    #[test]
    fn reader_returns_each_line_once_and_waits_for_a_torn_one() {
        let (_folder, path) = log();
        std::fs::write(&path, "{\"t\":1,\"event\":\"stopping\"}\n{\"t\":2,\"ev").unwrap();
        let mut reader = EventReader::new(path.clone());
        assert_eq!(reader.poll().unwrap().records.len(), 1);
        assert_eq!(reader.poll().unwrap().records.len(), 0);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"ent\":\"stopping\"}\n").unwrap();
        assert_eq!(
            reader.poll().unwrap().records,
            [Record {
                t: 2.0,
                event: Event::Stopping
            }]
        );
    }

    #[test]
    fn read_that_fails_halfway_repeats_no_byte() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StaleNetworkFileHandle.into())
            }
        }
        let (_folder, path) = log();
        let text = "{\"t\":1,\"event\":\"stopping\"}\n{\"t\":2,\"event\":\"stopping\"}\n";
        std::fs::write(&path, text).unwrap();
        let mut reader = EventReader::new(path);
        for half in 1..text.len() {
            let begin = &text.as_bytes()[..half];
            reader.read_on(begin.chain(Fails)).unwrap_err();
        }
        let poll = reader.poll().unwrap();
        assert_eq!((poll.records.len(), poll.damaged), (2, 0));
    }

    #[test]
    fn garbage_and_endless_lines_are_counted_and_skipped() {
        let (_folder, path) = log();
        let mut bytes = b"\xff\xfe binary \x00\n{\"t\":1}\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', MAX_LINE + POLL_BYTES));
        bytes.extend(b"\n{\"t\":3,\"event\":\"stopping\"}\r\n");
        std::fs::write(&path, bytes).unwrap();
        let (mut reader, mut records, mut damaged) = (EventReader::new(path), Vec::new(), 0);
        loop {
            let poll = reader.poll().unwrap();
            records.extend(poll.records);
            damaged += poll.damaged;
            if !poll.more {
                break;
            }
        }
        assert_eq!((records.len(), damaged), (1, 3));
    }

    #[test]
    fn fast_and_full_parser_read_the_same_event() {
        let kinds = [
            "stopping",
            "batch",
            "nonsense",
            "st\\u006fpping",
            "",
            "Batch",
        ];
        let batch = r#""epoch":1,"step":2,"batch":3,"batches":4,"loss":0.1,"accuracy":"NaN","learning_rate":1e-3,"images_per_second":9,"gradient_norm":1"#;
        for kind in kinds {
            for t in [
                "1",
                "1.5e3",
                "0.30000000000000004",
                "inf",
                "+1",
                "\"1\"",
                "01",
                "-0",
            ] {
                for line in [
                    format!("{{\"t\":{t},\"event\":\"{kind}\",{batch}}}"),
                    format!("{{\"event\":\"{kind}\",{batch},\"t\":{t}}}"),
                    format!("{{ \"t\" : {t} , \"event\" : \"{kind}\",{batch}}}"),
                    format!("{{\"t\":{t},\"event\":\"{kind}\"}}"),
                    format!("{{\"t\":{t},\"event\":\"{kind}\",{batch}"),
                ] {
                    let general: Result<Record, _> = serde_json::from_str(&line);
                    let shown =
                        |read: Result<Record, serde_json::Error>| format!("{:?}", read.ok());
                    assert_eq!(
                        shown(Record::parse(line.as_bytes())),
                        shown(general),
                        "{line}"
                    );
                }
            }
        }
    }

    #[test]
    fn line_refused_by_a_full_disk_is_written_with_the_next() {
        let (_folder, path) = log();
        let mut writer = EventWriter::open(&path).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let disk = std::mem::replace(&mut writer.file, full);
        assert_eq!(
            writer.write(&phase()).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        writer.file = disk;
        writer.write(&Event::Stopping).unwrap();
        let records = EventReader::new(path).poll().unwrap().records;
        let events: Vec<&Event> = records.iter().skip(1).map(|record| &record.event).collect();
        assert_eq!(events, [&phase(), &Event::Stopping]);
    }

    #[test]
    fn event_after_too_many_refused_lines_is_written_once_the_disk_has_space() {
        let (_folder, path) = log();
        let mut writer = EventWriter::open(&path).unwrap();
        writer.backlog = vec![b'\n'; MAX_BACKLOG];
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let disk = std::mem::replace(&mut writer.file, full);
        writer.write(&phase()).unwrap_err();
        assert_eq!(writer.backlog.len(), MAX_BACKLOG);
        writer.file = disk;
        writer.write(&Event::Stopping).unwrap();
        let (mut reader, mut records) = (EventReader::new(path), Vec::new());
        loop {
            let poll = reader.poll().unwrap();
            records.extend(poll.records);
            if !poll.more {
                break;
            }
        }
        assert_eq!(records.last().unwrap().event, Event::Stopping);
    }

    #[test]
    fn replaced_log_is_read_from_its_start() {
        let (_folder, path) = log();
        std::fs::write(&path, "{\"t\":1,\"event\":\"stopping\"}\n").unwrap();
        let mut reader = EventReader::new(path.clone());
        reader.poll().unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(reader.poll().unwrap().restarted);
    }

    #[test]
    fn a_replaced_log_that_cannot_be_read_at_first_is_reported_later() {
        let (folder, path) = log();
        let text = "{\"t\":1,\"event\":\"stopping\"}\n";
        std::fs::write(&path, text).unwrap();
        let mut reader = EventReader::new(path.clone());
        reader.poll().unwrap();
        // What was replaced stays, so that no file gets its inode.
        std::fs::rename(&path, folder.path().join("first")).unwrap();
        // A folder cannot be read as a log.
        std::fs::create_dir_all(path.join("x")).unwrap();
        reader.poll().unwrap_err();
        std::fs::rename(&path, folder.path().join("second")).unwrap();
        std::fs::write(&path, text).unwrap();
        let poll = reader.poll().unwrap();
        assert!(poll.restarted);
        assert_eq!(poll.records.len(), 1);
        assert!(!reader.poll().unwrap().restarted);
    }

    #[test]
    fn non_finite_numbers_survive() {
        let test = |loss| {
            Event::Test(warmstart_schema::event::Test {
                epoch: 1,
                loss,
                accuracy: 0.5,
                views: None,
            })
        };
        for loss in [f64::INFINITY, f64::NEG_INFINITY, 1.0, 0.1 + 0.2] {
            let json = serde_json::to_string(&test(loss)).unwrap();
            assert_eq!(
                serde_json::from_str::<Event>(&json).unwrap(),
                test(loss),
                "{json}"
            );
        }
        let json = serde_json::to_string(&test(f64::NAN)).unwrap();
        let Event::Test(read) = serde_json::from_str(&json).unwrap() else {
            panic!("{json}")
        };
        assert!(read.loss.is_nan());
    }

    #[test]
    fn events_of_later_versions_are_skipped_and_not_damage() {
        let record: Record =
            serde_json::from_str("{\"t\":1,\"event\":\"teleported\",\"to\":3}").unwrap();
        assert_eq!(record.event, Event::Unknown);
    }
}
