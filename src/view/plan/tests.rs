//! Whole plans, as people see them.

use runbook_core::plan::{Estimate, Kind, Orphan, Plan, PlannedField};
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

fn lines(plan: &Plan, width: usize) -> Vec<String> {
    render(plan, None, &Style { colour: false, terminal: true, width })
        .lines()
        .map(str::to_owned)
        .collect()
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
    assert_eq!(
        lines(&plan, 100),
        [
            "plan for shop/default · on test",
            "  cluster  +  fake.thing    base                                     ~9m",
            "           +  3 fake.thing  one, two, three",
            "           …  fake.thing    (known after apply)  after cluster/base  ~2m",
            "  size     …  1 check       fake.lookup          after cluster/base",
            "  ✓ 1 task converged, nothing to change",
            "  ◆ 1 object of ours that nothing declares any more; nothing deletes what is listed here",
            "      fake.thing oldie made as old",
            "  4 to create now, 1 deferred until cluster/base ran, 1 check after that, 0 to change, 0 to destroy",
            "  about 11m 00s; the critical path is cluster/base → cluster/inside",
            "  bills  a thing, per hour: fake.thing base",
        ]
    );
}

#[tokio::test]
async fn a_narrow_terminal_cuts_and_never_wraps() {
    let mut plan = planned().await;
    plan.target.connections = vec!["aws 111122223333 ap-northeast-2".to_owned()];
    plan.tasks[0].detail = "with a detail that goes on and on, as details sometimes do".to_owned();
    for width in [60, 80, 100] {
        for line in lines(&plan, width) {
            assert!(words::width(&line) <= width, "{line}");
            assert_eq!(line, line.trim_end());
        }
    }
    assert_eq!(
        lines(&plan, 60)[..3],
        [
            "plan for shop/default · aws 111122223333 ap-northeast-2",
            "  cluster  +  fake.thing    base         with a detail…  ~9m",
            "           +  3 fake.thing  one, two, …",
        ]
    );
}

#[tokio::test]
async fn numbers_are_never_cut() {
    let mut plan = planned().await;
    plan.target.connections = vec!["aws 111122223333".to_owned(), "kubernetes myeks".to_owned()];
    let lines = lines(&plan, 44);
    assert_eq!(lines[..2], ["plan for shop/default · aws 111122223333 ·", "  kubernetes myeks"]);
    assert_eq!(
        lines[lines.len() - 6..],
        [
            "  4 to create now,",
            "    1 deferred until cluster/base ran,",
            "    1 check after that, 0 to change,",
            "    0 to destroy",
            "  about 11m 00s; the critical path is",
            "    cluster/base → cluster/inside",
        ]
    );
}

/// A plan in which one task is changed by hand: the fake world has no secrets.
async fn changed(kind: Kind) -> Plan {
    let mut plan = planned().await;
    plan.tasks.retain(|task| task.address == "extra");
    plan.estimate = Estimate::default();
    let field =
        |path: &str, before: Option<serde_json::Value>, after, why: Option<&str>| PlannedField {
            path: path.to_owned(),
            before,
            after,
            forces_replace: why.map(str::to_owned),
        };
    let task = &mut plan.tasks[0];
    task.kind = kind;
    task.reasons = vec!["it exists unmarked and is adopted".to_owned()];
    task.fields = vec![
        field("size", Some(json!(2)), Some(json!(3)), None),
        field("token", Some(json!({"secret": "01"})), Some(json!({"secret": "02"})), None),
        field("arn", None, Some(json!({"unknown": "string"})), None),
        field("tags.team", Some(json!("a\u{1b}b")), None, None),
    ];
    if kind == Kind::Replace {
        task.fields[0].forces_replace = Some("`size` cannot be changed in place".to_owned());
    }
    plan
}

#[tokio::test]
async fn an_update_shows_each_field_and_masks_secrets() {
    assert_eq!(
        lines(&changed(Kind::Update).await, 100),
        [
            "plan for shop/default · on test",
            "  extra  ~  fake.thing  extra",
            "            size: 2 → 3",
            "            token: (secret) → (secret)",
            "            arn: (none) → (known after apply)",
            "            tags.team: a\\u{1b}b → (none)",
            "            it exists unmarked and is adopted",
            "  0 to create now, 1 to change, 0 to destroy",
        ]
    );
}

#[tokio::test]
async fn a_replacement_says_what_forces_it() {
    assert_eq!(
        lines(&changed(Kind::Replace).await, 100)[1..4],
        [
            "  extra  -/+  fake.thing  extra",
            "              size: 2 → 3",
            "                forces a replacement: `size` cannot be changed in place",
        ]
    );
}

#[tokio::test]
async fn what_is_not_known_yet_says_what_decides_it() {
    let mut plan = planned().await;
    plan.estimate = Estimate::default();
    plan.tasks.retain(|task| task.kind == Kind::Deferred);
    plan.tasks[0].kind = Kind::Conditional;
    plan.tasks[1].kind = Kind::Expands;
    plan.tasks[1].may = vec![runbook_core::change::Action::Create];
    assert_eq!(
        lines(&plan, 100),
        [
            "plan for shop/default · on test",
            "  cluster  ?  fake.thing   (known after apply)  if its condition holds · after cluster/base  ~2m",
            "  size     …  fake.lookup  (known after apply)  for each key, known after cluster/base",
            "  0 to create now, 1 deferred until cluster/base ran, 1 conditional, 0 to change, 0 to destroy",
        ]
    );
}

#[tokio::test]
async fn nothing_to_change_is_three_lines() {
    let mut plan = planned().await;
    plan.tasks.retain(|task| task.kind == Kind::NoChange);
    let mut skipped = plan.tasks[0].clone();
    skipped.kind = Kind::Skipped;
    skipped.reasons = vec!["`when: inputs.more` is false".to_owned()];
    plan.tasks.push(skipped);
    assert_eq!(
        lines(&plan, 100),
        [
            "plan for shop/default · on test",
            "  ✓ 1 task converged, nothing to change",
            "  ↷ 1 task skipped: extra (`when: inputs.more` is false)",
            "  nothing to change, 2 tasks",
        ]
    );
}

#[tokio::test]
async fn colour_is_in_the_sign() {
    let plan = changed(Kind::Update).await;
    let text = render(&plan, None, &Style { colour: true, terminal: true, width: 100 });
    let line = text.lines().nth(1).unwrap();
    assert_eq!(line, "  extra  \u{1b}[35m~\u{1b}[0m  fake.thing  extra");
}

#[tokio::test]
async fn a_pull_request_gets_a_table_and_folded_fields() {
    let mut plan = planned().await;
    let update = changed(Kind::Update).await.tasks.remove(0);
    plan.tasks.retain(|task| task.subject == "base" || task.kind == Kind::Deferred);
    plan.tasks.push(update);
    let text = render_markdown(&plan, None);
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "### plan for shop/default · on test",
            "",
            "**1 to create now, 1 deferred until cluster/base ran, 1 check after that, 1 to change, 0 to destroy**",
            "",
            "| | call | module | object | detail | expected |",
            "|---|---|---|---|---|--:|",
            "| `+` | cluster | fake.thing | base |  | ~9m |",
            "| `…` | cluster | fake.thing | (known after apply) | after cluster/base | ~2m |",
            "| `…` | size | fake.lookup | (known after apply) | after cluster/base · a check |  |",
            "| `~` | extra | fake.thing | extra | it exists unmarked and is adopted |  |",
            "",
            "- about 11m 00s; the critical path is cluster/base → cluster/inside",
            "",
            "<details><summary>4 changed fields of 1 task</summary>",
            "",
            "- extra",
            "  - size: 2 → 3",
            "  - token: (secret) → (secret)",
            "  - arn: (none) → (known after apply)",
            "  - tags.team: a\\\\u{1b}b → (none)",
            "",
            "</details>",
        ]
    );
}

#[test]
fn keys_of_an_address_may_hold_slashes() {
    assert_eq!(rows::group(r#"a["x/y"]/b["p/q"]"#), r#"a["x/y"]"#);
    assert_eq!(rows::group("alone"), "alone");
}
