//! Who listens on a port, for a person who must stop it.

use std::path::Path;

/// The program that listens on a TCP port, as `name, process 123`.
pub fn who(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|text| listening_inodes(&text, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for process in Path::new("/proc").read_dir().ok()?.flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Ok(descriptors) = process.path().join("fd").read_dir() else { continue };
        let holds = descriptors
            .flatten()
            .filter_map(|fd| fd.path().read_link().ok())
            .any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()));
        if holds {
            let command = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{}, process {name}", command.trim()));
        }
    }
    None
}

/// Inodes of listening sockets in a table of the kernel.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let row = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        let (_, found) = local.rsplit_once(':')?;
        let fits = state == LISTEN && u16::from_str_radix(found, 16) == Ok(port);
        fits.then(|| inode.to_owned())
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_listening_program_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let who = super::who(port).unwrap();
        assert!(who.ends_with(&format!("process {}", std::process::id())), "{who}");
        drop(listener);
        assert_eq!(super::who(port), None);
    }
}
