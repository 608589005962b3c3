//! A window that was sent, whose total moves: sent once more to everybody, or to nobody.

use serde_json::Value;

use crate::support::Folder;
use crate::support::chat::chat;

/// The second of October, as of the fifth, into a folder and a chat.
const REPORT: &str = r#"apiVersion: runbook/v1
name: costs
inputs:
  threshold: {type: string, default: 1%}
  chat: {type: string, sensitive: true}
connections:
  aws: {region: ap-northeast-2}
tasks:
  - id: showback
    uses: report.showback
    with:
      name: costs
      window: "2026-10-02"
      slot: "2026-10-05T06:00:00Z"
      by: [namespace]
      formats: [json]
      restate: {until: window_end + 10d, threshold: "${{ inputs.threshold }}"}
      destinations:
        - {kind: folder, path: reports}
        - {kind: webhook, url: "${{ inputs.chat }}", format: json}
"#;

/// A cluster that was looked at until the noon of the second of October.
fn until_noon() -> Folder {
    let world = include_str!("../engine/sandbox/scenarios/default.yaml");
    let folder = Folder::new()
        .file("world.yaml", format!("{world}begins: 2026-10-01T00:00:00Z\n"))
        .file("costs.yaml", REPORT);
    folder.well(&["run", "--quiet", "nodeless.yaml", "--scenario", "world.yaml"]);
    folder.well(&["collect", "--every", "1h", "--until", "2026-10-02T12:00:00Z"]);
    folder
}

/// In the afternoon the workload grows, which only later samples say.
fn grown(folder: &Folder) {
    folder.well(&["run", "--quiet", "nodeless.yaml", "-i", "workload_replicas=30"]);
    folder.well(&["collect", "--every", "1h", "--until", "2026-10-05T06:00:00Z"]);
}

fn total(folder: &Folder, revision: u32) -> f64 {
    let path = format!("reports/costs/2026-10-02/r{revision}/showback.json");
    let answer: Value = serde_json::from_str(&folder.read(&path)).unwrap();
    answer["total"]["total"].as_f64().unwrap()
}

#[test]
fn later_samples_above_the_threshold_are_a_second_revision_for_each_destination_once() {
    let folder = until_noon();
    let (url, posted) = chat();
    folder.write("chat.txt", &url);
    let run = ["run", "costs.yaml", "-i", "chat=@chat.txt"];
    folder.well(&run);
    let first = posted.try_iter().collect::<Vec<_>>();
    assert_eq!(first.len(), 1);
    // The same samples again move nothing.
    assert!(folder.well(&run).last().contains("nothing to change"));
    grown(&folder);
    folder.well(&run);
    let (before, after) = (total(&folder, 1), total(&folder, 2));
    assert!(after > before * 1.05, "{before} {after}");
    let told = folder.read("reports/costs/2026-10-02/r2/revision.txt");
    assert!(told.starts_with("revision 2: these totals moved\n  total: $"), "{told}");
    assert!(told.contains(&format!("${before:.2} → ${after:.2}")), "{told}");
    assert!(told.contains("cause: ") && told.contains("node-seconds seen "), "{told}");
    let second = posted.try_iter().collect::<Vec<_>>();
    assert_eq!(second.len(), 1, "{second:#?}");
    assert_ne!(second[0].key, first[0].key);
    assert!(second[0].body.contains("revision 2"), "{}", second[0].body);
    // And then there is nothing more to say.
    assert!(folder.well(&run).last().contains("nothing to change"));
    assert!(posted.try_recv().is_err());
    let files = folder.files("reports");
    assert!(files.iter().all(|file| file.contains("/r1/") || file.contains("/r2/")), "{files:?}");
}

#[test]
fn below_the_threshold_nobody_hears_of_it() {
    let folder = until_noon();
    let (url, posted) = chat();
    folder.write("chat.txt", &url);
    let run = ["run", "costs.yaml", "-i", "chat=@chat.txt", "-i", "threshold=$1000"];
    folder.well(&run);
    grown(&folder);
    assert!(folder.well(&run).last().contains("nothing to change"));
    assert_eq!(posted.try_iter().count(), 1);
    assert!(folder.files("reports").iter().all(|file| file.contains("/r1/")));
}
