//! Where the configuration comes from, and what happens when it cannot be read: nothing is dropped, and people are told.

use std::path::{Path, PathBuf};

use alert_core::config::{BrokenConfiguration, Config, DOCUMENT_MAX_BYTES};

use crate::settings::{ALERT_CONFIG, ALERT_CONFIG_FILE, Environment, LAMBDA_TASK_ROOT, read_file, shown};

/// The file beside the binary, or in a layer.
const FILE_NAME: &str = "alerts.yaml";
const LAYER_FILE: &str = "/opt/alerts.yaml";

/// A configuration, and what every message must say about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What holds; [`Config::fail_open`] where the one that was written cannot be read.
    pub config: Config,
    /// What is wrong with the one that was written.
    pub broken: Option<BrokenConfiguration>,
}

/// Loads the configuration: inline, else the named file, else `alerts.yaml` beside the binary, else `/opt/alerts.yaml`.
///
/// Never fails. A configuration that is missing where it was named, or broken, is ignored as a whole.
#[must_use]
pub fn load(environment: Environment<'_>) -> Loaded {
    if let Some(text) = environment(ALERT_CONFIG) {
        return parse(ALERT_CONFIG, &text);
    }
    if let Some(path) = environment(ALERT_CONFIG_FILE) {
        return read(&format!("{ALERT_CONFIG_FILE}={}", shown(&path)), Path::new(&path));
    }
    let folder = environment(LAMBDA_TASK_ROOT).map(PathBuf::from).or_else(|| {
        let binary = std::env::current_exe().ok()?;
        binary.parent().map(Path::to_path_buf)
    });
    let beside = folder.map(|folder| folder.join(FILE_NAME));
    match beside.into_iter().chain([PathBuf::from(LAYER_FILE)]).find(|path| path.exists()) {
        Some(path) => read(&shown(&path.to_string_lossy()), &path),
        None => Loaded { config: Config::default(), broken: None },
    }
}

fn read(name: &str, path: &Path) -> Loaded {
    match read_file(path, DOCUMENT_MAX_BYTES) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(name, &text),
            Err(_) => broken(name, "the file is not UTF-8 text"),
        },
        Err(error) => broken(name, &format!("the file cannot be read: {}", error.kind())),
    }
}

fn parse(name: &str, text: &str) -> Loaded {
    match Config::parse(text) {
        Ok(config) => Loaded { config, broken: None },
        Err(errors) => {
            let problems = errors.problems().iter().map(ToString::to_string).collect();
            let broken = BrokenConfiguration { name: name.to_owned(), problems };
            Loaded { config: Config::fail_open(), broken: Some(broken) }
        }
    }
}

fn broken(name: &str, cause: &str) -> Loaded {
    let broken = BrokenConfiguration { name: name.to_owned(), problems: vec![cause.to_owned()] };
    Loaded { config: Config::fail_open(), broken: Some(broken) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(setting: &'static str, value: &str) -> Loaded {
        let value = value.to_owned();
        load(&move |name| (name == setting).then(|| value.clone()))
    }

    #[test]
    fn a_broken_configuration_drops_nothing_and_says_where() {
        let loaded =
            with(ALERT_CONFIG, "drop:\n  - name: x\n    matchers: ['alertname=\"x\"']\n    colour: red\n");
        assert!(loaded.config.fail_open && loaded.config.drop.is_empty());
        let warning = loaded.broken.unwrap().to_string();
        assert!(warning.contains("ALERT_CONFIG") && warning.contains("line 4"), "{warning}");
    }

    #[test]
    fn a_missing_file_drops_nothing_and_is_named() {
        let loaded = with(ALERT_CONFIG_FILE, "/nowhere/alerts.yaml");
        assert!(loaded.config.fail_open);
        assert!(loaded.broken.unwrap().to_string().contains("/nowhere/alerts.yaml"));
    }

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        let warning = with(ALERT_CONFIG_FILE, "/dev/zero").broken.unwrap().to_string();
        assert!(
            warning.contains("/dev/zero is broken") && warning.ends_with(": file too large"),
            "{warning}"
        );
    }

    #[test]
    fn no_configuration_is_the_default() {
        let loaded = load(&|_| None);
        assert_eq!(loaded.config, Config::default());
        assert_eq!(loaded.broken, None);
    }
}
