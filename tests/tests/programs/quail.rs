//! quail(1).

use quail_tests::{World, place};
use std::process::{Command, Stdio};

fn quail(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(place::programs().join("quail"));
    command.args(arguments).stdin(Stdio::null()).output().expect("quail runs")
}

#[test]
fn try_once_shows_a_message_arrive_and_leaves_nothing() {
    let output = quail(&["try", "--once"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "250 ",
        "starting delivery 1: msg ",
        "end msg ",
        "| Delivered-To: you@quail.example",
        "/you/Maildir/new/",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let home = text.lines().find_map(|l| l.trim().strip_prefix("lives in")).expect("the place").trim();
    assert!(!std::path::Path::new(home).exists(), "{home} is still there");
}

#[test]
fn an_unknown_command_is_told_and_fails() {
    let output = quail(&["fly"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("fly"));
}

#[test]
fn start_says_what_is_missing() {
    let world = World::rootless();
    let output =
        world.program("quail").arg("start").env("QUAIL_HOME", "/nonexistent").output().expect("quail runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/bin/quail-start"));
}
