//! The runbooks that a server serves, read again and again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::Server;
use crate::commands::schedule::sources::{self, Broken};
use crate::target::clock::real_now;
use crate::trouble::Trouble;

/// How long a runbook of a folder may be missed before it counts as taken away, in real time. Many
/// programs save a file by emptying it first: whoever looks just then finds no runbook in it.
const GONE_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// Runbooks that are served and were not found by the last look, and since when, in real time.
#[derive(Debug, Default)]
pub(super) struct Missed(BTreeMap<String, Timestamp>);

impl Missed {
    /// Those of the served ones that have been missed for so long that they are gone.
    fn gone<'s>(
        &mut self,
        served: impl Iterator<Item = &'s String>,
        found: &BTreeSet<&String>,
        now: Timestamp,
    ) -> Vec<String> {
        let before = std::mem::take(&mut self.0);
        let missed = served.filter(|name| !found.contains(name));
        let since = |name: &String| before.get(name).copied().unwrap_or(now);
        self.0 = missed.map(|name| (name.clone(), since(name))).collect();
        let is_gone = |since: Timestamp| now.duration_since(since) >= GONE_AFTER;
        self.0.extract_if(.., |_, since| is_gone(*since)).map(|(name, _)| name).collect()
    }
}

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
        let found: BTreeSet<&String> = names.iter().collect();
        for name in self.missed.gone(self.sources.keys(), &found, real_now()) {
            self.session.printer.note(&format!("{name} has no schedule any more"));
            self.sources.remove(&name);
        }
        // What is neither there nor served is not broken either.
        self.broken.retain(|name, _| found.contains(name) || self.sources.contains_key(name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runbook_is_gone_once_it_has_been_missed_for_long() {
        let at = |second: i64| Timestamp::new(1_800_000_000 + second, 0).unwrap_or_default();
        let served = ["a.yaml".to_owned(), "b.yaml".to_owned()];
        let both: BTreeSet<&String> = served.iter().collect();
        let one: BTreeSet<&String> = served.iter().take(1).collect();
        let mut missed = Missed::default();
        let mut gone =
            |found: &BTreeSet<&String>, second| missed.gone(served.iter(), found, at(second));
        assert!(gone(&both, 0).is_empty());
        assert!(gone(&one, 2).is_empty());
        // It was only being written.
        assert!(gone(&both, 4).is_empty());
        assert!(gone(&one, 6).is_empty());
        assert!(gone(&one, 15).is_empty());
        assert_eq!(gone(&one, 16), ["b.yaml"]);
    }
}
