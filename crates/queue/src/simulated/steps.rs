//! The durable steps on a simulated disk.

use super::{SimulatedDisk, SimulatedFile};
use crate::disk::{Disk, Names, Stat, SyncStep, one_after_the_other};
use std::io;

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn create_unnamed(&self, directory: &str) -> io::Result<Option<SimulatedFile>> {
        let mut state = self.step()?;
        if !state.directories.contains_key(directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if state.no_unnamed {
            return Ok(None);
        }
        let inode = state.new_inode();
        Ok(Some(self.file(&mut state, inode)))
    }

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.step()?;
        let inode = state.new_inode();
        if let Err(error) = state.add(name, inode) {
            state.files.remove(&inode);
            return Err(error);
        }
        Ok(self.file(&mut state, inode))
    }

    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.step()?;
        let inode = state.lookup(name)?;
        Ok(self.file(&mut state, inode))
    }

    fn open_append(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.step()?;
        let inode = match state.lookup(name) {
            Ok(inode) => inode,
            Err(_) => {
                let inode = state.new_inode();
                state.add(name, inode)?;
                inode
            }
        };
        Ok(self.file(&mut state, inode))
    }

    fn append(&self, file: &SimulatedFile, bytes: &[u8]) -> io::Result<()> {
        self.step()?.content(file.inode)?.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, file: &SimulatedFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.step()?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = state.content(file.inode)?.bytes.get(offset..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(length)
    }

    fn start_sync(&self, _file: &SimulatedFile) {}

    fn sync(&self, file: &SimulatedFile) -> io::Result<()> {
        let mut state = self.step()?;
        state.rounds = state.rounds.saturating_add(1);
        if state.syncs.is_left_out() {
            return Ok(());
        }
        let content = state.content(file.inode)?;
        content.stable = Some((content.bytes.clone(), content.modified));
        content.out.clone_from(&content.stable);
        state.commit();
        Ok(())
    }

    fn keeps_order(&self) -> bool {
        self.lock().claims_order
    }

    fn sync_all<const N: usize>(&self, steps: [SyncStep<'_, SimulatedFile>; N]) -> [io::Result<()>; N] {
        let before = self.rounds();
        let results = one_after_the_other(self, steps);
        self.lock().rounds = before.saturating_add(1);
        results
    }

    fn write_out(&self, file: &SimulatedFile) -> io::Result<()> {
        let mut state = self.step()?;
        if !state.write_outs.is_left_out() {
            let content = state.content(file.inode)?;
            content.out = Some((content.bytes.clone(), content.modified));
            state.remember();
        }
        Ok(())
    }

    fn link_unnamed(&self, file: &SimulatedFile, name: &str) -> io::Result<()> {
        self.step()?.add(name, file.inode)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.lookup(from)?;
        state.add(to, inode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.lookup(from)?;
        let _ = state.remove(to);
        state.add(to, inode)?;
        state.remove(from).map(drop)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.remove(name)?;
        state.forget_unnamed(inode);
        Ok(())
    }

    fn sync_directory(&self, name: &str) -> io::Result<()> {
        let mut state = self.step()?;
        state.rounds = state.rounds.saturating_add(1);
        if state.syncs.is_left_out() {
            return Ok(());
        }
        state.commit();
        let directory = state.directories.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        directory.stable = directory.now.clone();
        let let_go: Vec<u64> =
            std::mem::take(&mut directory.since).into_values().flatten().flatten().collect();
        let_go.into_iter().for_each(|inode| state.forget_unnamed(inode));
        Ok(())
    }

    fn make_directory(&self, name: &str, _mode: u32) -> io::Result<()> {
        self.step()?.directories.entry(name.to_owned()).or_default();
        Ok(())
    }

    fn set_times(&self, name: &str, seconds: i64) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.lookup(name)?;
        state.content(inode)?.modified = seconds;
        Ok(())
    }

    fn mark(&self, name: &str, offset: u64, byte: u8) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.lookup(name)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        *state.content(inode)?.bytes.get_mut(offset).ok_or(io::ErrorKind::InvalidInput)? = byte;
        Ok(())
    }

    fn stat(&self, name: &str) -> io::Result<Stat> {
        let state = self.step()?;
        let inode = state.lookup(name)?;
        state.stat(inode)
    }

    fn stat_open(&self, file: &SimulatedFile) -> io::Result<Stat> {
        self.step()?.stat(file.inode)
    }

    fn names(&self, directory: &str) -> io::Result<Names> {
        let state = self.step()?;
        let found = state.directories.get(directory).ok_or(io::ErrorKind::NotFound)?;
        let below = format!("{directory}/");
        let directories =
            state.directories.keys().filter_map(|name| name.strip_prefix(&below).map(str::to_owned));
        let names: Vec<_> =
            found.now.keys().cloned().chain(directories).map(|n| Ok(n.into_bytes())).collect();
        Ok(Box::new(names.into_iter()))
    }
}
