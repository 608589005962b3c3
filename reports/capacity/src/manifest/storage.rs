//! What a file says about volumes: which claims are EBS, and which may be something else.

use std::collections::BTreeMap;

use super::document::Object;

/// Claims, classes and volumes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Storage {
    /// Claims by namespace and name: their class, and the volume they are bound to.
    claims: BTreeMap<(String, String), (Option<String>, Option<String>)>,
    /// The provisioner of each class.
    classes: BTreeMap<String, String>,
    /// The driver of each volume.
    volumes: BTreeMap<String, String>,
}

/// What is behind a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// A volume of EBS.
    Ebs,
    /// A file system of EFS that is there.
    StaticEfs,
    /// One that is made on demand.
    DynamicEfs,
    /// Nothing in the files says.
    Unknown,
}

impl Storage {
    pub(super) fn of(objects: &[Object]) -> Self {
        let mut storage = Self::default();
        for object in objects {
            storage.read(object);
        }
        storage
    }

    fn read(&mut self, object: &Object) {
        let Some(name) = object.text("/metadata/name").map(str::to_owned) else { return };
        let text = |pointer: &str| object.text(pointer).map(str::to_owned);
        match object.kind() {
            "PersistentVolumeClaim" => {
                let namespace = text("/metadata/namespace").unwrap_or_else(|| "default".to_owned());
                let claim = (text("/spec/storageClassName"), text("/spec/volumeName"));
                self.claims.insert((namespace, name), claim);
            }
            "StorageClass" => {
                self.classes.extend(text("/provisioner").map(|provisioner| (name, provisioner)));
            }
            "PersistentVolume" => {
                let ebs = object.fields.pointer("/spec/awsElasticBlockStore");
                let driver = ebs.map(|_| EBS.to_owned()).or_else(|| text("/spec/csi/driver"));
                self.volumes.extend(driver.map(|driver| (name, driver)));
            }
            _ => {}
        }
    }

    /// Takes in what another file says.
    pub fn merge(&mut self, other: Self) {
        self.claims.extend(other.claims);
        self.classes.extend(other.classes);
        self.volumes.extend(other.volumes);
    }

    /// What is behind a claim of a pod.
    pub fn of_claim(&self, namespace: &str, name: &str) -> Backing {
        match self.claims.get(&(namespace.to_owned(), name.to_owned())) {
            Some((_, Some(volume))) if self.volumes.contains_key(volume) => {
                match self.volumes.get(volume).map(String::as_str) {
                    Some(EBS) => Backing::Ebs,
                    Some(EFS) => Backing::StaticEfs,
                    _ => Backing::Unknown,
                }
            }
            Some((class, _)) => self.of_class(class.as_deref()),
            None => Backing::Unknown,
        }
    }

    /// What a claim of that class will be. Without a class it is the cluster's default, and the one
    /// that EKS makes is EBS.
    pub fn of_class(&self, class: Option<&str>) -> Backing {
        let Some(class) = class else { return Backing::Ebs };
        match self.classes.get(class).map(String::as_str) {
            Some(EBS | "kubernetes.io/aws-ebs" | "ebs.csi.eks.amazonaws.com") => Backing::Ebs,
            Some(EFS) => Backing::DynamicEfs,
            None if matches!(class, "gp2" | "gp3" | "io1" | "io2") => Backing::Ebs,
            // The empty class asks for a volume that is there, of whatever kind.
            _ => Backing::Unknown,
        }
    }
}

const EBS: &str = "ebs.csi.aws.com";
const EFS: &str = "efs.csi.aws.com";
