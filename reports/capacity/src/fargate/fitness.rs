//! Whether a pod can run on EKS Fargate at all, and why not.
//!
//! What AWS's guide says is not possible is documented; what its scheduler refuses without the guide
//! saying so, or what the files do not tell, is assumed and marked so.

use crate::manifest::{Backing, Storage, WorkloadKind};
use crate::node_requirement::NodeRequirement;
use crate::pod::Pod;

/// Something that speaks against Fargate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What.
    pub reason: String,
    /// Whether AWS writes it down.
    pub is_documented: bool,
}

/// What is known of a pod's fitness.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fitness {
    /// What speaks against it; nothing when it fits.
    pub obstacles: Vec<Obstacle>,
    /// What was assumed in its favour.
    pub assumptions: Vec<String>,
}

const ARCH: [&str; 2] = ["kubernetes.io/arch", "beta.kubernetes.io/arch"];
const OS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// Looks at a pod of a workload.
pub fn fitness(pod: &Pod, kind: WorkloadKind, storage: &Storage) -> Fitness {
    let mut fitness = Fitness::default();
    let template = &pod.template;
    let traits = &template.traits;
    let documented = [
        (kind == WorkloadKind::DaemonSet, "a DaemonSet: Fargate has no node to run it on"),
        (traits.is_privileged, "a container is privileged"),
        (traits.uses_host_network, "it uses hostNetwork"),
        (traits.is_windows || excludes(pod, &OS, "linux"), "it wants Windows"),
        (excludes(pod, &ARCH, "amd64"), "it wants arm64, and Fargate on EKS is amd64 only"),
        (traits.mounts_ebs, "it mounts a volume of EBS"),
    ];
    for (_, reason) in documented.into_iter().filter(|(applies, _)| *applies) {
        fitness.refuse(reason.to_owned(), true);
    }
    if let Some(port) = template.host_ports.first() {
        fitness.refuse(format!("it takes hostPort {}", port.port), true);
    }
    for (name, amount) in &template.resources.kubernetes_requests().extended {
        if *amount > 0 {
            let is_gpu = name.ends_with("/gpu") || name.starts_with("aws.amazon.com/neuron");
            let what = if is_gpu { "a GPU or accelerator" } else { "a resource" };
            fitness
                .refuse(format!("it asks for `{name}`, {what} that Fargate does not have"), is_gpu);
        }
    }
    if traits.mounts_host_path {
        fitness.refuse("it mounts a path of the node".to_owned(), false);
    }
    if traits.has_resource_claims {
        fitness.refuse("it asks for devices by resource claims".to_owned(), false);
    }
    fitness.look_at_claims(pod, storage);
    fitness
}

impl Fitness {
    fn refuse(&mut self, reason: String, is_documented: bool) {
        self.obstacles.push(Obstacle { reason, is_documented });
    }

    fn look_at_claims(&mut self, pod: &Pod, storage: &Storage) {
        let traits = &pod.template.traits;
        for claim in &traits.volume_claims {
            let made = traits.claim_templates.get(claim);
            let backing = match made {
                Some(class) => storage.of_class(class.as_deref()),
                None => storage.of_claim(&pod.namespace, claim),
            };
            match backing {
                Backing::Ebs => {
                    self.refuse(format!("its volume claim `{claim}` is a volume of EBS"), true);
                }
                Backing::DynamicEfs => self.refuse(
                    format!(
                        "its volume claim `{claim}` is made on demand; Fargate mounts only file systems of EFS that are there"
                    ),
                    true,
                ),
                Backing::StaticEfs => {}
                Backing::Unknown => self.assumptions.push(format!(
                    "volume claim `{claim}` taken for a file system of EFS, nothing says what it is"
                )),
            }
        }
    }
}

/// Whether the pod's selector or every alternative of its required affinity excludes a value.
fn excludes(pod: &Pod, keys: &[&str], value: &str) -> bool {
    let template = &pod.template;
    let by_selector =
        keys.iter().any(|key| template.node_selector.get(*key).is_some_and(|one| one != value));
    let excluded =
        |one: &NodeRequirement| keys.contains(&one.key.as_str()) && !one.allows(Some(value));
    let terms = &template.node_affinity;
    let by_affinity = !terms.is_empty() && terms.iter().all(|term| term.iter().any(excluded));
    by_selector || by_affinity
}
