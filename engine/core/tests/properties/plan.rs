//! Plans over random worlds: they write nothing, what they say comes true, a second one has
//! nothing left, and their facts move exactly with what they compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use runbook_core::event::Outcome;
use runbook_core::execute::Cancel;
use runbook_core::fact::Fact;
use runbook_core::plan::{Kind, Plan, moved};

use crate::cases;
use crate::dice::Dice;
use crate::support::{Thing, Workshop};

const COLOURS: [&str; 3] = ["red", "blue", "green"];

/// What a task of a drawn runbook wants.
#[derive(Debug, Clone)]
struct Wanted {
    colour: Option<&'static str>,
    size: Size,
    /// The task whose output it reads.
    reads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    Default,
    Given(i64),
    /// That of a thing outside of the runbook.
    LookedUp,
}

/// A runbook and a world in which some of it is there already, right or wrong.
struct Drawn {
    text: String,
    wanted: Vec<Wanted>,
    workshop: Workshop,
    reads_base: bool,
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn thing(dice: &mut Dice, name: &str) -> Thing {
    Thing {
        colour: dice.pick(&COLOURS).to_owned(),
        size: 1 + i64::try_from(dice.roll(3)).unwrap(),
        owner: Some("random/default".to_owned()),
        address: name.to_owned(),
        ready_at: start(),
    }
}

fn draw(dice: &mut Dice) -> Drawn {
    let mut text = "apiVersion: runbook/v1\nname: random\ntasks:\n  - {id: look, uses: fake.lookup, with: {name: base}}\n".to_owned();
    let count = 1 + dice.roll(5);
    let mut wanted = Vec::new();
    for at in 0..count {
        let one = Wanted {
            colour: dice.percent(60).then(|| dice.pick(&COLOURS)),
            size: dice.pick(&[Size::Default, Size::Given(1), Size::Given(2), Size::LookedUp]),
            reads: (at > 0 && dice.percent(40)).then(|| dice.roll(at)),
        };
        write!(text, "  - id: t{at}\n    uses: fake.thing\n    with:\n      name: n{at}\n")
            .unwrap();
        if let Some(colour) = one.colour {
            writeln!(text, "      colour: {colour}").unwrap();
        }
        match one.size {
            Size::Default => {}
            Size::Given(size) => writeln!(text, "      size: {size}").unwrap(),
            Size::LookedUp => text.push_str("      size: ${{ tasks.look.outputs.size }}\n"),
        }
        if dice.percent(40) {
            writeln!(text, "      takes: {}", dice.pick(&["10s", "1m"])).unwrap();
        }
        if let Some(on) = one.reads {
            writeln!(text, "      uses: ${{{{ tasks.t{on}.outputs.id }}}}").unwrap();
        }
        wanted.push(one);
    }
    let workshop = Workshop::new(&text);
    {
        let mut things = workshop.world.things.lock().unwrap();
        things.insert("base".to_owned(), thing(dice, "base"));
        things.insert("stranger".to_owned(), thing(dice, "stranger"));
        for at in 0..count {
            if dice.percent(60) {
                let mut one = thing(dice, &format!("t{at}"));
                if dice.percent(20) {
                    one.ready_at = start().saturating_add(SignedDuration::from_mins(3)).unwrap();
                }
                things.insert(format!("n{at}"), one);
            }
        }
    }
    let reads_base = wanted.iter().any(|one| one.size == Size::LookedUp);
    Drawn { text, wanted, workshop, reads_base }
}

impl Drawn {
    async fn plan(&self) -> Plan {
        let planned = self.workshop.plan().await;
        planned.unwrap_or_else(|error| panic!("{}\n{error:#?}", self.text)).plan
    }

    /// What a task should do, from the world and the text alone.
    fn expected(&self, at: usize) -> Kind {
        let wanted = &self.wanted[at];
        // What is given something that is yet to be made cannot be verified before that.
        let unknown = wanted
            .reads
            .is_some_and(|on| matches!(self.expected(on), Kind::Create | Kind::Replace));
        let things = self.workshop.world.things.lock().unwrap();
        let Some(thing) = things.get(&format!("n{at}")) else { return Kind::Create };
        let size = match wanted.size {
            Size::Default => 1,
            Size::Given(size) => size,
            Size::LookedUp => things["base"].size,
        };
        if thing.colour != wanted.colour.unwrap_or("red") {
            Kind::Replace
        } else if thing.size != size {
            Kind::Update
        } else if thing.ready_at > start() && !unknown {
            Kind::Wait
        } else {
            Kind::NoChange
        }
    }
}

/// A change of the world by somebody else, and which facts of a plan it should move.
fn disturb(drawn: &Drawn, dice: &mut Dice, facts: &[Fact]) -> BTreeSet<(String, String)> {
    let about = |name: &str, kind: &str| -> BTreeSet<(String, String)> {
        facts
            .iter()
            .filter(|fact| fact.key.kind == kind && fact.key.identity.contains(name))
            .map(|fact| (fact.key.identity.clone(), fact.key.field.clone()))
            .collect()
    };
    let mut things = drawn.workshop.world.things.lock().unwrap();
    let name = match dice.roll(6) {
        0 => "base".to_owned(),
        1 => "stranger".to_owned(),
        _ => format!("n{}", dice.roll(drawn.wanted.len())),
    };
    if name == "base" {
        things.get_mut(&name).unwrap().size += 10;
        let mut fields = about(&name, "fake.lookup");
        fields.retain(|(_, field)| field == "outputs.size");
        assert_eq!(fields.len(), usize::from(drawn.reads_base), "{facts:#?}");
        return fields;
    }
    let of_it = about(&name, "fake.thing");
    let Some(thing) = things.get_mut(&name) else {
        things.insert(name.clone(), thing(dice, "by somebody"));
        // That it was absent is all that was relied on.
        assert_eq!(of_it.len(), 1);
        return of_it;
    };
    let field = match dice.roll(4) {
        0 => {
            things.remove(&name);
            return of_it;
        }
        1 => {
            thing.size += 10;
            "size"
        }
        2 => {
            "elsewhere".clone_into(&mut thing.address);
            "nothing"
        }
        _ => {
            thing.ready_at = start().saturating_add(SignedDuration::from_hours(1)).unwrap();
            "nothing"
        }
    };
    of_it.into_iter().filter(|(_, one)| one == field).collect()
}

async fn check(seed: u64) {
    let mut dice = Dice::new(seed);
    let drawn = draw(&mut dice);
    let before = drawn.workshop.world.things.lock().unwrap().clone();
    let plan = drawn.plan().await;
    assert_eq!(drawn.workshop.writes(), Vec::<String>::new(), "a plan wrote");
    assert_eq!(*drawn.workshop.world.things.lock().unwrap(), before);
    let same = drawn.plan().await;
    assert_eq!(same.facts, plan.facts);
    for at in 0..drawn.wanted.len() {
        let task = plan.tasks.iter().find(|task| task.address == format!("t{at}")).unwrap();
        assert_eq!(task.kind, drawn.expected(at), "{} of\n{}", task.address, drawn.text);
    }
    if dice.percent(50) {
        let expected = disturb(&drawn, &mut dice, &plan.facts);
        let newer = drawn.plan().await;
        let found: BTreeSet<(String, String)> = moved(&plan.facts, &newer.facts)
            .into_iter()
            .map(|(fact, _)| (fact.key.identity.clone(), fact.key.field.clone()))
            .collect();
        assert_eq!(found, expected, "of\n{}", drawn.text);
        return;
    }
    let writes = plan.writes();
    let (report, _) = drawn.workshop.apply(plan, "r1", Cancel::default()).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{:#?}", report.tasks);
    assert_eq!(report.counts.changed, writes as u64);
    assert_eq!(drawn.workshop.world.things.lock().unwrap()["stranger"], before["stranger"]);
    let made = drawn.workshop.writes();
    let again = drawn.plan().await;
    assert!(again.is_empty(), "{:#?}\nof\n{}", again.tasks, drawn.text);
    let (report, _) = drawn.workshop.apply(again, "r2", Cancel::default()).await;
    assert_eq!(report.outcome, Outcome::Succeeded);
    assert_eq!(drawn.workshop.writes(), made, "a run with nothing to do wrote");
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn plans_come_true_and_nothing_is_left(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(seed));
    }
}
