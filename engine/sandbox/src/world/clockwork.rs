//! How world time moves.
//!
//! Registered clients say when they wait, and until when. When all of them wait and no request is
//! being served, time jumps to the earliest deadline; what is due in the world before it happens
//! on the way, each at its own instant. A request that comes when time could already jump waits for
//! the jump: else clients who ask without pause would hold time for ever. Without a registered client
//! time runs with real time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::{LogError, World};

/// A registered client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(crate) u64);

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// It works: time stands.
    Busy,
    /// It waits until then.
    Until(Timestamp),
    /// It waits for a child of its own, which is registered by itself.
    Elsewhere,
}

#[derive(Debug)]
struct Clients {
    known: BTreeMap<ClientId, Activity>,
    last: u64,
    serving: usize,
    /// Time is jumping: requests wait until it has.
    is_jumping: bool,
    /// Real and world time when real time began to drive, while nobody is registered.
    anchor: Option<(Timestamp, Timestamp)>,
}

impl Clients {
    /// Until when everybody waits at least; none while somebody works, or nobody says a time.
    fn earliest(&self) -> Option<Timestamp> {
        let mut earliest: Option<Timestamp> = None;
        for activity in self.known.values() {
            match activity {
                Activity::Busy => return None,
                Activity::Until(at) => {
                    earliest = Some(earliest.map_or(*at, |one| one.min(*at)));
                }
                Activity::Elsewhere => {}
            }
        }
        earliest
    }
}

/// Moves the clock of a world.
pub(crate) struct Clockwork {
    world: Arc<World>,
    clients: Mutex<Clients>,
    /// Woken whenever time or the clients' activity changed.
    changed: Notify,
    /// Real seconds to world seconds for foreign clients.
    speed: u32,
}

impl Clockwork {
    pub(crate) fn new(world: Arc<World>, speed: u32) -> Self {
        let clients = Clients {
            known: BTreeMap::new(),
            last: 0,
            serving: 0,
            is_jumping: false,
            anchor: None,
        };
        Self { world, clients: Mutex::new(clients), changed: Notify::new(), speed: speed.max(1) }
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Registers a client; it is busy until it says otherwise.
    pub(crate) fn register(&self) -> ClientId {
        let mut clients = self.clients();
        clients.last += 1;
        let id = ClientId(clients.last);
        clients.known.insert(id, Activity::Busy);
        clients.anchor = None;
        drop(clients);
        self.changed.notify_waiters();
        id
    }

    /// Whether a client of that id is registered.
    pub(crate) fn knows(&self, id: ClientId) -> bool {
        self.clients().known.contains_key(&id)
    }

    /// Forgets a client.
    pub(crate) fn deregister(&self, id: ClientId) -> Result<(), LogError> {
        self.clients().known.remove(&id);
        self.changed.notify_waiters();
        self.turn()
    }

    /// The client works.
    pub(crate) fn busy(&self, id: ClientId) {
        self.set(id, Activity::Busy);
    }

    /// The client waits for a child that takes part by itself.
    pub(crate) fn elsewhere(&self, id: ClientId) -> Result<(), LogError> {
        self.set(id, Activity::Elsewhere);
        self.turn()
    }

    fn set(&self, id: ClientId, activity: Activity) {
        if let Some(known) = self.clients().known.get_mut(&id) {
            *known = activity;
        }
        // Who waits for a jump waits no more when somebody works.
        self.changed.notify_waiters();
    }

    /// Waits until world time has reached `at`; the client is busy again when this returns. If the
    /// future is dropped, the client counts as busy.
    pub(crate) async fn idle_until(
        &self,
        id: ClientId,
        at: Timestamp,
    ) -> Result<Timestamp, LogError> {
        let _guard = BusyAgain { clockwork: self, id };
        self.set(id, Activity::Until(at));
        self.turn()?;
        loop {
            let notified = self.changed.notified();
            if self.world.now() >= at {
                return Ok(self.world.now());
            }
            notified.await;
        }
    }

    /// A request begins to be served, after a jump that only waits for other requests to end.
    pub(crate) async fn begin_request(&self) {
        loop {
            let notified = self.changed.notified();
            {
                let mut clients = self.clients();
                let is_due = clients.earliest().is_some_and(|target| target > self.world.now());
                if !clients.is_jumping && (clients.serving == 0 || !is_due) {
                    clients.serving += 1;
                    return;
                }
            }
            notified.await;
        }
    }

    /// A request was answered.
    pub(crate) fn end_request(&self) -> Result<(), LogError> {
        {
            let mut clients = self.clients();
            clients.serving = clients.serving.saturating_sub(1);
        }
        self.turn()
    }

    /// Without a registered client, world time follows real time.
    pub(crate) fn follow_real_time(&self, real_now: Timestamp) -> Result<(), LogError> {
        let target = {
            let mut clients = self.clients();
            if !clients.known.is_empty() {
                return Ok(());
            }
            let world_now = self.world.now();
            let (real, world) = *clients.anchor.get_or_insert((real_now, world_now));
            let passed = real_now.duration_since(real).as_millis();
            let passed =
                i64::try_from(passed).unwrap_or_default().saturating_mul(i64::from(self.speed));
            world.saturating_add(SignedDuration::from_millis(passed)).unwrap_or(world)
        };
        // Steps of a second: time that nobody can tell apart need not be written down.
        if target.duration_since(self.world.now()) >= SignedDuration::from_secs(1) {
            self.world.advance(target)?;
            self.changed.notify_waiters();
        }
        Ok(())
    }

    /// Jumps when everybody waits, and again when everybody still does.
    fn turn(&self) -> Result<(), LogError> {
        while let Some(target) = self.begin_jump() {
            let outcome = self.world.advance(target);
            self.clients().is_jumping = false;
            self.changed.notify_waiters();
            outcome?;
        }
        Ok(())
    }

    /// Where time is to jump to now, if nobody else makes it jump.
    fn begin_jump(&self) -> Option<Timestamp> {
        let mut clients = self.clients();
        if clients.serving > 0 || clients.is_jumping {
            return None;
        }
        let target = clients.earliest().filter(|target| *target > self.world.now())?;
        clients.is_jumping = true;
        Some(target)
    }
}

/// Makes a client busy again, also when it gives up waiting.
struct BusyAgain<'a> {
    clockwork: &'a Clockwork,
    id: ClientId,
}

impl Drop for BusyAgain<'_> {
    fn drop(&mut self) {
        self.clockwork.busy(self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::super::tests::world;
    use super::*;

    #[tokio::test]
    async fn a_request_that_comes_when_time_is_due_waits_for_the_jump() {
        let folder = tempfile::TempDir::new().unwrap();
        let clockwork =
            Clockwork::new(Arc::new(world(&folder, Timestamp::UNIX_EPOCH, |_, _, _| ())), 1);
        let client = clockwork.register();
        clockwork.begin_request().await;
        let at = clockwork.world.now() + SignedDuration::from_mins(1);
        let mut idle = Box::pin(clockwork.idle_until(client, at));
        assert!(idle.as_mut().now_or_never().is_none(), "a request is served");
        let mut second = Box::pin(clockwork.begin_request());
        assert!(second.as_mut().now_or_never().is_none(), "it would hold time for longer");
        clockwork.end_request().unwrap();
        assert_eq!(clockwork.world.now(), at);
        assert_eq!(idle.await.unwrap(), at);
        second.await;
        // Somebody works again: nothing waits.
        assert!(clockwork.begin_request().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_waited_for_a_jump_goes_on_when_its_client_is_gone() {
        let folder = tempfile::TempDir::new().unwrap();
        let clockwork =
            Clockwork::new(Arc::new(world(&folder, Timestamp::UNIX_EPOCH, |_, _, _| ())), 1);
        let client = clockwork.register();
        clockwork.begin_request().await;
        let at = clockwork.world.now() + SignedDuration::from_mins(1);
        let mut idle = Box::pin(clockwork.idle_until(client, at));
        assert!(idle.as_mut().now_or_never().is_none());
        let mut second = Box::pin(clockwork.begin_request());
        assert!(second.as_mut().now_or_never().is_none());
        drop(idle);
        clockwork.deregister(client).unwrap();
        second.await;
    }
}
