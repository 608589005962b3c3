//! How runs of a small world end, in words.

use runbook_core::execute::Cancel;
use runbook_core::failure::Class;
use runbook_core::plan;

use super::*;
use crate::view::support::{Fault, Workshop};

const ROOT: &str = r#"
apiVersion: runbook/v1
name: shop
tasks:
  - id: first
    uses: fake.thing
    with: {name: first, takes: 90s}
  - id: second
    uses: fake.thing
    with: {name: "${{ tasks.first.outputs.id }}-2"}
  - id: third
    uses: fake.thing
    with: {name: "${{ tasks.second.outputs.id }}-3"}
"#;

fn place() -> Place {
    Place {
        owner: "shop/default".to_owned(),
        target: "the sandbox".to_owned(),
        simulated: true,
        waited: Duration::from_millis(6_080),
    }
}

#[tokio::test]
async fn a_run_ends_with_how_long_and_where() {
    let workshop = Workshop::new(ROOT);
    let (report, _) = workshop.plan_and_apply().await;
    assert_eq!(
        run(&report, &place(), &Style::plain()),
        "✓ shop/default: 3 tasks, 3 changed · 1m 30s simulated in 6.1 s · on the sandbox\n"
    );
    let again = workshop.plan().await.unwrap().plan;
    let (report, _) = workshop.apply(again, "r2", Cancel::default()).await;
    assert_eq!(
        run(&report, &place(), &Style::plain()),
        "✓ shop/default: nothing to change, 3 tasks converged · 6.1 s · on the sandbox\n"
    );
}

#[tokio::test]
async fn a_failure_is_a_place_a_reason_and_a_way_out() {
    let workshop = Workshop::new(ROOT);
    workshop.world.faults.lock().unwrap().insert("id-first-2".to_owned(), vec![Fault::Reject]);
    let (mut report, _) = workshop.plan_and_apply().await;
    let failure = report.tasks[1].failure.take().unwrap();
    report.tasks[1].failure =
        Some(failure.evidence("the last event, 8m ago: \u{1b}[31mno").hint("likely: a \"quote\""));
    assert_eq!(
        run(&report, &place(), &Style::plain()),
        "✗ second   refused (Refused)\n\
         \x20   the last event, 8m ago: \\u{1b}[31mno\n\
         \x20   likely: a \"quote\"\n\
         \x20   → runbook resume r1          carries on from here; 1 task done, 1 blocked, \
         nothing will be repeated\n\
         \x20     runbook show r1 --task second --requests\n\
         ✗ shop/default: 1 of 3 tasks done, 1 failed, 1 blocked · 1m 30s simulated in 6.1 s \
         · on the sandbox\n"
    );
}

#[tokio::test]
async fn a_run_that_was_stopped_says_how_it_goes_on() {
    let workshop = Workshop::new(ROOT);
    let cancel = Cancel::default();
    cancel.request("SIGINT");
    let plan = workshop.plan().await.unwrap().plan;
    let (mut report, _) = workshop.apply(plan, "r1", cancel).await;
    let mut place = place();
    place.simulated = false;
    let text = run(&report, &place, &Style::plain());
    assert!(text.starts_with("    → runbook resume r1          carries on from here; "), "{text}");
    assert!(text.contains("◆ shop/default: cancelled: "), "{text}");

    report.outcome = Outcome::Paused;
    report.tasks[0].state = TaskState::Interrupted;
    report.tasks[0].because = Some("was it sent?".to_owned());
    let text = run(&report, &place, &Style::plain());
    assert!(text.starts_with("◆ first   was it sent?\n    → runbook resume r1"), "{text}");
    assert!(text.contains("◆ shop/default: waits for you: "), "{text}");
}

#[tokio::test]
async fn a_stale_plan_names_what_moved() {
    let workshop = Workshop::new(ROOT);
    let older = workshop.plan().await.unwrap().plan;
    workshop.plan_and_apply().await;
    let newer = workshop.plan().await.unwrap().plan;
    let moved = plan::moved(&older.facts, &newer.facts);
    let mut text = stale(&older, &moved, "runbook plan shop.yaml", &Style::plain());
    text = text.replace(&older.name(), "k7f2-93ab");
    assert_eq!(
        text,
        "✗ the plan k7f2-93ab is stale: 1 of 1 fact moved since 00:00; nothing was written\n\
         \x20   fake.thing first   absent → there      read by first\n\
         \x20   → runbook plan shop.yaml\n"
    );
}

#[test]
fn what_failed_alike_is_said_once() {
    let failure = |text: &str| Failure::new(Class::Denied, text).hint("use others");
    let failures = [("a", "no"), ("b", "no"), ("c", "none"), ("d", "no"), ("e", "no")]
        .map(|(address, text)| (address.to_owned(), failure(text)));
    assert_eq!(
        not_planned(&failures, &Style::plain()),
        "✗ a, b, d and 1 more   no\n\
         \x20   use others\n\
         ✗ c   none\n\
         \x20   use others\n\
         5 tasks could not be looked at; nothing was written\n"
    );
}

#[tokio::test]
async fn of_an_object_only_what_moved_is_named() {
    let plan = Workshop::new(ROOT).plan().await.unwrap().plan;
    let mut old = plan.facts[0].clone();
    old.key.field = "spec".to_owned();
    old.value = serde_json::json!({"cpu": 1000, "same": "x", "gone": true});
    let mut new = old.clone();
    new.value = serde_json::json!({"cpu": 64, "same": "x"});
    assert_eq!(
        moved_fact(&old, Some(&new)),
        "fake.thing first  spec   cpu: 1000 → 64 and gone: true → (none)"
    );
    assert!(moved_fact(&old, None).ends_with(" → not seen"));
}

#[test]
fn an_address_with_a_key_is_quoted_for_the_shell() {
    assert_eq!(quoted("a/b"), "a/b");
    assert_eq!(quoted(r#"a["it's"]"#), r#"'a["it'\''s"]'"#);
}
