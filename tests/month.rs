//! A month in miniature on the sandbox: deployments, a rollout, a node that is let go, jobs of four
//! minutes and pods that Fargate bills after their end. Who looked every five minutes, who watched and
//! who billed tell the same of it, and what is wrong of a bill comes out as its cause.

#[allow(dead_code, reason = "it has more than this test needs")]
#[path = "../engine/sandbox/tests/support/month.rs"]
mod player;
#[allow(dead_code, reason = "it has more than this test needs")]
#[path = "../engine/sandbox/tests/support/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use jiff::{SignedDuration, Timestamp};
use player::Month;
use runbook_sandbox::{ControlClient, Sandbox};
use serde_json::Value;

use crate::support::{Folder, Served};

const CLUSTER: &str = "myeks";
/// The days that are reported.
const WINDOW: &str = "2026-10-01..2026-10-03";
/// The day that is lost, in which `search` is scaled to nothing and its node goes.
const LOST: &str = "2026-10-02";
/// How much two accounts of the same may differ: less than one in a hundred was not seen.
const PERMILLE: i128 = 10;

const CLASSES: [&str; 5] =
    ["ec2_compute", "ebs", "fargate_vcpu", "fargate_memory", "control_plane"];

/// A day of the plan takes three hours, so that all of it happens within these days.
const DAY: SignedDuration = SignedDuration::from_hours(3);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A collector that has looked once, while time stands.
fn collector(folder: &Folder, arguments: &[&str]) -> Child {
    let until = ["collect", "--every", "5m", "--until", "2026-10-04T00:05:00Z"];
    let mut child = folder
        .command(&[&until, arguments].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("myeks: "), "{first}");
    // What it says from now on is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.count());
    child
}

/// Plays it, seen by both collectors.
fn played() -> Folder {
    let default = include_str!("../engine/sandbox/scenarios/default.yaml");
    let folder = Folder::new()
        .file("october.yaml", format!("{default}begins: 2026-09-30T22:00:00Z\n"))
        .file("rules.yaml", "owners:\n  - {label: team}\n")
        .file("discount.yaml", "discount: {ec2: 10%, fargate: 10%, ebs: 10%, nat: 10%}\n")
        .file("price.yaml", "prices: {fargate_vcpu: 0.06}\n");
    folder.well(&["run", "--quiet", "nodeless.yaml", "--scenario", "october.yaml"]);
    let served = Served::of(&folder);
    let holder = Sandbox::holder(&folder.path().join(".runbook")).unwrap().unwrap();
    let control = ControlClient::new(holder.control.unwrap(), holder.token);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut month = runtime.block_on(Month::join(control, CLUSTER, DAY));
    let collectors =
        [collector(&folder, &[]), collector(&folder, &["--watch", "--samples", "watched"])];
    runtime.block_on(async {
        month.begin(30).await;
        month.play(at("2026-10-04T00:10:00Z")).await;
    });
    for mut collector in collectors {
        assert!(collector.wait().unwrap().success());
    }
    drop(month);
    drop(served);
    folder.well(&["sandbox", "advance", "--until", "2026-10-08T00:00:00Z"]);
    folder
}

/// Cents of an amount in JSON.
fn cents(of: &Value, path: &str) -> i128 {
    let value =
        of.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {of:#}"));
    #[expect(clippy::cast_possible_truncation, reason = "cents of a few days")]
    let cents = (value * 100.0).round() as i128;
    cents
}

fn showback(folder: &Folder, arguments: &[&str]) -> Value {
    let asked = ["report", "showback", "--window", WINDOW, "--rules", "rules.yaml", "-o", "json"];
    let said = folder.run(&[&asked, arguments].concat());
    assert_eq!(said.code, 0, "{said:#?}");
    serde_json::from_str(&said.out).unwrap()
}

fn reconcile(folder: &Folder, arguments: &[&str]) -> Value {
    let asked = ["report", "reconcile", "--window", WINDOW, "-o", "json"];
    let said = folder.run(&[&asked, arguments].concat());
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:#?}"))
}

fn class<'a>(of: &'a Value, name: &str) -> &'a Value {
    let classes = of["classes"].as_array().unwrap();
    classes.iter().find(|one| one["class"] == name).unwrap_or_else(|| panic!("no {name}: {of:#}"))
}

/// Rows by their key: cents and pods.
fn rows(of: &Value) -> BTreeMap<String, (i128, u64)> {
    let row = |row: &Value| {
        let name = format!("{} {}", row["kind"], row["key"]);
        (name, (cents(row, "/cost/total"), row["pods"].as_u64().unwrap()))
    };
    of["rows"].as_array().unwrap().iter().map(row).collect()
}

/// Seconds that pods of Fargate were charged for, by UID.
fn fargate_seconds(of: &Value) -> BTreeMap<String, i64> {
    let pods =
        of["rows"].as_array().unwrap().iter().flat_map(|row| row["pod_costs"].as_array().unwrap());
    pods.filter(|pod| cents(pod, "/cost/fargate") > 0)
        .map(|pod| {
            let uid = pod["pod"]["uid"].as_str().unwrap().to_owned();
            (uid, pod["seconds"].as_i64().unwrap())
        })
        .collect()
}

/// Both tell of the same money by class, but for what was not seen.
fn classes_agree(one: &Value, other: &Value, classes: &[&str], what: &str) {
    let whole = cents(one, "/total/total");
    near((whole, cents(other, "/total/total")), whole, &format!("{what}: total"));
    for name in classes {
        let amounts = (cents(class(one, name), "/amount"), cents(class(other, name), "/amount"));
        near(amounts, whole, &format!("{what}: {name}"));
    }
}

fn near((left, right): (i128, i128), whole: i128, what: &str) {
    let most = whole * PERMILLE / 1000;
    assert!((left - right).abs() <= most, "{what}: {left} and {right} of {whole} cents");
}

/// The same by row.
fn agree(one: &Value, other: &Value, what: &str) {
    classes_agree(one, other, &CLASSES, what);
    let whole = cents(one, "/total/total");
    let (one, other) = (rows(one), rows(other));
    let keys = |rows: &BTreeMap<String, (i128, u64)>| rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&one), keys(&other), "{what}");
    for (key, (amount, _)) in &one {
        near((*amount, other[key].0), whole, &format!("{what}: {key}"));
    }
}

/// The samples without one day.
fn lose(folder: &Folder, day: &str) {
    fn copy(from: &Path, to: &Path, day: &str) -> usize {
        std::fs::create_dir_all(to).unwrap();
        let mut lost = 0;
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                lost += copy(&path, &to.join(&name), day);
            } else if name.starts_with(day) {
                lost += 1;
            } else {
                std::fs::copy(&path, to.join(&name)).unwrap();
            }
        }
        lost
    }
    let samples = folder.path().join(".runbook/sandbox/samples");
    assert_eq!(copy(&samples, &folder.path().join("lost"), day), 1);
}

#[test]
fn a_month_is_told_alike_by_who_looked_who_watched_and_who_billed() {
    let folder = played();
    let bill = |name: &str, settings: &[&str]| {
        let asked = ["sandbox", "bill", "--window", "2026-10", "--format", "cur", "--out", name];
        folder.well(&[&asked, settings].concat());
    };
    bill("cur.csv", &[]);
    let polled = showback(&folder, &[]);
    let watched = showback(&folder, &["--samples", "watched"]);
    what_happened_is_in_it(&polled);
    agree(&polled, &watched, "looking and watching");
    the_bill_knows_fargate_to_the_second(&folder, &polled);
    the_bill_alone_tells_the_same(&folder, &polled);

    for samples in [".runbook/sandbox/samples", "watched"] {
        for bills in [&[][..], &["--bill", "cur.csv"]] {
            let found = reconcile(&folder, &[&["--samples", samples], bills].concat());
            assert_eq!(found["is_reconciled"], true, "{samples} {bills:?} {found:#}");
        }
    }
    bill("price.csv", &["--settings", "price.yaml"]);
    bill("discount.csv", &["--settings", "discount.yaml"]);
    mistakes_come_out_as_their_cause(&folder);
    a_lost_day_comes_out_as_such(&folder);
}

fn what_happened_is_in_it(told: &Value) {
    assert_eq!(
        (&told["is_estimate"], &told["coverage"]["percent"]),
        (&false.into(), &100.0.into())
    );
    let rows = rows(told);
    // A job each half hour of three days beside the two pods of `api`; its namespace was made before.
    let finance = rows[r#""owned" ["finance","reports"]"#];
    assert_eq!(finance.1, 2 + 3 * 48);
    // The rollout at the 27th hour replaced three pods beside the four of `web`.
    assert_eq!(rows[r#""owned" ["storefront","shop"]"#].1, 4 + 3 + 3);
    let lingering = told["findings"].to_string();
    assert!(lingering.contains("completed pods on Fargate are billed until they are deleted"));
    // The machine of `search` was let go: it cost less than three whole days.
    let search = rows[r#""owned" ["search","data"]"#];
    assert_eq!(search.1, 6 + 4);
    assert!(search.0 > 0);
}

/// Beside samples a bill makes Fargate's times exact, and nothing else of it.
fn the_bill_knows_fargate_to_the_second(folder: &Folder, polled: &Value) {
    let billed = showback(folder, &["--bill", "cur.csv"]);
    agree(polled, &billed, "samples with and without a bill");
    let found = reconcile(folder, &["--bill", "cur.csv"]);
    for name in ["fargate_vcpu", "fargate_memory"] {
        let (ours, theirs) =
            (cents(class(&billed, name), "/amount"), cents(class(&found, name), "/billed"));
        // Cents are rounded top down, so a class may be a cent beside its own.
        assert!((ours - theirs).abs() <= 1, "{name}: {ours} and {theirs}");
    }
    // The earlier of two bounds is charged without a bill: never less, and seconds more.
    let (sampled, exact) = (fargate_seconds(polled), fargate_seconds(&billed));
    assert_eq!(sampled.keys().collect::<Vec<_>>(), exact.keys().collect::<Vec<_>>());
    for (uid, seconds) in exact {
        assert!(
            (0..=600).contains(&(sampled[&uid] - seconds)),
            "{uid}: {} and {seconds}",
            sampled[&uid]
        );
    }
}

/// Nobody looked, and the bill has its pods: the same machines and pods, without what only labels say.
fn the_bill_alone_tells_the_same(folder: &Folder, polled: &Value) {
    let alone = showback(folder, &["--samples", "nowhere", "--bill", "cur.csv"]);
    // A bill does not say which instance a volume is attached to.
    let without_volumes: Vec<&str> = CLASSES.into_iter().filter(|name| *name != "ebs").collect();
    classes_agree(polled, &alone, &without_volumes, "samples, and the bill alone");
    assert_eq!(alone["clusters"], polled["clusters"]);
    assert!(rows(&alone).keys().all(|key| !key.contains("storefront")), "{alone:#}");
}

fn mistakes_come_out_as_their_cause(folder: &Folder) {
    let price = reconcile(folder, &["--bill", "price.csv"]);
    let vcpu = class(&price, "fargate_vcpu");
    // 0.06 in place of 0.04656 is 28.9 % more.
    let (list, more) = (cents(vcpu, "/list"), -cents(vcpu, "/causes/price"));
    assert!((more * 1000 - list * 289).abs() <= list * 10, "{vcpu:#}");
    assert_eq!(cents(class(&price, "ec2_compute"), "/causes/price"), 0, "{price:#}");
    assert_eq!(price["is_reconciled"], true, "{price:#}");

    let discount = reconcile(folder, &["--bill", "discount.csv"]);
    for name in ["ec2_compute", "fargate_vcpu", "fargate_memory"] {
        let one = class(&discount, name);
        let (list, less) = (cents(one, "/list"), cents(one, "/causes/discount"));
        assert!((less * 10 - list).abs() <= list / 50 + 20, "{one:#}");
        assert_eq!(cents(one, "/causes/price"), 0, "{one:#}");
    }
    assert_eq!(discount["is_reconciled"], true, "{discount:#}");
}

fn a_lost_day_comes_out_as_such(folder: &Folder) {
    lose(folder, LOST);
    let told = showback(folder, &["--samples", "lost"]);
    assert_eq!(told["is_estimate"], true, "{told:#}");
    assert!(told["title"].as_str().unwrap().contains("estimate"), "{}", told["title"]);
    let found = reconcile(folder, &["--samples", "lost", "--bill", "cur.csv"]);
    let whole = reconcile(folder, &["--bill", "cur.csv"]);
    for name in ["fargate_vcpu", "fargate_memory", "ec2_compute"] {
        let (with, without) = (class(&whole, name), class(&found, name));
        let lost = cents(without, "/list") - cents(with, "/list");
        // What lived and ended in that day alone is missing, and named so; when what was there before it
        // ended is not known, and what is charged until somebody looked again is named too.
        let missing = cents(without, "/causes/no_samples");
        let beyond = cents(without, "/causes/estimated") - cents(with, "/causes/estimated");
        assert!(missing < 0, "{name}: {without:#}");
        assert!((lost - missing - beyond).abs() <= 3, "{name}: {lost}: {without:#}");
    }
    assert_eq!(found["is_reconciled"], true, "{found:#}");
    // The bill's own pods fill the hole, though nobody knows whose those are that only it saw.
    let filled = showback(folder, &["--samples", "lost", "--bill", "cur.csv"]);
    classes_agree(&showback(folder, &[]), &filled, &CLASSES, "a lost day and the bill's pods");
    assert_eq!(filled["is_estimate"], false);
    // Of the day's jobs the last three were still kept on the next.
    assert_eq!(rows(&filled)[r#""unowned" ["unowned","reports"]"#].1, 48 - 3);
}
