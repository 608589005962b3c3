//! What an `EC2NodeClass` says about its nodes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Problem;
use super::document::{Object, objects};
use super::pod_spec::RawQuantity;
use crate::allocatable::{EvictionSignal, ImageFamily, NodeSettings, PodDensity, Reserved};
use crate::quantity::{Bytes, Quantity};

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawClass {
    ami_family: Option<String>,
    ami_selector_terms: Vec<RawTerm>,
    kubelet: RawKubelet,
    block_device_mappings: Vec<RawDevice>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTerm {
    alias: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawKubelet {
    max_pods: Option<u32>,
    pods_per_core: Option<u32>,
    kube_reserved: BTreeMap<String, RawQuantity>,
    system_reserved: BTreeMap<String, RawQuantity>,
    eviction_hard: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawDevice {
    device_name: String,
    root_volume: bool,
    ebs: RawEbs,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawEbs {
    volume_size: Option<RawQuantity>,
}

/// Reads the `EC2NodeClass`es of a text, by name; other objects are passed over.
pub fn read_node_classes(
    source_name: &str,
    text: &str,
) -> Result<BTreeMap<String, NodeSettings>, Vec<Problem>> {
    let objects = objects(source_name, text).map_err(|problem| vec![problem])?;
    let mut classes = BTreeMap::new();
    let mut problems = Vec::new();
    for object in objects.iter().filter(|object| object.kind() == "EC2NodeClass") {
        match settings(object) {
            Ok(settings) => {
                classes
                    .insert(object.text("/metadata/name").unwrap_or_default().to_owned(), settings);
            }
            Err(why) => problems.push(Problem::of_object(source_name, &object.label(), why)),
        }
    }
    if problems.is_empty() { Ok(classes) } else { Err(problems) }
}

fn settings(object: &Object) -> Result<NodeSettings, String> {
    let version = object.text("/apiVersion").unwrap_or_default();
    if version != "karpenter.k8s.aws/v1" {
        return Err(format!(
            "its apiVersion is `{version}`; only `karpenter.k8s.aws/v1` is understood"
        ));
    }
    let raw: RawClass = object.read("/spec")?;
    let defaults = NodeSettings::default();
    let image_family = family(&raw)?;
    let eviction = |name: &str, default: EvictionSignal| match raw.kubelet.eviction_hard.get(name) {
        Some(text) => signal(text)
            .map_err(|error| format!("`spec.kubelet.evictionHard[\"{name}\"]`: {error}")),
        None => Ok(default),
    };
    Ok(NodeSettings {
        image_family,
        pod_density: raw.kubelet.max_pods.map_or(PodDensity::Interfaces, PodDensity::MaxPods),
        pods_per_core: raw.kubelet.pods_per_core,
        kube_reserved: reserved(&raw.kubelet.kube_reserved, "kubeReserved")?,
        system_reserved: reserved(&raw.kubelet.system_reserved, "systemReserved")?,
        eviction_memory: eviction("memory.available", defaults.eviction_memory)?,
        eviction_storage: eviction("nodefs.available", defaults.eviction_storage)?,
        root_volume: volume(&raw, image_family)?.unwrap_or(defaults.root_volume),
        ..defaults
    })
}

fn family(raw: &RawClass) -> Result<ImageFamily, String> {
    let alias = raw.ami_selector_terms.iter().find_map(|term| term.alias.as_deref());
    let name = alias.and_then(|alias| alias.split('@').next()).or(raw.ami_family.as_deref());
    match name.map(str::to_lowercase).as_deref() {
        None | Some("al2023" | "custom") => Ok(ImageFamily::Al2023),
        Some("bottlerocket") => Ok(ImageFamily::Bottlerocket),
        Some(other) => {
            Err(format!("image family `{other}` is not known here (AL2023, Bottlerocket)"))
        }
    }
}

fn reserved(raw: &BTreeMap<String, RawQuantity>, what: &str) -> Result<Reserved, String> {
    let mut reserved = Reserved::default();
    for (name, quantity) in raw {
        let amount =
            quantity.amount().map_err(|error| format!("`spec.kubelet.{what}.{name}`: {error}"))?;
        match name.as_str() {
            "cpu" => reserved.cpu = Some(amount.into()),
            "memory" => reserved.memory = Some(amount.into()),
            "ephemeral-storage" => reserved.ephemeral_storage = Some(amount.into()),
            _ => {}
        }
    }
    Ok(reserved)
}

/// `100Mi` or `5%`.
fn signal(text: &str) -> Result<EvictionSignal, String> {
    let Some(percent) = text.strip_suffix('%') else {
        let amount = Quantity::parse_amount(text).map_err(|error| error.to_string())?;
        return Ok(EvictionSignal::Amount(amount.into()));
    };
    let amount = Quantity::parse_amount(percent).map_err(|error| error.to_string())?;
    Ok(EvictionSignal::Thousandths(amount.millis() / 100))
}

/// The volume that pods' disk comes from: the one marked, else Bottlerocket's second, else the
/// first.
fn volume(raw: &RawClass, family: ImageFamily) -> Result<Option<Bytes>, String> {
    let name = match family {
        ImageFamily::Al2023 => "/dev/xvda",
        ImageFamily::Bottlerocket => "/dev/xvdb",
    };
    let devices = &raw.block_device_mappings;
    let device = devices
        .iter()
        .find(|device| device.root_volume)
        .or_else(|| devices.iter().find(|device| device.device_name == name));
    device
        .and_then(|device| device.ebs.volume_size.as_ref())
        .map(|size| {
            size.amount()
                .map(Bytes::from)
                .map_err(|error| format!("`spec.blockDeviceMappings`, `volumeSize`: {error}"))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocatable::allocatable;
    use crate::catalogue::instance_type;
    use crate::quantity::Millicores;

    const CLASS: &str = "
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: small}
spec:
  amiSelectorTerms: [{alias: bottlerocket@latest}]
  kubelet:
    maxPods: 58
    systemReserved: {cpu: 100m, memory: 128Mi}
    evictionHard: {memory.available: 5%}
  blockDeviceMappings:
  - {deviceName: /dev/xvda, ebs: {volumeSize: 4Gi}}
  - {deviceName: /dev/xvdb, ebs: {volumeSize: 50Gi}}
";

    #[test]
    fn a_class_decides_what_a_node_offers() {
        let classes = read_node_classes("class.yaml", CLASS).expect("a class");
        let settings = &classes["small"];
        let offered = allocatable(instance_type("m6i.large").expect("a type"), settings);
        assert_eq!((offered.pods, offered.cpu), (58, Millicores(1830)));
        // 8192 less 7.5 %, 11 · 58 + 255 for the kubelet, 128 for the system, 5 % before eviction.
        let capacity = 8192 - 615;
        let eviction = (Bytes::mebibytes(capacity).0 * 50 + 999) / 1000;
        let memory = Bytes::mebibytes(capacity - (11 * 58 + 255) - 128).0 - eviction;
        assert_eq!(offered.memory, Bytes(memory));
        assert_eq!(settings.root_volume, Bytes::gibibytes(50));
    }

    #[test]
    fn a_class_of_another_version_is_refused() {
        let problems = read_node_classes("class.yaml", &CLASS.replace("aws/v1", "aws/v1beta1"));
        assert_eq!(
            problems.expect_err("a problem")[0].to_string(),
            "class.yaml: EC2NodeClass `small`: its apiVersion is `karpenter.k8s.aws/v1beta1`; only `karpenter.k8s.aws/v1` is understood"
        );
    }
}
