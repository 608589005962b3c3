//! What was seen of the sandbox's cluster against what the sandbox bills: by Cost Explorer and by files,
//! with nothing wrong, and with a wrong price, a lost day and a discount.

use serde_json::Value;

use crate::support::{Folder, Said};

/// Four days of a cluster in October, looked at all the time.
fn observed() -> Folder {
    let default = include_str!("../engine/sandbox/scenarios/default.yaml");
    let folder = Folder::new()
        .file("october.yaml", format!("{default}begins: 2026-10-01T00:00:00Z\n"))
        .file("discount.yaml", "discount: {ec2: 10%, fargate: 10%, ebs: 10%, nat: 10%}\n")
        .file("price.yaml", "prices: {fargate_vcpu: 0.06}\n");
    folder.well(&["run", "--quiet", "nodeless.yaml", "--scenario", "october.yaml"]);
    folder.well(&["collect", "--every", "1h", "--until", "2026-10-05T00:00:00Z"]);
    folder.well(&["sandbox", "advance", "--until", "2026-10-08T00:00:00Z"]);
    folder
}

const WINDOW: [&str; 4] = ["report", "reconcile", "--window", "2026-10-02..2026-10-04"];

fn said(folder: &Folder, arguments: &[&str]) -> Said {
    folder.run(&[&WINDOW, arguments].concat())
}

fn answer(folder: &Folder, arguments: &[&str]) -> Value {
    let said = said(folder, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
}

fn bill(folder: &Folder, format: &str, name: &str, settings: &[&str]) {
    let asked = ["sandbox", "bill", "--window", "2026-10", "--format", format, "--out", name];
    folder.well(&[&asked, settings].concat());
}

fn class<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let classes = answer["classes"].as_array().unwrap();
    classes
        .iter()
        .find(|one| one["class"] == name)
        .unwrap_or_else(|| panic!("no {name} in {answer:#}"))
}

/// A cause of a class, in cents.
fn cents(of: &Value, path: &str) -> i64 {
    let value =
        of.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {of:#}"));
    #[expect(clippy::cast_possible_truncation, reason = "cents of a few days")]
    let cents = (value * 100.0).round() as i64;
    cents
}

#[test]
fn the_sandbox_agrees_with_its_own_bill_by_every_source() {
    let folder = observed();
    bill(&folder, "cur", "cur.csv", &[]);
    bill(&folder, "focus", "focus.csv.gz", &[]);
    for bills in [&[][..], &["--bill", "cur.csv"], &["--bill", "focus.csv.gz"]] {
        let found = answer(&folder, bills);
        assert_eq!(found["is_reconciled"], true, "{bills:?} {found:#}");
        assert_eq!(found["days"].as_array().unwrap().len(), 3);
        for name in ["ec2_compute", "fargate_vcpu", "fargate_memory", "control_plane"] {
            let one = class(&found, name);
            let (list, unexplained) = (cents(one, "/list"), cents(one, "/causes/unexplained"));
            assert!(list > 0 && unexplained.abs() * 50 <= list, "{bills:?} {name} {one:#}");
            let causes = one["causes"].as_object().unwrap();
            let sum: i64 = causes.keys().map(|cause| cents(one, &format!("/causes/{cause}"))).sum();
            assert_eq!(cents(one, "/billed") + sum, list, "{one:#}");
        }
    }
    // Asking again costs nothing: the answers are kept.
    let first = said(&folder, &[]);
    assert!(first.out.contains("this bill cost nothing to ask for"), "{first:?}");
    assert!(first.out.contains("account scope"), "{first:?}");
}

#[test]
fn a_planted_price_and_a_discount_come_out_as_their_cause() {
    let folder = observed();
    bill(&folder, "cur", "price.csv", &["--settings", "price.yaml"]);
    let found = answer(&folder, &["--bill", "price.csv"]);
    let vcpu = class(&found, "fargate_vcpu");
    // 0.06 in place of 0.04656 is 28.9 % more.
    let (list, price) = (cents(vcpu, "/list"), cents(vcpu, "/causes/price"));
    assert!((price * 1000 + list * 289).abs() <= list * 10, "{vcpu:#}");
    assert_eq!(cents(class(&found, "fargate_memory"), "/causes/price"), 0);
    assert_eq!(found["is_reconciled"], true, "{found:#}");

    bill(&folder, "cur", "discount.csv", &["--settings", "discount.yaml"]);
    let found = answer(&folder, &["--bill", "discount.csv"]);
    for name in ["fargate_vcpu", "fargate_memory"] {
        let one = class(&found, name);
        let (list, discount) = (cents(one, "/list"), cents(one, "/causes/discount"));
        // A tenth, to the cent or two of rounding.
        assert!((discount * 10 - list).abs() <= 20, "{one:#}");
        assert_eq!(cents(one, "/causes/price"), 0, "{one:#}");
    }
}

#[test]
fn a_lost_day_of_what_was_there_before_loses_nothing() {
    let folder = observed();
    bill(&folder, "cur", "cur.csv", &[]);
    // The samples of one day are gone.
    let samples = folder.path().join(".runbook/sandbox/samples");
    let mut lost = 0;
    let mut folders = vec![samples];
    while let Some(one) = folders.pop() {
        for entry in std::fs::read_dir(one).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("2026-10-04") {
                std::fs::remove_file(path).unwrap();
                lost += 1;
            }
        }
    }
    assert!(lost > 0);
    let found = answer(&folder, &["--bill", "cur.csv"]);
    // Pods and nodes say since when they are there, so nothing of them is missing, and nothing is made
    // up: what only lived in the hole would be `no_samples`.
    for name in ["ec2_compute", "fargate_vcpu", "control_plane"] {
        let one = class(&found, name);
        assert_eq!(cents(one, "/causes/no_samples"), 0, "{one:#}");
        assert!(cents(one, "/causes/unexplained").abs() * 50 <= cents(one, "/list"), "{one:#}");
    }
    assert!(found["is_reconciled"] == true, "{found:#}");
}

#[test]
fn what_cannot_be_compared_is_said_with_a_way_out() {
    let folder = observed();
    folder.write("notes.csv", "a,b\n1,2\n");
    let wrong = said(&folder, &["--bill", "notes.csv"]);
    assert_eq!(wrong.code, 64, "{wrong:?}");
    assert!(wrong.err.contains("notes.csv` is no bill"), "{wrong:?}");
    let none = said(&folder, &["--ask-at-most", "0"]);
    assert!(none.out.is_empty() && none.err.contains("the bill of no day of"), "{none:?}");
    let schema = folder.well(&["report", "schema", "reconcile"]);
    assert!(schema.out.contains("\"title\": \"runbook report reconcile\""), "{}", schema.out);
}
