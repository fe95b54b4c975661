//! The classic form: one connection on descriptors 0 and 1, started by tcpserver, inetd or a test.

use super::terms::Terms;
use super::wire::{Stop, Wire};
use super::{Ground, Protocol, converse};
use crate::client::Client;
use crate::configuration::Form;
use crate::door::Door;
use crate::places::Service;
use crate::standard_streams::StandardStreams;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use tokio::sync::watch;

/// Serves the client; the exit code.
pub fn run(protocol: Protocol, input: OwnedFd, output: OwnedFd) -> u8 {
    serve(protocol, input, output).unwrap_or(Stop::Trouble).exit_code()
}

fn serve(protocol: Protocol, input: OwnedFd, output: OwnedFd) -> io::Result<Stop> {
    let home = os::home::home();
    let terms = match protocol {
        Protocol::Qmqp => Terms::none(),
        Protocol::Qmtp => match Terms::load(&home, Form::Classic, &mut |_| {}) {
            Ok(terms) => terms,
            Err(_) => return Ok(Stop::Trouble),
        },
    };
    let client = Client::from_environment(|name| std::env::var_os(name).map(OsStringExt::into_vec));
    let door = Door::new(&home, std::env::var_os("QMAILQUEUE"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut streams = StandardStreams::new(input, output)?;
        let (_always, service) = watch::channel(Service::Open);
        let mut wire = Wire::new(&mut streams, service);
        let ground = Ground { terms: &terms, client: &client, door: &door, over: None };
        Ok(converse(protocol, &mut wire, ground).await)
    })
}
