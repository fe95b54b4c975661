//! Accounts and groups.

use super::finding::Finding;
use crate::place::{People, Place};
use crate::setup::accounts::{ACCOUNTS, GROUPS, home_of};
use nix::unistd::User;
use std::path::Path;

pub(super) fn findings(place: &Place) -> Vec<Finding> {
    if place.people == People::Caller {
        return Vec::new();
    }
    let mut found = Vec::new();
    for group in GROUPS {
        if place.people.gid(group).is_none() {
            let path = Path::new("/etc/group");
            found.push(Finding::fault(
                path,
                format!("no group {group}"),
                "there",
                "groupadd --system ".to_owned() + group,
            ));
        }
    }
    let path = Path::new("/etc/passwd");
    for (name, group) in ACCOUNTS {
        let home = home_of(place, name);
        let Ok(Some(user)) = User::from_name(name) else {
            let mend = format!(
                "useradd --system --gid {group} --no-create-home --home-dir {home} --shell /usr/sbin/nologin {name}"
            );
            found.push(Finding::fault(path, format!("no account {name}"), "there", mend));
            continue;
        };
        if user.uid.is_root() {
            found.push(Finding::fault(
                path,
                format!("{name} is root"),
                "an account of its own",
                format!("userdel {name}; quail setup"),
            ));
        }
        let gid = place.people.gid(group);
        if gid.is_some_and(|gid| gid != user.gid.as_raw()) {
            let is = format!("{name} in group {}", People::group_name(user.gid.as_raw()));
            found.push(Finding::note(
                path,
                is,
                format!("in group {group}"),
                format!("usermod --gid {group} {name}"),
            ));
        }
        // Mail for alias-anything is looked for there.
        if name == "alias" && user.dir != Path::new(&home) {
            let is = format!("{name} at home in {}", user.dir.display());
            found.push(Finding::fault(
                path,
                is,
                format!("in {home}"),
                format!("usermod --home {home} {name}"),
            ));
        }
    }
    let mut uids: Vec<_> =
        ACCOUNTS.iter().filter_map(|(name, _)| place.people.uid(name).map(|uid| (uid, *name))).collect();
    uids.sort_unstable();
    for pair in uids.windows(2) {
        if let [(one, first), (other, second)] = pair
            && one == other
        {
            let is = format!("{first} and {second} both have uid {one}");
            found.push(Finding::fault(path, is, "different", format!("userdel {second}; quail setup")));
        }
    }
    found
}
