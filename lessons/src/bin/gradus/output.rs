//! Where a command writes. Looked at before the work begins, so that none of it is lost to a path that cannot be
//! written.

use std::fs::{self, File};
use std::io::{self, LineWriter};
use std::path::Path;

/// Creates a file that is written while the work goes on, line by line: who looks into it sees how far that is.
pub(crate) fn create(path: &Path) -> Result<LineWriter<File>, String> {
    File::create(path).map(LineWriter::new).map_err(|e| unwritable(path, &e))
}

/// Makes sure that a file can be written at the end. Until then one that is there stays as it is, and one that is
/// not there is not made.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    let new = !path.exists();
    let opened = File::options().append(true).create(true).open(path);
    opened.and_then(|_| if new { fs::remove_file(path) } else { Ok(()) }).map_err(|e| unwritable(path, &e))
}

/// Makes a folder where there is none, and makes sure that files can be written into it.
pub(crate) fn make_folder(path: &Path) -> Result<(), String> {
    let probe = path.join(".gradus");
    fs::create_dir_all(path)
        .and_then(|()| File::create(&probe))
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|e| unwritable(path, &e))
}

/// What is said of a path that cannot be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> String {
    format!(
        "{} cannot be written: {error}. Give a path in a folder that exists and may be written",
        path.display()
    )
}
