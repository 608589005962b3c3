//! What holds for any workloads: doubled prices, other names, types that are no candidates, totals.

#![allow(clippy::expect_used, reason = "a test")]

use proptest::prelude::*;
use runbook_capacity::compare::shape::NodeShape;
use runbook_capacity::compare::side::{Side, SideId};
use runbook_capacity::compare::sides::{Setting, side};
use runbook_capacity::compare::workload::Workloads;
use runbook_capacity::manifest::read_pods;
use runbook_capacity::money::Amount;
use runbook_capacity::prices::PriceBook;
use runbook_capacity::region::Region;

type Row = (u8, u8, u32, u16);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (1_u8..12, 1_u8..12, 1_u32..5, prop_oneof![Just(730_u16), 1_u16..730]);
    prop::collection::vec(row, 1..4)
}

fn workloads(rows: &[Row], prefix: &str) -> Workloads {
    let mut text = String::from("name,cpu,memory,replicas,hours\n");
    for (index, (cpu, memory, replicas, hours)) in rows.iter().enumerate() {
        let (cpu, memory) = (u32::from(*cpu) * 250, u32::from(*memory) * 512);
        text.push_str(&format!("{prefix}{index},{cpu}m,{memory}Mi,{replicas},{hours}\n"));
    }
    Workloads::of(read_pods("pods.csv", &text).expect("pods"))
}

fn billed(id: SideId, workloads: &Workloads, book: &PriceBook) -> Side {
    side(id, workloads, &Setting::new(Region::ApNortheast2, book, NodeShape::up_to(Some(8))))
}

fn lines(side: &Side) -> Vec<(String, i64, i64)> {
    side.lines.iter().map(|line| (line.what.clone(), line.count, line.seconds)).collect()
}

const SIDES: [SideId; 4] = [SideId::Nodeless, SideId::Fargate, SideId::NodeGroup, SideId::AutoMode];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn doubled_prices_double_the_bill_and_keep_the_nodes(rows in rows()) {
        let doubled = PriceBook::embedded().scaled(2, 1);
        let found = workloads(&rows, "w");
        for id in SIDES {
            let once = billed(id, &found, PriceBook::embedded());
            let twice = billed(id, &found, &doubled);
            prop_assert_eq!(lines(&once), lines(&twice), "{:?}", id);
            let total = once.complete();
            prop_assert_eq!(total.map(|total| total.times(2)), twice.complete(), "{:?}", id);
            let sum: Amount = once.lines.iter().filter_map(|line| line.amount().ok()).sum();
            prop_assert_eq!(total, Some(sum), "{:?}", id);
        }
    }

    #[test]
    fn other_names_cost_the_same(rows in rows()) {
        let (one, other) = (workloads(&rows, "a"), workloads(&rows, "zz-"));
        for id in SIDES {
            let book = PriceBook::embedded();
            let (one, other) = (billed(id, &one, book), billed(id, &other, book));
            prop_assert_eq!(one.complete(), other.complete(), "{:?}", id);
            prop_assert_eq!(one.peak_nodes, other.peak_nodes, "{:?}", id);
        }
    }

    #[test]
    fn settling_costs_no_more_nodes_than_pods_and_two_at_least(rows in rows()) {
        let found = workloads(&rows, "w");
        let side = billed(SideId::Nodeless, &found, PriceBook::embedded());
        prop_assert!(side.cold.is_some() && side.settled.is_some());
        prop_assert!(side.peak_nodes >= 2);
        prop_assert!(side.peak_nodes <= found.pod_count().max(2));
        prop_assert!(side.utilisation.is_some_and(|used| (1..=1000).contains(&used)));
        prop_assert!(side.not_held.is_empty());
    }

    #[test]
    fn longer_runs_never_cost_less_on_fargate(rows in rows(), more in 1_u16..100) {
        let longer: Vec<Row> = rows
            .iter()
            .map(|(cpu, memory, replicas, hours)| (*cpu, *memory, *replicas, (hours + more).min(730)))
            .collect();
        let cost = |rows: &[Row]| billed(SideId::Fargate, &workloads(rows, "w"), PriceBook::embedded()).complete();
        prop_assert!(cost(&rows) <= cost(&longer));
    }
}

#[test]
fn a_type_that_is_no_candidate_changes_nothing() {
    // A burstable type, and one above the shape, at any price.
    let found = workloads(&[(2, 2, 4, 730), (4, 8, 2, 730)], "w");
    let book = PriceBook::embedded();
    let mut cheap = book.clone();
    for name in ["t3.large", "m6i.32xlarge"] {
        let mut quote = book.on_demand("ap-northeast-2", name).expect("a price").clone();
        quote.price = quote.price.fraction(1, 100);
        cheap.set_on_demand("ap-northeast-2", name, quote);
    }
    for id in SIDES {
        assert_eq!(lines(&billed(id, &found, book)), lines(&billed(id, &found, &cheap)), "{id:?}");
    }
}
