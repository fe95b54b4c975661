//! The classic form: one session on descriptors 0 and 1, started by tcpserver, inetd or a test (qmail-smtpd(8)).

use crate::block_lists::BlockLists;
use crate::client::Client;
use crate::configuration::{Configuration, ConfigurationError, Form};
use crate::door::Door;
use crate::driver::{self, Outcome};
use crate::log;
use crate::places::Service;
use crate::rcpthosts::RecipientHosts;
use crate::replies::{self, Reply};
use crate::session::Session;
use crate::standard_streams::StandardStreams;
use dns::{Resolver, Servers};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use tokio::sync::watch;

/// Runs the session; the exit code is 0 after QUIT, else 1.
pub fn run(input: OwnedFd, output: OwnedFd) -> u8 {
    let home = os::home::home();
    let variable = |name: &str| std::env::var_os(name).map(OsStringExt::into_vec);
    let mut warn = |warning: control::Warning| log::system_warning(&warning.to_string());
    let configuration = match Configuration::load(&home, Form::Classic, &mut warn) {
        Ok(configuration) => configuration,
        Err(ConfigurationError::OwnAddresses(_)) => return refuse(output, replies::NO_OWN_ADDRESSES),
        Err(_) => return refuse(output, replies::NO_CONTROLS),
    };
    let client = Client::from_environment(variable);
    if client.relay.is_none() && matches!(configuration.policy.recipient_hosts, RecipientHosts::All) {
        log::system_warning(
            "there is no control/rcpthosts: anybody can send mail to anybody through this host",
        );
    }
    let door = Door::new(&home, std::env::var_os("QMAILQUEUE"));
    match serve(input, output, configuration, client, &door) {
        Ok(Outcome::Quit) => 0,
        Ok(Outcome::Broken) | Err(_) => 1,
    }
}

fn serve(
    input: OwnedFd,
    output: OwnedFd,
    configuration: Configuration,
    mut client: Client,
    door: &Door,
) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut streams = StandardStreams::new(input, output)?;
        look_for(&mut client, &configuration.block_lists).await;
        let session = Session::new(Arc::new(configuration.policy), client);
        let (_always, mut service) = watch::channel(Service::Open);
        Ok(driver::run(&mut streams, session, door, None, &mut service).await)
    })
}

/// Looks for the client in the lists, unless it may relay or RBLSMTPD has decided.
async fn look_for(client: &mut Client, lists: &BlockLists) {
    if lists.are_none() || client.relay.is_some() || client.blocked.is_some() {
        return;
    }
    let address = std::str::from_utf8(&client.remote_ip).ok().and_then(|text| text.parse::<IpAddr>().ok());
    if let Some(address) = address
        && let Ok(resolver) = Resolver::new(Servers::from_environment(os::home::is_rootless()))
    {
        let mut note = |text: String| log::system_warning(&format!("{address} {text}"));
        client.blocked = lists.check(address, &resolver, &mut note).await;
    }
}

fn refuse(output: OwnedFd, reply: Reply) -> u8 {
    let _ = std::fs::File::from(output).write_all(&reply.to_bytes());
    1
}
