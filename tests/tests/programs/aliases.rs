//! newaliases(1), fastforward(1) and the small programs around them, beside Debian's.
//!
//! Databases and lists go both ways: what ours make theirs read, and what theirs make ours read.

use quail_tests::{World, place, skip};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// As Debian's installer, its packages and their administrators write it.
const ALIASES: &str = "# See man 5 aliases for format\npostmaster:    root\nmailer-daemon: postmaster\nabuse: root\n\
    root: joe, \"Ann B\" <ann@host.example> (comment),\n  bob@full.example\n\n@whole.example: y@z.example\n\
    list: :include:LISTS/list, \"|/usr/bin/prog --post list\"\nowner-list: joe\nnobody: /dev/null\nUpper.Case: Some.Body\n";

const TABLE: &str = "# comment\nroot@yp.to: god@a.b, &x@a.b ,/etc/l.bin, |prog a\\ b , !prog2;\n\
    list@x.y: ?owner-list@x.y, a@b.c;\nCase@X.Y: z@Z.Z;\n@wild.com: w@w.com;\nuser@: u@u.com;\n";

fn world() -> World {
    let world = World::rootless();
    world.own_all();
    world
}

/// Runs a program with an input; everything it says.
fn run(mut command: Command, input: &Path) -> Output {
    command.stdin(std::fs::File::open(input).expect("an input")).output().expect("it runs")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A file of this world's user.
fn file(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.home().join(name);
    std::fs::write(&path, text).expect("a file");
    world.own(&path);
    path
}

/// A program of Debian's package `fastforward`, as whoever this world runs as.
fn theirs(world: &World, name: &str) -> Option<Command> {
    let path = place::package("fastforward")?.join("usr/bin").join(name);
    Some(world.foreign_program(&world.borrow(&path)))
}

fn with(mut command: Command, arguments: &[&Path]) -> Command {
    command.args(arguments);
    command
}

#[test]
fn what_newaliases_makes_debians_fastforward_obeys() {
    let world = world();
    let nothing = file(&world, "nothing", "");
    let list = file(
        &world,
        "list",
        "one@l.example, two\n# c\n:include:HOME/other\n"
            .replace("HOME", &world.home().display().to_string())
            .as_str(),
    );
    let aliases = file(&world, "aliases", &ALIASES.replace("LISTS", &world.home().display().to_string()));
    file(&world, "other", "three@l.example\n");
    for name in [&list, &world.home().join("other")] {
        said(&run(with(world.program("newinclude"), &[name]), &nothing));
    }
    said(&run(with(world.program("newaliases"), &[&aliases]), &nothing));
    let database = world.home().join("aliases.cdb");
    let explained = |mut command: Command, recipient: &str| {
        command.env("RECIPIENT", recipient).env("SENDER", "s@there.example").arg("-n").arg(&database);
        let output = run(command, &nothing);
        assert!(output.status.success(), "{}", output.status);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let ours = |recipient: &str| explained(world.program("fastforward"), recipient);
    let root =
        "from <s@there.example>\nto <joe@here.example>\nto <ann@host.example>\nto <bob@full.example>\n";
    assert_eq!(ours("Postmaster@any.example"), "from <s@there.example>\nto <root@here.example>\n");
    assert_eq!(ours("root@any.example"), root);
    assert_eq!(
        ours("list@here.example"),
        "run !/usr/bin/prog --post list\nfrom <owner-list@here.example>\nto <one@l.example>\nto <two@here.example>\n\
         to <three@l.example>\n"
    );
    assert_eq!(ours("x@whole.example"), "from <s@there.example>\nto <y@z.example>\n");
    assert_eq!(ours("nobody@here.example"), "run |exit 0\nno forwarding\n");
    if place::package("fastforward").is_none() {
        return skip("Debian's fastforward cannot be had");
    }
    let sorted = |text: String| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for recipient in ["postmaster@any.example", "ROOT@here.example", "list@here.example", "x@whole.example"] {
        let debians = explained(theirs(&world, "fastforward").expect("unpacked"), recipient);
        assert_eq!(sorted(debians), sorted(ours(recipient)), "{recipient}");
    }
}

#[test]
fn databases_and_lists_are_debians_to_the_byte() {
    if place::package("fastforward").is_none() {
        return skip("Debian's fastforward cannot be had");
    }
    let world = world();
    let table = file(&world, "table", TABLE);
    let lines = file(&world, "lines", "# c\na@b.c \n\n&x y@z\n/other.bin\n");
    for (maker, printer, input) in
        [("setforward", "printforward", &table), ("setmaillist", "printmaillist", &lines)]
    {
        let [ours, debians, temporary] = ["ours", "debians", "temporary"].map(|name| world.home().join(name));
        let their = |name: &str| theirs(&world, name).expect("unpacked");
        said(&run(with(world.program(maker), &[&ours, &temporary]), input));
        said(&run(with(their(maker), &[&debians, &temporary]), input));
        assert_eq!(std::fs::read(&ours).expect("ours"), std::fs::read(&debians).expect("theirs"), "{maker}");
        let printed = said(&run(world.program(printer), &debians));
        // Theirs begins and ends with an empty line.
        assert_eq!(printed.trim(), said(&run(their(printer), &ours)).trim(), "{printer}");
        let again = file(&world, "again", &printed);
        let remade = world.home().join("remade");
        said(&run(with(world.program(maker), &[&remade, &temporary]), &again));
        assert_eq!(std::fs::read(&remade).expect("remade"), std::fs::read(&ours).expect("ours"), "{printer}");
    }
}

#[test]
fn other_peoples_database_tools_read_ours_and_make_what_we_read() {
    let Some(freecdb) = place::package("freecdb") else { return skip("freecdb cannot be had") };
    let world = world();
    let nothing = file(&world, "nothing", "");
    let aliases = file(&world, "aliases", "root: joe\n");
    said(&run(with(world.program("newaliases"), &[&aliases]), &nothing));
    let tool = |name: &str| world.foreign_program(&world.borrow(&freecdb.join("usr/bin").join(name)));
    let dump = said(&run(tool("cdbdump"), &world.home().join("aliases.cdb")));
    assert_eq!(dump, "+6,18::root@->&joe@here.example\0\n\n");
    let source = file(&world, "source", "+5,9::joe@->&ann@x.y\0\n\n");
    let [made, temporary] = ["made.cdb", "made.tmp"].map(|name| world.home().join(name));
    said(&run(with(tool("cdbmake"), &[&made, &temporary]), &source));
    let mut fastforward = world.program("fastforward");
    fastforward.env("RECIPIENT", "joe@here.example").env("SENDER", "").arg("-n").arg(&made);
    assert_eq!(String::from_utf8_lossy(&run(fastforward, &nothing).stderr), "from <>\nto <ann@x.y>\n");
}

#[test]
fn a_wrong_line_is_named_and_the_old_database_stays() {
    let world = world();
    let nothing = file(&world, "nothing", "");
    let aliases = file(&world, "aliases", "root: joe\n");
    said(&run(with(world.program("newaliases"), &[&aliases]), &nothing));
    let before = std::fs::read(world.home().join("aliases.cdb")).expect("a database");
    file(&world, "aliases", "root: joe\n\nbad: a b\n");
    let output = run(with(world.program("newaliases"), &[&aliases]), &nothing);
    assert_eq!(output.status.code(), Some(111));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.starts_with("newaliases: fatal: ") && words.contains("aliases line 3: \"a b\": not an"),
        "{words}"
    );
    assert_eq!(std::fs::read(world.home().join("aliases.cdb")).expect("a database"), before);
}
