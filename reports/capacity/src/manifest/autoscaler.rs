//! `HorizontalPodAutoscaler`s: between how many pods a workload is scaled.

use super::document::Object;
use super::workload::count;

/// The bounds that an autoscaler sets to a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autoscaler {
    /// Its namespace, which is the workload's.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The workload's kind.
    pub target_kind: String,
    /// The workload's name.
    pub target_name: String,
    /// Fewest pods.
    pub least: u32,
    /// Most pods.
    pub most: u32,
    /// How many there were when it was looked at, if it runs somewhere.
    pub current: Option<u32>,
}

/// Reads one; the API's default for the fewest pods is one.
pub(super) fn autoscaler(object: &Object) -> Result<Autoscaler, String> {
    let text = |pointer: &str| object.text(pointer).map(str::to_owned);
    let required =
        |pointer: &str| text(pointer).ok_or_else(|| format!("`{}` is missing", dotted(pointer)));
    let least = count(object, "/spec/minReplicas")?.unwrap_or(1);
    let most = count(object, "/spec/maxReplicas")?.ok_or("`spec.maxReplicas` is missing")?;
    if most < least || most == 0 {
        return Err(format!("`spec.maxReplicas` is {most}, `spec.minReplicas` is {least}"));
    }
    Ok(Autoscaler {
        namespace: text("/metadata/namespace").unwrap_or_else(|| "default".to_owned()),
        name: required("/metadata/name")?,
        target_kind: required("/spec/scaleTargetRef/kind")?,
        target_name: required("/spec/scaleTargetRef/name")?,
        least,
        most,
        current: count(object, "/status/currentReplicas")?,
    })
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}
