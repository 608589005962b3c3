//! Tasks that ask AWS about money: Cost Explorer, where each request costs, and the Price List.

use serde_json::Value;

use crate::support::{Folder, changes};

/// Four days of a cluster in October, looked at all the time, and three more days.
fn october() -> Folder {
    let world = include_str!("../engine/sandbox/scenarios/default.yaml");
    let folder = Folder::new().file("world.yaml", format!("{world}begins: 2026-10-01T00:00:00Z\n"));
    folder.well(&["run", "--quiet", "nodeless.yaml", "--scenario", "world.yaml"]);
    folder.well(&["collect", "--every", "1h", "--until", "2026-10-05T00:00:00Z"]);
    folder.well(&["sandbox", "advance", "--until", "2026-10-08T00:00:00Z"]);
    folder
}

/// The operations that Cost Explorer or the Price List were asked for.
fn asked(folder: &Folder, service: &str) -> Vec<String> {
    let of_service = folder.requests(false);
    let of_service = of_service.iter().filter(|one| one["service"] == service);
    of_service.map(|one| one["operation"].as_str().unwrap().to_owned()).collect()
}

const RECONCILE: &str = r#"apiVersion: runbook/v1
name: books
connections:
  aws: {region: ap-northeast-2}
tasks:
  - id: agree
    uses: report.reconcile
    with:
      name: books
      window: 2026-10-02..2026-10-04
      slot: "2026-10-08T00:00:00Z"
      formats: [text, json]
      destinations:
        - {kind: folder, path: books}
"#;

#[test]
fn a_bill_is_asked_of_cost_explorer_within_its_budget_and_never_by_a_plan() {
    let folder = october().file("books.yaml", RECONCILE);
    let plan = folder.plan(&["books.yaml"]);
    assert_eq!(changes(&plan), [("agree".to_owned(), "deferred".to_owned())]);
    assert!(plan.to_string().contains("looking costs money"), "{plan}");
    assert_eq!(asked(&folder, "ce"), [""; 0], "a plan asks nobody");
    // Not a request is allowed: nothing is delivered, and it says why.
    folder.write(
        "books.yaml",
        RECONCILE.replace("      formats", "      ask_at_most: 0\n      formats"),
    );
    let said = folder.run(&["run", "books.yaml"]);
    assert_eq!(said.code, 1, "{said:#?}");
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("the bill of no day of"), "{all}");
    assert_eq!(asked(&folder, "ce"), [""; 0]);
    folder.write("books.yaml", RECONCILE);
    folder.well(&["run", "books.yaml"]);
    let requests = asked(&folder, "ce");
    assert!((2..=10).contains(&requests.len()), "{requests:?}");
    let text = folder.read("books/books/2026-10-02_2026-10-04/r1/reconcile.txt");
    assert!(text.contains("account scope"), "{text}");
    // Applying looks right before it writes; what is delivered says what that look cost.
    assert!(!text.contains("cost nothing to ask for"), "{text}");
    assert!(text.contains("asking") && text.contains("0.03 $"), "{text}");
    let answer = folder.read("books/books/2026-10-02_2026-10-04/r1/reconcile.json");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["is_reconciled"], true, "{answer:#}");
    // Sent is sent: nobody is asked any more.
    folder.well(&["run", "books.yaml"]);
    assert_eq!(asked(&folder, "ce"), requests);
}

#[test]
fn the_shipped_report_asks_for_prices_and_holds_itself_against_the_bill() {
    let folder = october();
    let wanted = ["window=2026-10-02..2026-10-04", "refresh_prices=true", "reconcile=true"];
    let run: Vec<&str> = ["run", "05-showback.yaml"]
        .into_iter()
        .chain(wanted.iter().flat_map(|one| ["-i", one]))
        .collect();
    folder.well(&run);
    let reports = folder.files("reports");
    let named = |name: &str| reports.iter().filter(|file| file.ends_with(name)).count();
    assert_eq!((named("showback.json"), named("reconcile.json")), (1, 1), "{reports:?}");
    assert!(folder.path().join(".runbook/prices/sandbox/ap-northeast-2.json").exists());
    assert!(!asked(&folder, "ce").is_empty());
}

const TAG: &str = r"apiVersion: runbook/v1
name: tags
connections:
  aws: {region: ap-northeast-2}
tasks:
  - id: owner
    uses: ce.cost_allocation_tag
    with: {key: runbook/owner}
";

#[test]
fn a_tag_is_activated_once_bills_have_seen_it_and_a_plan_does_not_ask() {
    let folder = october().file("tags.yaml", TAG);
    let deferred = [("owner".to_owned(), "deferred".to_owned())];
    assert_eq!(changes(&folder.plan(&["tags.yaml"])), deferred);
    assert_eq!(asked(&folder, "ce"), [""; 0]);
    folder.well(&["run", "tags.yaml"]);
    let update = "UpdateCostAllocationTagsStatus";
    let updates = || asked(&folder, "ce").iter().filter(|one| *one == update).count();
    assert_eq!(updates(), 1, "{:?}", asked(&folder, "ce"));
    // It is active, which only asking tells; nothing is written again.
    assert_eq!(changes(&folder.plan(&["tags.yaml"])), deferred);
    folder.well(&["run", "tags.yaml"]);
    assert_eq!(updates(), 1);
    // A tag that no bill has seen is told with what to do.
    folder.write("tags.yaml", TAG.replace("runbook/owner", "department"));
    let said = folder.run(&["run", "tags.yaml"]);
    assert_eq!(said.code, 1, "{said:#?}");
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("no bill has seen the tag `department` yet"), "{all}");
}

const PRICES: &str = r#"apiVersion: runbook/v1
name: prices
connections:
  aws: {region: ap-northeast-2}
tasks:
  - id: refresh
    uses: report.prices
    with: {slot: "${{ run.slot }}"}
outputs:
  fetched: ${{ tasks.refresh.outputs.fetched }}
"#;

/// A row of a showback's JSON answer, in cents.
fn cents(value: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "cents of a day")]
    let cents = (value.as_f64().unwrap() * 100.0).round() as i64;
    cents
}

#[test]
fn prices_that_changed_between_two_windows_are_a_cause_of_their_difference() {
    let folder = october().file("prices.yaml", PRICES);
    let plan = folder.plan(&["prices.yaml"]);
    assert_eq!(changes(&plan), [("refresh".to_owned(), "create".to_owned())]);
    assert_eq!(asked(&folder, "pricing"), [""; 0], "a plan asks nobody");
    let said = folder.well(&["run", "prices.yaml"]);
    assert!(said.out.contains("fetched: \"2026-10-08\""), "{}", said.out);
    assert!(!asked(&folder, "pricing").is_empty());
    let list = ".runbook/prices/sandbox/ap-northeast-2.json";
    // As if an older list had said that Fargate is dearer by a third.
    let text = folder.read(list);
    let old = text.replace("\"fetched\": \"2026-10-08\"", "\"fetched\": \"2026-10-01\"");
    let line = old.lines().find(|line| line.contains("\"fargate_vcpu\"")).unwrap();
    let dearer = regex::Regex::new(r#""usd":"[0-9.]+""#).unwrap().replace(line, r#""usd":"0.06""#);
    let old = old.replace(line, &dearer);
    assert_ne!(old, text);
    folder.write(list, &old);
    // The task asks again: the list is not of its slot's day, and the one before is kept.
    folder.well(&["run", "prices.yaml"]);
    assert!(
        folder
            .path()
            .join(".runbook/prices/sandbox/earlier/ap-northeast-2.2026-10-01.json")
            .exists()
    );
    let showback = |more: &[&str]| -> Value {
        let base =
            ["report", "showback", "--window", "2026-10-04", "--by", "namespace", "-o", "json"];
        let said = folder.run(&[&base[..], more].concat());
        assert!([0, 7].contains(&said.code), "{said:#?}");
        serde_json::from_str(&said.out).unwrap()
    };
    let check = |answer: &Value| {
        let change = &answer["change"];
        let causes = change["causes"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
        let sum: i64 = causes.iter().map(|one| cents(&one["amount"])).sum();
        let moved = cents(&answer["total"]["total"]) - cents(&change["total_before"]);
        assert_eq!(sum, moved, "{change:#}");
        assert_eq!(causes.len(), 5, "{change:#}");
        cents(&causes.iter().find(|one| one["cause"] == "price").unwrap()["amount"])
    };
    // The day before was reported when the older list was known.
    let price = check(&showback(&["--slot", "2026-10-08T00:00:00Z"]));
    assert!(price < 0, "{price}: it has become cheaper");
    // By the present list alone nothing has changed, and a list that is given is taken.
    folder.write("now.json", folder.read(list));
    assert_eq!(
        check(&showback(&["--slot", "2026-10-08T00:00:00Z", "--prices-before", "now.json"])),
        0
    );
    folder.write("then.json", &old);
    assert_eq!(check(&showback(&["--prices-before", "then.json"])), price);
    let said = folder.run(&["report", "showback", "--prices-before", "prices.yaml"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("`prices.yaml` is damaged"), "{}", said.err);
}
