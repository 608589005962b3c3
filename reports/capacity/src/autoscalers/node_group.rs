//! Node groups of the Cluster Autoscaler: `TYPE:MIN:MAX[:ZONES]`, a group in each zone.
//!
//! An Auto Scaling group over several zones makes the Cluster Autoscaler guess the zone of a new
//! node, so its users make one per zone; so does this. MIN and MAX are those of each group.

use super::machine::{Machine, Overhead};
use crate::karpenter::InstanceOption;
use crate::launch::CapacityType;

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeGroupSpec {
    /// The type of its nodes.
    pub instance_type: String,
    /// At least so many nodes in each zone.
    pub least: u32,
    /// At most so many nodes in each zone.
    pub most: u32,
    /// The zones; none means the default ones.
    pub zones: Vec<String>,
}

/// Why it is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeGroupError {
    /// It is not `TYPE:MIN:MAX[:ZONES]`.
    #[error("`{text}` is no node group: {why}; write TYPE:MIN:MAX or TYPE:MIN:MAX:ZONE,ZONE")]
    Malformed {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Neither it nor the types name a zone.
    #[error(
        "node group of `{instance_type}`: there is no zone to put it in; write TYPE:MIN:MAX:ZONE"
    )]
    NoZone {
        /// The type.
        instance_type: String,
    },
    /// The type is not offered in that zone.
    #[error("node group `{group}`: `{instance_type}` is not offered in `{zone}`")]
    NotOffered {
        /// The group.
        group: String,
        /// The type.
        instance_type: String,
        /// The zone.
        zone: String,
    },
}

/// More nodes than a group can have.
const MOST_NODES: u32 = 10_000;

impl NodeGroupSpec {
    /// `m6i.large:2:100`, what is taken when no group is given.
    pub fn standard() -> Self {
        Self { instance_type: "m6i.large".to_owned(), least: 2, most: 100, zones: Vec::new() }
    }

    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, NodeGroupError> {
        let refuse = |why: String| NodeGroupError::Malformed { text: text.to_owned(), why };
        let mut parts = text.splitn(4, ':');
        let instance_type = parts.next().unwrap_or_default().trim().to_owned();
        if instance_type.is_empty() {
            return Err(refuse("it names no instance type".to_owned()));
        }
        let mut count =
            |name: &str| {
                let part = parts.next().ok_or_else(|| refuse(format!("{name} is missing")))?;
                part.trim().parse::<u32>().ok().filter(|count| *count <= MOST_NODES).ok_or_else(
                    || refuse(format!("{name} `{part}` is no count up to {MOST_NODES}")),
                )
            };
        let (least, most) = (count("MIN")?, count("MAX")?);
        if least > most || most == 0 {
            return Err(refuse(format!("MAX {most} leaves no room above MIN {least}")));
        }
        let zones: Vec<String> = match parts.next() {
            None => Vec::new(),
            Some(zones) => zones.split(',').map(|zone| zone.trim().to_owned()).collect(),
        };
        if zones.iter().any(String::is_empty) {
            return Err(refuse("a zone is empty".to_owned()));
        }
        if let Some(twice) = zones.iter().enumerate().find(|(at, zone)| zones[..*at].contains(zone))
        {
            return Err(refuse(format!("zone `{}` is there twice", twice.1)));
        }
        Ok(Self { instance_type, least, most, zones })
    }
}

/// A group in one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeGroup {
    /// Its name: `m6i.large/ap-northeast-2a`.
    pub name: String,
    /// At least so many nodes.
    pub least: usize,
    /// At most so many nodes.
    pub most: usize,
    /// What its nodes are.
    pub machine: Machine,
}

impl NodeGroup {
    /// The groups of a specification, bought on demand, for a type as it is offered.
    pub fn of(
        spec: &NodeGroupSpec,
        offered: Option<&InstanceOption>,
        default_zones: &[String],
        overhead: Overhead,
    ) -> Result<Vec<Self>, NodeGroupError> {
        let zones = if spec.zones.is_empty() { default_zones } else { &spec.zones };
        if zones.is_empty() {
            return Err(NodeGroupError::NoZone { instance_type: spec.instance_type.clone() });
        }
        let mut groups = Vec::new();
        for zone in zones {
            let name = format!("{}/{zone}", spec.instance_type);
            let machine = offered.and_then(|option| {
                Machine::offered(option, zone, CapacityType::OnDemand, overhead)
            });
            let machine = machine.ok_or_else(|| NodeGroupError::NotOffered {
                group: name.clone(),
                instance_type: spec.instance_type.clone(),
                zone: zone.clone(),
            })?;
            groups.push(Self {
                name,
                least: usize::try_from(spec.least).unwrap_or(usize::MAX),
                most: usize::try_from(spec.most).unwrap_or(usize::MAX),
                machine,
            });
        }
        Ok(groups)
    }
}
