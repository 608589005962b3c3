//! Time moves once, also when several clients are the last to wait at the same moment.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Context, Timer, TimerHandler, World};
use crate::addresses::Addresses;
use crate::notice::Notices;
use crate::store::{Store, Transaction};

/// Writes down when a timer was carried out, and files the next one.
fn note(_: &Context, transaction: &mut Transaction<'_>, timer: &Timer) {
    let fired = json!({"due": timer.at, "at": transaction.now()});
    transaction.put("fired", &format!("{}/{}", timer.subject, timer.at), fired);
    transaction.schedule_in(7, "test", &timer.subject, Value::Null);
}

/// A world with nothing in it, at that time.
pub(super) fn world(folder: &tempfile::TempDir, begins: Timestamp, handler: TimerHandler) -> World {
    let notices = Notices::new(Arc::new(|_| {}));
    let context = Context {
        account: "111122223333".to_owned(),
        region: "ap-northeast-2".to_owned(),
        seed: "seed".to_owned(),
        addresses: Arc::new(Addresses::open(folder.path(), notices.clone()).unwrap()),
        authority: String::new(),
        notices,
    };
    World::new(Store::open(folder.path(), begins).unwrap(), context, Vec::new(), handler)
}

#[test]
fn timers_are_carried_out_at_their_own_instants_whoever_lets_time_pass() {
    let folder = tempfile::tempdir().unwrap();
    let begins: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
    let world = world(&folder, begins, note);
    world
        .transact(|transaction| -> Result<(), std::convert::Infallible> {
            for (second, subject) in [(1, "a"), (3, "b"), (3, "c")] {
                transaction.schedule_in(second, "test", subject, Value::Null);
            }
            Ok(())
        })
        .unwrap()
        .unwrap_or_else(|never| match never {});
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for second in 1..=600 {
                    world.advance(begins + SignedDuration::from_secs(second)).unwrap();
                }
            });
        }
    });
    assert_eq!(world.now(), begins + SignedDuration::from_secs(600));
    let fired = world.rehearse(|transaction| Ok::<_, ()>(transaction.list("fired"))).unwrap();
    // Every seven seconds, from 1 and from 3 on.
    assert_eq!(fired.len(), 3 * 86);
    for (name, fired) in fired {
        assert_eq!(fired["due"], fired["at"], "{name}");
    }
}
