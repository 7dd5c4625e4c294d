//! The files of a model folder, from a directory or from one zip, within limits.

use crate::{Error, Result};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// Largest file of a model folder, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Largest zip that is opened, in bytes: weights, two moments and text of the largest model fit.
pub const MAX_ZIP_BYTES: u64 = 256 << 20;
const MAX_ENTRIES: usize = 1000;

/// A file's name and its bytes.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

pub(super) fn check_size(name: &str, bytes: u64) -> Result<()> {
    if bytes > MAX_FILE_BYTES {
        return Err(Error::Checkpoint(format!(
            "{name} has {} MiB, and the limit is {} MiB: open a smaller model",
            bytes >> 20,
            MAX_FILE_BYTES >> 20
        )));
    }
    Ok(())
}

/// Packs the files into one zip, stored: f32 weights hardly compress. The same files give the same bytes.
pub(super) fn to_zip(files: &Files) -> Result<Vec<u8>> {
    pack(files, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
}

/// Packs the files into one zip, deflated. Not in the page, which would carry the compressor for it.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn to_small_zip(files: &Files) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    pack(files, options.compression_level(Some(9)))
}

fn pack(files: &Files, options: SimpleFileOptions) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| Error::Checkpoint(format!("the zip could not be written: {e}"));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        check_size(name, bytes.len() as u64)?;
        zip.start_file(name, options).map_err(|e| failed(&e))?;
        zip.write_all(bytes).map_err(|e| failed(&e))?;
    }
    Ok(zip.finish().map_err(|e| failed(&e))?.into_inner())
}

/// Unpacks those of `wanted` that lie beside `config.json` in the zip, at its top or in a folder. Other
/// entries are not read, and nothing is ever written to where an entry's name points.
pub(super) fn from_zip(bytes: &[u8], wanted: &[&str]) -> Result<Files> {
    if bytes.len() as u64 > MAX_ZIP_BYTES {
        return Err(Error::Checkpoint(format!(
            "the zip has {} MiB, and the limit is {} MiB: open a smaller model",
            bytes.len() >> 20,
            MAX_ZIP_BYTES >> 20
        )));
    }
    let damaged = |e: &dyn std::fmt::Display| {
        Error::Checkpoint(format!("the zip is damaged, cut off or no zip ({e}): download or export it again"))
    };
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(&e))?;
    if zip.len() > MAX_ENTRIES {
        return Err(Error::Checkpoint(format!(
            "the zip has {} entries, and the limit is {MAX_ENTRIES}: zip the model folder alone",
            zip.len()
        )));
    }
    let mut names: Vec<(usize, String)> = Vec::new();
    for at in 0..zip.len() {
        let entry = zip.by_index_raw(at).map_err(|e| damaged(&e))?;
        let name = entry.name().map_err(|e| damaged(&e))?.into_owned();
        if name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..") {
            let shown: String = name.chars().take(80).collect();
            return Err(Error::Checkpoint(format!(
                "the zip's entry {shown:?} points out of its folder: zip the model folder again"
            )));
        }
        names.push((at, name));
    }
    let prefix = names
        .iter()
        .filter_map(|(_, name)| name.strip_suffix("config.json"))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('/'))
        .min_by_key(|prefix| (prefix.matches('/').count(), prefix.len()))
        .ok_or_else(|| {
            Error::Checkpoint("the zip has no config.json: zip a Hugging Face GPT-2 folder".into())
        })?
        .to_owned();
    let mut files = Files::new();
    for (at, name) in &names {
        let Some(file) = name.strip_prefix(&prefix).filter(|file| wanted.contains(file)) else { continue };
        let entry = zip.by_index(*at).map_err(|e| damaged(&e))?;
        check_size(file, entry.size())?;
        let mut content = Vec::new();
        // What an entry claims to unpack to need not be true.
        entry.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(|e| damaged(&e))?;
        check_size(file, content.len() as u64)?;
        if files.insert(file.to_owned(), content).is_some() {
            return Err(Error::Checkpoint(format!("the zip has {file} twice: zip the model folder again")));
        }
    }
    Ok(files)
}

/// Reads those of `wanted` that the directory holds.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn from_dir(dir: &std::path::Path, wanted: &[&str]) -> Result<Files> {
    let failed = |path: &std::path::Path, e: std::io::Error| {
        Error::Checkpoint(format!(
            "{} cannot be read ({e}): name a Hugging Face GPT-2 folder",
            path.display()
        ))
    };
    if !dir.is_dir() {
        return Err(Error::Checkpoint(format!(
            "{} is no directory: name a Hugging Face GPT-2 folder",
            dir.display()
        )));
    }
    let mut files = Files::new();
    for &name in wanted {
        let path = dir.join(name);
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(failed(&path, e)),
        };
        check_size(name, file.metadata().map_err(|e| failed(&path, e))?.len())?;
        let mut content = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(|e| failed(&path, e))?;
        check_size(name, content.len() as u64)?;
        files.insert(name.to_owned(), content);
    }
    Ok(files)
}

/// Writes the files into the directory, which is made where it is missing, and removes those of `owned` that
/// an earlier model left there.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn to_dir(dir: &std::path::Path, files: &Files, owned: &[&str]) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::Checkpoint(format!("{} cannot be written ({e}): choose another folder", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    for &name in owned {
        let path = dir.join(name);
        match files.get(name) {
            Some(bytes) => {
                check_size(name, bytes.len() as u64)?;
                std::fs::write(path, bytes).map_err(failed)?;
            }
            None => match std::fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
                _ => {}
            },
        }
    }
    Ok(())
}
