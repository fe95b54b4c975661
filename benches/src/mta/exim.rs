//! Exim. All its users share one Maildir, which is less work than a Maildir each.

use super::{AWAY, DEAD, Facts, Mta, Routes, SLOW, USERS, make_maildir, version_of};
use crate::load::submission::Program;
use anyhow::{Result, anyhow};
use quail_tests::peers::exim::{DOMAIN, Exim, PROGRAM};
use quail_tests::peers::libraries_of;
use quail_tests::place::program_of;

/// Starts one.
pub fn start(routes: Routes) -> Result<Mta> {
    let root = Exim::can_run().map_err(|why| anyhow!(why))?;
    Mta::start("Exim", move || {
        let Routes { away, slow, dead } = routes;
        let server = Exim::start_with(&root, &[(AWAY, away), (SLOW, slow), (DEAD, dead)]);
        let maildir = server.maildir();
        make_maildir(&maildir)?;
        let conf = maildir.with_file_name("conf");
        let one = format!("joe@{DOMAIN}");
        let submit = Program {
            path: program_of("exim4-daemon-light", "exim4").unwrap_or_default(),
            arguments: [
                "-C".into(),
                conf.into(),
                "-f".into(),
                "sender@client.example".into(),
                one.clone().into(),
            ]
            .into(),
            environment: [("LD_LIBRARY_PATH".into(), libraries_of("exim4-daemon-light").into())].into(),
            group: None,
        };
        let facts = Facts {
            name: "Exim",
            version: version_of("exim4-daemon-light"),
            address: server.address,
            one,
            many: (0..USERS).map(|n| format!("u{n}@{DOMAIN}")).collect(),
            program: Some(format!("{PROGRAM}@{DOMAIN}")),
            submit,
            maildirs: vec![maildir],
            disk: std::env::temp_dir(),
        };
        Ok((server, facts))
    })
}
