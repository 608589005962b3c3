//! The answer for people.

use runbook_capacity::answer::pack::PackAnswer;
use runbook_capacity::answer::written::{dollars, dollars_or_nothing, harmless};
use runbook_capacity::karpenter::PackedNode;
use runbook_capacity::money::{Price, Unit};

use crate::commands::capacity::fargate::some;
use crate::commands::capacity::remark;
use crate::commands::capacity::table::{Align, table};
use crate::style::{Meaning, Style};

/// Nodes that differ in nothing a person looks for are one line.
pub(super) fn text(answer: &PackAnswer, place: &str, style: Style) -> String {
    let mut text = headline(answer, place);
    if !answer.nodes.is_empty() {
        text.push('\n');
        text.push_str(&nodes(&answer.nodes));
    }
    for node in &answer.existing {
        let line = format!("  on {}, which is there: {}", node.name, some(&node.pods));
        text.push_str(&format!("{}\n", harmless(&line)));
    }
    if !answer.unschedulable.is_empty() {
        text.push_str(&unplaced(answer, style));
    }
    text.push('\n');
    text.push_str(&remark(style, "prices", &answer.prices.sentence("types")));
    for note in &answer.notes {
        text.push_str(&remark(style, "note", note));
    }
    for what in &answer.not_simulated {
        text.push_str(&remark(style, "not simulated", what));
    }
    text
}

fn headline(answer: &PackAnswer, place: &str) -> String {
    let placed: usize = answer.nodes.iter().map(|node| node.pods.len()).sum();
    let total = match answer.price {
        Some(price) => {
            format!("{} $/h, {} $ a month of 730 h", dollars(price), price.monthly().dollars(2))
        }
        None => "no total, for a node has no price".to_owned(),
    };
    let number = |count: usize, thing: &str| {
        if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
    };
    format!(
        "{} on {} · {} · {total}\n",
        number(placed, "pod"),
        number(answer.nodes.len(), "new node"),
        harmless(place)
    )
}

fn nodes(nodes: &[PackedNode]) -> String {
    let mut groups: Vec<(&PackedNode, Vec<&PackedNode>)> = Vec::new();
    for node in nodes {
        let alike = |other: &PackedNode| {
            (&other.node_pool, &other.instance_type, &other.zones, &other.capacity_type)
                == (&node.node_pool, &node.instance_type, &node.zones, &node.capacity_type)
                && other.price == node.price
        };
        match groups.iter_mut().find(|(first, _)| alike(first)) {
            Some((_, all)) => all.push(node),
            None => groups.push((node, vec![node])),
        }
    }
    let span = |all: &[&PackedNode], of: fn(&PackedNode) -> usize| {
        let least = all.iter().map(|node| of(node)).min().unwrap_or(0);
        let most = all.iter().map(|node| of(node)).max().unwrap_or(0);
        if least == most { least.to_string() } else { format!("{least}–{most}") }
    };
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|(first, all)| {
            let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let sum = first
                .price
                .map(|price| Price::new(price.ten_billionths().saturating_mul(count), Unit::Hour));
            vec![
                all.len().to_string(),
                first.node_pool.clone(),
                first.instance_type.clone(),
                first.capacity_type.clone(),
                zones(&first.zones),
                span(all, |node| node.pods.len()),
                span(all, |node| node.candidates),
                dollars_or_nothing(first.price),
                dollars_or_nothing(sum),
            ]
        })
        .collect();
    let columns = [
        ("nodes", Align::Right),
        ("pool", Align::Left),
        ("cheapest type", Align::Left),
        ("bought", Align::Left),
        ("zones", Align::Left),
        ("pods each", Align::Right),
        ("types left", Align::Right),
        ("$/h each", Align::Right),
        ("$/h", Align::Right),
    ];
    table(&columns, &rows)
}

/// `ap-northeast-2 a b c`: what all names begin with is said once.
fn zones(names: &[String]) -> String {
    let split =
        |name: &str| name.char_indices().last().map(|(at, _)| name.split_at(at).0.to_owned());
    let Some(shared) = names.first().and_then(|name| split(name)) else { return String::new() };
    let is_shared =
        names.len() > 1 && names.iter().all(|name| split(name).as_ref() == Some(&shared));
    if !is_shared {
        return names.join(" ");
    }
    let letters: Vec<&str> = names.iter().map(|name| &name[shared.len()..]).collect();
    format!("{} {}", shared.trim_end_matches('-'), letters.join(" "))
}

/// Pods without a place, by reason.
fn unplaced(answer: &PackAnswer, style: Style) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for one in &answer.unschedulable {
        match reasons.iter_mut().find(|(reason, _)| *reason == one.reason) {
            Some((_, pods)) => pods.push(one.pod.clone()),
            None => reasons.push((&one.reason, vec![one.pod.clone()])),
        }
    }
    let count = answer.unschedulable.len();
    let title = if count == 1 {
        "no place for 1 pod".to_owned()
    } else {
        format!("no place for {count} pods")
    };
    let mut text = format!("\n{}\n", style.paint(Meaning::Bad, &title));
    for (reason, pods) in reasons {
        text.push_str(&format!("  {}\n", harmless(&some(&pods))));
        text.push_str(&format!("      {}\n", harmless(reason)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook_capacity::answer::PriceAge;
    use runbook_capacity::karpenter::{PackInput, read_instance_types};
    use runbook_capacity::manifest::read_pods;

    const TYPES: &str =
        "instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones
m5.large,amd64,1930,6900,29,0.096,zone-a;zone-b
m5.xlarge,amd64,3920,14700,58,0.192,zone-a;zone-b
p9.huge,amd64,90000,500000,110,,zone-a
";

    fn shown(pods: &str) -> String {
        let manifests = read_pods("pods.csv", pods).expect("pods");
        let input = PackInput {
            pods: manifests.other_pods(),
            instance_types: read_instance_types("types.csv", TYPES).expect("types"),
            ..PackInput::default()
        };
        let age = PriceAge { most_days: 90, today: "2026-11-25".parse().expect("a day") };
        text(&PackAnswer::new(&input, age, false, Vec::new()), "types.csv", Style::plain())
    }

    #[test]
    fn nodes_alike_are_one_line_and_the_rest_is_said_below() {
        assert_eq!(
            shown(
                "name,cpu,memory,replicas\nweb,3,4Gi,2\nidle,,,1\nbig,40,1Gi,1\nhuge,200,1Gi,2\n"
            ),
            "\
4 pods on 3 new nodes · types.csv · no total, for a node has no price

  nodes  pool     cheapest type  bought     zones     pods each  types left  $/h each       $/h
      2  default  m5.xlarge      on-demand  zone a b        1–2           1  0.192000  0.384000
      1  default  p9.huge        on-demand  zone-a            1           1

no place for 2 pods
  huge-0, huge-1
      pool `default`: no instance type that meets the requirements has enough for cpu 200, memory 1Gi and the daemonsets

prices  2 of 3 types have a price
note  `idle` requests nothing and takes a place only by its number
note  restricted to priced types: of 3 that are offered, 1 has no known price
note  no price for 1 of 3 nodes, so there is no total
"
        );
    }

    #[test]
    fn zones_share_their_beginning() {
        let zones = |names: &[&str]| {
            super::zones(&names.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(zones(&["ap-northeast-2a", "ap-northeast-2c"]), "ap-northeast-2 a c");
        assert_eq!(zones(&["zone-a", "zone-b"]), "zone a b");
        assert_eq!(zones(&["eu-west-1a"]), "eu-west-1a");
        assert_eq!(zones(&["x", "zone-b"]), "x zone-b");
    }
}
