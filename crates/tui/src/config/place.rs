//! The paths of the settings and of the remembered state.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

const FOLDER: &str = "warmstart";

/// `config.yaml` in `XDG_CONFIG_HOME`; `None` without a home folder.
pub fn config_file() -> Option<PathBuf> {
    Some(
        Xdg::new()
            .ok()?
            .config_dir()
            .join(FOLDER)
            .join("config.yaml"),
    )
}

/// `state.json` in `XDG_STATE_HOME`.
pub fn state_file() -> Option<PathBuf> {
    Some(
        Xdg::new()
            .ok()?
            .state_dir()?
            .join(FOLDER)
            .join("state.json"),
    )
}
