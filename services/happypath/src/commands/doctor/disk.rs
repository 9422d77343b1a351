//! The room on the disk of a file or a folder of this machine.

use std::io;
use std::path::Path;

use rustix::fs::statvfs;

/// A disk, as its file system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disk {
    /// Bytes that anybody may still write.
    pub(super) free_bytes: u64,
    /// All of its bytes.
    pub(super) all_bytes: u64,
}

impl Disk {
    /// Reads the disk that a path is on.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let told = statvfs(path)?;
        Ok(Self {
            free_bytes: told.f_bavail.saturating_mul(told.f_frsize),
            all_bytes: told.f_blocks.saturating_mul(told.f_frsize),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_folder_has_room_and_that_of_nothing_is_not_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::of(folder.path()).expect("a disk");
        assert!(disk.free_bytes <= disk.all_bytes, "{disk:?}");
        assert!(disk.all_bytes > 0);
        assert!(Disk::of(&folder.path().join("none")).is_err());
    }
}
