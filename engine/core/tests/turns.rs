//! Waiting for another task in world time: nobody who waits keeps the world from going on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use runbook_core::clock::{Clock, sleep};
use runbook_core::turn::Turn;
use support::{JumpingClock, TestClock};

/// Real time in which anything here is done many times over: a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_its_turn_does_not_keep_the_world_from_going_on() {
    let clock: Arc<dyn Clock> = Arc::new(TestClock(JumpingClock::new()));
    let (turn, order) = (Arc::new(Turn::default()), Arc::new(Mutex::new(Vec::new())));
    let began = clock.now();
    let beginning = clock.hold();
    let tasks: Vec<_> = (0..10)
        .map(|number| {
            let (clock, turn, order) = (clock.clone(), turn.clone(), order.clone());
            let hold = clock.hold();
            tokio::spawn(async move {
                let _hold = hold;
                let _taken = turn.take(&clock).await;
                // As a request that is throttled and tries again.
                sleep(clock.as_ref(), Duration::from_secs(5)).await;
                order.lock().unwrap().push(number);
            })
        })
        .collect();
    drop(beginning);
    for task in tasks {
        tokio::time::timeout(PATIENCE, task).await.expect("nobody waits for ever").unwrap();
    }
    assert_eq!(order.lock().unwrap().len(), 10);
    let took = clock.now().duration_since(began);
    assert_eq!(took.as_secs(), 50, "one at a time, and time never ran ahead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_waiting_takes_nobody_elses_turn() {
    let clock: Arc<dyn Clock> = Arc::new(TestClock(JumpingClock::new()));
    let turn = Arc::new(Turn::default());
    let _hold = clock.hold();
    let first = turn.take(&clock).await;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (clock, turn) = (clock.clone(), turn.clone());
            let hold = clock.hold();
            tokio::spawn(async move {
                let _hold = hold;
                drop(turn.take(&clock).await);
            })
        })
        .collect();
    tokio::task::yield_now().await;
    waiting[0].abort();
    drop(first);
    waiting[1].abort();
    let last = turn.take(&clock);
    drop(tokio::time::timeout(PATIENCE, last).await.expect("the turn is not lost"));
}
