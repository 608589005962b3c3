//! Pages through the public face: whole pages of small answers, and what holds for every page.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod pages {
    pub(crate) mod document;
    pub(crate) mod samples;
}

use std::collections::BTreeSet;

use pages::document::Document;
use pages::samples::{
    autoscalers_answer, comparison_answer, hostile, hostile_workloads, many_points, many_workloads,
};
use runbook_showback::render::{Page, Unreadable, autoscalers, compare};
use serde_json::{Value, json};

fn comparison(answer: &Value) -> Page {
    compare(answer).expect("a page")
}

fn model(answer: &Value) -> Page {
    autoscalers(answer).expect("a page")
}

/// Holds a page against the one that was looked at; a new one is written where it can be looked at.
fn same_as_looked_at(name: &str, page: &str, golden: &str) {
    if page != golden {
        let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, page).expect("a file");
        panic!(
            "tests/looked_at/{name} is another page; look at {path}, and keep it if it is right"
        );
    }
}

#[test]
fn whole_pages_of_small_answers() {
    let page = comparison(&comparison_answer()).html();
    same_as_looked_at("comparison.html", &page, include_str!("looked_at/comparison.html"));
    let page = model(&autoscalers_answer()).html();
    same_as_looked_at("autoscalers.html", &page, include_str!("looked_at/autoscalers.html"));
}

#[test]
fn every_page_is_well_formed_and_readable_without_sight_or_mouse() {
    let (comparison, model) = (comparison(&comparison_answer()), model(&autoscalers_answer()));
    for (page, figures) in [(comparison, 5), (model, 3)] {
        let document = Document::read(&page.html());
        document.has_no_script_and_no_style_of_its_own();
        document.has_headings_in_order();
        document.has_unique_ids_and_known_targets();
        document.has_figures_with_title_description_and_table(figures);
        document.has_whole_tables();
    }
}

#[test]
fn the_policy_allows_this_style_and_nothing_else() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = comparison(&comparison_answer()).html();
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next());
    let hash = sha2::Sha256::digest(style.expect("a style").as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; \
         style-src &#39;sha256-{hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;\">"
    );
    let at = page.find(&policy).expect("the policy");
    assert!(at < page.find("<style>").expect("a style"), "a policy counts for what comes after it");
    assert!(!page.contains("@import") && !page.contains("url(http"));
}

#[test]
fn what_is_of_the_sandbox_says_so_in_its_title_and_on_top() {
    let page = comparison(&comparison_answer());
    assert_eq!(page.title, "NodeLess or nodes? sandbox, ap-northeast-2");
    assert!(
        page.html().contains("<span class=\"origin sandbox\">sandbox: a simulated account</span>")
    );
    let origin = |source: &str, is_sandbox: bool| {
        let mut answer = comparison_answer();
        answer["source"] = json!(source);
        answer["is_sandbox"] = json!(is_sandbox);
        comparison(&answer).origin
    };
    let kept = origin("sandbox, by inv.json", true);
    assert_eq!(
        (kept.words.as_str(), kept.is_sandbox),
        ("sandbox: a simulated account, by inv.json", true)
    );
    let named = origin("inv.json", true);
    assert_eq!(
        (named.words.as_str(), named.is_sandbox),
        ("sandbox: a simulated account, inv.json", true)
    );
    // A name is a name, whatever it looks like.
    for source in ["pods.csv", "sandbox", "sandbox, by me", "aws, cluster sandbox"] {
        let file = origin(source, false);
        assert_eq!((file.words.as_str(), file.is_sandbox), (source, false));
    }
}

#[test]
fn the_answer_comes_first_in_words_for_each_of_the_four() {
    let answer = |word: &str| {
        let mut answer = comparison_answer();
        answer["headline"] = json!("cannot say: a price is missing");
        for verdict in answer["verdicts"].as_array_mut().expect("a list") {
            verdict["answer"] = json!(word);
            if word == "cannot_say" {
                verdict["difference_usd"] = Value::Null;
                verdict["difference_percent"] = Value::Null;
            }
        }
        comparison(&answer).answer
    };
    let figures = |text: &str| text.replace('\u{a0}', " ");
    assert_eq!(
        figures(&answer("cheaper")),
        "All on Karpenter, spot is cheaper than NodeLess: 197.81 $ a month against 464.60 $, 57.4 % less."
    );
    assert_eq!(
        figures(&answer("within_uncertainty")),
        "All on Karpenter, spot and NodeLess cannot be told apart: 197.81 $ a month against 464.60 $, \
         57.4 % less, within the uncertainty."
    );
    assert!(answer("dearer").contains("is dearer than"));
    assert_eq!(answer("cannot_say"), "Cannot say: a price is missing.");
}

#[test]
fn without_verdicts_the_page_compares_nothing() {
    let mut answer = comparison_answer();
    answer["verdicts"] = json!([]);
    answer["workloads"] = json!([]);
    answer["curve"] = Value::Null;
    answer["moves"] = json!([]);
    answer["headline"] = json!("there is nothing to compare: there are no workloads");
    let page = comparison(&answer);
    assert_eq!(page.answer, "There is nothing to compare: there are no workloads.");
    assert!(page.besides.iter().all(|one| !one.contains("costs")), "{:?}", page.besides);
    let html = page.html();
    assert!(!html.contains("What would decide it"));
    Document::read(&html).has_whole_tables();
}

#[test]
fn names_of_others_stay_text() {
    let kept = ["side", "answer", "of", "cheaper", "currency"];
    for (plain, read) in [
        (comparison_answer(), compare as fn(&Value) -> Result<Page, Unreadable>),
        (autoscalers_answer(), autoscalers),
    ] {
        let page = read(&plain).expect("a page").html();
        let bad = read(&hostile(&plain, &kept)).expect("a page").html();
        let (page, bad) = (Document::read(&page), Document::read(&bad));
        bad.has_no_script_and_no_style_of_its_own();
        bad.has_whole_tables();
        // Only a name that is elided may add something: its whole self as a title.
        let known = BTreeSet::from(["span title".to_owned(), "title".to_owned()]);
        let new: Vec<String> = bad.shapes().difference(&page.shapes()).cloned().collect();
        assert!(new.iter().all(|shape| known.contains(shape)), "{new:?}");
        assert!(bad.text.contains("\\u{1b}[31m") && bad.text.contains("\\u{202e}"));
        assert!(!bad.text.chars().any(|one| one.is_control() && one != '\n'));
    }
}

#[test]
fn a_very_long_name_is_elided_and_whole_in_its_title() {
    let mut answer = comparison_answer();
    let name = format!("payments/{}-worker", "x".repeat(5_000));
    answer["workloads"][0]["workload"] = json!(name);
    let page = comparison(&answer).html();
    let document = Document::read(&page);
    assert!(document.titles.contains(&name));
    let longest = document.text.lines().flat_map(|line| line.split(' ')).map(str::len).max();
    assert!(longest < Some(400), "{longest:?}");
}

#[test]
fn five_thousand_pods_fit_in_two_megabytes() {
    let page = comparison(&many_workloads(5_000)).html();
    assert!(page.len() <= 2_000_000, "{} bytes", page.len());
    let document = Document::read(&page);
    document.has_whole_tables();
    // The dearest of them and the sum of the others are in the table, twelve in the chart.
    assert_eq!(document.rows_of("Every workload"), 2_000 + 1 + 1);
    assert!(page.contains("3,000 more, each in the CSV and the JSON"));
    assert_eq!(document.rows_of("Dollars a month of the dearest workloads"), 13);
    assert!(page.contains("4,988 more workloads"));
    assert!(page.contains("By namespace"));
    // A bill of thousands of lines shows the largest and sums the others by kind.
    assert_eq!(document.rows_of("The bill of all on Fargate"), 60 + 1 + 1);
    assert_eq!(document.rows_of("Workloads that have a figure on both, by namespace"), 7 + 1);
    let page = model(&many_points(20_000)).html();
    assert!(page.len() <= 2_000_000, "{} bytes", page.len());
}

#[test]
fn five_thousand_hostile_names_fit_too() {
    // Every character of them is written as five or more; a namespace for each pod; and each pod is
    // named wherever something is said of it.
    for name in ["\u{202e}\u{1b}<&\"'", "x", "\u{10ffff}"] {
        let page = comparison(&hostile_workloads(5_000, name)).html();
        assert!(page.len() <= 2_000_000, "{name:?}: {} bytes", page.len());
        let document = Document::read(&page);
        document.has_whole_tables();
        let caption = "Workloads that have a figure on both, by namespace";
        assert_eq!(document.rows_of(caption), 100 + 1 + 1);
        assert!(page.contains("4,900 other namespaces"));
        // The sums of the others conserve the total, which is that of all.
        let rows = document.cells_of(caption);
        for column in 0..4 {
            let figure = |row: &Vec<String>| -> i64 {
                row[column].replace([',', '.'], "").parse().expect("a figure")
            };
            let (total, parts) = rows.split_last().expect("a total");
            assert_eq!(parts.iter().map(figure).sum::<i64>(), figure(total), "column {column}");
            // Workloads, then pods.
            assert!(column >= 2 || figure(total) == 5_000);
        }
        assert!(document.rows_of("Every workload") > 100);
        assert!(page.contains("and 4,900 more, each in the JSON"));
    }
}

#[test]
fn every_bill_adds_up_to_the_cent() {
    for answer in [comparison_answer(), many_workloads(500)] {
        let document = Document::read(&comparison(&answer).html());
        for side in answer["sides"].as_array().expect("a list") {
            if side["usd_per_month"].is_null() {
                continue;
            }
            let caption = format!("The bill of {}", side["title"].as_str().expect("a title"));
            let cents = document.last_column_in_cents(&caption);
            let (total, lines) = cents.split_last().expect("a total");
            assert_eq!(lines.iter().sum::<i64>(), *total, "{caption}");
        }
    }
}

#[test]
fn lines_that_are_not_the_total_are_refused() {
    let mut answer = comparison_answer();
    answer["sides"][0]["usd_per_month"] = json!(470);
    assert_eq!(
        compare(&answer).expect_err("they do not add up").to_string(),
        "`sides[0]` of the comparison does not add up: its lines come to 464.60, it says 470.00"
    );
    let mut answer = autoscalers_answer();
    answer["runs"][1]["usd"] = json!(0.5);
    let error = autoscalers(&answer).expect_err("they do not add up").to_string();
    assert!(
        error.starts_with("`runs[1]` of the model of the autoscalers does not add up"),
        "{error}"
    );
}

#[test]
fn a_field_that_is_missing_or_something_else_is_named() {
    let mut answer = comparison_answer();
    answer["sides"][1].as_object_mut().expect("an object").remove("title");
    assert_eq!(
        compare(&answer).expect_err("no title").to_string(),
        "the comparison has no `sides[1].title`; was it written by another version of runbook?"
    );
    let mut answer = comparison_answer();
    answer["workloads"][0]["pods"] = json!("many");
    assert_eq!(
        compare(&answer).expect_err("no number").to_string(),
        "`workloads[0].pods` of the comparison is not a number; was it written by another version of runbook?"
    );
    let mut answer = comparison_answer();
    answer["verdicts"][0]["answer"] = json!("perhaps");
    let error = compare(&answer).expect_err("no such answer").to_string();
    assert!(error.contains("`verdicts[0].answer`") && error.contains("`cannot_say`"), "{error}");
    for answer in [json!({}), json!(null), json!([1])] {
        assert!(matches!(compare(&answer), Err(Unreadable::Missing { .. })));
        assert!(matches!(autoscalers(&answer), Err(Unreadable::Missing { .. })));
    }
}

/// Every field of an answer by its path.
fn paths(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{at}/{name}");
                paths(&path, value, found);
                found.push(path);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                paths(&format!("{at}/{index}"), item, found);
            }
        }
        _ => {}
    }
}

#[test]
fn whichever_field_is_missing_the_page_is_made_without_it_or_the_error_names_it() {
    for (answer, read) in [
        (comparison_answer(), compare as fn(&Value) -> Result<Page, Unreadable>),
        (autoscalers_answer(), autoscalers),
    ] {
        let mut all = Vec::new();
        paths("", &answer, &mut all);
        assert!(all.len() > 150, "{} fields", all.len());
        let mut named = 0;
        for path in all {
            let (parent, name) = path.rsplit_once('/').expect("a path");
            let mut less = answer.clone();
            let parent = less.pointer_mut(parent).and_then(Value::as_object_mut);
            parent.expect("an object").remove(name);
            match read(&less) {
                Ok(page) => assert!(page.html().ends_with("</html>\n")),
                Err(Unreadable::Missing { field, .. }) => {
                    let pointer = field.replace('[', ".").replace(']', "").replace('.', "/");
                    assert_eq!(format!("/{pointer}"), path);
                    named += 1;
                }
                Err(other) => panic!("{path}: {other}"),
            }
        }
        assert!(named > 100, "{named} fields are asked for");
    }
}

#[test]
fn figures_beyond_all_sense_are_refused_or_drawn_and_never_a_panic() {
    for (text, is_money) in [
        ("1e30", false),
        ("-1e30", false),
        ("1e300", false),
        ("999999999999999", true),
        ("0", true),
        ("-12.5", true),
        ("1e-9", true),
    ] {
        let number: Value = serde_json::from_str(text).expect("a number");
        let mut answer = comparison_answer();
        answer["workloads"][0]["fargate_usd_per_month"] = number.clone();
        answer["verdicts"][0]["tornado"][0]["high"]["difference_usd"] = number.clone();
        answer["curve"]["points"][0]["fargate_usd_per_month"] = number;
        match compare(&answer) {
            Ok(page) => {
                assert!(is_money, "{text}");
                Document::read(&page.html()).has_figures_with_title_description_and_table(5);
            }
            Err(error) => {
                assert!(!is_money, "{text}");
                assert!(error.to_string().contains("is not an amount of money"), "{error}");
            }
        }
    }
    for seconds in [i64::MIN, -1, 0, 1, i64::MAX] {
        let mut answer = autoscalers_answer();
        answer["until_seconds"] = json!(seconds);
        answer["runs"][0]["series"][3]["t_seconds"] = json!(seconds);
        answer["runs"][0]["series"][3]["pending"] = json!(seconds);
        answer["runs"][0]["steps"][1]["after_seconds"] = json!(seconds);
        Document::read(&model(&answer).html()).has_whole_tables();
    }
}

#[test]
fn another_currency_is_not_written_as_dollars() {
    let mut answer = comparison_answer();
    answer["currency"] = json!("CNY");
    let error = compare(&answer).expect_err("no dollars").to_string();
    assert!(error.starts_with("`currency` of the comparison is not `USD`"), "{error}");
}

#[test]
fn an_answer_with_holes_is_a_page_that_names_them() {
    let mut answer = comparison_answer();
    answer["curve"] = Value::Null;
    answer["moves"] = json!([]);
    let workload = &mut answer["workloads"][0];
    workload["fargate_usd_per_month"] = Value::Null;
    workload["fargate_size"] = Value::Null;
    workload["reason"] = json!("cannot run on Fargate: asks for nvidia.com/gpu");
    answer["sides"][2]["usd_per_month"] = Value::Null;
    answer["sides"][2]["not_held"] =
        json!([{"name": "web-0", "reason": "asks for nvidia.com/gpu"}]);
    answer["held_by_no_side"] = json!(["huge-0", "huge-1"]);
    answer["unpriced"] = json!([{"name": "once", "reason": "duration unknown"}]);
    let page = comparison(&answer);
    let said = "2 pods can run on no side and are on no bill: huge-0 and others.";
    assert!(page.besides.iter().any(|one| one == said), "{:?}", page.besides);
    assert!(page.besides.iter().any(|one| one.starts_with("1 workload is on no bill")));
    let page = page.html();
    assert!(page.contains("cannot run 1 pod") && page.contains("duration unknown"));
    assert!(page.contains("cannot run on Fargate: asks for nvidia.com/gpu"));
    assert!(page.contains("known, without 0 lines and what cannot run; no total"));
    assert!(!page.contains("Where nodes begin to pay"));
    Document::read(&page).has_whole_tables();
}

#[test]
fn colours_can_be_told_from_what_is_behind_them() {
    let page = comparison(&comparison_answer()).html();
    for scheme in pages::document::schemes(&page) {
        for behind in ["page", "surface", "raised"] {
            for text in ["text", "soft", "faint", "accent", "good", "bad", "open", "turn"] {
                let found = scheme.contrast(text, behind);
                assert!(found >= 4.5, "{text} on {behind}: {found:.2}");
            }
        }
        for drawn in ["s0", "s1", "s2", "s3", "s4", "border"] {
            let found = scheme.contrast(drawn, "surface");
            assert!(found >= 3.0, "{drawn}: {found:.2}");
        }
    }
}

#[test]
fn the_same_answer_is_the_same_page() {
    assert_eq!(comparison(&comparison_answer()).html(), comparison(&comparison_answer()).html());
}
