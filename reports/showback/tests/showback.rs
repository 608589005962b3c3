//! Who pays, in every form, through the public face: whole outputs of a small showback, and what holds
//! for any.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "pages/document.rs"]
#[allow(dead_code, reason = "other pages ask it for more")]
mod document;
#[path = "showback/samples.rs"]
mod samples;

use std::collections::BTreeSet;

use document::Document;
use proptest::prelude::*;
use runbook_capacity::answer::schema;
use runbook_capacity::money::Amount;
use runbook_showback::allocate::showback::{RowKind, Showback};
use runbook_showback::render::showback::{
    Grain, Layout, Rounded, SCHEMA, csv, html, json, markdown, text, title,
};
use samples::{cost, group, many, rate, small, usd, whole};
use serde_json::Value;

/// What somebody writes into a label who means no good.
const BAD: &str = "</title><script>alert(1)</script>\"' onload=x <img src=x> | =1+1 @all \u{1b}[31m\u{202e}\u{0}]]>&lt;";

/// Holds what is written against what was looked at; something new is written where it can be seen.
fn same_as_looked_at(name: &str, written: &str) {
    let golden = format!("{}/tests/looked_at/{name}", env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(golden).unwrap_or_default();
    if written != golden {
        let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, written).expect("a file");
        panic!("tests/looked_at/{name} is another; look at {path}, and keep it if it is right");
    }
}

fn plain(showback: &Showback, columns: Option<usize>) -> String {
    text(showback, &Layout::plain(columns)).expect("text")
}

#[test]
fn whole_texts_of_a_small_showback() {
    same_as_looked_at("showback.100.txt", &plain(&small(), Some(100)));
}

#[test]
fn whole_texts_of_a_small_showback_where_there_is_less_room() {
    same_as_looked_at("showback.80.txt", &plain(&small(), Some(80)));
}

#[test]
fn whole_text_of_a_rate() {
    same_as_looked_at("showback.rate.txt", &plain(&rate(), Some(100)));
}

#[test]
fn whole_csv() {
    same_as_looked_at("showback.csv", &csv(&small()).expect("CSV"));
}

#[test]
fn whole_json() {
    same_as_looked_at("showback.json", &json(&small()).expect("JSON"));
}

#[test]
fn whole_markdown() {
    same_as_looked_at("showback.md", &markdown(&small()).expect("Markdown"));
}

#[test]
fn whole_page() {
    same_as_looked_at("showback.html", &html(&small()).expect("a page"));
}

#[test]
fn a_title_says_source_window_marks_and_prices() {
    assert_eq!(
        title(&small()),
        "Who pays? 2026-10-01 to 2026-10-03 · estimate · provisional · incomplete · from the sandbox · \
         list prices of 2026-03-30 to 2026-10-05, USD before tax"
    );
    let mut sure = small();
    sure.is_estimate = false;
    sure.is_provisional = false;
    sure.unpriced.clear();
    sure.from = "aws".to_owned();
    sure.prices.newest = sure.prices.oldest;
    assert_eq!(
        title(&sure),
        "Who pays? 2026-10-01 to 2026-10-03 · from aws · list prices of 2026-03-30, USD before tax"
    );
    // A file's name is a name, whatever it looks like.
    sure.from = "sandbox\u{202e}".to_owned();
    assert!(title(&sure).contains("from sandbox\\u{202e} ·"), "{}", title(&sure));
}

#[test]
fn a_rate_is_never_a_period() {
    let forms = [
        plain(&rate(), None),
        csv(&rate()).expect("CSV"),
        json(&rate()).expect("JSON"),
        markdown(&rate()).expect("Markdown"),
        html(&rate()).expect("a page"),
    ];
    for form in &forms {
        assert!(form.contains("hour"), "{form}");
        assert!(!form.contains("month") && !form.contains("a day"), "{form}");
        // 0.01234 + 0.003 + 0.0004 + 0.05: hundredths of a cent are kept.
        assert!(form.contains("0.0657"), "{form}");
    }
    let answer: Value = serde_json::from_str(&forms[2]).expect("JSON");
    assert_eq!(
        (&answer["basis"], &answer["unit"]),
        (&"hourly_rate".into(), &"USD per hour".into())
    );
}

#[test]
fn on_a_terminal_no_line_is_longer_than_it() {
    for made in [small(), rate(), many(60, 40, "with-a-rather-long-name-of-a-team-behind-it")] {
        for columns in [60, 72, 80, 100, 132] {
            for line in plain(&made, Some(columns)).lines() {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
    }
    // In a pipe nothing is left out.
    let piped = plain(&many(60, 40, "with-a-rather-long-name-of-a-team-behind-it"), None);
    assert!(piped.contains("team-39with-a-rather-long-name-of-a-team-behind-it"));
}

#[test]
fn json_is_what_the_schema_says_and_adds_up_as_decimals() {
    for made in [small(), rate(), many(200, 7, "")] {
        let answer: Value = serde_json::from_str(&json(&made).expect("JSON")).expect("JSON");
        assert_eq!(schema::mismatches(&answer, SCHEMA), Vec::<String>::new());
        let places = if answer["unit"] == "USD" { 2 } else { 4 };
        let count = |value: &Value| -> i128 {
            let text = value.to_string();
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            assert!(fraction.len() <= places || fraction == "0", "{text}");
            format!("{whole}{:0<places$}", fraction.trim_end_matches('0')).parse().expect("money")
        };
        let parts = ["cpu", "memory", "fargate", "node_overhead", "idle", "shared"];
        let adds_up = |cost: &Value| {
            assert_eq!(
                parts.iter().map(|part| count(&cost[*part])).sum::<i128>(),
                count(&cost["total"])
            );
        };
        let rows = answer["rows"].as_array().expect("rows");
        adds_up(&answer["total"]);
        for part in parts.iter().chain(&["total"]) {
            let sum: i128 = rows.iter().map(|row| count(&row["cost"][*part])).sum();
            assert_eq!(sum, count(&answer["total"][*part]), "{part}");
        }
        for row in rows {
            adds_up(&row["cost"]);
            let pods = row["pod_costs"].as_array().expect("pods");
            pods.iter().for_each(|pod| adds_up(&pod["cost"]));
            if !pods.is_empty() {
                let beside = &row["beside_pods"];
                for part in parts {
                    let sum: i128 = pods.iter().map(|pod| count(&pod["cost"][part])).sum();
                    let beside = if beside.is_null() { 0 } else { count(&beside[part]) };
                    assert_eq!(sum + beside, count(&row["cost"][part]), "{part}");
                }
            }
        }
        let sum = |list: &str| -> i128 {
            answer[list].as_array().expect("a list").iter().map(|one| count(&one["amount"])).sum()
        };
        assert_eq!(sum("classes"), count(&answer["total"]["total"]));
        if answer["unit"] == "USD" {
            assert_eq!(sum("days"), count(&answer["total"]["total"]));
        }
        if let Some(causes) = answer["change"]["causes"].as_array() {
            let causes: i128 = causes.iter().map(|one| count(&one["amount"])).sum();
            assert_eq!(causes, count(&answer["change"]["difference"]));
            let before = count(&answer["total"]["total"]) - causes;
            assert_eq!(before, count(&answer["change"]["total_before"]));
        }
    }
}

#[test]
fn csv_adds_up_across_and_down_and_defuses_names() {
    let mut made = many(300, 9, BAD);
    made.groups[0].key[0] = "=HYPERLINK(\"x\")".to_owned();
    let written = csv(&made).expect("CSV");
    let mut reader = ::csv::Reader::from_reader(written.as_bytes());
    let head: Vec<String> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    let at = |name: &str| head.iter().position(|one| one == name).expect("a column");
    let (first, total, day) = (at("cpu"), at("total"), at("2026-10-01"));
    let cents = |text: &str| text.replace('.', "").parse::<i128>().expect("money");
    let mut all = 0;
    for record in reader.records() {
        let record = record.expect("a line");
        let row = cents(&record[total]);
        assert_eq!((first..total).map(|at| cents(&record[at])).sum::<i128>(), row);
        assert_eq!((day..head.len()).map(|at| cents(&record[at])).sum::<i128>(), row);
        assert!(record.iter().all(|cell| !cell.starts_with(['=', '+', '@'])));
        all += row;
    }
    assert_eq!(
        all,
        Grain::Cent
            .plain(Rounded::of(&made).expect("rounded").total.total())
            .replace('.', "")
            .parse::<i128>()
            .expect("money")
    );
    assert!(!written.contains('\u{1b}') && !written.contains('\u{202e}'));
}

#[test]
fn markdown_is_short_and_harmless() {
    let written = markdown(&many(2_000, 300, BAD)).expect("Markdown");
    assert!(written.len() < 60_000, "{} bytes", written.len());
    assert!(!written.contains("<script") && !written.contains("@all"));
    assert!(!written.chars().any(|one| one.is_control() && one != '\n'));
    // Each line of a table has as many cells as its head.
    let lines: Vec<&str> =
        written.lines().take_while(|line| !line.starts_with("**Change")).collect();
    let cells = |line: &&&str| line.replace("\\|", "").matches('|').count();
    let counts: BTreeSet<usize> =
        lines.iter().filter(|line| line.starts_with("| ")).map(|line| cells(&line)).collect();
    assert_eq!(counts.len(), 1, "{written}");
    assert!(written.contains("262 more rows"), "{written}");
}

#[test]
fn the_page_is_well_formed_and_readable_without_sight_or_mouse() {
    for (made, figures) in [(small(), 4), (many(300, 12, ""), 4)] {
        let document = Document::read(&html(&made).expect("a page"));
        document.has_no_script_and_no_style_of_its_own();
        document.has_headings_in_order();
        document.has_unique_ids_and_known_targets();
        document.has_figures_with_title_description_and_table(figures);
        document.has_whole_tables();
    }
    let document = Document::read(&html(&rate()).expect("a page"));
    document.has_headings_in_order();
    document.has_whole_tables();
}

#[test]
fn names_of_others_stay_text() {
    let (page, bad) = (html(&many(90, 8, "")), html(&many(90, 8, BAD)));
    let (page, bad) =
        (Document::read(&page.expect("a page")), Document::read(&bad.expect("a page")));
    bad.has_no_script_and_no_style_of_its_own();
    bad.has_whole_tables();
    // Only a name that is elided may add something: its whole self as a title.
    let known = BTreeSet::from(["span title".to_owned(), "title".to_owned()]);
    let new: Vec<String> = bad.shapes().difference(&page.shapes()).cloned().collect();
    assert!(new.iter().all(|shape| known.contains(shape)), "{new:?}");
    assert!(!bad.text.chars().any(|one| one.is_control() && one != '\n'));
}

#[test]
fn five_thousand_pods_of_forty_teams_fit_in_two_megabytes() {
    let long = "\u{202e}\u{1b}<&\"'".repeat(35);
    for name in ["", BAD, &long] {
        for teams in [40, 2_500] {
            let page = html(&many(5_000, teams, name)).expect("a page");
            if teams == 40 {
                // Where it can be looked at.
                let path =
                    format!("{}/showback.many.{}.html", env!("CARGO_TARGET_TMPDIR"), name.len());
                std::fs::write(path, &page).expect("a file");
            }
            assert!(page.len() <= 2_000_000, "{teams} {name:?}: {} bytes", page.len());
            let document = Document::read(&page);
            document.has_whole_tables();
            document.has_unique_ids_and_known_targets();
        }
    }
    // Of each row some hundred pods are named, the others are summed.
    let page = html(&many(5_000, 4, "")).expect("a page");
    let document = Document::read(&page);
    assert_eq!(document.rows_of("Pods of team-"), 300 + 1 + 1);
    let cents = document.last_column_in_cents("Pods of team-");
    let (total, parts) = cents.split_last().expect("a total");
    assert_eq!(parts.iter().sum::<i64>(), *total);
}

#[test]
fn what_does_not_add_up_is_refused_and_named() {
    let broken = |change: fn(&mut Showback)| {
        let mut made = small();
        change(&mut made);
        Rounded::of(&made).expect_err("it does not add up").to_string()
    };
    let rows = broken(|made| made.groups[0].cost.idle += usd("0.01"));
    assert!(
        rows.starts_with("the rows' idle come to 3.1055000000 $, but the total's idle is 3.0955"),
        "{rows}"
    );
    assert!(broken(|made| made.classes[1].1 += usd("1")).starts_with("the classes come to "));
    assert!(
        broken(|made| made.groups[1].by_day[0] += usd("1"))
            .starts_with("the days of `search/find` come to ")
    );
    assert!(
        broken(|made| made.pods[2].cost.fargate += usd("1"))
            .starts_with("the pods' fargate come to ")
    );
    let change = broken(|made| {
        made.change.as_mut().expect("a change").causes[0].1 += usd("0.0000000001");
    });
    assert!(
        change.starts_with("the causes come to ") && change.contains("the difference"),
        "{change}"
    );
}

#[test]
fn what_a_row_cost_beside_its_pods_is_a_line_of_its_own() {
    let mut made = small();
    made.pods.remove(1);
    let rounded = Rounded::of(&made).expect("rounded");
    let beside = rounded.rows[0].beside_pods.expect("something");
    assert_eq!(Grain::Cent.plain(beside.total()), "2.81");
    assert!(html(&made).expect("a page").contains("beside its pods"));
}

/// Rows with pods of any cost, some of it beside the pods, and rows that are kept apart.
fn any_showback() -> impl Strategy<Value = Showback> {
    let raw = || prop_oneof![Just(0_i128), 0..10_i128.pow(13), 0..10_i128.pow(18)];
    let row = prop::collection::vec(prop::array::uniform6(raw()), 1..6);
    (prop::collection::vec((row, any::<bool>()), 1..30), 1_i8..40).prop_map(|(rows, days)| {
        let id = samples::cluster("any");
        let (mut groups, mut pods) = (Vec::new(), Vec::new());
        for (index, (costs, has_pods)) in rows.iter().enumerate() {
            let costs: Vec<[Amount; 6]> =
                costs.iter().map(|raws| raws.map(Amount::from_raw)).collect();
            let total = |part: usize| costs.iter().map(|cost| cost[part]).sum::<Amount>();
            let whole = cost([total(0), total(1), total(2), total(3), total(4), total(5)]);
            let name = format!("row-{index}");
            let kind = if *has_pods { RowKind::Owned } else { RowKind::Shared };
            groups.push(group(kind, &[&name], whole, costs.len() as u64));
            // The first cost is beside the pods.
            for (place, figures) in costs.iter().enumerate().skip(1).filter(|_| *has_pods) {
                let pod = samples::pod(&id, "space", &format!("{name}-{place}"), &name);
                pods.push(runbook_showback::allocate::showback::PodLine {
                    group: index,
                    pod,
                    place: "node".to_owned(),
                    cost: cost(*figures),
                    seconds: 60,
                    lingering_seconds: 0,
                });
            }
        }
        samples::showback(&["team"], days, groups, pods)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn cents_add_up_at_every_level(made in any_showback()) {
        let rounded = Rounded::of(&made).expect("it adds up");
        let total = rounded.total.total();
        // The total is the exact sum, rounded once.
        let exact = whole(&made.total);
        let cents: i128 = exact.dollars(2).replace('.', "").parse().expect("cents");
        prop_assert_eq!(total, cents);
        prop_assert_eq!(rounded.rows.iter().map(|row| row.cost.total()).sum::<i128>(), total);
        prop_assert_eq!(rounded.classes.iter().sum::<i128>(), total);
        prop_assert_eq!(rounded.days.iter().sum::<i128>(), total);
        for (row, group) in rounded.rows.iter().zip(&made.groups) {
            prop_assert_eq!(row.by_day.iter().sum::<i128>(), row.cost.total());
            for (count, (_, exact)) in row.cost.parts.iter().zip(group.cost.parts()) {
                // Each figure is its exact amount up or down to the cent; nothing stays nothing.
                let down: i128 = exact.raw() / usd("0.01").raw();
                prop_assert!(*count == down || *count == down + 1);
                prop_assert!(exact != Amount::ZERO || *count == 0);
            }
            if row.pods.is_empty() {
                continue;
            }
            for part in 0..6 {
                let pods: i128 = row.pods.iter().map(|pod| pod.cost.parts[part]).sum();
                let beside = row.beside_pods.map_or(0, |beside| beside.parts[part]);
                prop_assert_eq!(pods + beside, row.cost.parts[part]);
            }
        }
        for day in 0..made.days.len() {
            prop_assert_eq!(rounded.rows.iter().map(|row| row.by_day[day]).sum::<i128>(), rounded.days[day]);
        }
    }
}
