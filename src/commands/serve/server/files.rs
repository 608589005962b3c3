//! The runbooks that a server serves, read again and again.

use super::Server;
use crate::commands::schedule::sources::{self, Broken};
use crate::trouble::Trouble;

impl Server<'_> {
    /// Reads files again. A broken one is said once and keeps its old schedules.
    pub(super) fn read_again(&mut self) -> Result<(), Trouble> {
        let names = match sources::names(self.session, self.asked) {
            Ok(names) => names,
            Err(trouble) if self.sources.is_empty() => return Err(trouble),
            // A folder that cannot be listed for a moment takes no schedule away.
            Err(_) => return Ok(()),
        };
        for name in &names {
            match sources::load(self.session, name) {
                Ok(source) => {
                    if self.broken.remove(name).is_some() {
                        self.session.printer.note(&format!("{name} is right again"));
                    }
                    self.sources.insert(name.clone(), source);
                }
                Err(Broken(why)) => {
                    if self.broken.get(name) != Some(&why) {
                        let known = self.sources.contains_key(name);
                        let keeps = if known { "; its old schedules are kept" } else { "" };
                        self.session.printer.note(&format!("{why}\n{name} cannot be used{keeps}"));
                        self.broken.insert(name.clone(), why);
                    }
                }
            }
        }
        // A file that is gone from a folder has no schedules any more; one that was named is missed.
        let gone: Vec<String> =
            self.sources.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            self.session.printer.note(&format!("{name} has no schedule any more"));
            self.sources.remove(&name);
        }
        Ok(())
    }
}
