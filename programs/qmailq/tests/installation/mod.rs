//! A private queue for the programs of this package, and what must be true of it at any time.

use std::{
    fs,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

pub const SPLIT: u64 = 3;

/// An installation that goes with the test.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let hashed = ["mess", "info", "local", "remote"];
        let hashed = hashed.iter().flat_map(|d| (0..SPLIT).map(move |n| format!("queue/{d}/{n}")));
        let flat =
            ["bin", "run", "alias", "queue/pid", "queue/intd", "queue/todo", "queue/bounce", "queue/lock"];
        for name in hashed.chain(flat.map(str::to_owned)) {
            fs::create_dir_all(home.path().join(name)).unwrap();
        }
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path().join("queue").join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Every queued message is whole: its envelope, and a message under its own inode number that ends with `message`.
    /// Returns the envelopes.
    pub fn check(&self, message: &[u8]) -> Vec<Vec<u8>> {
        let queue = self.path().join("queue");
        let mut envelopes = Vec::new();
        for id in self.names("todo") {
            let file = queue.join(format!("mess/{}/{id}", id.parse::<u64>().unwrap() % SPLIT));
            assert_eq!(file.metadata().unwrap().ino().to_string(), id);
            let bytes = fs::read(file).unwrap();
            assert!(bytes.starts_with(b"Received: (qmail ") && bytes.ends_with(message), "message {id}");
            envelopes.push(fs::read(queue.join("todo").join(id)).unwrap());
        }
        envelopes
    }

    /// Messages that no envelope names, and anything under construction.
    pub fn litter(&self) -> Vec<String> {
        let todo = self.names("todo");
        let places = (0..SPLIT).map(|n| format!("mess/{n}")).chain(["pid".to_owned(), "intd".to_owned()]);
        let all = places.flat_map(|place| self.names(&place));
        all.filter(|name| !todo.contains(name)).collect()
    }
}

pub fn program(home: &Home, path: &str) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("QUAIL_HOME", home.path()).stdin(Stdio::piped()).stdout(Stdio::null());
    command
}

/// The service on `run/queue`, ended with the test.
pub struct Service(pub Child);

impl Service {
    pub fn start(home: &Home) -> Self {
        use std::os::fd::AsFd;
        let socket: PathBuf = home.path().join("run/queue");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(socket).unwrap();
        let mut spawn = os::process::Spawn::new(env!("CARGO_BIN_EXE_qmail-queued"));
        spawn
            .command()
            .env_clear()
            .env("QUAIL_HOME", home.path())
            .env("LISTEN_FDS", "1")
            .stderr(Stdio::inherit());
        Self(spawn.start(&[(listener.as_fd(), 3)]).unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
