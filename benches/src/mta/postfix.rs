//! Postfix, with its defaults. All its users share one Maildir, which is less work than a Maildir each.

use super::{AWAY, DEAD, Facts, Mta, Routes, SLOW, USERS, make_maildir, version_of};
use crate::load::submission::Program;
use anyhow::{Result, anyhow};
use quail_tests::peers::libraries_of;
use quail_tests::peers::postfix::{DOMAIN, PROGRAM, Postfix};
use quail_tests::place::program_of;

/// Starts one.
pub fn start(routes: Routes) -> Result<Mta> {
    let root = Postfix::can_run().map_err(|why| anyhow!(why))?;
    Mta::start("Postfix", move || {
        let Routes { away, slow, dead } = routes;
        let disk = std::env::temp_dir();
        let server = Postfix::start_in(&disk, &root, &[(AWAY, away), (SLOW, slow), (DEAD, dead)]);
        let maildir = server.maildir();
        make_maildir(&maildir)?;
        let conf = maildir.ancestors().nth(2).map(|top| top.join("conf")).unwrap_or_default();
        let one = format!("joe@{DOMAIN}");
        let submit = Program {
            path: program_of("postfix", "sendmail").unwrap_or_default(),
            arguments: [
                "-C".into(),
                conf.into(),
                "-f".into(),
                "sender@client.example".into(),
                one.clone().into(),
            ]
            .into(),
            environment: [("LD_LIBRARY_PATH".into(), libraries_of("postfix").into())].into(),
            group: None,
        };
        let facts = Facts {
            name: "Postfix",
            version: version_of("postfix"),
            address: server.address,
            one,
            many: (0..USERS).map(|n| format!("u{n}@{DOMAIN}")).collect(),
            program: Some(PROGRAM.to_owned()),
            submit,
            maildirs: vec![maildir],
            disk,
        };
        Ok((server, facts))
    })
}
