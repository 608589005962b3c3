//! A folder: each file beside its place first, then in it.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::template::Template;
use super::{Means, Outcome, Parcel};
use crate::message::sha256;

/// A folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// Where its files go.
    pub(super) path: Template,
}

/// A file on its way.
struct Placing {
    shown: String,
    place: PathBuf,
    beside: PathBuf,
    bytes: Vec<u8>,
}

impl Folder {
    pub(super) async fn deliver(&self, parcel: &Parcel<'_>, means: &Means) -> Outcome {
        let files: Vec<Placing> = parcel
            .message
            .rendered
            .files
            .iter()
            .map(|file| {
                let shown = self.path.path(parcel.message, &file.name);
                let place = means.working_directory.join(&shown);
                let beside = place.with_file_name(format!(".{}.{}.part", file.name, parcel.key));
                Placing { shown, place, beside, bytes: file.bytes.clone() }
            })
            .collect();
        let replaceable = parcel.replaceable.to_vec();
        let written = tokio::task::spawn_blocking(move || place_all(&files, &replaceable)).await;
        written.unwrap_or_else(|stopped| Outcome::Failed {
            why: format!("writing was stopped: {stopped}"),
            after: None,
        })
    }
}

/// All of them, or the first that cannot be; what was placed before stays, and is found again.
fn place_all(files: &[Placing], replaceable: &[String]) -> Outcome {
    let mut first = None;
    for file in files {
        if let Err(outcome) = place(file, replaceable) {
            return outcome;
        }
        first.get_or_insert(&file.shown);
    }
    let more = files.len().saturating_sub(1);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Outcome::Delivered(first.map_or_else(String::new, |first| format!("{first}{more}")))
}

fn place(file: &Placing, replaceable: &[String]) -> Result<(), Outcome> {
    let refuse = |action: &str, path: &Path, error: &std::io::Error| {
        let why = format!("failed to {action} `{}`: {error}", path.display());
        match error.kind() {
            // These do not pass by waiting a minute; room on a disk may.
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename => Outcome::Refused(why),
            _ => Outcome::Failed { why, after: None },
        }
    };
    match std::fs::read(&file.place) {
        Ok(there) if there == file.bytes => return Ok(()),
        Ok(there) if !replaceable.contains(&sha256(&there)) => {
            return Err(Outcome::Refused(format!(
                "`{}` is there with other content, which was not of an earlier revision; move it away, or give the path a place for {{revision}}",
                file.shown
            )));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(refuse("read", &file.place, &error)),
    }
    let folder = file.place.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| refuse("create", folder, &error))?;
    write(&file.beside, &file.bytes)
        .and_then(|()| std::fs::rename(&file.beside, &file.place))
        .and_then(|()| std::fs::File::open(folder)?.sync_all())
        .map_err(|error| {
            // Why it could not be written is what counts.
            drop(std::fs::remove_file(&file.beside));
            refuse("write", &file.place, &error)
        })
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
