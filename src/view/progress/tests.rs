//! Progress of real runs in a small world.

use runbook_core::plan::{Kind, Plan};

use super::*;
use crate::view::support::{Fault, Workshop};

const ROOT: &str = r#"
apiVersion: runbook/v1
name: shop
tasks:
  - id: cluster
    uses: fake.thing
    with: {name: cluster, takes: 2m, lock: plane}
  - id: profile
    uses: fake.thing
    with: {name: "${{ tasks.cluster.outputs.name }}-p", takes: 90s, lock: plane}
  - id: broken
    uses: fake.thing
    with: {name: broken, takes: 10s, lock: plane}
"#;

async fn ran(plan: impl FnOnce(&mut Plan)) -> (Plan, Vec<Event>) {
    let workshop = Workshop::new(ROOT);
    workshop.world.faults.lock().unwrap().insert("broken".to_owned(), vec![Fault::Reject]);
    let mut planned = workshop.plan().await.unwrap().plan;
    let (_, events) =
        workshop.apply(planned.clone(), "r1", runbook_core::execute::Cancel::default()).await;
    plan(&mut planned);
    (planned, events)
}

/// The first event after which something only waits.
fn first_wait(events: &[Event]) -> usize {
    events.iter().position(|event| matches!(event.body, Body::NotYet { .. })).unwrap()
}

fn captured(plan: &Plan, mode: Mode, style: Style) -> (Progress, Arc<Mutex<Vec<String>>>) {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = lines.clone();
    let sink: Sink = Arc::new(move |line: &str| into.lock().unwrap().push(line.to_owned()));
    (Progress::new(plan, mode, style, sink), lines)
}

#[tokio::test]
async fn off_a_terminal_each_change_of_state_is_a_line() {
    let (plan, events) = ran(|_| ()).await;
    let (progress, lines) = captured(&plan, Mode::Lines, Style::plain());
    events.iter().for_each(|event| progress.on_event(event));
    progress.finish();
    // Two tasks work at 02:00; which of them is heard first is chance.
    let mut lines = lines.lock().unwrap().clone();
    lines[4..6].sort();
    assert_eq!(
        lines,
        [
            "00:00 ▶ run r1 of shop/default, 3 tasks",
            "00:00 ▶ cluster creating",
            "00:00 ◔ broken waits for plane held by cluster",
            "02:00 ✓ cluster created (2m 00s)",
            "02:00 ▶ broken creating",
            "02:00 ◔ profile waits for plane held by broken",
            "02:00 ✗ broken failed: refused",
            "02:00 ▶ profile creating",
            "03:30 ✓ profile created (1m 30s)",
        ]
    );
}

#[tokio::test]
async fn a_line_has_the_first_line_of_a_reason() {
    let (plan, mut events) = ran(|plan| plan.tasks[2].kind = Kind::Skipped).await;
    let (progress, lines) = captured(&plan, Mode::Lines, Style::plain());
    let wait = first_wait(&events);
    let mut again = events[wait].clone();
    again.body = Body::TaskWaiting { reason: "not yet\n  its last event: none".to_owned() };
    let Body::NotYet { reason } = &mut events[wait].body else { panic!("not a wait") };
    *reason = "0 of 2 pods\n  one is Pending".to_owned();
    events[..=wait].iter().for_each(|event| progress.on_event(event));
    let at = events[wait].world_time.saturating_add(jiff::SignedDuration::from_secs(40)).unwrap();
    progress.tick(at);
    progress.on_event(&again);
    let lines = lines.lock().unwrap();
    assert_eq!(lines[0], "00:00 ▶ run r1 of shop/default, 2 tasks, 1 skipped");
    assert_eq!(
        lines[lines.len() - 2..],
        [
            "00:40 ◔ waiting: cluster 0 of 2 pods for 40s; and 1 other task",
            "00:40 ◔ cluster is tried again: not yet",
        ]
    );
}

#[tokio::test]
async fn time_that_passes_has_a_heartbeat() {
    let (plan, events) = ran(|_| ()).await;
    let (progress, lines) = captured(&plan, Mode::Lines, Style::plain());
    let intended = first_wait(&events);
    events[..=intended].iter().for_each(|event| progress.on_event(event));
    lines.lock().unwrap().clear();
    let at = |seconds| {
        events[intended]
            .world_time
            .saturating_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap()
    };
    for seconds in [10, 29, 31, 45, 62] {
        progress.tick(at(seconds));
    }
    assert_eq!(
        *lines.lock().unwrap(),
        [
            "00:31 ◔ waiting: cluster MAKING for 31s; and 1 other task",
            "01:02 ◔ waiting: cluster MAKING for 1m 02s; and 1 other task",
        ]
    );
}

#[tokio::test]
async fn json_is_one_event_per_line() {
    let (plan, events) = ran(|_| ()).await;
    let (progress, lines) = captured(&plan, Mode::Json, Style::plain());
    events.iter().for_each(|event| progress.on_event(event));
    let lines = lines.lock().unwrap();
    let read: Vec<Event> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, events);
}

#[tokio::test]
async fn a_terminal_shows_what_is_under_way_and_the_whole() {
    let (plan, events) = ran(|plan| plan.target.on = "sandbox".to_owned()).await;
    let mut board = Board::new(&plan);
    let waiting = first_wait(&events);
    events[..=waiting].iter().for_each(|event| board.apply(event));
    let now = events[waiting].world_time.saturating_add(jiff::SignedDuration::from_secs(40));
    board.advance(now.unwrap());
    assert_eq!(
        lines::rows(&mut board, &Style::plain(), true),
        [
            "▶ cluster  MAKING                           40s of ~2m",
            "◔ broken   waits for plane held by cluster         40s",
            "▶ 1  ◔ 1  · 1    40s simulated, ETA 3m 00s    ━━━━━─────────────────────────  18 %",
        ]
    );
    let narrow = lines::rows(&mut board, &Style { colour: false, terminal: true, width: 40 }, true);
    assert_eq!(
        narrow,
        [
            "▶ cluster  MAKING            40s of ~2m",
            "◔ broken   waits for plane…         40s",
            "▶ 1  ◔ 1  · 1    40s simulated, ETA 3m…",
        ]
    );
}

#[tokio::test]
async fn a_failure_is_said_at_once_and_in_colour() {
    let (plan, events) = ran(|_| ()).await;
    let (progress, lines) =
        captured(&plan, Mode::Terminal, Style { colour: true, terminal: true, width: 100 });
    events.iter().for_each(|event| progress.on_event(event));
    progress.finish();
    assert_eq!(*lines.lock().unwrap(), ["\u{1b}[31m✗\u{1b}[0m broken   refused"]);
}
