//! What decides about a node besides its type, as flags or as an `EC2NodeClass`.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use runbook_capacity::allocatable::{ImageFamily, NodeSettings, PodDensity};
use runbook_capacity::answer::allocatable::known_type;
use runbook_capacity::manifest::read_node_classes;
use runbook_capacity::quantity::{Bytes, Quantity};

use super::{Problems, files};
use crate::environment::Environment;

/// Flags about nodes.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct NodeArguments {
    /// Take kubelet settings, image family and volume from the EC2NodeClass in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) node_class: Option<String>,
    /// The image family.
    #[arg(long, value_enum, value_name = "FAMILY")]
    pub(crate) image_family: Option<Family>,
    /// So many pods per node, as kubelet.maxPods says.
    #[arg(long, value_name = "PODS", conflicts_with = "prefix_delegation")]
    pub(crate) max_pods: Option<u32>,
    /// As many pods per node as EKS recommends with prefix delegation.
    #[arg(long)]
    pub(crate) prefix_delegation: bool,
    /// Interfaces that Karpenter keeps for something else (RESERVED_ENIS).
    #[arg(long, value_name = "COUNT")]
    pub(crate) reserved_enis: Option<u32>,
    /// Memory that a node of a type was seen to have, as Karpenter knows it after the first one.
    #[arg(long, value_name = "TYPE=MEMORY")]
    pub(crate) discovered_memory: Vec<String>,
}

/// An image family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Family {
    /// Amazon Linux 2023.
    Al2023,
    /// Bottlerocket.
    Bottlerocket,
}

impl NodeArguments {
    /// Whether any of them was given.
    pub(crate) fn is_given(&self) -> bool {
        self.node_class.is_some()
            || self.image_family.is_some()
            || self.max_pods.is_some()
            || self.prefix_delegation
            || self.reserved_enis.is_some()
            || !self.discovered_memory.is_empty()
    }

    /// The settings they make.
    pub(crate) fn settings(&self, environment: &Environment) -> Result<NodeSettings, Problems> {
        let mut settings = match &self.node_class {
            Some(name) => class(name, environment)?,
            None => NodeSettings::default(),
        };
        match self.image_family {
            Some(Family::Al2023) => settings.image_family = ImageFamily::Al2023,
            Some(Family::Bottlerocket) => settings.image_family = ImageFamily::Bottlerocket,
            None => {}
        }
        if let Some(pods) = self.max_pods {
            settings.pod_density = PodDensity::MaxPods(pods);
        }
        if self.prefix_delegation {
            settings.pod_density = PodDensity::PrefixDelegation;
        }
        settings.reserved_enis = self.reserved_enis.unwrap_or(settings.reserved_enis);
        let mut problems = Vec::new();
        for text in &self.discovered_memory {
            match discovered(text) {
                Ok((name, memory)) => {
                    settings.discovered_memory.insert(name, memory);
                }
                Err(why) => problems.push(format!("--discovered-memory: {why}")),
            }
        }
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

fn class(name: &str, environment: &Environment) -> Result<NodeSettings, Problems> {
    let source = files::read(name, environment).map_err(|why| vec![why])?;
    let mut classes = read_node_classes(&source.name, &source.text).map_err(files::said)?;
    match (classes.pop_first(), classes.len()) {
        (Some((_, settings)), 0) => Ok(settings),
        (Some(_), more) => {
            Err(vec![format!("{name}: there are {} EC2NodeClasses in it, give one", more + 1)])
        }
        (None, _) => Err(vec![format!("{name}: there is no EC2NodeClass in it")]),
    }
}

/// `m6i.large=7700Mi`.
fn discovered(text: &str) -> Result<(String, Bytes), String> {
    let (name, memory) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not TYPE=MEMORY"))?;
    known_type(name).map_err(|error| error.to_string())?;
    let memory = Quantity::parse_amount(memory).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), memory.into()))
}
