//! Who pays, through the command: from a first look, from days of samples, and what is wrong of each.

use serde_json::Value;

use crate::support::{Folder, Said};

fn answer(said: &Said) -> Value {
    assert!([0, 7].contains(&said.code), "{said:#?}");
    serde_json::from_str(&said.out).unwrap()
}

/// Cents of a JSON number with two places; of a rate hundredths of them.
fn count(value: &Value, places: usize) -> i128 {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{:0<places$}", fraction.trim_end_matches('0')).parse().unwrap()
}

fn adds_up(answer: &Value, places: usize) {
    let rows = answer["rows"].as_array().unwrap();
    let total = |cost: &Value| count(&cost["total"], places);
    assert_eq!(rows.iter().map(|row| total(&row["cost"])).sum::<i128>(), total(&answer["total"]));
    let classes = answer["classes"].as_array().unwrap();
    let classes: i128 = classes.iter().map(|class| count(&class["amount"], places)).sum();
    assert_eq!(classes, total(&answer["total"]));
}

#[test]
fn without_samples_it_says_what_to_run() {
    let folder = Folder::new();
    let said = folder.run(&["report", "showback"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
    assert!(said.err.contains("there are no samples in"), "{}", said.err);
    assert!(
        said.err.contains(
            "→ runbook run nodeless.yaml; runbook collect --once; runbook report showback"
        ),
        "{}",
        said.err
    );
    let said = folder.run(&["report", "showback", "--on", "aws"]);
    assert!(said.err.contains("runbook collect --once --on aws"), "{}", said.err);
}

#[test]
fn what_is_wrong_of_the_question_is_said_at_once() {
    let folder = Folder::new();
    let said = folder.run(&["report", "showback", "--by", "colour", "--rules", "none.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (64, ""), "{said:#?}");
    assert!(said.err.contains("`colour` is nothing to group by"), "{}", said.err);
    assert!(said.err.contains("none.yaml: it cannot be read"), "{}", said.err);
    for wrong in [
        ["--window", "yesterday"],
        ["--settle", "soon"],
        ["--weight", "0:1"],
        ["--slot", "now"],
        ["--output", "xml"],
    ] {
        let said = folder.run(&["report", "showback", wrong[0], wrong[1]]);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{wrong:?} {said:#?}");
    }
}

#[test]
fn a_first_look_is_a_rate_in_every_form() {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    folder.well(&["collect", "--once"]);
    let said = folder.run(&["report", "showback"]);
    assert!([0, 7].contains(&said.code), "{said:#?}");
    assert!(said.err.contains("this is what an hour costs now"), "{}", said.err);
    assert!(said.err.contains("runbook collect --every 5m"), "{}", said.err);
    assert!(said.out.starts_with("who pays?   "), "{}", said.out);
    assert!(said.out.contains("$/hour") && said.out.contains("from the sandbox"), "{}", said.out);
    let told = answer(&folder.run(&["report", "showback", "--window", "now", "-o", "json"]));
    assert_eq!((&told["basis"], &told["from"]), (&"hourly_rate".into(), &"sandbox".into()));
    adds_up(&told, 4);
    assert!(count(&told["total"]["total"], 4) > 0, "{told}");
    // One look says nothing of a month, whoever asks.
    let said = folder.run(&["report", "showback", "--window", "previous_month"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
    assert!(said.err.contains("--window now"), "{}", said.err);
    for (form, wanted) in
        [("csv", "USD per hour"), ("markdown", "$/hour"), ("html", "a rate, as seen at")]
    {
        let said = folder.run(&["report", "showback", "--window", "now", "-o", form]);
        assert!([0, 7].contains(&said.code), "{said:#?}");
        assert!(said.out.contains(wanted), "{form}: {}", said.out);
    }
    // A rate is not written where only money over a time is known.
    for (form, why) in [
        ("allocation", "what an hour costs now is a rate"),
        ("focus", "a rate per hour is no charge"),
    ] {
        let said = folder.run(&["report", "showback", "--window", "now", "-o", form]);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{form}: {said:#?}");
        assert!(said.err.contains(why), "{}", said.err);
    }
    folder.well(&["collect", "--once", "--out", "inventory.json"]);
    let again = Folder::new().file("inventory.json", folder.read("inventory.json"));
    let offline =
        answer(&again.run(&["report", "showback", "--inventory", "inventory.json", "-o", "json"]));
    assert_eq!(offline["from"], "sandbox, by inventory.json");
    assert_eq!(offline["total"]["fargate"], told["total"]["fargate"]);
    let said =
        again.run(&["report", "showback", "--inventory", "inventory.json", "--window", "2026-10"]);
    assert_eq!(said.code, 64, "{said:#?}");
}

#[test]
fn days_of_samples_are_a_period_in_every_form() {
    let folder = Folder::new();
    folder.well(&["run", "--quiet", "nodeless.yaml"]);
    folder.well(&["collect", "--once", "--out", "inventory.json"]);
    let inventory: Value = serde_json::from_str(&folder.read("inventory.json")).unwrap();
    let seen: jiff::Timestamp = inventory["collectedAt"].as_str().unwrap().parse().unwrap();
    let utc = |at: jiff::Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = utc(seen).tomorrow().unwrap();
    let until = format!("{}T00:10:00Z", day.tomorrow().unwrap());
    folder.well(&["collect", "--every", "15m", "--until", &until]);
    let window = day.to_string();
    let report = |more: &[&str]| {
        let mut arguments = vec!["report", "showback", "--window", &window];
        arguments.extend(more);
        folder.run(&arguments)
    };
    let told = answer(&report(&["-o", "json"]));
    adds_up(&told, 2);
    assert_eq!((&told["basis"], &told["is_estimate"]), (&"period".into(), &false.into()), "{told}");
    // The day ended ten minutes ago.
    assert_eq!(told["is_provisional"], true);
    assert_eq!(told["days"].as_array().unwrap().len(), 1);
    // A day of the control plane at 0.10 an hour.
    let control_plane =
        told["classes"].as_array().unwrap().iter().find(|one| one["class"] == "control_plane");
    assert_eq!(control_plane.unwrap()["amount"], 2.4);
    let table = report(&[]);
    assert!(
        table.out.starts_with("who pays?   ") && table.out.contains("provisional"),
        "{}",
        table.out
    );
    assert!(table.out.contains("node-hours that cost were seen"), "{}", table.out);
    let page = report(&["-o", "html"]);
    assert!(page.out.contains("<title>Who pays? ") && !page.out.contains("<script"));
    // The same slot is the same report, byte for byte.
    let slot = format!("{}T09:00:00Z", day.tomorrow().unwrap());
    let once = report(&["-o", "json", "--slot", &slot]);
    assert_eq!(once.out, report(&["-o", "json", "--slot", &slot]).out);
    let allocation: Value =
        serde_json::from_str(&report(&["-o", "allocation", "--by", "namespace"]).out).unwrap();
    assert_eq!(allocation["code"], 200);
    assert!(
        allocation["data"][0]["kube-system"]["cpuCoreHours"].as_f64().unwrap() > 0.0,
        "{allocation}"
    );
    report(&["-o", "parquet", "--out", "showback.parquet"]);
    assert!(folder.path().join("showback.parquet").metadata().unwrap().len() > 500);
    let said = report(&["-o", "focus"]);
    assert_eq!((said.code, said.out.as_str()), (64, ""), "{said:#?}");
    assert!(said.err.contains("--billing-account"), "{}", said.err);
    let focus = report(&["-o", "focus", "--billing-account", "111122223333"]);
    assert!(focus.out.lines().next().unwrap().contains("BillingAccountId"), "{focus:#?}");
}

#[test]
fn the_schema_is_printed() {
    let said = Folder::new().well(&["report", "schema", "showback"]);
    let schema: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["title"], "runbook report showback");
}
