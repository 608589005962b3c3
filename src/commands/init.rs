//! `runbook init`: the shipped runbooks as files, to be edited.

use super::Session;
use crate::arguments::InitArguments;
use crate::exit::Exit;
use crate::library::shipped_files;
use crate::state::write_whole;
use crate::trouble::Trouble;
use crate::view::words;

/// Writes the shipped runbooks out. A file that differs is somebody's work and stays.
pub(crate) fn init(session: &Session, arguments: &InitArguments) -> Result<Exit, Trouble> {
    let folder = session.environment.working_directory.join(&arguments.folder);
    let shown = arguments.folder.display();
    let files = shipped_files();
    let differing: Vec<String> = files
        .iter()
        .filter(|(name, bytes)| {
            std::fs::read(folder.join(name)).is_ok_and(|present| present != *bytes)
        })
        .map(|(name, _)| format!("{shown}/{name}"))
        .collect();
    if !differing.is_empty() && !arguments.force {
        let mut trouble = Trouble::failed(format!(
            "{} in `{shown}` differ from the shipped ones; nothing was written",
            words::count(differing.len(), "file")
        ))
        .hint("another folder, or `--force` to overwrite them");
        trouble.evidence = differing;
        return Err(trouble);
    }
    for (name, bytes) in &files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).map_err(|error| {
            Trouble::failed(format!("failed to create `{}`: {error}", parent.display()))
        })?;
        write_whole(&path, bytes)?;
    }
    session.printer.out(&format!(
        "wrote {} to {shown}\n  next: runbook check {shown}/nodeless.yaml   ·   runbook run {shown}/nodeless.yaml",
        words::count(files.len(), "file")
    ));
    Ok(Exit::Done)
}
