//! Where settings and what is remembered lie.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

const FOLDER: &str = "warmstart";

/// `config.yaml` below `XDG_CONFIG_HOME`; none where there is no home.
pub fn config_file() -> Option<PathBuf> {
    Some(
        Xdg::new()
            .ok()?
            .config_dir()
            .join(FOLDER)
            .join("config.yaml"),
    )
}

/// `state.json` below `XDG_STATE_HOME`.
pub fn state_file() -> Option<PathBuf> {
    Some(
        Xdg::new()
            .ok()?
            .state_dir()?
            .join(FOLDER)
            .join("state.json"),
    )
}
