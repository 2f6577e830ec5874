//! `alertctl pack`: a configuration goes into a function's zip.

use std::fs::File;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::commands::input;
use crate::plain::Plain;

const EXAMPLES: &str = "\
Example:
  alertctl pack cloudwatch-to-slack-x86_64.zip --config alerts.yaml --output with-alerts.zip

The same configuration belongs into cloudwatch-to-slack, grafana-filter-to-sns, slack-actions and alert-watch. infra/deploy.sh
--config FILE does it by itself.";
/// As the functions look for it beside their binary (`ALERT_CONFIG_FILE` in alert-io).
const NAME: &str = "alerts.yaml";

#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// A function's zip.
    zip: PathBuf,
    /// The configuration, which is checked first.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the zip with the configuration goes.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Writes the zip. The same input gives the same bytes.
pub(crate) fn run(Options { zip, config, output }: &Options) -> Result<bool, String> {
    let text = input::text(config)?;
    input::parse_config(config, &text)?;
    let bytes = with_configuration(zip, &text).map_err(|why| format!("{}: {why}", input::name(zip)))?;
    std::fs::write(output, bytes).map_err(|error| format!("{}: {error}", input::name(output)))?;
    anstream::eprintln!("{}: with {}", Plain(input::name(output)), Plain(input::name(config)));
    Ok(true)
}

fn with_configuration(zip: &Path, text: &str) -> Result<Vec<u8>, String> {
    let file = File::open(zip).map_err(|error| error.to_string())?;
    let no_zip = |error: zip::result::ZipError| format!("expected a function's zip: {error}");
    let mut before = ZipArchive::new(file).map_err(no_zip)?;
    if before.index_for_name("bootstrap").is_none() {
        return Err("expected a function's zip, which has a `bootstrap`; there is none".to_owned());
    }
    let mut after = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..before.len() {
        let entry = before.by_index_raw(index).map_err(no_zip)?;
        // One of an earlier deployment must not come along.
        if entry.name().map_err(no_zip)? != NAME {
            after.raw_copy_file(entry).map_err(no_zip)?;
        }
    }
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    after.start_file(NAME, options).map_err(no_zip)?;
    after.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(after.finish().map_err(no_zip)?.into_inner())
}
