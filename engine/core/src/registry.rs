//! The modules that a runbook can use, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::module::Module;

/// All modules, by the name in `uses`.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Module>>);

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module under the name in its schema; the later one wins.
    pub fn add(&mut self, module: Arc<dyn Module>) {
        let name = module.schema().name;
        self.0.insert(name, module);
    }

    /// The module of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Module>> {
        self.0.get(name)
    }

    /// All modules, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Arc<dyn Module>)> {
        self.0.iter().map(|(name, module)| (*name, module))
    }
}
