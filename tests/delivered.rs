//! The shipped report as a runbook: collected, priced, written, told, and sent once.

use serde_json::Value;

use crate::support::Folder;
use crate::support::chat::chat;

#[test]
fn a_cluster_is_reported_once_by_a_runbook_into_a_folder_and_a_chat() {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    let (url, posted) = chat();
    folder.write("webhook.txt", &url);

    let plan = folder.plan(&["05-showback.yaml", "-i", "webhook=@webhook.txt"]);
    assert!(!plan.to_string().contains("secret-part"), "{plan}");
    assert!(folder.files("reports").is_empty(), "a plan writes nothing");

    let said = folder.well(&["run", "05-showback.yaml", "-i", "webhook=@webhook.txt"]);
    assert!(!format!("{said:?}").contains("secret-part"), "{said:#?}");
    let written = folder.files("reports");
    let names: Vec<&str> = written.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["showback.csv", "showback.html", "showback.json", "showback.txt"]);
    assert!(
        written[0].starts_with("showback-myeks/20") && written[0].contains("/r1/"),
        "{written:?}"
    );
    let report = folder.read(&format!("reports/{}", written[3]));
    assert!(report.contains("/hour") && report.contains("karpenter"), "{report}");
    let answer: Value =
        serde_json::from_str(&folder.read(&format!("reports/{}", written[2]))).unwrap();
    assert!(answer.to_string().contains("kube-system"), "{answer}");

    let post = posted.recv().unwrap();
    assert_eq!(post.key.len(), 32);
    let body: Value = serde_json::from_str(&post.body).unwrap();
    assert!(body["blocks"][1]["text"]["text"].as_str().unwrap().contains("karpenter"), "{body}");
    assert!(posted.try_recv().is_err(), "it was told once");

    // Nothing that is stored knows the address.
    for path in folder.files(".runbook") {
        let bytes = std::fs::read(folder.path().join(".runbook").join(&path)).unwrap();
        assert!(!bytes.windows(11).any(|part| part == b"secret-part"), "{path}");
    }
}

/// A report of past days, whose samples were never taken, says so and delivers nothing.
#[test]
fn a_window_that_nobody_saw_is_no_report() {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    let said = folder.run(&["run", "05-showback.yaml", "-i", "window=previous_month"]);
    assert_eq!(said.code, 1, "{said:#?}");
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("nothing was observed") || all.contains("looked at once"), "{all}");
    assert!(folder.files("reports").is_empty());
}

const REPORT: &str = r#"
apiVersion: runbook/v1
name: monthly
inputs:
  cluster: {type: string, identity: true, default: myeks}
connections:
  aws: {region: ap-northeast-2}
tasks:
  - id: told
    uses: report.notify
    with:
      name: done
      slot: "2026-11-05T06:00:00Z"
      subject: the month is closed
      text: October is closed.
      destinations:
        - {kind: folder, path: "told/{window}/{file}"}
        - {kind: webhook, url: ""}
"#;

#[test]
fn a_message_is_delivered_once_and_then_there_is_nothing_to_do() {
    let folder = Folder::new().file("monthly.yaml", REPORT);
    let plan = folder.plan(&["monthly.yaml"]);
    assert!(plan.to_string().contains("told/2026-11-05T06-00-00Z/message.txt"), "{plan}");
    folder.well(&["run", "monthly.yaml"]);
    assert_eq!(folder.read("told/2026-11-05T06-00-00Z/message.txt"), "October is closed.");
    let again = folder.well(&["run", "monthly.yaml"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);

    // What somebody else wrote there is not taken for a delivery of the next window, nor overwritten.
    let next = REPORT.replace("2026-11-05", "2026-12-05");
    let taken = "told/2026-12-05T06-00-00Z/message.txt";
    let folder = folder.file("monthly.yaml", next).file(taken, "mine");
    let refused = folder.run(&["run", "monthly.yaml"]);
    assert_eq!(refused.code, 1, "{refused:#?}");
    let all = format!("{}{}", refused.out, refused.err);
    assert!(all.contains("is there with other content"), "{all}");
    assert_eq!(folder.read(taken), "mine");
    std::fs::remove_file(folder.path().join(taken)).unwrap();
    folder.well(&["run", "monthly.yaml"]);
    assert_eq!(folder.read(taken), "October is closed.");
}

#[test]
fn mistakes_in_a_report_task_are_told_before_anything_runs() {
    let wrong = REPORT
        .replace("name: done", "name: a/b")
        .replace("kind: folder", "kind: folders")
        .replace("2026-11-05T06:00:00Z", "yesterday");
    let folder = Folder::new().file("monthly.yaml", wrong);
    let said = folder.run(&["plan", "monthly.yaml"]);
    assert_eq!(said.code, 64, "{said:#?}");
    for part in ["`a/b` is no name", "has the kind `folders`", "`yesterday` is no moment"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}
