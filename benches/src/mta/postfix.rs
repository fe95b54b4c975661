//! Postfix, with its defaults. All its users share one Maildir, which is less work than a Maildir each.

use super::{AWAY, DEAD, Facts, Mta, Routes, SLOW, USERS, make_maildir, version_of};
use anyhow::{Result, anyhow};
use quail_tests::peers::postfix::{DOMAIN, Postfix};

/// Starts one.
pub fn start(routes: Routes) -> Result<Mta> {
    let root = Postfix::can_run().map_err(|why| anyhow!(why))?;
    Mta::start("Postfix", move || {
        let Routes { away, slow, dead } = routes;
        let disk = std::env::temp_dir();
        let server = Postfix::start_in(&disk, &root, &[(AWAY, away), (SLOW, slow), (DEAD, dead)]);
        let maildir = server.maildir();
        make_maildir(&maildir)?;
        let facts = Facts {
            name: "Postfix",
            version: version_of("postfix"),
            address: server.address,
            one: format!("joe@{DOMAIN}"),
            many: (0..USERS).map(|n| format!("u{n}@{DOMAIN}")).collect(),
            program: None,
            maildirs: vec![maildir],
            disk,
        };
        Ok((server, facts))
    })
}
