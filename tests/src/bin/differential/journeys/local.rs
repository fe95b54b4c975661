//! What becomes of mail at its destination.

use super::arrival::letter;
use crate::Notes;
use crate::ground::Ground;
use std::fs;

pub fn programs(ground: &mut Ground, notes: &Notes) {
    ground.dot_qmail(&[
        ("ok", "|echo fine\n./Maildir/\n"),
        ("stop", "|exit 99\n./Maildir/\n"),
        ("hard", "|echo no room; exit 100\n./Maildir/\n"),
        ("soft", "|echo later; exit 111\n./Maildir/\n"),
        ("one", "|exit 1\n./Maildir/\n"),
        ("killed", "|kill -9 $$\n"),
        ("missing", "|/nonexistent/program\n"),
        ("environment", "|env | sort | grep -v '^\\(PWD\\|SHLVL\\|_\\)=' > environment\n"),
        (
            "environment-default",
            "|env | sort | grep '^\\(EXT\\|DEFAULT\\|HOST\\|LOCAL\\|RECIPIENT\\|SENDER\\)' > default\n",
        ),
        ("message", "|cat > message; pwd > place; umask > mask\n"),
    ]);
    ground.start();
    let names = [
        "ok",
        "stop",
        "hard",
        "soft",
        "one",
        "killed",
        "missing",
        "environment",
        "environment-a-b-c",
        "message",
    ];
    for name in names {
        ground.send("ann@here.example", &[&format!("joe-{name}@here.example")], &letter(name));
    }
    ground.wait_calm("delivery ", names.len() + 1);
    ground.note_mail(notes, "joe", 1);
    ground.note_mail(notes, "ann", 1);
    for name in ["environment", "default", "message", "place", "mask"] {
        let scratch = ground.world.scratch().display().to_string();
        let text = fs::read(ground.home("joe").join(name)).unwrap_or_default();
        notes.add(name, &String::from_utf8_lossy(&text).replace(&scratch, "{SCRATCH}"));
    }
    ground.note_log(notes);
    ground.note_queue(notes, "queue", 4);
}

pub fn mailboxes(ground: &mut Ground, notes: &Notes) {
    for (name, text, mode) in [
        ("mbox", "./Mailbox\n", 0o600),
        ("maildir", "# a comment\n\n./Maildir/\n", 0o600),
        ("empty", "", 0o600),
        ("blank", "\n./Maildir/\n", 0o600),
        ("nothing", "# nothing\n", 0o600),
        ("program", "+list\n./Mailbox\n|echo x\n", 0o700),
        ("writable", "./Maildir/\n", 0o622),
        ("nowhere", "./none/Maildir/\n", 0o600),
        ("nobox", "./none/Mailbox\n", 0o600),
    ] {
        ground.write("joe", &format!(".qmail-{name}"), text, mode);
    }
    ground.start();
    let names =
        ["mbox", "mbox", "maildir", "empty", "blank", "nothing", "program", "writable", "nowhere", "nobox"];
    for (number, name) in names.iter().enumerate() {
        let text = letter(name) + "From here\n>From there\n";
        ground.send("ann@here.example", &[&format!("joe-{name}@here.example")], &text);
        ground.wait_calm("delivery ", number + 1);
    }
    ground.wait_calm("delivery ", names.len());
    let mbox = fs::read(ground.home("joe").join("Mailbox")).unwrap_or_default();
    notes.add("mbox", &String::from_utf8_lossy(&mbox));
    ground.note_mail(notes, "joe", 1);
    ground.note_log(notes);
    ground.note_queue(notes, "queue", 5);
}

pub fn forwarding(ground: &mut Ground, notes: &Notes) {
    ground.dot_qmail(&[
        ("list", "&ann@here.example\nb@away.example\n"),
        ("list-owner", "./Maildir/\n"),
        ("verp", "ann@here.example\nb@away.example\n"),
        ("verp-owner", "./Maildir/\n"),
        ("verp-owner-default", "./Maildir/\n"),
        ("here", "&joe-here@here.example\n"),
        ("forward", "|forward ann@here.example\n"),
        ("preline", "|preline cat > prelined\n"),
        ("except", "|except false\n|bouncesaying 'Go away.' true\n"),
        ("condredirect", "|condredirect ann@here.example true\n./Maildir/\n"),
    ]);
    ground.start();
    for name in ["list", "verp", "here", "forward", "preline", "except", "condredirect"] {
        ground.send("a@away.example", &[&format!("joe-{name}@here.example")], &letter(name));
    }
    ground.note_mail(notes, "ann", 4);
    notes.add("away", &ground.received_many(4));
    let prelined = fs::read(ground.home("joe").join("prelined")).unwrap_or_default();
    notes.add("prelined", &String::from_utf8_lossy(&prelined));
    ground.wait_empty();
    ground.note_log(notes);
}

pub fn names(ground: &mut Ground, notes: &Notes) {
    ground.world.control("virtualdomains", "virtual.example:joe-virtual\n.sub.example:ann\nexact@away.example:joe-exact\nempty.example:\n:alias-catchall\n");
    ground.world.control("locals", "here.example\nalso.example\n");
    ground.world.control("percenthack", "here.example\n");
    ground.world.control("envnoathost", "here.example\n");
    for (user, name) in [
        ("joe", "-virtual-default"),
        ("joe", "-exact-default"),
        ("joe", "-a-default"),
        ("joe", "-a-b"),
        ("ann", "-default"),
        ("alias", "-default"),
        ("alias", "-catchall-default"),
        ("alias", "-dots:in:names"),
    ] {
        ground.write(
            user,
            &format!(".qmail{name}"),
            "|echo \"$USER $LOCAL $EXT $DEFAULT $HOST $RECIPIENT\"\n",
            0o600,
        );
    }
    ground.start();
    for recipient in [
        "sales@virtual.example",
        "x@a.sub.example",
        "exact@away.example",
        "other@empty.example",
        "somebody@unknown.example",
        "joe-a@here.example",
        "joe-a-x-y@here.example",
        "joe-a-b@here.example",
        "joe-A-B@here.example",
        "nobody-at-all@also.example",
        "dots.in.names@here.example",
        "joe%away.example@here.example",
        "sales%virtual.example@here.example",
        "joe-a-b",
        "\"joe-a-b\"@here.example",
        "@here.example",
        "joe-a-../../x@here.example",
        "root@here.example",
    ] {
        ground.send("ann@here.example", &[recipient], &letter("names"));
    }
    ground.world.log.wait_count("new msg", 18);
    ground.wait_empty();
    ground.note_log(notes);
}
