//! The files of a question: paths, folders and the pipe.

use std::io::Read as _;
use std::path::Path;

use super::Problems;
use crate::environment::Environment;

/// A file that was read.
pub(crate) struct Source {
    /// As it was named.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// Reads all of them; a folder stands for the manifests and tables in it, by name, `-` for stdin.
pub(crate) fn read_all(
    names: &[String],
    environment: &Environment,
) -> Result<Vec<Source>, Problems> {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    if names.iter().filter(|name| *name == "-").count() > 1 {
        problems.push("`-` is there twice, and stdin can be read only once".to_owned());
        return Err(problems);
    }
    for name in names {
        let path = environment.working_directory.join(name);
        if name != "-" && path.is_dir() {
            match folder(name, &path) {
                Ok(inside) => {
                    for name in inside {
                        read(&name, environment)
                            .map_or_else(|why| problems.push(why), |source| sources.push(source));
                    }
                }
                Err(why) => problems.push(why),
            }
        } else {
            read(name, environment)
                .map_or_else(|why| problems.push(why), |source| sources.push(source));
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

/// Reads one of them.
pub(crate) fn read(name: &str, environment: &Environment) -> Result<Source, String> {
    let mut bytes = Vec::new();
    let read = if name == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(environment.working_directory.join(name)).map(|read| bytes = read)
    };
    read.map_err(|error| format!("{name}: it cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("{name}: it is not text: byte {} is not UTF-8", error.utf8_error().valid_up_to())
    })?;
    Ok(Source { name: name.to_owned(), text })
}

fn folder(name: &str, path: &Path) -> Result<Vec<String>, String> {
    let cannot = |error: std::io::Error| format!("{name}: the folder cannot be read: {error}");
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(cannot)? {
        let file = entry.map_err(cannot)?.file_name();
        let file = file.to_string_lossy();
        let ending = Path::new(&*file).extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("yaml" | "yml" | "json" | "csv")) {
            inside.push(format!("{}/{file}", name.trim_end_matches('/')));
        }
    }
    inside.sort();
    if inside.is_empty() {
        return Err(format!("{name}: there is no .yaml, .yml, .json or .csv file in the folder"));
    }
    Ok(inside)
}

/// The problems of a reader as text.
pub(crate) fn said<E: ToString>(problems: Vec<E>) -> Problems {
    problems.iter().map(ToString::to_string).collect()
}
