//! Objects that carry our mark and are declared by nothing any more.
//!
//! Each module that was looked at, and can list by mark, is asked once per connection. Orphans are
//! shown and nothing else: no plan deletes them by itself.

use std::collections::BTreeSet;

use super::make::Maker;
use super::{Kind, Orphan};
use crate::owner::{Mark, Owner};

impl Maker {
    /// What carries our mark and is not in the graph any more; and what could not be listed.
    pub(super) async fn orphans(&self, owner: &Owner) -> (Vec<Orphan>, Vec<String>) {
        let declared: BTreeSet<String> = self
            .tasks
            .iter()
            .flat_map(|(id, tasks)| tasks.iter().map(|(key, _)| (*id, key)))
            .map(|(id, key)| {
                let address =
                    self.graph.vertex(id).address(&self.graph, &key.keys, key.own.as_deref());
                Mark { owner: owner.clone(), address }.address_tag()
            })
            .collect();
        // Instances of these are not known yet: none of them is an orphan.
        let open: BTreeSet<String> = self
            .tasks
            .values()
            .flatten()
            .filter(|(_, task)| task.kind == Kind::Expands)
            .map(|(_, task)| task.address.clone())
            .collect();
        let (mut orphans, mut unlisted) = (Vec::new(), Vec::new());
        for ((name, _), (module, context)) in &self.listing {
            let listed = match module.list(context, owner).await {
                Ok(listed) => listed.unwrap_or_default(),
                Err(failure) => {
                    unlisted.push(format!("{name}: {failure}"));
                    continue;
                }
            };
            orphans.extend(
                listed
                    .into_iter()
                    .filter(|one| !declared.contains(&one.address_tag))
                    .filter(|one| !open.contains(&static_path(&one.address_tag)))
                    .map(|one| Orphan {
                        address: one.address_tag,
                        module: (*name).to_owned(),
                        identity: one.identity,
                    }),
            );
        }
        orphans.sort_by(|left, right| {
            (&left.address, &left.module).cmp(&(&right.address, &right.module))
        });
        orphans.dedup();
        (orphans, unlisted)
    }
}

/// The path in an address tag, without the keys of repeated parts.
fn static_path(tag: &str) -> String {
    let parts: Vec<&str> =
        tag.split('/').map(|part| part.split(':').next().unwrap_or_default()).collect();
    parts.join("/")
}
