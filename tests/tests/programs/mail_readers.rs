//! elq(1), pinq(1), qail(1).

use quail_tests::World;
use std::os::unix::fs::PermissionsExt;

#[test]
fn mail_is_moved_before_the_reader_starts() {
    let world = World::rootless();
    let home = world.home().join("joe");
    let readers = world.scratch().join("readers");
    std::fs::create_dir(&readers).expect("a directory");
    for (program, reader) in [("elq", "elm"), ("pinq", "pine"), ("qail", "Mail")] {
        std::fs::write(readers.join(reader), "#!/bin/sh\ncat \"$MAIL\"; echo \"$@\"\n").expect("a reader");
        std::fs::set_permissions(readers.join(reader), PermissionsExt::from_mode(0o755)).expect("a mode");
        std::fs::write(home.join("Maildir/new/1"), format!("Subject: {program}\n\n")).expect("a message");
        world.own_all();
        let mut command = world.program(program);
        command.args(["-f", "a b"]).env("PATH", format!("{}:/usr/bin:/bin", readers.display()));
        for (name, file) in [("MAILDIR", "Maildir"), ("MAIL", "mbox"), ("MAILTMP", "mbox.tmp")] {
            command.env(name, home.join(file));
        }
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(&format!("Subject: {program}\n")) && text.ends_with("-f a b\n"), "{output:?}");
    }
}
