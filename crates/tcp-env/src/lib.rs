//! tcp-env: what is known about a connection, put into the environment of a program (contract 11.3, tcp-environ(5)).
//!
//! - [`options`]: the command line
//! - [`endpoints`]: addresses and names of both ends
//! - [`ident`]: what the other host says about its user (RFC 1413), only if asked for (D60)
#![forbid(unsafe_code)]

pub mod endpoints;
pub mod ident;
pub mod options;

use dns::{Resolver, Servers};
use endpoints::{Endpoints, Name};
use options::Options;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Anything that goes wrong.
pub const FAILED: u8 = 111;

/// Becomes the program that `arguments` names, with the variables set. Returns only if that cannot be done.
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    let Some(options) = Options::parse(arguments) else { return FAILED };
    let mut command = Command::new(&options.program);
    command.args(&options.arguments);
    if std::env::var_os("PROTO").as_deref() != Some(OsStr::new("TCP")) {
        let Some(variables) = variables(&options) else { return FAILED };
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, OsString::from_vec(value)),
                None => command.env_remove(name),
            };
        }
    }
    let _ = command.exec();
    FAILED
}

/// A variable; `None`: not to be set.
type Variable = (&'static str, Option<Vec<u8>>);

fn variables(options: &Options) -> Option<Vec<Variable>> {
    let ends = Endpoints::of(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let resolver = Resolver::new(Servers::from_environment(os::home::is_rootless())).ok();
        let local_host = Name::of(ends.local.ip(), resolver.as_ref()).await;
        let remote_host = Name::of(ends.remote.ip(), resolver.as_ref()).await;
        let info = match options.ident_time {
            Some(limit) => ident::ask(ends.local, ends.remote, limit).await,
            None => None,
        };
        let text = |value: String| Some(value.into_bytes());
        Some(vec![
            ("PROTO", text("TCP".to_owned())),
            ("TCPLOCALIP", text(ends.local.ip().to_canonical().to_string())),
            ("TCPLOCALPORT", text(ends.local.port().to_string())),
            ("TCPLOCALHOST", local_host.into_value()),
            ("TCPREMOTEIP", text(ends.remote.ip().to_canonical().to_string())),
            ("TCPREMOTEPORT", text(ends.remote.port().to_string())),
            ("TCPREMOTEHOST", remote_host.into_value()),
            ("TCPREMOTEINFO", info),
        ])
    })
}
