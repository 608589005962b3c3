//! Whole plans, as people see them.

use std::time::Duration;

use runbook_core::plan::{Kind, Orphan, Plan};
use serde_json::json;

use super::*;
use crate::view::support::{Thing, Workshop};

const ROOT: &str = r#"
apiVersion: runbook/v1
name: shop
tasks:
  - id: cluster
    uses: ./part.yaml
    with: {name: base}
  - id: extra
    uses: fake.thing
    with: {name: extra, size: 2, colour: red}
  - id: size
    uses: fake.lookup
    with: {name: "${{ tasks.cluster.outputs.name }}"}
"#;

const PART: &str = r#"
apiVersion: runbook/v1
name: part
inputs:
  name: {type: string}
tasks:
  - id: base
    uses: fake.thing
    with: {name: "${{ inputs.name }}", takes: 9m}
  - id: several
    uses: fake.thing
    for_each: [one, two, three]
    with: {name: "${{ each.value }}"}
  - id: inside
    uses: fake.thing
    with: {name: "in-${{ tasks.base.outputs.id }}", takes: 2m}
outputs:
  name: ${{ tasks.base.outputs.id }}
"#;

fn workshop() -> Workshop {
    let workshop = Workshop::new(ROOT).file("part.yaml", PART);
    workshop.world.things.lock().unwrap().insert(
        "extra".to_owned(),
        Thing {
            colour: "red".to_owned(),
            size: 2,
            owner: Some("shop/default".to_owned()),
            address: "extra".to_owned(),
            ready_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        },
    );
    workshop
}

async fn planned() -> Plan {
    workshop().plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan
}

#[tokio::test]
async fn a_plan_groups_counts_and_says_what_waits() {
    let mut plan = planned().await;
    plan.tasks.iter_mut().find(|task| task.subject == "base").unwrap().bills =
        Some("a thing, per hour".to_owned());
    plan.orphans.push(Orphan {
        address: "old".to_owned(),
        module: "fake.thing".to_owned(),
        identity: "oldie".to_owned(),
    });
    assert_eq!(render(&plan, &Style::plain()), "");
}
