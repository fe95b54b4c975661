//! The machine, as far as figures depend on it; nothing that says whose it is.

use std::path::Path;

/// What a reader must know to compare.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Processors.
    pub cores: usize,
    /// Their kind.
    pub processor: String,
    /// Bytes of memory, in GiB.
    pub memory_gib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The file system of the queues.
    pub disk: String,
}

/// Looks around.
pub fn look(disk: &Path) -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name));
        line.and_then(|l| l.split_once(':')).map(|(_, v)| v.trim().to_owned()).unwrap_or_default()
    };
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let kib: u64 = memory.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        processor: value(&cpuinfo, "model name"),
        memory_gib: kib >> 20,
        kernel: format!(
            "{} {}",
            read("/proc/sys/kernel/ostype").trim(),
            // What follows the number may be the machine's own name for itself.
            read("/proc/sys/kernel/osrelease").trim().split('-').next().unwrap_or_default()
        ),
        disk: file_system(disk),
    }
}

/// Kind of file system, kind of device, and whether there is a journal.
fn file_system(disk: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let disk = disk.canonicalize().unwrap_or_default();
    let entries = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        disk.starts_with(place).then_some((place.len(), device, kind))
    });
    let Some((_, device, kind)) = entries.max_by_key(|(length, ..)| *length) else { return String::new() };
    let device = device.trim_start_matches("/dev/");
    let bus = match device {
        d if d.starts_with("loop") => "a file of its own (loop device)",
        d if d.starts_with("vd") => "a virtual disk",
        d => d,
    };
    let journals = std::fs::read_dir("/proc/fs/jbd2").into_iter().flatten().filter_map(Result::ok);
    let has_journal = journals.into_iter().any(|e| e.file_name().to_string_lossy().starts_with(device));
    let journal = match (kind, has_journal) {
        ("ext4", true) => ", with a journal",
        ("ext4", false) => ", without a journal",
        _ => "",
    };
    format!("{kind} on {bus}{journal}")
}
