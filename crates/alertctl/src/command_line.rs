//! The command line: what is wrong with it ends with exit status 2, whoever finds out, and no secret in it is repeated.

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

/// Why a command did not do what it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// What was asked for cannot be meant: exit status 2, with the usage.
    #[cfg_attr(
        not(feature = "commands"),
        expect(dead_code, reason = "of the benchmark the parser takes nothing that cannot be meant")
    )]
    CommandLine(String),
    /// Something else is in the way: exit status 1.
    Other(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

/// A command line that the parser took.
pub(crate) struct Line {
    command: Command,
    matches: ArgMatches,
}

impl Line {
    /// The process's own, and what it says. Ends the process where it is wrong, or asks for help.
    pub(crate) fn read<A: CommandFactory + FromArgMatches>() -> (Self, A) {
        let mut command = A::command();
        let matches = command.try_get_matches_from_mut(std::env::args_os());
        let matches = matches.unwrap_or_else(|error| without_secrets(error).exit());
        let arguments = A::from_arg_matches(&matches).unwrap_or_else(|error| without_secrets(error).exit());
        (Self { command, matches }, arguments)
    }

    /// Ends the process as the parser does: what is wrong, and the usage of the command that it is about.
    pub(crate) fn refuse(self, why: &str) -> ! {
        let (mut command, mut matches) = (self.command, &self.matches);
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name).cloned() else { break };
            (command, matches) = (found, inner);
        }
        command.error(ErrorKind::ValueValidation, crate::plain::lines(why)).exit()
    }
}

/// The parser's error repeats what it did not take, which may be anything that was pasted in the wrong place.
#[cfg(feature = "commands")]
fn without_secrets(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && alert_core::text::may_be_secret(text)
        {
            let shown = alert_io::settings::shown(text).into_owned();
            error.insert(kind, ContextValue::String(shown));
            // "To pass it as a value, …"
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

#[cfg(not(feature = "commands"))]
fn without_secrets(error: clap::Error) -> clap::Error {
    error
}
