//! The engine from text to a world: plan, apply, faults, repetition, composition.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

mod support;

use runbook_core::event::{Body, Outcome, TaskState};
use runbook_core::execute::Cancel;
use runbook_core::execute::resume::prepare;
use runbook_core::journal::Journal;
use runbook_core::plan::Kind;
use support::{Fault, Workshop, steps};

const CHAIN: &str = r#"
apiVersion: runbook/v1
name: chain
inputs:
  first: {type: string, default: a}
tasks:
  - id: one
    uses: fake.thing
    with: {name: "${{ inputs.first }}", takes: 9m}
  - id: two
    uses: fake.thing
    with: {name: "${{ tasks.one.outputs.id }}-two", size: 3, takes: 30s}
  - id: three
    uses: fake.thing
    with: {name: c, takes: 2m}
outputs:
  id: ${{ tasks.two.outputs.id }}
"#;

#[tokio::test]
async fn a_chain_is_planned_applied_and_then_nothing_is_left() {
    let workshop = Workshop::new(CHAIN);
    let planned = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let kinds: Vec<(&str, Kind)> =
        planned.tasks.iter().map(|task| (task.address.as_str(), task.kind)).collect();
    assert_eq!(kinds, [("one", Kind::Create), ("two", Kind::Deferred), ("three", Kind::Create)]);
    assert_eq!(planned.estimate.critical_path, ["one", "two"]);
    assert_eq!(workshop.writes(), Vec::<String>::new());

    let (report, events) = workshop.apply(planned, "r1", Cancel::default()).await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(report.took.as_secs(), 9 * 60 + 30);
    assert_eq!(report.outputs["id"].as_str(), Some("id-id-a-two"));
    assert_eq!(workshop.writes(), ["create a", "create c", "create id-a-two"]);
    assert_eq!(
        steps(&events).iter().filter(|line| line.starts_with("two")).collect::<Vec<_>>(),
        ["two intended Create", "two acknowledged", "two converged", "two succeeded"]
    );

    let again = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    assert!(again.is_empty(), "{:#?}", again.tasks);
}

#[tokio::test]
async fn the_slot_is_known_at_plan_time_and_stays_what_it_was() {
    let workshop = Workshop::new(
        "apiVersion: runbook/v1\nname: test\ntasks:\n  - id: one\n    uses: fake.thing\n    with: {name: 'at ${{ run.slot }}', takes: 5m}\noutputs: {slot: '${{ run.slot }}'}\n",
    );
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    // Nobody scheduled it: it is the moment at which the plan was begun.
    let slot = plan.slot.unwrap();
    assert_eq!(slot, plan.world_time);
    assert_eq!(plan.tasks[0].arguments["name"], format!("at {slot}"));
    let stored = runbook_core::plan::Plan::load(&plan.store()).unwrap();
    assert_eq!(stored.slot(), slot);

    let (report, events) = workshop.apply(stored, "r1", Cancel::default()).await;
    assert_eq!(report.outputs["slot"].as_str(), Some(slot.to_string().as_str()));
    assert_eq!(workshop.writes(), [format!("create at {slot}")]);
    let Body::RunStarted { slot: told, .. } = &events[0].body else { panic!("{:?}", events[0]) };
    assert_eq!(*told, Some(slot));

    // Time has passed; a run that is taken up again is still for its slot.
    let journal = Journal::open(workshop.state.path()).unwrap();
    let (plan, resumed) = prepare(&journal, "r1").unwrap();
    assert!(workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan.slot() > slot);
    let (report, _) = workshop.apply_with(plan, "r1", Cancel::default(), Some(resumed)).await;
    assert_eq!(report.outputs["slot"].as_str(), Some(slot.to_string().as_str()));
    assert_eq!(workshop.writes(), [format!("create at {slot}")]);
}

#[tokio::test]
async fn the_same_simulated_duration_each_time() {
    for _ in 0..5 {
        let (report, _) = Workshop::new(CHAIN).plan_and_apply().await;
        assert_eq!(report.took.as_secs(), 570);
    }
}

#[tokio::test]
async fn a_lost_reply_is_looked_at_again_and_nothing_is_made_twice() {
    let workshop = Workshop::new(CHAIN);
    workshop.world.faults.lock().unwrap().insert("a".to_owned(), vec![Fault::Lost]);
    let (report, events) = workshop.plan_and_apply().await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(workshop.writes().iter().filter(|line| *line == "create a").count(), 1);
    assert!(steps(&events).contains(&"one ambiguous".to_owned()));
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_again_in_world_time() {
    let workshop = Workshop::new(CHAIN);
    workshop.world.faults.lock().unwrap().insert("a".to_owned(), vec![Fault::Passing; 3]);
    let (report, _) = workshop.plan_and_apply().await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(report.took.as_secs(), 570 + 15);
}

#[tokio::test]
async fn a_failure_blocks_what_depends_on_it_and_nothing_else() {
    let workshop = Workshop::new(CHAIN);
    workshop.world.faults.lock().unwrap().insert("a".to_owned(), vec![Fault::Reject]);
    let (report, events) = workshop.plan_and_apply().await;
    assert_eq!(report.outcome, Outcome::Failed);
    let states: Vec<(&str, TaskState)> =
        report.tasks.iter().map(|task| (task.address.as_str(), task.state)).collect();
    assert_eq!(
        states,
        [("one", TaskState::Failed), ("two", TaskState::Blocked), ("three", TaskState::Succeeded)]
    );
    assert!(
        steps(&events).contains(&"two blocked: `one` failed".to_owned()),
        "{:#?}",
        steps(&events)
    );
}

#[tokio::test]
async fn a_panicking_module_is_a_recorded_failure() {
    let workshop = Workshop::new(CHAIN);
    workshop.world.faults.lock().unwrap().insert("a".to_owned(), vec![Fault::Panic]);
    let (report, _) = workshop.plan_and_apply().await;
    // A panic while writing is ambiguous: the task looks again, and creates what is not there.
    assert_eq!(report.outcome, Outcome::Succeeded);
}

const LOOPS: &str = r#"
apiVersion: runbook/v1
name: loops
inputs:
  names: {type: list, items: {type: string}, default: [x, y]}
tasks:
  - id: thing
    uses: fake.thing
    for_each: ${{ inputs.names }}
    with: {name: "${{ each.value }}", takes: 1m, lock: only-one}
  - id: call
    uses: ./child.yaml
    for_each: {p: 1, q: 2}
    with: {prefix: "${{ each.key }}", size: "${{ each.value }}"}
outputs:
  ids: ${{ tasks.thing | outputs('id') }}
  child: ${{ tasks.call["q"].outputs.name }}
"#;

const CHILD: &str = r#"
apiVersion: runbook/v1
name: child
inputs:
  prefix: {type: string}
  size: {type: integer}
tasks:
  - id: inner
    uses: fake.thing
    with: {name: "${{ inputs.prefix }}-inner", size: "${{ inputs.size }}"}
outputs:
  name: ${{ tasks.inner.outputs.name }}
"#;

#[tokio::test]
async fn loops_calls_and_locks() {
    let workshop = Workshop::new(LOOPS).file("child.yaml", CHILD);
    let planned = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let addresses: Vec<&str> = planned.tasks.iter().map(|task| task.address.as_str()).collect();
    assert_eq!(
        addresses,
        ["thing[\"x\"]", "thing[\"y\"]", "call[\"p\"]/inner", "call[\"q\"]/inner"]
    );
    let (report, _) = workshop.apply(planned, "r1", Cancel::default()).await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    // One minute each, one after the other.
    assert_eq!(report.took.as_secs(), 120);
    assert_eq!(report.outputs["ids"].to_string(), r#"["id-x","id-y"]"#);
    assert_eq!(report.outputs["child"].as_str(), Some("q-inner"));
    assert_eq!(workshop.world.things.lock().unwrap()["q-inner"].size, 2);
    assert!(workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan.is_empty());
}

#[tokio::test]
async fn an_output_that_is_named_like_its_call_is_not_taken_for_another() {
    let child = "apiVersion: runbook/v1\nname: child\ntasks:\n  - {id: quick, uses: fake.thing, with: {name: quick}}\n  - {id: slow, uses: fake.thing, with: {name: slow, takes: 5m}}\noutputs:\n  call: ${{ tasks.quick.outputs.name }}\n  slow: ${{ tasks.slow.outputs.id }}\n";
    let root = "apiVersion: runbook/v1\nname: root\ntasks:\n  - {id: call, uses: ./child.yaml}\n  - {id: reader, uses: fake.thing, with: {name: reader, uses: \"${{ tasks.call.outputs.slow }}\"}}\n";
    let workshop = Workshop::new(root).file("child.yaml", child);
    workshop.plan_and_apply().await;
    assert_eq!(workshop.writes(), ["create quick", "create slow", "create reader"]);
}

#[tokio::test]
async fn whether_a_run_changes_anything_is_known_when_a_task_is_repeated_over_nothing() {
    let text = "apiVersion: runbook/v1\nname: changed\ntasks:\n  - {id: nothing, uses: fake.thing, for_each: [], with: {name: \"${{ each.value }}\"}}\n  - {id: one, uses: fake.thing, with: {name: one}}\n  - {id: told, uses: fake.thing, needs: [nothing, one], when: run.changed, with: {name: told}}\n";
    let workshop = Workshop::new(text);
    workshop.plan_and_apply().await;
    assert_eq!(workshop.writes(), ["create one", "create told"]);
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let told = plan.tasks.iter().find(|task| task.address == "told").unwrap();
    assert_eq!(told.kind, Kind::Skipped);
    let (report, _) = workshop.apply(plan, "r2", Cancel::default()).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{:#?}", report.tasks);
    assert_eq!(workshop.writes(), ["create one", "create told"]);
}

#[tokio::test]
async fn changes_are_told_apart() {
    let workshop = Workshop::new(CHAIN);
    workshop.plan_and_apply().await;
    workshop.world.things.lock().unwrap().get_mut("a").unwrap().size = 5;
    workshop.world.things.lock().unwrap().get_mut("c").unwrap().colour = "blue".to_owned();
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let kinds: Vec<(&str, Kind)> =
        plan.tasks.iter().map(|task| (task.address.as_str(), task.kind)).collect();
    assert_eq!(kinds, [("one", Kind::Update), ("two", Kind::NoChange), ("three", Kind::Replace)]);
    let (report, _) = workshop.apply(plan, "r2", Cancel::default()).await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(&workshop.writes()[3..], ["update a", "delete c", "create c"]);
}

#[tokio::test]
async fn an_unmarked_object_is_not_touched() {
    let workshop = Workshop::new(CHAIN);
    workshop.plan_and_apply().await;
    workshop.world.things.lock().unwrap().get_mut("a").unwrap().owner = None;
    let error = workshop.plan().await.err().unwrap();
    assert_eq!(
        error.failures[0].1.message,
        "fake.thing `a` exists and carries no mark of a runbook"
    );
}
