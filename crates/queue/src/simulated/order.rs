//! A simulated disk that keeps the order of changes, as file systems with one journal do: after a crash it is as it was
//! at some moment since the last sync of anything. Bytes count as changed when they were written out; what was not may
//! be there or not, at any moment.

use super::{Content, Directory, State, Survives, roll};
use std::collections::BTreeMap;

/// What one moment would leave.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    files: BTreeMap<u64, Content>,
    directories: BTreeMap<String, BTreeMap<String, u64>>,
}

impl State {
    /// Something has changed.
    pub(super) fn remember(&mut self) {
        let Some(moments) = &mut self.moments else { return };
        let directories = self.directories.iter().map(|(name, d)| (name.clone(), d.now.clone())).collect();
        moments.push(Moment { files: self.files.clone(), directories });
    }

    /// A sync: no earlier moment can come back.
    pub(super) fn commit(&mut self) {
        self.remember();
        if let Some(moments) = &mut self.moments {
            moments.drain(..moments.len().saturating_sub(1));
        }
    }

    /// Goes back to a moment that `survives` chooses. False where nothing is lost, or no order is kept.
    pub(super) fn go_back(&mut self, survives: Survives, dice: &mut u64) -> bool {
        let Some(moments) = &self.moments else { return false };
        let at = match survives {
            Survives::Nothing => 0,
            Survives::Everything => return false,
            Survives::Some(_) => {
                let choice = roll(dice).checked_rem(moments.len() as u64).unwrap_or(0);
                usize::try_from(choice).unwrap_or(0)
            }
        };
        let Some(moment) = moments.get(at).cloned() else { return false };
        self.files = moment.files;
        for file in self.files.values_mut() {
            file.stable.clone_from(&file.out);
        }
        let directory =
            |now: BTreeMap<String, u64>| Directory { stable: now.clone(), now, since: BTreeMap::new() };
        self.directories = moment.directories.into_iter().map(|(name, now)| (name, directory(now))).collect();
        true
    }
}
