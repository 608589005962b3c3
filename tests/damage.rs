//! What people do by hand behind a runbook's back: each damage plans exactly its repair.

use serde_json::Value;

use crate::support::signed::{eks, query};
use crate::support::{Folder, Served, writes};

const ROLE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// The writes that a plan holds. The smoke test would follow every change; it is not wanted here.
fn repairs(folder: &Folder) -> Vec<(String, String)> {
    writes(&folder.plan(&["nodeless.yaml", "-i", "smoke_test=false"]))
}

fn repair(folder: &Folder) {
    folder.well(&["run", "--quiet", "nodeless.yaml", "-i", "smoke_test=false"]);
}

fn pair(address: &str, kind: &str) -> (String, String) {
    (address.to_owned(), kind.to_owned())
}

fn form(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A private subnet: the first that the first tagging named was told to both controllers.
fn private_subnet(folder: &Folder) -> String {
    let requests = folder.requests(true);
    let tagged = requests.iter().filter(|request| request["operation"] == "CreateTags");
    let named: Vec<&str> = tagged
        .filter_map(|request| request["subject"].as_str()?.split(',').next())
        .filter(|name| name.starts_with("subnet-"))
        .collect();
    // Karpenter finds private subnets by a tag, the load balancer controller by another.
    let private = named.iter().find(|name| named.iter().filter(|other| other == name).count() == 2);
    (*private.unwrap()).to_owned()
}

#[test]
fn each_damage_by_hand_plans_exactly_its_repair() {
    let folder = Folder::new();
    repair(&folder);
    let served = Served::of(&folder);

    // CoreDNS is told to be anywhere.
    eks(
        &served,
        "/clusters/myeks/addons/coredns/update",
        r#"{"configurationValues":"{\"resources\":{\"requests\":{\"cpu\":\"0.25\",\"memory\":\"256M\"},\"limits\":{\"cpu\":\"0.25\",\"memory\":\"256M\"}}}","resolveConflicts":"OVERWRITE"}"#,
    );
    // The update takes its time, and runs through a runbook that only waits.
    folder.write(
        "later.yaml",
        "apiVersion: runbook/v1\nname: later\ntasks:\n  - {id: later, uses: wait, with: {for: 10m}, timeout: 1h}\n",
    );
    folder.well(&["run", "--quiet", "later.yaml"]);
    assert_eq!(repairs(&folder), [pair("coredns/addon", "update")]);
    repair(&folder);

    // A policy is detached from the nodes' role.
    query(
        &served,
        "iam",
        "Action=DetachRolePolicy&Version=2010-05-08&RoleName=KarpenterNodeRole-myeks&PolicyArn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FAmazonEKSWorkerNodePolicy",
    );
    assert_eq!(repairs(&folder), [pair("karpenter/node_role", "update")]);
    repair(&folder);

    // The tag by which Karpenter finds one of its subnets is deleted.
    let body = format!(
        "Action=DeleteTags&Version=2016-11-15&ResourceId.1={}&Tag.1.Key={}",
        private_subnet(&folder),
        form("karpenter.sh/discovery")
    );
    query(&served, "ec2", &body);
    assert_eq!(repairs(&folder), [pair("karpenter/subnet_tags", "update")]);
    repair(&folder);
    assert_eq!(repairs(&folder), Vec::new());
}

#[test]
fn an_unmarked_role_of_that_name_is_refused_until_it_is_adopted() {
    let folder = Folder::new();
    let served = Served::of(&folder);
    let body = format!(
        "Action=CreateRole&Version=2010-05-08&RoleName=myeks-cluster&AssumeRolePolicyDocument={}",
        form(ROLE)
    );
    query(&served, "iam", &body);
    let before = folder.requests(true).len();
    let runbook = |more: &str| {
        format!(
            "apiVersion: runbook/v1\nname: mine\ntasks:\n  - id: role\n    uses: iam.role\n{more}    with: {{name: myeks-cluster, trust: {ROLE}}}\n"
        )
    };
    folder.write("mine.yaml", runbook(""));
    let said = folder.run(&["run", "mine.yaml"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("iam.role `myeks-cluster` exists"), "{}", said.err);
    assert!(said.err.contains("adopt: true"), "{}", said.err);
    assert_eq!(folder.requests(true).len(), before, "nothing was written");

    folder.write("mine.yaml", runbook("    adopt: true\n"));
    let plan = folder.plan(&["mine.yaml"]);
    assert_eq!(writes(&plan), [pair("role", "update")]);
    folder.well(&["run", "--quiet", "mine.yaml"]);
    let again = folder.well(&["run", "mine.yaml"]);
    assert!(again.last().contains("nothing to change"), "{}", again.out);
    // It was taken over, not made anew.
    let created = folder.requests(true).iter().filter(|request| made_role(request)).count();
    assert_eq!(created, 1);
}

fn made_role(request: &Value) -> bool {
    request["operation"] == "CreateRole" && request["status"] == 200
}
