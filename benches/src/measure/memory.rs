//! What processes occupy: their proportional set size (PSS), where shared pages count in equal parts.

use std::collections::BTreeMap;

/// Bytes of PSS of some processes, together and for each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All together.
    pub bytes: u64,
    /// How many processes.
    pub processes: usize,
    /// For each program name: processes, bytes.
    pub programs: BTreeMap<String, (usize, u64)>,
}

impl Memory {
    /// In MiB.
    pub fn mib(&self) -> f64 {
        mib(self.bytes)
    }
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

/// Looks at them now.
pub fn of(processes: &[i32]) -> Memory {
    let mut memory = Memory::default();
    for pid in processes {
        let Some(bytes) = pss(*pid) else { continue };
        memory.bytes += bytes;
        memory.processes += 1;
        let entry = memory.programs.entry(name(*pid)).or_default();
        entry.0 += 1;
        entry.1 += bytes;
    }
    memory
}

/// The name of a process.
pub fn name(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Bytes that the processes of that name have for themselves, without the files they map.
pub fn anonymous(processes: &[i32], program: &str) -> u64 {
    processes.iter().filter(|p| name(**p) == program).filter_map(|p| field(*p, "Pss_Anon:")).sum()
}

fn pss(pid: i32) -> Option<u64> {
    field(pid, "Pss:")
}

/// A field of /proc/PID/smaps_rollup, in bytes.
fn field(pid: i32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
