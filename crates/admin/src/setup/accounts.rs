//! The seven accounts and two groups (contract 1.2). Those that exist are kept as they are.

use super::step::Step;
use crate::place::{People, Place};
use anyhow::{Result, bail};

/// Groups; `nofiles` owns no file anywhere.
pub const GROUPS: [&str; 2] = ["qmail", "nofiles"];

/// Accounts with their groups.
pub const ACCOUNTS: [(&str, &str); 7] = [
    ("alias", "nofiles"),
    ("qmaild", "nofiles"),
    ("qmaill", "nofiles"),
    ("qmailp", "nofiles"),
    ("qmailq", "qmail"),
    ("qmailr", "qmail"),
    ("qmails", "qmail"),
];

/// The home directory of an account, below the installation.
pub fn home_of(place: &Place, account: &str) -> String {
    place.at(if account == "alias" { "alias" } else { "" }).display().to_string()
}

/// What makes the missing ones.
pub fn steps(place: &Place) -> Result<Vec<Step>> {
    if place.people == People::Caller {
        return Ok(Vec::new());
    }
    let groups: Vec<_> = GROUPS.into_iter().filter(|g| place.people.gid(g).is_none()).collect();
    let users: Vec<_> = ACCOUNTS.into_iter().filter(|(u, _)| place.people.uid(u).is_none()).collect();
    if groups.is_empty() && users.is_empty() {
        return Ok(Vec::new());
    }
    let Some(tool) = Tool::of_this_machine(place) else {
        bail!(
            "accounts: {} missing, and neither useradd nor adduser is on this machine; make them yourself",
            users.iter().map(|(u, _)| *u).chain(groups.iter().copied()).collect::<Vec<_>>().join(", ")
        );
    };
    let mut steps: Vec<_> = groups.into_iter().map(|group| tool.group(group)).collect();
    steps.extend(users.into_iter().map(|(user, group)| tool.user(user, group, &home_of(place, user))));
    Ok(steps)
}

/// What this machine makes accounts with.
#[derive(Clone, Copy, Debug)]
enum Tool {
    /// groupadd, useradd: everywhere but on the smallest systems.
    Shadow,
    /// addgroup, adduser of Busybox.
    Busybox,
}

impl Tool {
    fn of_this_machine(place: &Place) -> Option<Self> {
        let has = |name: &str| {
            ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
                .iter()
                .any(|d| place.outside(&format!("{d}/{name}")).is_file())
        };
        match (has("useradd") && has("groupadd"), has("adduser") && has("addgroup")) {
            (true, _) => Some(Self::Shadow),
            (false, true) => Some(Self::Busybox),
            (false, false) => None,
        }
    }

    fn group(self, name: &str) -> Step {
        let does = format!("make the group {name}");
        match self {
            Self::Shadow => {
                Step::command(does, Some(format!("groupdel {name}")), "groupadd", &["--system", name])
            }
            Self::Busybox => Step::command(does, Some(format!("delgroup {name}")), "addgroup", &["-S", name]),
        }
    }

    fn user(self, name: &str, group: &str, home: &str) -> Step {
        let does = format!("make the account {name}, in group {group}");
        match self {
            Self::Shadow => Step::command(
                does,
                Some(format!("userdel {name}")),
                "useradd",
                &[
                    "--system",
                    "--gid",
                    group,
                    "--no-create-home",
                    "--home-dir",
                    home,
                    "--shell",
                    NO_LOGIN,
                    "--comment",
                    "mail system",
                    name,
                ],
            ),
            Self::Busybox => Step::command(
                does,
                Some(format!("deluser {name}")),
                "adduser",
                &["-S", "-D", "-H", "-h", home, "-s", NO_LOGIN, "-G", group, name],
            ),
        }
    }
}

/// Nobody logs in as them.
const NO_LOGIN: &str = "/usr/sbin/nologin";
