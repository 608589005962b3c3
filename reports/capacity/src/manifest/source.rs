//! A file with pods, whatever its form; several of them together.

use super::workload::{Manifests, WorkloadKind, read};
use super::{Problem, read_table};
use crate::pod::Pod;

/// Reads manifests or a table of pods. A name that ends in `.csv` is a table, one that ends in
/// `.yaml`, `.yml` or `.json` is not; anything else (a pipe) is what its first line looks like.
pub fn read_pods(source_name: &str, text: &str) -> Result<Manifests, Vec<Problem>> {
    if is_table(source_name, text) {
        read_table(source_name, text)
    } else {
        read(source_name, text)
    }
}

fn is_table(source_name: &str, text: &str) -> bool {
    let lower = source_name.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    if ends(&[".csv"]) || ends(&[".yaml", ".yml", ".json"]) {
        return ends(&[".csv"]);
    }
    let first = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or_default();
    let is_yaml =
        first.starts_with(['{', '[', '-']) || first.contains(": ") || first.ends_with(':');
    !is_yaml && first.split(',').any(|column| column.trim().trim_matches('"') == "name")
}

/// Reads daemonsets: `DaemonSet`s, or Pods of which each stands for one.
pub fn read_daemonsets(source_name: &str, text: &str) -> Result<Manifests, Vec<Problem>> {
    let mut manifests = read(source_name, text)?;
    let mut problems = Vec::new();
    for workload in &mut manifests.workloads {
        match workload.kind {
            WorkloadKind::DaemonSet => {}
            WorkloadKind::Pod => workload.kind = WorkloadKind::DaemonSet,
            other => problems.push(Problem::of_object(
                source_name,
                &format!("{other:?} `{}`", workload.name),
                "it is neither a DaemonSet nor a Pod",
            )),
        }
    }
    if manifests.workloads.is_empty() && problems.is_empty() {
        problems.push(Problem::of_file(source_name, "there is no DaemonSet and no Pod in it"));
    }
    if problems.is_empty() { Ok(manifests) } else { Err(problems) }
}

impl Manifests {
    /// Takes in another file.
    pub fn merge(&mut self, other: Self) {
        self.workloads.extend(other.workloads);
        self.passed_over.extend(other.passed_over);
        self.namespaces.extend(other.namespaces);
        self.storage.merge(other.storage);
        self.autoscalers.extend(other.autoscalers);
    }

    /// The daemonsets among the workloads, as one pod each.
    pub fn daemonset_pods(&self) -> Vec<Pod> {
        self.workloads
            .iter()
            .filter(|workload| workload.kind == WorkloadKind::DaemonSet)
            .flat_map(super::Workload::pods)
            .collect()
    }

    /// The pods of everything else, in the order of the files.
    pub fn other_pods(&self) -> Vec<Pod> {
        self.workloads
            .iter()
            .filter(|workload| workload.kind != WorkloadKind::DaemonSet)
            .flat_map(super::Workload::pods)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_name_or_its_first_line() {
        assert!(is_table("pods.csv", "") && !is_table("pods.yaml", "name,cpu"));
        assert!(is_table("-", "# pods\n\nname,cpu,memory,replicas\n"));
        assert!(!is_table("-", "apiVersion: v1\nkind: Pod\n"));
        assert!(!is_table("/dev/fd/63", "{\"kind\": \"Pod\", \"name\": 1}"));
    }

    #[test]
    fn a_table_of_pods_is_read_or_its_rows_are_named() {
        let manifests = read_pods(
            "p.csv",
            "name,cpu,memory,replicas,hours\nweb/api,250m,1Gi,2,100\none,,,1,\n",
        )
        .expect("pods");
        let names: Vec<String> = manifests.pods().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["web/api-0", "web/api-1", "one"]);
        let why = |text: &str| {
            let problems = read_pods("p.csv", text).expect_err("a problem");
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            why("name,cpu,memory\n"),
            "p.csv: column `replicas` is missing; needed: name, cpu, memory, replicas"
        );
        assert_eq!(
            why("name,cpu,cpu,memory,replicas,owner\n"),
            "p.csv: column `cpu` is there twice; p.csv: column `owner` is not known (known: name, cpu, memory, replicas, hours)"
        );
        assert_eq!(
            why("name,cpu,memory,replicas\na,-1,1Gi,1\nb,1x,1Gi,1\nc,1,1Gi,many\nd,1\n"),
            "p.csv: row 2: `a`, `cpu`: `-1` is negative; p.csv: row 3: `b`, `cpu`: `1x` is not a quantity: unknown unit `x` (known: n u m k M G T P E, Ki Mi Gi Ti Pi Ei, e3); p.csv: row 4: `c`, `replicas`: `many` is no count; p.csv: row 5: it has 2 cells, the header has 4"
        );
    }

    #[test]
    fn daemonsets_may_be_pods_but_nothing_else() {
        let pod = "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c}]}\n";
        assert_eq!(read_daemonsets("d.yaml", pod).expect("one").daemonset_pods().len(), 1);
        let other = "kind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: c}]}}}\n";
        assert_eq!(
            read_daemonsets("d.yaml", other).expect_err("a problem")[0].to_string(),
            "d.yaml: Deployment `a`: it is neither a DaemonSet nor a Pod"
        );
    }

    #[test]
    fn what_its_owner_stands_for_is_counted_once() {
        let all = r#"{"kind": "List", "items": [
            {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "c"}]}}}},
            {"kind": "ReplicaSet", "metadata": {"name": "web-1", "ownerReferences": [{"controller": true, "kind": "Deployment", "name": "web"}]}, "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "c"}]}}}},
            {"kind": "Pod", "metadata": {"name": "web-1-a", "ownerReferences": [{"controller": true, "kind": "ReplicaSet", "name": "web-1"}]}, "spec": {"containers": [{"name": "c"}]}},
            {"kind": "Pod", "metadata": {"name": "ended"}, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Succeeded"}},
            {"kind": "Pod", "metadata": {"name": "agent-1", "ownerReferences": [{"controller": true, "kind": "DaemonSet", "name": "agent"}]}, "spec": {"containers": [{"name": "c"}]}},
            {"kind": "Pod", "metadata": {"name": "agent-2", "ownerReferences": [{"controller": true, "kind": "DaemonSet", "name": "agent"}]}, "spec": {"containers": [{"name": "c"}]}}
        ]}"#;
        let manifests = read_pods("all.json", all).expect("manifests");
        let names = |pods: Vec<Pod>| pods.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(manifests.other_pods()), ["web-0", "web-1"]);
        assert_eq!(names(manifests.daemonset_pods()), ["agent"]);
        assert_eq!(
            manifests.passed_over,
            ["ReplicaSet `web-1`", "Pod `web-1-a`", "Pod `ended`", "Pod `agent-2`"]
        );
    }
}
