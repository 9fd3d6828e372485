//! Which `PyTorch` a worker without libtorch loads: the one that the user names, or that of the active environment.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Names the folder of an installed `PyTorch`, as `--torch` does. Workers and monitors inherit it.
pub const VARIABLE: &str = "WARMSTART_TORCH_DIR";
/// Beside the worker: the release that it was built for, such as `2.13`.
const BUILT_FOR: &str = "torch-version";
/// Beside the worker: its own libraries.
const OWN: &str = "libtorch";

const CUBLAS: &str = "CUBLAS_WORKSPACE_CONFIG";

static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// Takes the `PyTorch` in this folder from now on.
pub fn choose(folder: &Path) {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    // The command line names it once.
    let _ = CHOSEN.set(folder);
}

/// A `PyTorch` that was looked at for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The folder of its libraries.
    pub libraries: PathBuf,
    /// Why a worker cannot use it; `None` for the one that it uses.
    pub refused: Option<String>,
}

/// What a worker loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Torch {
    /// The libtorch that it came with.
    Own,
    /// One of these, or none where all are refused.
    Installed(Vec<Candidate>),
}

impl Torch {
    /// The folder that a worker must look into first.
    fn libraries(&self) -> Option<&Path> {
        let Self::Installed(candidates) = self else {
            return None;
        };
        let usable = candidates
            .iter()
            .find(|candidate| candidate.refused.is_none())?;
        Some(&usable.libraries)
    }
}

/// What the worker at this path loads.
pub fn of_worker(worker: &Path) -> Torch {
    let named = CHOSEN
        .get()
        .cloned()
        .or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from))
        .filter(|folder| !folder.as_os_str().is_empty());
    let built_for = worker
        .parent()
        .and_then(|folder| fs::read_to_string(folder.join(BUILT_FOR)).ok())
        .map(|text| text.trim().to_owned());
    let has_own = worker
        .parent()
        .is_some_and(|folder| folder.join(OWN).is_dir());
    let candidates = match (named, &built_for) {
        (Some(folder), _) => vec![folder],
        (None, Some(_)) if !has_own => environments(worker),
        (None, _) => return Torch::Own,
    };
    let look = |folder: PathBuf| candidate(&folder, built_for.as_deref());
    Torch::Installed(candidates.into_iter().map(look).collect())
}

/// A folder as `--torch` or an environment names it: the package `torch`, its folder `lib`, or a libtorch.
fn candidate(folder: &Path, built_for: Option<&str>) -> Candidate {
    let is_library = |folder: &Path| {
        ["libtorch_cpu.so", "libtorch_cpu.dylib"]
            .iter()
            .any(|name| folder.join(name).is_file())
    };
    let libraries = if is_library(folder) {
        folder.to_path_buf()
    } else {
        folder.join("lib")
    };
    let refused = if is_library(&libraries) {
        match (built_for, version(&libraries)) {
            (Some(wanted), Some(found)) if release(&found) != wanted => Some(format!(
                "it is version {found}, and the worker is built for {wanted}"
            )),
            _ => None,
        }
    } else {
        Some("it has no libtorch_cpu".to_owned())
    };
    Candidate { libraries, refused }
}

/// The version that the package around these libraries says of itself.
fn version(libraries: &Path) -> Option<String> {
    let package = libraries.parent()?;
    let said = |file: &str| fs::read_to_string(package.join(file)).ok();
    if let Some(text) = said("version.py") {
        let (_, after) = text.split_once("__version__ = '")?;
        return Some(after.split('\'').next()?.to_owned());
    }
    said("build-version").map(|text| text.trim().to_owned())
}

/// `2.11` of `2.11.0+cu130`.
fn release(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The folders of `torch` beside the package that the worker belongs to, in the active environment, and in that of `python3`.
fn environments(worker: &Path) -> Vec<PathBuf> {
    let beside = worker
        .ancestors()
        .filter(|folder| {
            folder.file_name().is_some_and(|name| {
                ["site-packages", "dist-packages"].contains(&&*name.to_string_lossy())
            })
        })
        .map(|folder| folder.join("torch"))
        .filter(|package| package.is_dir());
    let roots = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from)
        .chain(root_of_python());
    let mut found: Vec<PathBuf> = Vec::new();
    for package in beside.chain(roots.flat_map(|root| packages(&root))) {
        if !found.contains(&package) {
            found.push(package);
        }
    }
    found
}

/// The installation that `python3` on the search path belongs to: `/usr` of `/usr/bin/python3`.
fn root_of_python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let program = std::env::split_paths(&path)
        .map(|folder| folder.join("python3"))
        .find(|program| program.is_file())?;
    Some(program.parent()?.parent()?.to_path_buf())
}

fn packages(root: &Path) -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir(root.join("lib")) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = versions
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .flat_map(|entry| ["site-packages", "dist-packages"].map(|name| entry.path().join(name)))
        .map(|folder| folder.join("torch"))
        .filter(|package| package.is_dir())
        .collect();
    found.sort();
    found
}

/// Lets a monitor know the `PyTorch` that the command line names.
pub(super) fn pass_on(command: &mut Command) {
    if let Some(chosen) = CHOSEN.get() {
        command.env(VARIABLE, chosen);
    }
}

/// A command that runs the worker with the libraries that it needs.
pub fn command(worker: &Path) -> Command {
    let mut command = Command::new(worker);
    pass_on(&mut command);
    if std::env::var_os(CUBLAS).is_none() {
        // With this workspace cuBLAS can be deterministic.
        command.env(CUBLAS, ":4096:8");
    }
    if let Some(libraries) = of_worker(worker).libraries() {
        let name = if cfg!(target_os = "macos") {
            "DYLD_LIBRARY_PATH"
        } else {
            "LD_LIBRARY_PATH"
        };
        let mut value = OsString::from(libraries);
        if let Some(before) = std::env::var_os(name).filter(|value| !value.is_empty()) {
            value.push(":");
            value.push(before);
        }
        command.env(name, value);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package `torch` with this version, as pip installs it.
    fn package(root: &Path, version: &str) -> PathBuf {
        let package = root.join("lib/python3.12/site-packages/torch");
        fs::create_dir_all(package.join("lib")).unwrap();
        fs::write(package.join("lib/libtorch_cpu.so"), "").unwrap();
        let says = format!("__all__ = []\n__version__ = '{version}'\ndebug = False\n");
        fs::write(package.join("version.py"), says).unwrap();
        package
    }

    #[test]
    fn package_of_the_release_is_used_and_another_is_refused_with_both_versions() {
        let root = tempfile::tempdir().unwrap();
        let package = package(root.path(), "2.11.0+cu130");
        for folder in [package.clone(), package.join("lib")] {
            let found = candidate(&folder, Some("2.11"));
            assert_eq!(
                (found.libraries, found.refused),
                (package.join("lib"), None)
            );
        }
        let refused = candidate(&package, Some("2.13")).refused.unwrap();
        assert!(
            refused.contains("2.11.0+cu130") && refused.contains("2.13"),
            "{refused}"
        );
        // The package has version 2.11, which does not match release 2.1.
        assert!(candidate(&package, Some("2.1")).refused.is_some());
    }

    #[test]
    fn folder_without_libtorch_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let refused = candidate(root.path(), Some("2.11")).refused.unwrap();
        assert!(refused.contains("libtorch_cpu"), "{refused}");
    }

    #[test]
    fn environments_packages_are_found_in_every_python_of_it() {
        let root = tempfile::tempdir().unwrap();
        let package = package(root.path(), "2.13.0");
        fs::create_dir_all(root.path().join("lib/python3.11/site-packages/numpy")).unwrap();
        assert_eq!(packages(root.path()), [package]);
        assert_eq!(packages(&root.path().join("nowhere")), [] as [PathBuf; 0]);
    }

    #[test]
    fn worker_of_a_wheel_prefers_the_torch_beside_its_package() {
        let root = tempfile::tempdir().unwrap();
        let package = package(root.path(), "2.13.0");
        let worker = package
            .with_file_name("warmstart/tree/lib/warmstart")
            .join("warmstart-worker");
        assert_eq!(environments(&worker).first(), Some(&package));
    }

    #[test]
    fn worker_with_its_own_libtorch_searches_nothing() {
        let root = tempfile::tempdir().unwrap();
        let worker = root.path().join("warmstart-worker");
        assert_eq!(of_worker(&worker), Torch::Own);
        fs::write(root.path().join(BUILT_FOR), "2.13\n").unwrap();
        assert!(matches!(of_worker(&worker), Torch::Installed(_)));
        fs::create_dir(root.path().join(OWN)).unwrap();
        assert_eq!(of_worker(&worker), Torch::Own);
    }
}
