//! A file system in memory that simulates power losses.
//!
//! Every change is pending until it is synced: a file's content until its file is synced, a name until its folder is.
//! A power loss keeps everything that was synced, and any part of the pending changes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use warmstart_runs::storage::{Durable, Storage};

type Inode = usize;

#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>),
    Folder(BTreeMap<String, Inode>),
}

/// Changes that are not synced yet, in order.
#[derive(Debug, Clone)]
enum Pending {
    /// The whole content of a file.
    Content(Inode, Vec<u8>),
    /// Names in one folder that one step sets or removes.
    Names(Inode, Vec<(String, Option<Inode>)>),
}

impl Pending {
    fn inode(&self) -> Inode {
        match self {
            Self::Content(inode, _) | Self::Names(inode, _) => *inode,
        }
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    live: Vec<Node>,
    durable: Vec<Node>,
    pending: Vec<Pending>,
    calls: usize,
    /// Paths in the order in which they were read.
    reads: Vec<PathBuf>,
    syncs: Vec<String>,
    mark: usize,
}

impl State {
    /// Removes pending changes that no power loss can restore.
    fn forget_unreachable(&mut self) {
        let mut reachable: Vec<bool> = vec![false; self.live.len()];
        let mut visit = vec![0];
        for change in &self.pending {
            if let Pending::Names(_, names) = change {
                visit.extend(names.iter().filter_map(|(_, entry)| *entry));
            }
        }
        while let Some(inode) = visit.pop() {
            if std::mem::replace(&mut reachable[inode], true) {
                continue;
            }
            for node in [&self.live[inode], &self.durable[inode]] {
                if let Node::Folder(folder) = node {
                    visit.extend(folder.values());
                }
            }
        }
        self.pending.retain(|change| reachable[change.inode()]);
    }
}

/// The simulated disk; its clones share the same state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Simulated {
    state: Rc<RefCell<State>>,
    /// Which calls fail, and how.
    faults: Rc<RefCell<Vec<Fault>>>,
    /// The sync to skip, by the name of what it syncs.
    forgotten: Option<String>,
    /// New content appears under the final name at once, as if the writer used no temporary file.
    without_rename: bool,
    /// Folders cannot be swapped, as on network file systems.
    pub without_exchange: bool,
    /// Called before each change, so that a test can check what a power loss at that moment leaves.
    pub watcher: Option<Watcher>,
    /// Called before each read, so that a test can change the disk at that moment.
    pub on_read: Option<Watcher>,
}

/// Is called before every change, or every read.
#[derive(Clone)]
pub(crate) struct Watcher(pub Rc<dyn Fn(&Simulated)>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

/// Which call fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub call: usize,
    pub errno: i32,
    pub persistent: bool,
}

impl Fault {
    /// Not an error: the write silently changes its data.
    pub(crate) const SILENT: i32 = 0;
    /// Not an error: the write accepts only half of its data.
    pub(crate) const SHORT: i32 = -1;

    fn hits(&self, call: usize) -> bool {
        call == self.call || (self.persistent && call > self.call)
    }
}

impl Simulated {
    /// An empty disk with a folder at `root`.
    pub(crate) fn new(root: &Path) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.state.borrow_mut();
            state.live.push(Node::Folder(BTreeMap::new()));
            state.durable.push(Node::Folder(BTreeMap::new()));
        }
        for ancestor in root
            .ancestors()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .filter(|path| path.parent().is_some())
        {
            disk.create_dir(ancestor).unwrap();
        }
        let mut state = disk.state.borrow_mut();
        let live = state.live.clone();
        state.durable = live;
        state.pending.clear();
        state.calls = 0;
        drop(state);
        disk
    }

    pub(crate) fn that_forgets(self, sync: String) -> Self {
        Self {
            forgotten: Some(sync),
            ..self
        }
    }

    pub(crate) fn without_rename(self) -> Self {
        Self {
            without_rename: true,
            ..self
        }
    }

    pub(crate) fn without_exchange(self) -> Self {
        Self {
            without_exchange: true,
            ..self
        }
    }

    /// Sets the faults, and counts calls from now on.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        *self.faults.borrow_mut() = faults.to_vec();
        self.state.borrow_mut().calls = 0;
    }

    /// Calls since the faults were set.
    pub(crate) fn calls(&self) -> usize {
        self.state.borrow().calls
    }

    /// Everything that was synced so far, without duplicates.
    pub(crate) fn syncs(&self) -> Vec<String> {
        let mut syncs = self.state.borrow().syncs.clone();
        syncs.sort();
        syncs.dedup();
        syncs
    }

    /// The number of changes that a power loss could undo.
    pub(crate) fn pending(&self) -> usize {
        self.state.borrow().pending.len()
    }

    /// The disk after a power loss that kept the pending changes `kept`. Lost content is cut to `torn` of 2 halves.
    pub(crate) fn after_power_loss(&self, kept: impl Fn(usize) -> bool, torn: usize) -> Self {
        let state = self.state.borrow();
        let mut nodes = state.durable.clone();
        for (index, change) in state.pending.iter().enumerate() {
            match change {
                Pending::Content(inode, bytes) if kept(index) => {
                    nodes[*inode] = Node::File(bytes.clone());
                }
                Pending::Content(inode, bytes) => {
                    nodes[*inode] = Node::File(bytes[..bytes.len() * torn / 2].to_vec());
                }
                Pending::Names(inode, names) if kept(index) => {
                    let Node::Folder(folder) = &mut nodes[*inode] else {
                        panic!("names in a file")
                    };
                    for (name, entry) in names {
                        match entry {
                            Some(entry) => folder.insert(name.clone(), *entry),
                            None => folder.remove(name),
                        };
                    }
                }
                Pending::Names(..) => {}
            }
        }
        let state = State {
            live: nodes.clone(),
            durable: nodes,
            ..State::default()
        };
        Self {
            state: Rc::new(RefCell::new(state)),
            ..Self::default()
        }
    }

    fn call(&self) -> io::Result<()> {
        let call = {
            let mut state = self.state.borrow_mut();
            state.calls += 1;
            state.calls
        };
        let faults = self.faults.borrow();
        let error = faults
            .iter()
            .find(|fault| fault.errno > 0 && fault.hits(call));
        error.map_or(Ok(()), |fault| {
            Err(io::Error::from_raw_os_error(fault.errno))
        })
    }

    /// Whether the current call has this fault; these faults are not errors.
    fn does(&self, errno: i32) -> bool {
        self.faults
            .borrow()
            .iter()
            .any(|fault| fault.errno == errno && fault.hits(self.calls()))
    }

    /// How many files below a folder were read.
    pub(crate) fn reads_below(&self, folder: &Path) -> usize {
        self.state
            .borrow()
            .reads
            .iter()
            .filter(|path| path.starts_with(folder))
            .count()
    }

    fn changing(&self) -> io::Result<()> {
        if let Some(watcher) = &self.watcher {
            (watcher.0)(self);
        }
        self.call()
    }

    fn real(&self, path: &Path) -> PathBuf {
        let text = path.to_str().unwrap();
        if self.without_rename {
            text.replace("/.step-", "/step-").replace(".new", "").into()
        } else {
            text.into()
        }
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        let path = self.real(path);
        let state = self.state.borrow();
        let mut inode = 0;
        for part in path.components().skip(1) {
            let Node::Folder(folder) = &state.live[inode] else {
                return None;
            };
            inode = *folder.get(part.as_os_str().to_str()?)?;
        }
        Some(inode)
    }

    fn require(&self, path: &Path) -> io::Result<Inode> {
        self.find(path).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn place(&self, path: &Path) -> io::Result<(Inode, String)> {
        let path = self.real(path);
        let folder = self.require(path.parent().unwrap())?;
        Ok((
            folder,
            path.file_name().unwrap().to_str().unwrap().to_owned(),
        ))
    }

    fn add(&self, path: &Path, node: Node) -> io::Result<Inode> {
        let (folder, name) = self.place(path)?;
        let inode = {
            let mut state = self.state.borrow_mut();
            state.durable.push(match node {
                Node::File(_) => Node::File(Vec::new()),
                Node::Folder(_) => Node::Folder(BTreeMap::new()),
            });
            state.live.push(node);
            state.live.len() - 1
        };
        self.set_names(folder, vec![(name, Some(inode))]);
        Ok(inode)
    }

    fn set_names(&self, folder: Inode, names: Vec<(String, Option<Inode>)>) {
        let mut state = self.state.borrow_mut();
        let Node::Folder(entries) = &mut state.live[folder] else {
            panic!("names in a file")
        };
        for (name, entry) in &names {
            match entry {
                Some(entry) => entries.insert(name.clone(), *entry),
                None => entries.remove(name),
            };
        }
        state.pending.push(Pending::Names(folder, names));
    }

    /// Makes the pending changes of one file or folder durable, unless this sync is the one to skip.
    fn synced(&self, inode: Inode, what: &str) {
        let mut state = self.state.borrow_mut();
        let earlier = state.syncs[state.mark..]
            .iter()
            .filter(|sync| sync.starts_with(&format!("{what} (")))
            .count();
        let what = format!("{what} ({})", earlier + 1);
        state.syncs.push(what.clone());
        if self.forgotten.as_ref() == Some(&what) {
            return;
        }
        state.durable[inode] = state.live[inode].clone();
        state.pending.retain(|change| change.inode() != inode);
        state.forget_unreachable();
    }

    /// Whether faults are set.
    pub(crate) fn is_faulty(&self) -> bool {
        !self.faults.borrow().is_empty()
    }

    /// A separate disk with the same content and pending changes, without faults and watcher.
    pub(crate) fn copy(&self) -> Self {
        Self {
            state: Rc::new(RefCell::new(self.state.borrow().clone())),
            without_exchange: self.without_exchange,
            ..Self::default()
        }
    }

    /// Restarts the numbering of syncs.
    pub(crate) fn mark(&self) {
        let mut state = self.state.borrow_mut();
        state.mark = state.syncs.len();
    }
}

/// A path with its numbers replaced, so that the same place has the same name at every step.
fn shape(path: &Path) -> String {
    let mut shape = String::new();
    for c in path.to_str().unwrap().chars() {
        match (c.is_ascii_digit(), shape.ends_with('#')) {
            (true, true) => {}
            (true, false) => shape.push('#'),
            (false, _) => shape.push(c),
        }
    }
    shape
}

/// An open file of the simulated disk.
#[derive(Debug)]
pub(crate) struct SimulatedFile {
    disk: Simulated,
    inode: Inode,
    path: PathBuf,
}

impl Write for SimulatedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let failed = self.disk.changing();
        let (lies, is_short) = (self.disk.does(Fault::SILENT), self.disk.does(Fault::SHORT));
        let taken = match &failed {
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            // A full disk accepts a part of the data first.
            Err(_) => bytes.len() / 2,
            Ok(()) if is_short => bytes.len().div_ceil(2),
            Ok(()) => bytes.len(),
        };
        let mut state = self.disk.state.borrow_mut();
        let Node::File(content) = &mut state.live[self.inode] else {
            panic!("not a file")
        };
        content.extend_from_slice(&bytes[..taken]);
        if lies {
            content[0] ^= 1;
        }
        let content = content.clone();
        state.pending.push(Pending::Content(self.inode, content));
        failed.map(|()| taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Durable for SimulatedFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.changing()?;
        self.disk
            .synced(self.inode, &format!("content of {}", shape(&self.path)));
        Ok(())
    }
}

impl Storage for Simulated {
    type File = SimulatedFile;

    fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.changing()?;
        let inode = match self.find(path) {
            Some(inode) => {
                let mut state = self.state.borrow_mut();
                state.live[inode] = Node::File(Vec::new());
                state.pending.push(Pending::Content(inode, Vec::new()));
                inode
            }
            None => self.add(path, Node::File(Vec::new()))?,
        };
        Ok(SimulatedFile {
            disk: self.clone(),
            inode,
            path: path.to_path_buf(),
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.changing()?;
        if self.find(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.add(path, Node::Folder(BTreeMap::new())).map(drop)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.changing()?;
        let inode = self.require(path)?;
        self.synced(inode, &format!("names in {}", shape(path)));
        Ok(())
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.changing()?;
        let inode = self.require(path)?;
        self.synced(inode, &format!("content of {}", shape(path)));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changing()?;
        let (folder, old) = self.place(from)?;
        let (same, new) = self.place(to)?;
        assert_eq!(
            folder, same,
            "only within one folder is a rename one change"
        );
        let inode = self.require(from)?;
        if old != new {
            self.set_names(folder, vec![(old, None), (new, Some(inode))]);
        }
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        if self.without_exchange {
            return self.call().and(Err(ErrorKind::Unsupported.into()));
        }
        self.changing()?;
        let ((folder, first), (_, second)) = (self.place(one)?, self.place(other)?);
        let names = vec![
            (first, Some(self.require(other)?)),
            (second, Some(self.require(one)?)),
        ];
        self.set_names(folder, names);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.changing()?;
        self.require(path)?;
        let (folder, name) = self.place(path)?;
        self.set_names(folder, vec![(name, None)]);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        for name in self.names(path)? {
            let inner = path.join(name);
            let is_folder = matches!(
                self.state.borrow().live[self.require(&inner)?],
                Node::Folder(_)
            );
            if is_folder {
                self.remove_dir(&inner)?;
            } else {
                self.remove_file(&inner)?;
            }
        }
        self.remove_file(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(Watcher(look)) = &self.on_read {
            look(self);
        }
        self.call()?;
        let inode = self.require(path)?;
        self.state.borrow_mut().reads.push(path.to_path_buf());
        match &self.state.borrow().live[inode] {
            Node::File(content) => Ok(content.clone()),
            Node::Folder(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        self.call()?;
        let Some(inode) = self.find(path) else {
            return Ok(Vec::new());
        };
        match &self.state.borrow().live[inode] {
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
            Node::Folder(folder) => Ok(folder.keys().cloned().collect()),
        }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.call()?;
        Ok(self.find(path).is_some())
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        self.call()?;
        Ok(1 << 40)
    }
}
