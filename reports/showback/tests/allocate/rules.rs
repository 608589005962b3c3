//! The rules file: what it says, what is wrong with it, and whose pods are.

use runbook_capacity::quantity::Bytes;
use runbook_showback::allocate::rules::{Handing, Per, Rules, Spread};
use runbook_showback::allocate::{Weight, dimensions};
use runbook_showback::observed::{Observed, PodInterval};

use crate::scene::{codes, labels, node, observed, on, pod, rows, shown, window};

fn problems(text: &str) -> Vec<String> {
    Rules::read("rules.yaml", text).expect_err("refused")
}

#[test]
fn every_key_is_read() {
    let rules = Rules::read(
        "rules.yaml",
        "
currency: USD
weight: 7.46:1
root_volume_gib: 20
owners:
  - {namespace: payments, owner: payments}
  - {namespace_regex: '^shop-([a-z]+)$', owner: 'shop-$1', cluster: myeks}
  - {label: app, value: search, owner: search, from: 2026-10-01, until: 2026-10-31}
  - {annotation: example.com/contact, regex: '^([a-z]+)@'}
  - {namespace_label: team}
  - {default: true, owner: platform}
idle: {rule: proportional, per: node}
node_overhead: {rule: even}
shared:
  control_plane: {rule: apart}
  system_layer: {namespaces: [kube-system, karpenter], rule: fixed, shares: {shop: 3, search: 1}}
  given:
    - {name: nat, class: nat, hourly: 0.059, rule: proportional}
    - {name: alb, class: load_balancer, monthly: 18.40, cluster: myeks}
budgets:
  - {owner: payments, monthly: 1200.50, thresholds: [100, 80]}
  - {owner: shop, monthly: 10}
",
    )
    .expect("rules");
    assert_eq!(rules.weight, Some(Weight::Fixed(746)));
    assert_eq!(rules.root_volume, Some(Bytes::gibibytes(20)));
    assert_eq!(rules.owners.len(), 6);
    assert_eq!(
        rules.owners[0].written,
        r#"rules.yaml:6 {"namespace":"payments","owner":"payments"}"#
    );
    assert_eq!(rules.idle, Handing { spread: Spread::Proportional, per: Per::Node });
    assert_eq!(rules.node_overhead, Handing { spread: Spread::Even, per: Per::Cluster });
    assert_eq!(rules.control_plane, Spread::Apart);
    let shares = [("search".to_owned(), 1), ("shop".to_owned(), 3)].into();
    let namespaces = ["karpenter".to_owned(), "kube-system".to_owned()].into();
    assert_eq!(rules.system_layer, Some((namespaces, Spread::Fixed(shares))));
    let given: Vec<String> = rules
        .given
        .iter()
        .map(|one| format!("{} {:?} {} {:?}", one.name, one.class, one.price, one.cluster))
        .collect();
    assert_eq!(given, [r"nat Nat 0.059 None", r#"alb LoadBalancer 18.4 Some("myeks")"#]);
    let budgets: Vec<String> = rules
        .budgets
        .iter()
        .map(|one| format!("{} {} {:?}", one.owner, one.monthly, one.thresholds))
        .collect();
    assert_eq!(budgets, ["payments 1200.5 [80, 100]", "shop 10 [100]"]);
}

#[test]
fn the_readme_s_rules_are_right() {
    let readme = include_str!("../../../../README.md");
    let block =
        readme.split("```yaml\n# rules.yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let rules = Rules::read("rules.yaml", block.unwrap()).expect("rules");
    assert_eq!((rules.owners.len(), rules.given.len(), rules.budgets.len()), (5, 2, 1));
}

#[test]
fn an_empty_file_is_no_rules() {
    for text in ["", "# nothing\n", "{}"] {
        let rules = Rules::read("rules.yaml", text).expect("rules");
        assert!(rules.owners.is_empty());
        assert_eq!(rules.idle.spread, Spread::Apart);
        assert_eq!(rules.node_overhead.spread, Spread::Proportional);
    }
}

#[test]
fn all_that_is_wrong_is_named_with_its_place() {
    assert_eq!(
        problems(
            "
wieght: 9:1
weight: nine
owners:
  - {namespce: a, owner: b}
  - {namespace: a, label: b}
  - {label: app, regex: '(', owner: x}
  - {default: false, owner: x}
  - {default: true}
  - {namespace: a, value: b}
  - {label: a, from: 2026-10-32, until: 1}
  - {label: a, from: 2026-10-02, until: 2026-10-01}
idle: {rule: evenly}
node_overhead: {rule: even, per: node}
shared:
  system_layer: {rule: fixed}
  given:
    - {name: nat, hourly: 0}
    - {name: nat, monthly: 1, hourly: 1, class: gateway}
budgets:
  - {owner: a}
  - {owner: b, monthly: 5, thresholds: [0]}
  - {owner: b, monthly: 5}
"
        ),
        [
            "rules.yaml: `wieght`: there is no such key; did you mean `weight`?",
            "rules.yaml: `weight`: `nine` is no weight of vCPU against GiB: 9:1, 7.46:1 (at most two places), or by_price",
            "rules.yaml: `owners[0].namespce`: there is no such key; did you mean `namespace`?",
            "rules.yaml: `owners[0]`: a rule matches by one of namespace, namespace_regex, label, annotation, namespace_label, default; this has nothing",
            "rules.yaml: `owners[1]`: a rule matches by one of namespace, namespace_regex, label, annotation, namespace_label, default; this has namespace and label",
            "rules.yaml: `owners[2].regex`: regex parse error:     (     ^ error: unclosed group",
            "rules.yaml: `owners[3].default`: it can only be `true`",
            "rules.yaml: `owners[4]`: `owner` is missing",
            "rules.yaml: `owners[5]`: `value` and `regex` go with a label or an annotation, not with `namespace`",
            "rules.yaml: `owners[6].from`: `2026-10-32` is no day such as 2026-10-31",
            "rules.yaml: `owners[6].until`: `1` is no day such as 2026-10-31",
            "rules.yaml: `owners[7]`: it ends on 2026-10-01, before it begins on 2026-10-02",
            "rules.yaml: `idle.rule`: `evenly` is no rule (known: proportional, even, fixed, apart)",
            "rules.yaml: `node_overhead.per`: per node goes with the rule `proportional`",
            "rules.yaml: `shared.system_layer`: the rule `fixed` needs `shares` of owners, such as {shop: 3, search: 1}",
            "rules.yaml: `shared.system_layer.namespaces`: it is a list of namespaces, such as [kube-system]",
            "rules.yaml: `shared.given[0].hourly`: `0` is not a price in dollars: a price of zero says that it is not known; leave it out",
            "rules.yaml: `shared.given[1].class`: `gateway` is no class (known: nat, load_balancer, transfer, other)",
            "rules.yaml: `shared.given[1]`: it needs either `hourly` or `monthly`, in dollars",
            "rules.yaml: `budgets[0]`: `monthly` is missing",
            "rules.yaml: `budgets[1].thresholds`: `0` is no whole number from 1 to 1000",
            "rules.yaml: `budgets[2]`: `b` has a budget already",
        ]
    );
}

#[test]
fn two_currencies_are_named_and_one_other_is_refused() {
    assert_eq!(
        problems("currency: USD\nbudgets: [{owner: a, monthly: 5, currency: EUR}]"),
        [
            "rules.yaml: `currency`: amounts are in `EUR` and `USD`, and sums of two currencies are none; only USD is understood"
        ]
    );
    assert_eq!(
        problems("currency: KRW"),
        [
            "rules.yaml: `currency`: prices are in `KRW`; only USD is understood, for prices of two currencies cannot be added up"
        ]
    );
}

#[test]
fn what_is_no_rules_file_at_all_is_refused() {
    for text in
        ["owners: [", "just words", "a: 1\n---\nb: 2", "owners: {a: b}", "owners: [1]", "idle: 3"]
    {
        assert!(!problems(text).is_empty(), "{text}");
    }
}

fn web(name: &str, team: &str) -> PodInterval {
    let labels = labels(&[("team", team)]);
    PodInterval { labels, ..pod(name, on("a"), ("1", "4Gi"), ("00:00", None)) }
}

fn hour(pods: Vec<PodInterval>) -> Observed {
    observed(window("00:00", "01:00"), vec![node("a", "00:00", None)], pods)
}

#[test]
fn the_first_rule_wins_and_the_others_are_counted() {
    let seen = hour(vec![
        web("shop-eu/web", "red"),
        web("shop-us/web", ""),
        web("jobs/cron", "blue"),
        pod("lost/one", on("a"), ("1", "4Gi"), ("00:00", None)),
    ]);
    let rules = "
owners:
  - {namespace_regex: '^shop-(?<where>[a-z]+)$', owner: 'shop-${where}'}
  - {label: team}
  - {namespace: gone, owner: gone}
  - {label: team, value: red, owner: never}
";
    let showback = shown(&seen, "team", rules);
    // Equal to the cent, they may differ in the sixteenth place; so their order is not looked at here.
    let mut found = rows(&showback);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "(unowned) unowned = 0.2500 [cpu 0.1731, memory 0.0769] 1 pods",
            "blue = 0.2500 [cpu 0.1731, memory 0.0769] 1 pods",
            "shop-eu = 0.2500 [cpu 0.1731, memory 0.0769] 1 pods",
            "shop-us = 0.2500 [cpu 0.1731, memory 0.0769] 1 pods",
        ]
    );
    let used: Vec<(u64, u64)> =
        showback.rules.iter().map(|rule| (rule.matched, rule.shadowed)).collect();
    assert_eq!(used, [(2, 0), (1, 1), (0, 0), (0, 1)]);
    let unused: Vec<String> = showback
        .findings
        .iter()
        .filter(|finding| finding.code.starts_with("owner_rule"))
        .map(|finding| format!("{} {}", finding.subject, finding.message))
        .collect();
    assert_eq!(
        unused,
        [
            r#"rules.yaml:5 {"namespace":"gone","owner":"gone"} it matches no pod of this window; correct it or take it out"#,
            r#"rules.yaml:6 {"label":"team","owner":"never","value":"red"} 1 pod that it matches already belong to earlier rules; move it up or take it out"#,
        ]
    );
}

#[test]
fn unowned_is_a_row_also_when_it_is_empty() {
    let showback =
        shown(&hour(vec![web("shop/web", "red")]), "namespace,team", "owners: [{label: team}]");
    assert_eq!(
        rows(&showback),
        [
            "shop,red = 0.2500 [cpu 0.1731, memory 0.0769] 1 pods",
            "(unowned) ,unowned = 0.0000 [] 0 pods",
            "(idle) , = 0.7500 [idle 0.7500] 0 pods",
        ]
    );
}

#[test]
fn a_rule_holds_from_its_first_day_to_its_last() {
    let seen = observed(
        window("2026-10-01T00:00:00Z", "2026-10-04T00:00:00Z"),
        vec![node("a", "2026-10-01T00:00:00Z", None)],
        vec![pod("shop/web", on("a"), ("4", "16Gi"), ("2026-10-01T00:00:00Z", None))],
    );
    let rules = "
owners:
  - {namespace: shop, owner: old, until: 2026-10-01}
  - {namespace: shop, owner: new, from: 2026-10-03}
";
    let showback = shown(&seen, "team", rules);
    assert_eq!(
        rows(&showback),
        [
            "new = 24.0000 [cpu 16.6154, memory 7.3846] 1 pods",
            "old = 24.0000 [cpu 16.6154, memory 7.3846] 1 pods",
            "(unowned) unowned = 24.0000 [cpu 16.6154, memory 7.3846] 1 pods",
        ]
    );
    let by_day: Vec<Vec<String>> = showback
        .groups
        .iter()
        .map(|group| group.by_day.iter().map(|amount| amount.dollars(0)).collect())
        .collect();
    assert_eq!(by_day, [["0", "0", "24"], ["24", "0", "0"], ["0", "24", "0"]]);
    assert!(!codes(&showback).iter().any(|code| code.starts_with("owner_rule")));
}

#[test]
fn names_from_labels_are_tamed() {
    let long = "x".repeat(5000);
    let seen = hour(vec![
        web("a/steer", "red\u{1b}[31m\u{202e}gnp"),
        web("b/long", &long),
        web("c/blank", " \u{a0} "),
    ]);
    let showback = shown(&seen, "team", "owners: [{label: team}]");
    let mut teams: Vec<&str> = showback.groups.iter().map(|group| group.key[0].as_str()).collect();
    teams.sort_unstable();
    let cut = format!("{}…", "x".repeat(128));
    // So are keys of labels.
    let by_label = shown(&seen, "label:team", "");
    let mut values: Vec<&str> = by_label.groups.iter().map(|group| group.key[0].as_str()).collect();
    values.sort_unstable();
    assert_eq!(values, ["", "", "red\u{fffd}[31m\u{fffd}gnp", &cut]);
    assert_eq!(teams, ["", "red\u{fffd}[31m\u{fffd}gnp", "unowned", &cut]);
}

#[test]
fn dimensions_are_read() {
    let read = |text: &str| {
        let read = dimensions(text).map_err(|why| why.to_string())?;
        Ok::<_, String>(read.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    };
    assert_eq!(
        read("team, namespace,cluster,controller,pod,node,label:app,annotation:x/y,team"),
        Ok("team,namespace,cluster,controller,pod,node,label:app,annotation:x/y".to_owned())
    );
    for wrong in ["", "teams", "label:", "team,,pod", "node:x"] {
        let why = read(wrong).expect_err(wrong);
        assert!(why.contains("is nothing to group by: team, namespace, cluster"), "{why}");
    }
}
