//! What was acknowledged survives a power cut: an ext4 in a file, shut down without its journal under the service
//! (contract, D66). Needs root and loop devices; skipped aloud without.

use std::{
    io::{self, Write},
    process::Command,
};

/// What the script exits with on a machine where this cannot be done.
const CANNOT: i32 = 77;

#[test]
fn acknowledged_messages_survive_a_power_cut() {
    let skip = |why: &str| {
        writeln!(io::stderr(), "SKIPPED acknowledged_messages_survive_a_power_cut: {why}").unwrap()
    };
    if !nix::unistd::geteuid().is_root() {
        return skip("needs root");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power_cut.py");
    for (rounds, clients) in [("2", "1"), ("2", "10")] {
        let scratch = tempfile::tempdir().unwrap();
        let output = Command::new("unshare")
            .args(["-m", "python3", script])
            .arg(scratch.path())
            .args([env!("CARGO_BIN_EXE_qmail-queued"), rounds, clients])
            .output();
        match output {
            Err(error) => return skip(&format!("unshare cannot be run: {error}")),
            Ok(output) if output.status.code() == Some(CANNOT) => return skip("no loop devices or no ext4"),
            Ok(output) if output.stderr.starts_with(b"unshare:") => return skip("no mount name spaces"),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }
}
