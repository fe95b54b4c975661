//! The command line of quail(1).

use crate::{adopt, check, page, password, setup, start, tryout};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The front door of Quail, a qmail for today.
#[derive(Debug, Parser)]
#[command(name = "quail", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a private mail system on loopback ports and see a message arrive in it
    Try {
        /// Send one message, stop, and say by the exit code whether it arrived
        #[arg(long)]
        once: bool,
    },
    /// Make accounts, tree, programs, settings and service, as far as they are missing, and send a test message
    Setup(setup::Options),
    /// Examine an installed qmail, netqmail or notqmail, say what will be honoured, and take over, or give back
    Adopt(adopt::Options),
    /// Compare tree, owners, modes, programs and settings with what they should be, and say what mends each finding
    Check,
    /// Start and supervise the whole system of this installation (quail-start(8))
    Start {
        /// Given to quail-start as they are: default delivery, logger
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Set the password of a virtual user (quail-checkpassword(8))
    Passwd(password::Request),
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            // Help and version are no errors; clap knows which stream each belongs on.
            let _ = told.print();
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
        }
    };
    let result = match arguments.command {
        Command::Try { once } => tryout::run(once),
        Command::Setup(options) => setup::run(&options),
        Command::Adopt(options) => adopt::run(&options),
        Command::Check => return check::run(),
        Command::Start { arguments } => start::run(&arguments),
        Command::Passwd(request) => password::run(&request),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            page::complain(&format!("quail: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_quail_start_is_given_is_not_interpreted() {
        let parsed = Arguments::try_parse_from(["quail", "start", "./Maildir/", "splogger", "--x"]);
        assert!(parsed.is_ok());
    }
}
