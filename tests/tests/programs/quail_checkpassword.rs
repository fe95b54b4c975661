//! quail-checkpassword(8) as qmail-popup calls it, and `quail passwd`, which writes what it reads.

use quail_tests::World;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

/// Who the programs of this world run as.
fn owner(world: &World) -> String {
    world.own_all();
    let home = world.home().join("joe").metadata().expect("joe's home");
    format!("{}.{}", home.uid(), home.gid())
}

/// Runs `quail passwd`; gives what it said, and whether all went well.
fn passwd(world: &World, arguments: &[&str], password: &str) -> (String, bool) {
    let mut child = world
        .program("quail")
        .arg("passwd")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("quail");
    // Refused requests are not waiting for a password.
    let _ = child.stdin.take().expect("a pipe").write_all(format!("{password}\n").as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.success())
}

/// Asks the checker, from an address; gives what the program behind it said, and the exit code.
fn ask(world: &World, address: &str, question: &str) -> (String, Option<i32>) {
    let checker = world.program("quail-checkpassword").get_program().to_owned();
    // The shell gives it descriptor 3, as qmail-popup does.
    let output = world
        .foreign_program(std::path::Path::new("/bin/sh"))
        .args(["-c", "printf \"$1\" | { exec 3<&0; exec \"$0\" sh -c 'echo $USER $HOME; pwd'; }"])
        .arg(checker)
        .arg(question.replace('\0', "\\0"))
        .env("TCPREMOTEIP", address)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn a_virtual_user_gets_a_password_and_a_program() {
    let world = World::rootless();
    world.control("passwordfailures", "3\n");
    let owner = owner(&world);
    let home = world.home().join("joe");
    let home = home.to_str().expect("a path");
    assert!(!passwd(&world, &["joe@here.example"], "secret").1);
    let (said, ok) = passwd(&world, &["joe@here.example", "--owner", &owner, "--home", home], "secret");
    assert!(ok, "{said}");
    let file = world.home().join("users/passwords");
    assert_eq!(file.metadata().expect("a file").mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).expect("a file");
    assert!(text.starts_with("joe@here.example:$y$") && !text.contains("secret"), "{text}");

    let right = (format!("joe@here.example {home}\n{home}\n"), Some(0));
    assert_eq!(ask(&world, "192.0.2.1", "joe@here.example\0secret\0<1.2@h>\0"), right);
    assert_eq!(ask(&world, "192.0.2.1", "joe@here.example\0Secret\0<1.2@h>\0").1, Some(1));
    assert_eq!(ask(&world, "192.0.2.1", "nobody@here.example\0secret\0<1.2@h>\0").1, Some(1));
    assert_eq!(ask(&world, "192.0.2.1", "joe@here.example").1, Some(2));

    // The third failure is the last; another address is not held to it.
    assert_eq!(ask(&world, "192.0.2.1", "joe@here.example\0x\0<1.2@h>\0").1, Some(1));
    assert_eq!(ask(&world, "192.0.2.1", "joe@here.example\0secret\0<1.2@h>\0").1, Some(111));
    assert_eq!(ask(&world, "192.0.2.2", "joe@here.example\0secret\0<1.2@h>\0"), right);

    assert!(passwd(&world, &["JOE@here.example", "--apop"], "tanstaaf").1);
    let digest = "joe@here.example\0c4c9334bac560ecc979e58001b3e22fb\0<1896.697170952@dbc.mtview.ca.us>\0";
    assert_eq!(ask(&world, "192.0.2.2", digest), right);
    assert!(passwd(&world, &["joe@here.example", "--remove"], "").1);
    assert_eq!(ask(&world, "192.0.2.2", "joe@here.example\0tanstaaf\0<1.2@h>\0").1, Some(1));
}

#[test]
fn who_is_not_root_becomes_nobody_else() {
    let world = World::rootless();
    let _ = owner(&world);
    let home = world.home().join("joe");
    assert!(passwd(&world, &["joe", "--owner", "1.1", "--home", home.to_str().expect("a path")], "secret").1);
    assert_eq!(ask(&world, "192.0.2.1", "joe\0secret\0<1.2@h>\0"), (String::new(), Some(111)));
}
