//! What is wrong with the input of a comparison is handled, named, and never priced as zero.

#![allow(clippy::expect_used, reason = "a test")]

use runbook_capacity::answer::compare::{CompareOptions, Comparison};
use runbook_capacity::answer::{Completeness, PriceAge, written};
use runbook_capacity::compare::shape::NodeShape;
use runbook_capacity::compare::side::{Side, SideId};
use runbook_capacity::compare::sides::{Setting, side};
use runbook_capacity::compare::workload::Workloads;
use runbook_capacity::karpenter::read_instance_types;
use runbook_capacity::manifest::{read_inventory, read_node_pools, read_pods};
use runbook_capacity::prices::{Currency, PriceBook};
use runbook_capacity::region::Region;

fn workloads(name: &str, text: &str) -> Workloads {
    Workloads::of(read_pods(name, text).expect("pods"))
}

fn refused(name: &str, text: &str) -> String {
    let problems = read_pods(name, text).expect_err("a problem");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn billed(id: SideId, workloads: &Workloads) -> Side {
    let book = PriceBook::embedded();
    side(id, workloads, &Setting::new(Region::ApNortheast2, book, NodeShape::REALISTIC))
}

fn compared(workloads: &Workloads, options: &CompareOptions) -> Comparison {
    let age = PriceAge { most_days: 90, today: "2026-11-26".parse().expect("a day") };
    Comparison::new(workloads, options, PriceBook::embedded(), age, Vec::new())
}

#[test]
fn a_pod_without_requests_is_the_smallest_size_and_a_place_on_a_node() {
    let found = workloads("pods.csv", "name,cpu,memory,replicas\nquiet,,,3\nzero,0,0,1\n");
    let fargate = billed(SideId::Fargate, &found);
    let quiet = fargate.lines.iter().find(|line| line.what.starts_with("quiet")).expect("a line");
    assert_eq!((quiet.what.as_str(), quiet.count), ("quiet at 0.25vCPU 0.5GB", 3));
    assert_eq!(quiet.amount().expect("a price").dollars(5), "31.08705");
    let nodes = billed(SideId::NodeGroup, &found);
    assert!(nodes.not_held.is_empty() && nodes.complete().is_some());
    assert!(
        found.notes[0].starts_with("`quiet` asks for no CPU and no memory"),
        "{:?}",
        found.notes
    );
}

#[test]
fn what_nothing_can_hold_is_named_on_every_side_and_no_total_leaves_it_out() {
    let found = workloads("pods.csv", "name,cpu,memory,replicas\nok,1,1Gi,1\nhuge,500,1Gi,2\n");
    for id in SideId::ALL {
        let side = billed(id, &found);
        let named: Vec<&str> = side.not_held.iter().map(|one| one.pod.as_str()).collect();
        assert_eq!(named, ["huge-0", "huge-1"], "{id:?}");
        assert_eq!(side.complete(), None, "{id:?}");
    }
}

#[test]
fn negative_absurd_and_unknown_quantities_are_refused_with_their_row() {
    let why = refused(
        "pods.csv",
        "name,cpu,memory,replicas\na,-1,1Gi,1\nb,1,9999999999999999999999Ei,1\nc,1,1GiB,1\nd,one,1Gi,1\ne,1,1Gi,-2\n",
    );
    for part in [
        "row 2: `a`, `cpu`: `-1` is negative",
        "row 3: `b`, `memory`: `9999999999999999999999Ei` is larger than any quantity can be",
        "row 4: `c`, `memory`: `1GiB` is not a quantity: unknown unit `GiB`",
        "row 5: `d`, `cpu`: `one` is not a quantity: it has no number",
        "row 6: `e`, `replicas`: `-2` is no count",
    ] {
        assert!(why.contains(part), "{part} is not in {why}");
    }
    let hours = workloads("pods.csv", "name,cpu,memory,replicas,hours\na,1,1Gi,1,800\n");
    assert_eq!(hours.unpriced[0].1.reason, "800 hours are more than a month of 730 has");
    // The most that can be written is held by nothing, and adds up without wrapping around.
    let most = workloads("pods.csv", "name,cpu,memory,replicas\na,9e15,7Ei,2\n");
    for id in SideId::ALL {
        assert_eq!(billed(id, &most).complete(), None, "{id:?}");
    }
}

#[test]
fn a_table_with_a_column_missing_or_twice_is_refused() {
    let missing = refused("pods.csv", "name,cpu,memory\na,1,1Gi\n");
    assert_eq!(
        missing,
        "pods.csv: column `replicas` is missing; needed: name, cpu, memory, replicas"
    );
    let twice = refused("pods.csv", "name,cpu,memory,replicas,hours,hours\na,1,1Gi,1,2,3\n");
    assert_eq!(twice, "pods.csv: column `hours` is there twice");
    let types = |text: &str| {
        let problems = read_instance_types("types.csv", text).expect_err("a problem");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let header = "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour";
    assert_eq!(types(&format!("{header}\n")), "types.csv: column `zones` is missing");
    assert_eq!(types(&format!("{header},zones,pods\n")), "types.csv: column `pods` is there twice");
    // A price of zero says that nobody knew it, and a second currency has no column.
    let zero = types(&format!("{header},zones\nx.large,amd64,1930,6903,29,0,a\n"));
    assert!(zero.contains("row 2") && zero.contains("a price of zero"), "{zero}");
    assert!(
        types(&format!("{header},cny_per_hour,zones\n"))
            .contains("column `cny_per_hour` is not known")
    );
}

#[test]
fn prices_of_another_currency_are_refused() {
    let why = Currency::parse("CNY").expect_err("refused").to_string();
    assert_eq!(
        why,
        "prices are in `CNY`; only USD is understood, for prices of two currencies cannot be added up"
    );
}

#[test]
fn an_inventory_cut_off_or_from_a_newer_version_is_refused() {
    let inventory = r#"{"kind": "Inventory", "version": 1, "region": "ap-northeast-2", "items": [{"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}]}"#;
    assert_eq!(read_inventory("inv.json", inventory).expect("pods").workloads.len(), 1);
    for end in [10, inventory.len() / 2, inventory.len() - 1] {
        let why =
            read_inventory("inv.json", &inventory[..end]).expect_err("cut off")[0].to_string();
        assert!(why.contains("it is cut off in the middle"), "{why}");
    }
    let newer = inventory.replace("\"version\": 1", "\"version\": 99");
    let why = read_inventory("inv.json", &newer).expect_err("newer")[0].to_string();
    assert!(why.contains("99"), "{why}");
}

#[test]
fn a_pool_of_another_version_of_the_api_is_refused() {
    let pool = "apiVersion: karpenter.sh/v1beta1\nkind: NodePool\nmetadata: {name: old}\nspec: {template: {spec: {requirements: []}}}\n";
    let why = read_node_pools("pool.yaml", pool).expect_err("refused")[0].to_string();
    assert_eq!(
        why,
        "pool.yaml: NodePool `old`: its apiVersion is `karpenter.sh/v1beta1`; only `karpenter.sh/v1` is understood"
    );
}

#[test]
fn a_node_without_a_price_leaves_a_hole_and_no_verdict() {
    // A book that does not know m7g, and a pool that wants nothing else.
    let found = workloads("pods.csv", "name,cpu,memory,replicas\nweb,1,2Gi,3\n");
    let mut book = PriceBook::default();
    for (name, quote) in PriceBook::embedded().on_demand_in("ap-northeast-2") {
        if !name.starts_with("m7g.") {
            book.set_on_demand("ap-northeast-2", name, quote.clone());
        }
    }
    for service in runbook_capacity::prices::Service::all() {
        if let Ok(quote) = PriceBook::embedded().service("ap-northeast-2", service) {
            book.set_service("ap-northeast-2", service, quote.clone());
        }
    }
    let mut options = CompareOptions::new(Region::ApNortheast2);
    options.node_pools = read_node_pools(
        "pool.yaml",
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: g}\nspec: {template: {spec: {requirements: [{key: karpenter.k8s.aws/instance-family, operator: In, values: [m7g]}, {key: kubernetes.io/arch, operator: In, values: [arm64]}]}}}\n",
    )
    .expect("a pool");
    let age = PriceAge { most_days: 90, today: "2026-11-26".parse().expect("a day") };
    let answer = Comparison::new(&found, &options, &book, age, Vec::new());
    let nodeless = &answer.sides[0];
    assert_eq!(nodeless.usd_per_month, None);
    let hole = nodeless.lines.iter().find(|line| line.usd_per_month.is_none());
    let is_named = hole.is_some_and(|line| line.reason.is_some()) || !nodeless.not_held.is_empty();
    assert!(is_named, "{nodeless:?}");
    assert!(answer.verdicts.iter().all(|one| one.answer == "cannot_say" && one.reason.is_some()));
    assert_ne!(answer.completeness(), Completeness::Complete);
    assert!(answer.headline.starts_with("nothing can be said: "), "{}", answer.headline);
}

#[test]
fn a_name_with_formulas_markup_and_control_characters_does_nothing() {
    let evil = "=HYPERLINK(\"x\")|<script>alert(1)</script>\u{1b}[2J\u{7}`";
    let text = format!("name,cpu,memory,replicas\n\"{}\",1,1Gi,1\n", evil.replace('"', "\"\""));
    let found = compared(&workloads("pods.csv", &text), &CompareOptions::new(Region::ApNortheast2));
    assert!(found.workloads[0].workload.contains("<script>"));
    let markdown = found.markdown();
    assert!(
        !markdown.contains("<script>")
            && !markdown.contains('\u{1b}')
            && !markdown.contains('\u{7}')
    );
    let csv = found.csv();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    for row in reader.records() {
        let row = row.expect("a row");
        assert_eq!(row.len(), 8);
        assert!(row.iter().all(|cell| !cell.starts_with('=') && !cell.contains(char::is_control)));
    }
    let json = written::json(&found).expect("JSON");
    assert!(!json.chars().any(|one| one.is_control() && one != '\n'));
    let back: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(back["workloads"][0]["workload"].as_str(), Some(evil));
}

#[test]
fn an_autoscaler_with_its_bounds_the_wrong_way_round_is_refused() {
    let why = refused(
        "pods.yaml",
        "kind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {minReplicas: 5, maxReplicas: 2, scaleTargetRef: {kind: Deployment, name: web}}\n",
    );
    assert_eq!(
        why,
        "pods.yaml: HorizontalPodAutoscaler `a`: `spec.maxReplicas` is 2, `spec.minReplicas` is 5"
    );
    let annotation = refused(
        "pods.yaml",
        "kind: Job\nmetadata: {name: a, annotations: {runbook/duration: soon}}\nspec: {template: {spec: {containers: [{name: c}]}}}\n",
    );
    assert_eq!(
        annotation,
        "pods.yaml: Job `a`: annotation `runbook/duration`: `soon` is no duration such as 15m or 1h30m"
    );
}
