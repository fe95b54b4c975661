//! Exim. All its users share one Maildir, which is less work than a Maildir each.

use super::{Facts, Mta, Routes, USERS, make_maildir, version_of};
use anyhow::{Result, anyhow};
use quail_tests::peers::exim::{DOMAIN, Exim};

/// Starts one.
pub fn start(routes: Routes) -> Result<Mta> {
    let root = Exim::can_run().map_err(|why| anyhow!(why))?;
    Mta::start("Exim", move || {
        let server = Exim::start(&root, routes.away);
        let maildir = server.maildir();
        make_maildir(&maildir)?;
        let facts = Facts {
            name: "Exim",
            version: version_of("exim4-daemon-light"),
            address: server.address,
            one: format!("joe@{DOMAIN}"),
            many: (0..USERS).map(|n| format!("u{n}@{DOMAIN}")).collect(),
            program: None,
            maildirs: vec![maildir],
            disk: std::env::temp_dir(),
        };
        Ok((server, facts))
    })
}
