//! How large a function is where it is deployed.

use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A binary's size, and that of the deployment package with it as `bootstrap`, in bytes.
pub(super) fn sizes(binary: &Path) -> Result<(u64, u64), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be packaged: {error}", binary.display());
    let program = std::fs::read(binary).map_err(|error| failed(&error))?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .unix_permissions(0o755);
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    package.start_file("bootstrap", options).map_err(|error| failed(&error))?;
    package.write_all(&program).map_err(|error| failed(&error))?;
    let package = package.finish().map_err(|error| failed(&error))?;
    Ok((program.len() as u64, package.get_ref().len() as u64))
}
