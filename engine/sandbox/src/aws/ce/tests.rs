//! Whatever was used and however it is asked for: groups and pages add up to the total, days to their
//! window.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::addresses::Addresses;
use crate::aws::{Answer, Call, Input, Principal, service};
use crate::billing::{Billing, change, meter};
use crate::notice::Notices;
use crate::store::{State, Transaction};
use crate::world::Context;

const BEGINS: i64 = 1_790_812_800; // 2026-10-01T00:00:00Z
const DAYS: i64 = 40;

/// Something that was used: kind, beginning, seconds, tag.
type Use = (u8, i64, i64, Option<&'static str>);

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let tag = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    let one = (0_u8..4, 0..DAYS * 86_400, 1..300_000_i64, tag);
    prop::collection::vec(one, 0..25)
}

fn settings() -> impl Strategy<Value = Billing> {
    let texts = [
        "{}",
        "discount: {ec2: 10%, fargate: 7.5%}",
        "{discount: {ec2: 10%}, net_amortized: false, tax: 10%}",
        "{tax: 9.99%, credits: [{day: 2026-10-05, amount: 1.25}], lost_days: [2026-10-07]}",
        "{delay: 24h, prices: {m7g.large: 0.12}}",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|text| Billing::parse(text).unwrap())
}

struct World {
    context: Context,
    settings: Billing,
    uses: Vec<Use>,
    _folder: TempDir,
}

impl World {
    fn new(settings: Billing, uses: Vec<Use>) -> Self {
        let folder = TempDir::new().unwrap();
        let notices = Notices::new(Arc::new(|_| {}));
        let addresses = Addresses::open(folder.path(), notices.clone()).unwrap();
        let context = Context {
            account: "111122223333".to_owned(),
            region: "ap-northeast-2".to_owned(),
            seed: "test".to_owned(),
            addresses: Arc::new(addresses),
            authority: String::new(),
            notices,
        };
        Self { context, settings, uses, _folder: folder }
    }

    /// The answer of an operation, after all that was used, 45 days later.
    fn ask(&self, name: &str, input: Value) -> Answer {
        let state = State::default();
        let now = Timestamp::from_second(BEGINS + 45 * 86_400).unwrap();
        let mut transaction = Transaction::new(&state, now);
        change(&mut transaction, &self.settings);
        transaction.put("billing/since", "billing/since", json!(BEGINS));
        crate::billing::switch_at(&mut transaction, "team", BEGINS + 5 * 86_400);
        for (number, one) in self.uses.iter().enumerate() {
            put(&mut transaction, number, *one);
        }
        let operation = service("ce").unwrap().operation(name).unwrap();
        (operation.run)(&mut Call {
            name: operation.name,
            context: &self.context,
            transaction: &mut transaction,
            principal: &Principal { arn: String::new(), id: String::new() },
            input: &Input::from_json(input),
            real_now: now,
        })
    }

    /// Every page of a question, by period and keys; each may come once.
    fn pages(&self, mut input: Value, metric: &str) -> BTreeMap<(String, Vec<String>), i128> {
        let mut found = BTreeMap::new();
        loop {
            let answer = self.ask("GetCostAndUsage", input.clone()).unwrap();
            for result in answer["ResultsByTime"].as_array().unwrap() {
                let start = result["TimePeriod"]["Start"].as_str().unwrap().to_owned();
                let mut add = |keys: &Value, metrics: &Value| {
                    let keys: Vec<String> = serde_json::from_value(keys.clone()).unwrap();
                    let amount = exact(metrics[metric]["Amount"].as_str().unwrap());
                    assert!(found.insert((start.clone(), keys), amount).is_none(), "{result}");
                };
                for group in result["Groups"].as_array().unwrap() {
                    add(&group["Keys"], &group["Metrics"]);
                }
                if result["Total"].get(metric).is_some() {
                    add(&json!([]), &result["Total"]);
                }
            }
            let next = &answer["NextPageToken"];
            if next.is_null() {
                return found;
            }
            input["NextPageToken"] = next.clone();
        }
    }
}

fn put(transaction: &mut Transaction<'_>, number: usize, (kind, from, seconds, tag): Use) {
    let from = BEGINS + from;
    let what = match kind {
        0 => {
            json!({"i": {"id": format!("i-{number}"), "ty": "m7g.large", "z": "ap-northeast-2a", "v": 20}})
        }
        1 => {
            json!({"i": {"id": format!("i-{number}"), "ty": "c5a.xlarge", "s": true, "z": "ap-northeast-2c", "v": 31}})
        }
        2 => {
            json!({"f": {"p": {"c": "myeks", "n": "batch", "p": format!("p-{number}"), "u": format!("u-{number}")}, "c": 250, "m": 500}})
        }
        _ => json!({"n": {"id": format!("nat-{number}"), "address": "eipalloc-1"}}),
    };
    let mut usage = json!({"f": from, "t": from + seconds, "w": what});
    if let Some(tag) = tag {
        usage["g"] = json!([[from, {"team": tag}]]);
    }
    let usage: meter::Usage = serde_json::from_value(usage).unwrap();
    meter::put_closed(transaction, &format!("{number}"), &usage);
}

fn exact(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap();
    let digits: i128 = format!("{whole}{part}").parse().unwrap();
    assert_eq!(part.len(), 10, "{text}");
    digits
}

fn question(start: &str, end: &str, granularity: &str, groups: &[(&str, &str)]) -> Value {
    let groups: Vec<Value> =
        groups.iter().map(|(kind, key)| json!({"Type": kind, "Key": key})).collect();
    json!({
        "TimePeriod": {"Start": start, "End": end}, "Granularity": granularity,
        "Metrics": ["UnblendedCost", "AmortizedCost", "UsageQuantity"], "GroupBy": groups,
    })
}

const GROUPS: [&[(&str, &str)]; 6] = [
    &[("DIMENSION", "SERVICE")],
    &[("DIMENSION", "USAGE_TYPE"), ("DIMENSION", "OPERATION")],
    &[("TAG", "team")],
    &[("TAG", "team"), ("DIMENSION", "RECORD_TYPE")],
    &[("DIMENSION", "LINKED_ACCOUNT"), ("DIMENSION", "REGION")],
    &[("DIMENSION", "INSTANCE_TYPE"), ("DIMENSION", "AZ")],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn groups_and_pages_and_days_add_up(
        uses in uses(), settings in settings(), rows in 1_usize..9,
        groups in prop::sample::select(GROUPS.to_vec()), monthly in any::<bool>(),
    ) {
        let granularity = if monthly { "MONTHLY" } else { "DAILY" };
        let (start, end) = ("2026-10-01", "2026-11-12");
        let mut world = World::new(settings, uses);
        let total = world.pages(question(start, end, granularity, &[]), "UnblendedCost");
        world.settings.rows_per_page = rows;
        let grouped = world.pages(question(start, end, granularity, groups), "UnblendedCost");
        // Each period by itself, not only the whole.
        let mut periods: BTreeMap<&str, i128> = BTreeMap::new();
        for ((period, _), amount) in &grouped {
            *periods.entry(period).or_default() += amount;
        }
        for ((period, _), amount) in &total {
            prop_assert_eq!(*amount, periods.get(period.as_str()).copied().unwrap_or(0), "{}", period);
        }
        let days = world.pages(question(start, end, "DAILY", &[]), "UnblendedCost");
        prop_assert_eq!(days.len(), 42);
        prop_assert_eq!(days.values().sum::<i128>(), total.values().sum::<i128>());
        // A filter and its opposite are the whole.
        let part = json!({"Dimensions": {"Key": "SERVICE", "Values": ["EC2 - Other", "Tax"]}});
        let mut with = question(start, end, granularity, groups);
        with["Filter"] = part.clone();
        let mut without = question(start, end, granularity, &[]);
        without["Filter"] = json!({"Not": part});
        let sum = |asked: Value| world.pages(asked, "UnblendedCost").values().sum::<i128>();
        prop_assert_eq!(sum(with) + sum(without), total.values().sum::<i128>());
    }
}

fn month(
    settings: &str,
    uses: Vec<Use>,
    metric: &str,
    groups: &[(&str, &str)],
) -> BTreeMap<Vec<String>, i128> {
    let world = World::new(Billing::parse(settings).unwrap(), uses);
    let mut asked = question("2026-10-01", "2026-11-01", "MONTHLY", groups);
    asked["Metrics"] = json!([metric]);
    world.pages(asked, metric).into_iter().map(|((_, keys), amount)| (keys, amount)).collect()
}

#[test]
fn a_planted_error_shows_where_it_was_planted() {
    // An m7g.large for ten hours of 7 October: 0.1003 $ an hour.
    let machine = || vec![(0, 6 * 86_400, 36_000, None)];
    let usage = "APN2-BoxUsage:m7g.large".to_owned();
    let by_type = [("DIMENSION", "USAGE_TYPE")];
    let cost = |settings: &str, metric: &str| {
        month(settings, machine(), metric, &by_type).get(std::slice::from_ref(&usage)).copied()
    };
    assert_eq!(cost("{}", "UnblendedCost"), Some(10_030_000_000));
    assert_eq!(cost("{}", "NetAmortizedCost"), Some(10_030_000_000));
    assert_eq!(cost("prices: {m7g.large: 0.12}", "UnblendedCost"), Some(12_000_000_000));
    assert_eq!(cost("lost_days: [2026-10-07]", "UnblendedCost"), None);
    // A discount is a record of its own, and in the net columns.
    assert_eq!(cost("discount: {ec2: 10%}", "UnblendedCost"), Some(9_027_000_000));
    assert_eq!(cost("discount: {ec2: 10%}", "NetAmortizedCost"), Some(9_027_000_000));
    let records =
        month("discount: {ec2: 10%}", machine(), "UnblendedCost", &[("DIMENSION", "RECORD_TYPE")]);
    assert_eq!(records[&vec!["Enterprise Discount Program Discount".to_owned()]], -1_003_000_000);
    assert_eq!(
        cost("{discount: {ec2: 10%}, net_amortized: false}", "AmortizedCost"),
        Some(9_027_000_000)
    );
    let world = World::new(Billing::parse("net_amortized: false").unwrap(), machine());
    let mut asked = question("2026-10-01", "2026-11-01", "MONTHLY", &[]);
    asked["Metrics"] = json!(["NetAmortizedCost"]);
    let refusal = world.ask("GetCostAndUsage", asked).unwrap_err();
    assert_eq!(refusal.message, "The requested data is unavailable.");
    // Tax is of the month, at what is to be paid.
    let services = month("tax: 10%", machine(), "UnblendedCost", &[("DIMENSION", "SERVICE")]);
    let volume = services[&vec!["EC2 - Other".to_owned()]];
    assert_eq!(services[&vec!["Tax".to_owned()]], (10_030_000_000 + volume + 5) / 10);
}

#[test]
fn a_tag_counts_from_its_activation_on_and_months_close() {
    let uses = vec![(0, 0, 10 * 86_400, Some("a"))];
    let tags =
        month("{}", uses.clone(), "UsageQuantity", &[("TAG", "team"), ("DIMENSION", "SERVICE")]);
    let hours = |tag: &str| {
        tags[&vec![format!("team${tag}"), "Amazon Elastic Compute Cloud - Compute".to_owned()]]
            / 10_000_000_000
    };
    assert_eq!((hours(""), hours("a")), (120, 120));
    let world = World::new(Billing::default(), uses);
    let answer =
        world.ask("GetCostAndUsage", question("2026-10-31", "2026-11-02", "DAILY", &[])).unwrap();
    let estimated: Vec<&Value> =
        answer["ResultsByTime"].as_array().unwrap().iter().map(|day| &day["Estimated"]).collect();
    assert_eq!(estimated, [false, true]);
}
