//! The Python functions, laid out as Lambda runs them: a `bootstrap` that hands a handler to AWS's runtime client.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const FOLDER: &str = "target/bench";

/// The two functions' sources.
pub(super) const RELAY: (&str, &str) = ("relay", include_str!("python/relay.py"));
pub(super) const FILTER: (&str, &str) = ("filter", include_str!("python/filter.py"));

/// Lays a function out; its `bootstrap`.
pub(super) fn function((name, source): (&str, &str), interpreter: &Path) -> Result<PathBuf, String> {
    lay_out(name, source, interpreter)
        .map_err(|error| format!("the Python function {name} cannot be laid out in {FOLDER}: {error}"))
}

fn lay_out(name: &str, source: &str, interpreter: &Path) -> std::io::Result<PathBuf> {
    let folder = std::path::absolute(Path::new(FOLDER).join(name))?;
    // Not resolved: a virtual environment's interpreter is a link, and finds its packages by its own place.
    let interpreter = std::path::absolute(interpreter)?;
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("{name}.py")), source)?;
    let bootstrap = folder.join("bootstrap");
    let script = format!("#!/bin/sh\nexec '{}' -m awslambdaric {name}.handle\n", interpreter.display());
    std::fs::write(&bootstrap, script)?;
    std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755))?;
    Ok(bootstrap)
}
