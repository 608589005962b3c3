//! What an inventory says of itself: from where and when it is, and what it lacks.

use jiff::Timestamp;
use serde_json::Value;

use super::Problem;
use super::document::{Object, objects};

/// The version of inventories that this program writes and reads.
pub const INVENTORY_VERSION: u64 = 1;

/// The head of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InventoryHead {
    /// The version of its form.
    pub version: u64,
    /// `sandbox`, `aws`, or `kubeconfig` for a cluster that was reached by one.
    pub source: Option<String>,
    /// Whether it is of the sandbox, where nothing is real.
    pub is_sandbox: bool,
    /// The account.
    pub account: Option<String>,
    /// The region, whose prices apply.
    pub region: Option<String>,
    /// The cluster.
    pub cluster: Option<String>,
    /// Which program wrote it.
    pub made_by: Option<String>,
    /// The cluster's time when the look began.
    pub collected_at: Option<Timestamp>,
    /// Kinds that could not be read, and why.
    pub missing: Vec<String>,
}

/// Reads the head of an inventory, in JSON or YAML; none of what is no inventory, such as the list that
/// `kubectl get` prints.
pub fn read_inventory_head(
    source_name: &str,
    text: &str,
) -> Result<Option<InventoryHead>, Problem> {
    let objects = objects(source_name, text)?;
    let Some(inventory) = inventory(source_name, &objects)? else { return Ok(None) };
    let refuse = |field: &str, why: String| {
        Problem::of_file(source_name, format!("the inventory's `{field}`: {why}"))
    };
    let text = |field: &str| match inventory.fields.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(refuse(field, format!("`{other}` is no text"))),
    };
    let source = text("source")?;
    let collected_at = text("collectedAt")?
        .map(|text| text.parse().map_err(|_| refuse("collectedAt", format!("`{text}` is no time"))))
        .transpose()?;
    Ok(Some(InventoryHead {
        version: INVENTORY_VERSION,
        is_sandbox: source.as_deref() == Some("sandbox"),
        source,
        account: text("account")?,
        region: text("region")?,
        cluster: text("cluster")?,
        made_by: text("madeBy")?,
        collected_at,
        missing: inventory.read("/missing").map_err(|why| refuse("missing", why))?,
    }))
}

/// The inventory among the objects of a file, which then is the only one; refused when it is of another
/// version.
pub(super) fn inventory<'o>(
    source_name: &str,
    objects: &'o [Object],
) -> Result<Option<&'o Object>, Problem> {
    let [inventory] = objects else { return Ok(None) };
    if inventory.kind() != "Inventory" {
        return Ok(None);
    }
    match inventory.fields.pointer("/version").and_then(Value::as_u64) {
        Some(INVENTORY_VERSION) => Ok(Some(inventory)),
        Some(newer) if newer > INVENTORY_VERSION => Err(Problem::of_file(
            source_name,
            format!(
                "the inventory is of version {newer}, this program reads version {INVENTORY_VERSION}; use the program that wrote it, or collect again"
            ),
        )),
        _ => Err(Problem::of_file(source_name, "the inventory has no version")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"kind": "Inventory", "version": 1, "madeBy": "runbook 0.1.0",
        "source": "sandbox", "region": "ap-northeast-2", "cluster": "demo", "account": null,
        "collectedAt": "2026-11-26T07:00:00Z", "missing": ["batch/v1 Job: forbidden"], "items": []}"#;
    const YAML: &str = "
kind: Inventory
version: 1
madeBy: runbook 0.1.0
source: sandbox
region: ap-northeast-2
cluster: demo
collectedAt: '2026-11-26T07:00:00Z'
missing: ['batch/v1 Job: forbidden']
items: []
";

    #[test]
    fn json_and_yaml_have_the_same_head() {
        let head = read_inventory_head("inv.json", JSON).expect("a head").expect("an inventory");
        assert_eq!(
            head,
            InventoryHead {
                version: 1,
                source: Some("sandbox".to_owned()),
                is_sandbox: true,
                account: None,
                region: Some("ap-northeast-2".to_owned()),
                cluster: Some("demo".to_owned()),
                made_by: Some("runbook 0.1.0".to_owned()),
                collected_at: "2026-11-26T07:00:00Z".parse().ok(),
                missing: vec!["batch/v1 Job: forbidden".to_owned()],
            }
        );
        assert_eq!(read_inventory_head("inv.yaml", YAML), Ok(Some(head)));
        let real = YAML.replace("source: sandbox", "source: aws");
        let real = read_inventory_head("inv.yaml", &real).expect("a head").expect("an inventory");
        assert!(!real.is_sandbox);
    }

    #[test]
    fn what_is_no_inventory_has_no_head_and_a_wrong_one_is_named() {
        for text in [r#"{"kind": "List", "items": []}"#, "kind: Pod\nmetadata: {name: a}\n", ""] {
            assert_eq!(read_inventory_head("list", text), Ok(None));
        }
        let why = |old: &str, new: &str| {
            read_inventory_head("inv.json", &JSON.replace(old, new))
                .expect_err("a problem")
                .to_string()
        };
        assert_eq!(
            why("2026-11-26T07:00:00Z", "yesterday"),
            "inv.json: the inventory's `collectedAt`: `yesterday` is no time"
        );
        assert_eq!(why("\"sandbox\"", "3"), "inv.json: the inventory's `source`: `3` is no text");
        assert!(why("\"version\": 1", "\"version\": 9").contains("is of version 9"));
        assert!(why("[\"batch/v1 Job: forbidden\"]", "3").contains("`missing`"));
        assert!(why(", \"items\": []}", "").contains("cut off in the middle"));
    }
}
