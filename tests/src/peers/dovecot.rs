//! Dovecot's programs, run for one user without its master: `doveconf` hands the settings to the program it becomes.

use super::package::Package;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Where its programs are.
const LIBRARY: &str = "usr/lib/dovecot";

/// Writes `dovecot.conf` into a home directory: defaults, but for where mail is and where complaints go.
pub fn settings(home: &Path) {
    let text = "mail_location = maildir:~/Maildir
hostname = here.example
postmaster_address = postmaster@here.example
log_path = /dev/stderr
stats_writer_socket_path =
lda_mailbox_autocreate = yes
import_environment = LD_LIBRARY_PATH HOME USER
ssl = no
";
    fs::write(home.join("dovecot.conf"), text).expect("settings");
}

/// Adds quotas to [`settings`]: their plugins are those of the package, and limits stand in `maildirsize`.
pub fn add_quota(package: &Package, home: &Path) {
    let text = format!(
        "mail_plugin_dir = {}
mail_plugins = quota
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = maildir:User
}}
",
        package.path(LIBRARY).join("modules").display()
    );
    let mut file = fs::OpenOptions::new().append(true).open(home.join("dovecot.conf")).expect("settings");
    file.write_all(text.as_bytes()).expect("settings");
}

/// A program of that service as a shell starts it in a home directory with [`settings`]; arguments may follow.
pub fn shell(package: &Package, service: &str, program: &str) -> String {
    format!(
        "{} -c ./dovecot.conf -f service={service} -m {service} -e {}",
        package.shell("usr/bin/doveconf"),
        package.path(LIBRARY).join(program).display()
    )
}
