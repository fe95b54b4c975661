//! OpenSMTPD, with its defaults. All its users share one Maildir, which is less work than a Maildir each.

use super::{AWAY, DEAD, Facts, Mta, Routes, SLOW, USERS, version_of};
use crate::load::submission::Program;
use anyhow::{Result, anyhow};
use quail_tests::peers::libraries_of;
use quail_tests::peers::opensmtpd::{DOMAIN, OpenSmtpd, PROGRAM};
use quail_tests::place::program_of;

/// Starts one.
pub fn start(routes: Routes) -> Result<Mta> {
    let root = OpenSmtpd::can_run().map_err(|why| anyhow!(why))?;
    Mta::start("OpenSMTPD", move || {
        let Routes { away, slow, dead } = routes;
        let server = OpenSmtpd::start(&root, &[(AWAY, away), (SLOW, slow), (DEAD, dead)]);
        let one = format!("joe@{DOMAIN}");
        let submit = Program {
            path: program_of("opensmtpd", "sendmail").unwrap_or_default(),
            arguments: ["-f".into(), "sender@client.example".into(), one.clone().into()].into(),
            environment: [("LD_LIBRARY_PATH".into(), libraries_of("opensmtpd").into())].into(),
            // Installed, it is set to this group; unpacked, it cannot be.
            group: Some(server.queue_group),
        };
        let facts = Facts {
            name: "OpenSMTPD",
            version: version_of("opensmtpd"),
            address: server.address,
            one,
            many: (0..USERS).map(|n| format!("u{n}@{DOMAIN}")).collect(),
            program: Some(format!("{PROGRAM}@{DOMAIN}")),
            submit,
            maildirs: vec![server.maildir()],
            disk: std::env::temp_dir(),
        };
        Ok((server, facts))
    })
}
