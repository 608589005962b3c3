//! The reducer under random but legal happenings in random order.
//!
//! A model beside it keeps only what the design says from outside: which effects are under way,
//! who holds which lock, how each task ended. After each step the model must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use runbook_core::change::Action;
use runbook_core::event::{Body, Event, Outcome, Step, TaskState};
use runbook_core::execute::resume::fold;
use runbook_core::execute::state::{
    Effect, Happened, Looked, Record, Settings, State, Verified, Written,
};
use runbook_core::failure::{Class, Failure};
use runbook_core::graph::{EdgeKind, Graph, VertexId};
use runbook_core::module::{Lock, LockUntil};
use runbook_core::task::InstanceKey;

use crate::cases;
use crate::dice::Dice;
use crate::support::Workshop;

/// A runbook of a few tasks that need each other, some of them repeated, some under a condition.
fn runbook(dice: &mut Dice) -> String {
    let mut text = "apiVersion: runbook/v1\nname: random\ninputs:\n  on: {type: boolean, default: true}\ntasks:\n".to_owned();
    let count = 2 + dice.roll(7);
    for index in 0..count {
        write!(
            text,
            "  - id: t{index}\n    uses: fake.{}\n",
            dice.pick(&["thing", "thing", "lookup", "blind", "blind"])
        )
        .unwrap();
        writeln!(text, "    with: {{name: n{index}}}").unwrap();
        if dice.percent(25) {
            writeln!(text, "    for_each: {}", dice.pick(&["[p, q]", "[p, q, r]", "[]"])).unwrap();
            if dice.percent(40) {
                text.push_str("    max_parallel: 1\n");
            }
        }
        if dice.percent(20) {
            text.push_str("    when: inputs.on\n");
        }
        for word in ["needs", "after"] {
            let on: BTreeSet<String> = (0..index)
                .filter(|_| dice.percent(if word == "needs" { 30 } else { 10 }))
                .map(|on| format!("t{on}"))
                .collect();
            if !on.is_empty() {
                let on: Vec<String> = on.into_iter().collect();
                writeln!(text, "    {word}: [{}]", on.join(", ")).unwrap();
            }
        }
    }
    text
}

fn failure(class: Class) -> Failure {
    Failure::new(class, "as the dice fell")
}

/// What the model knows from outside.
struct Model {
    graph: Arc<Graph>,
    dice: Dice,
    parallelism: usize,
    fail_fast: bool,
    /// How many commands may be intended ahead of their turn, as told last; never any where nothing is
    /// noted.
    ahead: Option<usize>,
    /// Locks that each vertex takes.
    locks: Vec<Vec<Lock>>,
    /// Effects that have no answer yet.
    under_way: Vec<Effect>,
    instances: BTreeMap<VertexId, Vec<InstanceKey>>,
    holders: BTreeMap<String, InstanceKey>,
    /// The last happening of a task was a look that wants to write.
    wants_to_write: BTreeSet<InstanceKey>,
    ended: BTreeMap<InstanceKey, TaskState>,
    last_step: BTreeMap<InstanceKey, &'static str>,
    attempts: BTreeMap<InstanceKey, u32>,
    /// It was skipped by its own look, and not because of another task.
    skipped_itself: BTreeSet<InstanceKey>,
    cancelled: bool,
    /// A failure was told while `fail_fast`.
    stopped: bool,
    happened: Vec<Happened>,
    records: Vec<Record>,
    effects: Vec<Effect>,
}

impl Model {
    fn settings(&self) -> Settings {
        Settings {
            parallelism: self.parallelism,
            fail_fast: self.fail_fast,
            urgency: BTreeMap::new(),
            attempts: BTreeMap::new(),
            wanted: BTreeSet::new(),
            notes: self.ahead.is_some(),
        }
    }

    fn new(graph: Arc<Graph>, mut dice: Dice) -> Self {
        let mut locks = Vec::new();
        for _ in &graph.vertices {
            let mut own = Vec::new();
            for name in ["red", "blue"] {
                if dice.percent(35) {
                    let until = dice.pick(&[LockUntil::Acknowledged, LockUntil::Converged]);
                    own.push(Lock { name: name.to_owned(), until });
                }
            }
            locks.push(own);
        }
        Self {
            graph,
            parallelism: 1 + dice.roll(4),
            fail_fast: dice.percent(15),
            ahead: dice.percent(70).then_some(0),
            dice,
            locks,
            under_way: Vec::new(),
            instances: BTreeMap::new(),
            holders: BTreeMap::new(),
            wants_to_write: BTreeSet::new(),
            ended: BTreeMap::new(),
            last_step: BTreeMap::new(),
            attempts: BTreeMap::new(),
            skipped_itself: BTreeSet::new(),
            cancelled: false,
            stopped: false,
            happened: Vec::new(),
            records: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Drives the reducer to its end.
    fn drive(&mut self) -> State {
        let mut state = State::new(self.graph.clone(), self.settings());
        let cancel_at = if self.dice.percent(25) { self.dice.roll(30) } else { usize::MAX };
        self.step(&mut state, Happened::Begun);
        for turn in 0.. {
            assert!(turn < 2000, "the run does not end");
            if turn == cancel_at {
                self.cancelled = true;
                self.step(&mut state, Happened::Cancelled("SIGINT".to_owned()));
            }
            if self.under_way.is_empty() {
                break;
            }
            if self.dice.percent(20) {
                let ahead = self.dice.pick(&[0, 1, 2, 5]);
                self.ahead = self.ahead.map(|_| ahead);
                self.step(&mut state, Happened::Paced(ahead));
            }
            let next = self.dice.roll(self.under_way.len());
            let effect = self.under_way.remove(next);
            let answer = self.answer(&effect, turn);
            self.release(&answer);
            self.step(&mut state, answer);
        }
        assert!(state.is_over(), "nothing is under way, and the run is not over");
        state
    }

    /// A legal answer to an effect; after many turns only good ones, so that the run ends.
    fn answer(&mut self, effect: &Effect, turn: usize) -> Happened {
        let tired = turn > 200;
        match effect {
            Effect::Expand(id) => {
                let key = |own: Option<&str>| InstanceKey {
                    vertex: *id,
                    keys: Vec::new(),
                    own: own.map(str::to_owned),
                };
                let instances = if self.graph.vertex(*id).for_each.is_none() {
                    Ok(vec![key(None)])
                } else if self.dice.percent(10) {
                    Err("its list was skipped".to_owned())
                } else {
                    Ok(["p", "q", "r"][..self.dice.roll(4)]
                        .iter()
                        .map(|own| key(Some(own)))
                        .collect())
                };
                if instances.is_err() {
                    self.skipped_itself.insert(key(None));
                }
                self.instances.insert(*id, instances.clone().unwrap_or_else(|_| vec![key(None)]));
                Happened::Expanded(*id, instances)
            }
            Effect::Look(key) => {
                let looked = self.look(key, tired);
                Happened::Looked(key.clone(), looked)
            }
            Effect::Write(key) => {
                let written = match self.dice.roll(if tired { 1 } else { 10 }) {
                    3..=5 if self.may_go_ahead(key) => Written::Withdrawn,
                    6 => Written::Rejected(failure(Class::Invalid), None),
                    7 => Written::Rejected(failure(Class::Conflict), Some(Duration::from_secs(5))),
                    8 | 9 => Written::Ambiguous(failure(Class::Bug)),
                    _ => Written::Acknowledged,
                };
                Happened::Written(key.clone(), written)
            }
            Effect::Verify(key) => {
                let verified = match self.dice.roll(if tired { 1 } else { 10 }) {
                    7 => Verified::NotConverged(failure(Class::Bug), None),
                    8 => Verified::NotConverged(
                        failure(Class::Timeout),
                        Some(Duration::from_secs(1)),
                    ),
                    _ if self.cancelled => Verified::Dropped,
                    _ => Verified::Converged { outputs: "o".to_owned() },
                };
                Happened::Verified(key.clone(), verified)
            }
            Effect::Pause(key, _) => Happened::Paused(key.clone()),
        }
    }

    fn look(&mut self, key: &InstanceKey, tired: bool) -> Looked {
        let looked = match self.dice.roll(if tired { 1 } else { 20 }) {
            0..=2 => Looked::Converged { outputs: "o".to_owned() },
            3 => Looked::Wait("MAKING".to_owned()),
            4 => Looked::Skipped("`when` is false".to_owned()),
            5 => Looked::Failed(failure(Class::Bug)),
            6 if self.dice.percent(50) => Looked::Uncovered("something else is there".to_owned()),
            6 => Looked::Asks("it is blind".to_owned()),
            _ => Looked::Change {
                action: self.dice.pick(&[Action::Create, Action::Update, Action::Replace]),
                change: "c".to_owned(),
                token: "t".to_owned(),
                locks: self.locks[key.vertex.0 as usize].clone(),
            },
        };
        if matches!(looked, Looked::Skipped(_)) {
            self.skipped_itself.insert(key.clone());
        }
        looked
    }

    /// The locks that an answer gives back, by the rule of the module contract.
    fn release(&mut self, answer: &Happened) {
        let (key, all) = match answer {
            Happened::Written(key, Written::Acknowledged) => (key, false),
            Happened::Written(key, _) | Happened::Verified(key, _) => (key, true),
            Happened::Looked(key, looked) => {
                match looked {
                    Looked::Change { .. } => self.wants_to_write.insert(key.clone()),
                    _ => self.wants_to_write.remove(key),
                };
                return;
            }
            _ => return,
        };
        let early: Vec<&String> = self.locks[key.vertex.0 as usize]
            .iter()
            .filter(|lock| lock.until == LockUntil::Acknowledged)
            .map(|lock| &lock.name)
            .collect();
        self.holders.retain(|name, holder| holder != key || !(all || early.contains(&name)));
    }

    fn step(&mut self, state: &mut State, happened: Happened) {
        self.happened.push(happened.clone());
        let (records, effects) = state.step(happened);
        let already: BTreeMap<_, _> = self.ended.clone();
        let mut intended = BTreeSet::new();
        for record in &records {
            self.recorded(record, &already, &mut intended);
        }
        for effect in &effects {
            self.started(effect, &intended);
        }
        for effect in &effects {
            self.under_way.push(effect.clone());
            self.check_bound(effect);
        }
        self.records.extend(records);
        self.effects.extend(effects);
    }

    /// Whether a command of that vertex may be intended ahead of its turn.
    fn may_go_ahead(&self, key: &InstanceKey) -> bool {
        let vertex = self.graph.vertex(key.vertex);
        let is_command = vertex.module.schema().name == "fake.blind";
        self.ahead.is_some() && is_command && vertex.max_parallel.is_none()
    }

    /// The effect has just begun: there was room for it.
    fn check_bound(&self, effect: &Effect) {
        let (Effect::Look(key) | Effect::Write(key)) = effect else { return };
        if matches!(effect, Effect::Write(_)) && self.may_go_ahead(key) {
            // It has the room that its look had, when more may have been ahead.
            return;
        }
        let is_busy = |effect: &&Effect| matches!(effect, Effect::Look(_) | Effect::Write(_));
        let busy = self.under_way.iter().filter(is_busy).count();
        let ahead = self.ahead.filter(|_| self.may_go_ahead(key)).unwrap_or(0);
        let most = self.parallelism + ahead;
        assert!(busy <= most, "{busy} at once, {most} are allowed");
    }

    fn recorded(
        &mut self,
        record: &Record,
        already: &BTreeMap<InstanceKey, TaskState>,
        intended: &mut BTreeSet<InstanceKey>,
    ) {
        let Some(key) = &record.key else { return };
        assert!(!already.contains_key(key), "{record:?} after the end");
        match &record.body {
            Body::Step(step) => {
                let before = self.last_step.get(key).copied().unwrap_or("nothing");
                let now = match step {
                    Step::Intended { noted, .. } => {
                        assert_eq!(*noted, self.may_go_ahead(key));
                        "intended"
                    }
                    Step::Acknowledged => "acknowledged",
                    Step::Rejected { .. } => "rejected",
                    Step::Withdrawn => {
                        assert!(self.may_go_ahead(key), "{key:?} had its turn");
                        "withdrawn"
                    }
                    Step::Ambiguous { .. } => "ambiguous",
                    Step::Converged { .. } => "converged",
                    Step::NotConverged { .. } => "not converged",
                };
                let legal = match now {
                    "acknowledged" | "rejected" | "ambiguous" | "withdrawn" => before == "intended",
                    "intended" => !matches!(before, "intended" | "acknowledged" | "converged"),
                    _ => !matches!(before, "intended" | "converged"),
                };
                assert!(legal, "{now} after {before}");
                // A rejection and a verify that gave up end an attempt; doubt does not.
                let number = record.attempt.unwrap();
                let again = u32::from(matches!(before, "rejected" | "not converged"));
                let expected = self.attempts.get(key).map_or(1, |last| last + again);
                assert_eq!(number, expected, "{now} after {before}");
                self.attempts.insert(key.clone(), number);
                self.last_step.insert(key.clone(), now);
                if now == "intended" {
                    intended.insert(key.clone());
                }
            }
            Body::TaskFinished { state, .. } => {
                assert!(self.ended.insert(key.clone(), *state).is_none(), "{key:?} ended twice");
                self.stopped |= self.fail_fast && *state == TaskState::Failed;
            }
            _ => {}
        }
    }

    fn started(&mut self, effect: &Effect, intended: &BTreeSet<InstanceKey>) {
        let (Effect::Look(key) | Effect::Write(key) | Effect::Verify(key) | Effect::Pause(key, _)) =
            effect
        else {
            return;
        };
        assert!(!self.ended.contains_key(key), "{effect:?} for a task that has ended");
        let other = self.under_way.iter().any(|one| {
            matches!(one, Effect::Look(other) | Effect::Write(other) | Effect::Verify(other)
                | Effect::Pause(other, _) if other == key)
        });
        assert!(!other, "two effects of {key:?} at once");
        match effect {
            Effect::Look(_) => {
                assert!(!self.cancelled && !self.stopped, "a look after the stop");
                self.check_needs(key);
            }
            Effect::Write(_) => {
                assert!(!self.cancelled && !self.stopped, "a write after the stop");
                assert!(intended.contains(key), "a write without `intended`");
                assert!(self.wants_to_write.remove(key), "a write without a look");
                for lock in &self.locks[key.vertex.0 as usize] {
                    let holder = self.holders.insert(lock.name.clone(), key.clone());
                    assert!(
                        holder.is_none_or(|holder| holder == *key),
                        "the lock {} has two holders",
                        lock.name
                    );
                }
            }
            Effect::Pause(..) => assert!(!self.cancelled, "a pause after the stop"),
            _ => {}
        }
    }

    /// What a task needs, all instances of it: there are no calls here, so all are related.
    fn dependencies(&self, key: &InstanceKey) -> Vec<(EdgeKind, bool, Option<TaskState>)> {
        let vertex = self.graph.vertex(key.vertex);
        let mut found = Vec::new();
        for edge in &vertex.edges {
            let on = self.graph.vertex(edge.on);
            // The only condition there is: skipped by the same one is as good as succeeded.
            let same = on.when.is_empty() || !vertex.when.is_empty();
            match self.instances.get(&edge.on) {
                None => found.push((edge.kind, same, None)),
                Some(others) => found.extend(
                    others.iter().map(|other| (edge.kind, same, self.ended.get(other).copied())),
                ),
            }
        }
        found
    }

    fn check_needs(&self, key: &InstanceKey) {
        for (kind, same, state) in self.dependencies(key) {
            let fine = match (kind, state) {
                (_, None) => false,
                (EdgeKind::Ended, Some(_)) | (_, Some(TaskState::Succeeded)) => true,
                (EdgeKind::Succeeded, Some(TaskState::Skipped)) => same,
                _ => false,
            };
            assert!(fine, "{key:?} looks, and what it needs is {state:?} ({kind:?})");
        }
    }

    /// How each task may have ended, from how the ones before it ended.
    fn check_ends(&self, state: &State) {
        let over = self.cancelled || self.stopped;
        for (key, found) in state.states() {
            let needs = self.dependencies(key);
            let bad = needs.iter().any(|(kind, _, state)| {
                *kind == EdgeKind::Succeeded
                    && matches!(
                        state,
                        Some(TaskState::Failed | TaskState::Blocked | TaskState::Interrupted)
                    )
            });
            let skipped = needs.iter().any(|(kind, same, state)| {
                *kind == EdgeKind::Succeeded && !same && *state == Some(TaskState::Skipped)
            });
            match found {
                TaskState::Blocked => {
                    assert!(bad, "{key:?} is blocked, and nothing that it needs failed");
                    assert!(!self.skipped_itself.contains(key));
                }
                TaskState::Skipped => {
                    assert!(skipped || self.skipped_itself.contains(key), "{key:?} is skipped");
                }
                TaskState::Pending => {
                    assert!(over, "{key:?} never started");
                    assert!(!self.effects.contains(&Effect::Look(key.clone())), "{key:?} started");
                }
                TaskState::Running => panic!("{key:?} is still running"),
                TaskState::Succeeded | TaskState::Failed | TaskState::Interrupted => {
                    assert!(!bad && !skipped, "{key:?} ran, and what it needs did not");
                }
            }
        }
        if !over {
            assert_eq!(self.instances.len(), self.graph.vertices.len(), "a task never expanded");
        }
    }

    fn events(&self) -> Vec<Event> {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        self.records
            .iter()
            .zip(1..)
            .map(|(record, seq)| Event {
                v: 1,
                seq,
                time: at,
                world_time: at,
                run: "r".into(),
                address: record.key.as_ref().map(|key| self.address(key)),
                attempt: record.attempt,
                body: record.body.clone(),
            })
            .collect()
    }

    fn address(&self, key: &InstanceKey) -> String {
        self.graph
            .vertex(key.vertex)
            .address(&self.graph, &key.keys, key.own.as_deref())
            .to_string()
    }

    /// What the journal says is what the reducer holds.
    fn check_fold(&self, state: &State) {
        let told = fold(&self.events());
        for (key, found) in state.states() {
            let folded = told.get(&self.address(key)).and_then(|one| one.state);
            assert_eq!(folded.unwrap_or(TaskState::Pending), found, "{key:?}");
        }
        let failed = self.ended.values().filter(|state| **state == TaskState::Failed).count();
        let blocked = self.ended.values().filter(|state| **state == TaskState::Blocked).count();
        assert_eq!(state.counts().failed, failed as u64);
        assert_eq!(state.counts().blocked, blocked as u64);
        if state.outcome() == Outcome::Succeeded {
            let well =
                |state: &TaskState| matches!(state, TaskState::Succeeded | TaskState::Skipped);
            assert!(self.ended.values().all(well), "{:?}", self.ended);
        }
    }

    fn check_repeatable(&self) {
        let mut again = State::new(self.graph.clone(), self.settings());
        let (mut records, mut effects) = (Vec::new(), Vec::new());
        for happened in &self.happened {
            let stepped = again.step(happened.clone());
            records.extend(stepped.0);
            effects.extend(stepped.1);
        }
        assert_eq!(records, self.records);
        assert_eq!(effects, self.effects);
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn random_happenings_keep_every_rule(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let text = runbook(&mut dice);
        let graph = Workshop::new(&text)
            .compile()
            .unwrap_or_else(|refused| panic!("{text}\n{:#?}", refused.problems));
        let mut model = Model::new(Arc::new(graph), dice);
        let state = model.drive();
        model.check_ends(&state);
        model.check_fold(&state);
        model.check_repeatable();
    }
}
