//! The main job while the world misbehaves: it ends, and ends in the same cluster.

use crate::support::{Folder, Said};

/// Real seconds after which a run counts as hanging; it takes five.
const PATIENCE: &str = "120";

/// Carries the main job out under a script of faults.
fn under(folder: &Folder, faults: &str) -> Said {
    folder.write("faults.yaml", faults);
    let program = env!("CARGO_BIN_EXE_runbook");
    let arguments =
        [PATIENCE, program, "run", "--quiet", "nodeless.yaml", "--faults", "faults.yaml"];
    let output = folder.foreign("timeout", &arguments).output().expect("coreutils");
    Said::of(&output)
}

fn is_converged(folder: &Folder) {
    let again = folder.well(&["run", "nodeless.yaml"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
}

/// The same, to the end; nothing is left to do then.
fn carried_out_under(faults: &str) -> Folder {
    let folder = Folder::new();
    let said = under(&folder, faults);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.out.contains("✓ coredns  "), "{}", said.out);
    is_converged(&folder);
    folder
}

#[test]
fn aws_throttles_fails_and_loses_answers() {
    let folder = carried_out_under(
        "- {operation: '*:Describe*', kind: throttle, count: 6}
- {operation: '*:Get*', kind: throttle, nth: 3, count: 6}
- {operation: '*:List*', kind: server_error, count: 2}
- {operation: 'eks:CreateFargateProfile', kind: lost_reply}
- {operation: 'eks:CreateCluster', kind: reset}
- {operation: 'iam:CreateRole', kind: lost_reply, nth: 2}
",
    );
    let made = |operation: &str| {
        let requests = folder.requests(true);
        requests.iter().filter(|one| one["operation"] == operation && one["status"] == 200).count()
    };
    assert_eq!(made("CreateCluster"), 1);
}

#[test]
fn the_cluster_throttles_fails_and_loses_answers() {
    carried_out_under(
        "- {operation: 'kubernetes:create leases*', kind: lost_reply}
- {operation: 'kubernetes:patch nodepools*', kind: lost_reply}
- {operation: 'kubernetes:patch nodepools*', kind: throttle, nth: 2}
- {operation: 'kubernetes:list pods', kind: throttle, count: 2}
- {operation: 'kubernetes:get *', kind: server_error, nth: 5, count: 2}
- {operation: 'kubernetes:patch ec2nodeclasses*', kind: reset}
",
    );
}

#[test]
fn helm_that_loses_an_answer_fails_as_helm_does_and_is_taken_up_again() {
    let folder = Folder::new();
    let said = under(&folder, "- {operation: 'kubernetes:patch deployments*', kind: lost_reply}\n");
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.out.contains("✗ karpenter/release"), "{}", said.out);
    assert!(said.out.contains("→ runbook resume "), "{}", said.out);
    folder.well(&["resume", "--quiet"]);
    is_converged(&folder);
}
