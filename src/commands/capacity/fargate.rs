//! `runbook capacity fargate`: the size and price Fargate gives each pod, and why.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, which have no markup")]

use runbook_capacity::answer::fargate::{FargateAnswer, FargatePod};
use runbook_capacity::answer::written;
use runbook_capacity::manifest::{Manifests, read_pods};

use super::table::{Align, table};
use super::{Output, PriceArguments, Problems, exit, files, json, refuse, region, remark};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::price_lists::PriceLists;
use crate::printer::Printer;
use crate::style::{Meaning, Style};

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FargateArguments {
    /// Manifests (YAML or JSON, lists and streams), CSV tables, folders of them, or - for stdin.
    #[arg(value_name = "PODS", required = true)]
    pods: Vec<String>,
    /// The region of the prices; else AWS_REGION.
    #[arg(long)]
    region: Option<String>,
    #[command(flatten)]
    prices: PriceArguments,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(super) fn run(
    arguments: &FargateArguments,
    lists: &PriceLists,
    environment: &Environment,
    printer: &Printer,
) -> Exit {
    let answer = match answer(arguments, lists, environment) {
        Ok(answer) => answer,
        Err(problems) => return refuse(printer, &problems, "nothing was sized"),
    };
    let exit = exit(answer.completeness());
    match arguments.output {
        Output::Csv => {
            printer.raw(answer.csv().as_bytes());
            for note in &answer.notes {
                printer.note(remark(printer.err, "note", note).trim_end());
            }
        }
        Output::Json => return json(printer, &answer, exit),
        Output::Table => printer.out(&text(&answer, printer.out)),
    }
    exit
}

fn answer(
    arguments: &FargateArguments,
    lists: &PriceLists,
    environment: &Environment,
) -> Result<FargateAnswer, Problems> {
    let region = region(arguments.region.as_deref(), environment)
        .map_err(|why| vec![why])?
        .ok_or_else(|| {
            vec!["which region's prices? give --region, such as --region ap-northeast-2".to_owned()]
        })?;
    let (manifests, notes) = pods(&arguments.pods, environment)?;
    let book = lists.book(Some(&region)).map_err(|why| vec![why])?;
    Ok(FargateAnswer::new(
        &manifests.workloads,
        &manifests.storage,
        &region,
        &book,
        arguments.prices.age(),
        notes,
    ))
}

/// The pods of all files, and what is to be said about them.
pub(in crate::commands) fn pods(
    names: &[String],
    environment: &Environment,
) -> Result<(Manifests, Vec<String>), Problems> {
    let mut manifests = Manifests::default();
    let mut problems = Vec::new();
    for source in files::read_all(names, environment)? {
        match read_pods(&source.name, &source.text) {
            Ok(read) => manifests.merge(read),
            Err(found) => problems.extend(files::said(found)),
        }
    }
    if manifests.workloads.is_empty() && !manifests.passed_over.is_empty() && problems.is_empty() {
        problems.push(format!(
            "nothing in {} stands for pods; passed over: {}",
            names.join(", "),
            some(&manifests.passed_over)
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut notes = Vec::new();
    if manifests.workloads.is_empty() {
        notes.push("there are no pods".to_owned());
    }
    if !manifests.passed_over.is_empty() {
        notes.push(format!("passed over: {}", some(&manifests.passed_over)));
    }
    Ok((manifests, notes))
}

/// The first few names.
pub(in crate::commands) fn some(names: &[String]) -> String {
    const FEW: usize = 5;
    let first = names.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(FEW) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// For people: pods that get the same for the same reason are one line.
fn text(answer: &FargateAnswer, style: Style) -> String {
    let mut groups: Vec<(&FargatePod, &FargatePod, usize)> = Vec::new();
    for pod in &answer.pods {
        match groups.last_mut() {
            Some((first, last, count))
                if first.reason == pod.reason && first.price == pod.price =>
            {
                (*last, *count) = (pod, *count + 1);
            }
            _ => groups.push((pod, pod, 1)),
        }
    }
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|(first, last, count)| {
            let name = match count {
                1 => first.pod.clone(),
                _ => format!("{} … {}", first.pod, last.pod),
            };
            vec![
                count.to_string(),
                name,
                first.size.map(|size| size.to_string()).unwrap_or_default(),
                written::dollars_or_nothing(first.price),
                first.price.map(|price| price.monthly().dollars(2)).unwrap_or_default(),
                first.confidence.to_string(),
            ]
        })
        .collect();
    let columns = [
        ("pods", Align::Right),
        ("name", Align::Left),
        ("billed size", Align::Left),
        ("$/h each", Align::Right),
        ("$/month each", Align::Right),
        ("confidence", Align::Left),
    ];
    let drawn = table(&columns, &rows);
    let mut lines = drawn.lines();
    let mut text = headline(answer, style);
    text.push_str(lines.next().unwrap_or_default());
    text.push('\n');
    for (line, (first, _, _)) in lines.zip(&groups) {
        text.push_str(&format!("{line}\n"));
        let reason = format!("        {}", written::harmless(&first.reason));
        text.push_str(&format!("{}\n", style.paint(Meaning::Quiet, &reason)));
    }
    text.push('\n');
    text.push_str(&remark(style, "prices", &answer.prices.sentence("prices that it takes")));
    for note in &answer.notes {
        text.push_str(&remark(style, "note", note));
    }
    text
}

fn headline(answer: &FargateAnswer, style: Style) -> String {
    let total = match answer.price {
        Some(price) => format!(
            "{} $/h, {} $ a month of 730 h",
            written::dollars(price),
            price.monthly().dollars(2)
        ),
        None => format!("no total, for {} of them have no price", answer.unpriced),
    };
    let mut text = format!(
        "{} pods on Fargate · {} · {total}\n",
        answer.pods.len() - answer.not_fit,
        answer.region
    );
    if answer.not_fit > 0 {
        let line = format!("{} cannot run there and are not in the total", answer.not_fit);
        text.push_str(&format!("{}\n", style.paint(Meaning::Bad, &line)));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook_capacity::answer::PriceAge;
    use runbook_capacity::prices::PriceBook;

    fn shown(manifests: &str, region: &str) -> String {
        let read = read_pods("pods.yaml", manifests).expect("pods");
        let age = PriceAge { most_days: 90, today: "2026-11-25".parse().expect("a day") };
        let answer = FargateAnswer::new(
            &read.workloads,
            &read.storage,
            region,
            PriceBook::embedded(),
            age,
            vec![],
        );
        text(&answer, Style::plain())
    }

    const PODS: &str = "
kind: Deployment
metadata: {name: web}
spec: {replicas: 3, template: {spec: {containers: [{name: c, resources: {requests: {cpu: 250m, memory: 512Mi}}}]}}}
---
kind: DaemonSet
metadata: {name: agent, namespace: kube-system}
spec: {template: {spec: {hostNetwork: true, containers: [{name: c}]}}}
---
kind: Pod
metadata: {name: disk}
spec: {containers: [{name: c, resources: {requests: {cpu: 1, memory: 1Gi, ephemeral-storage: 40Gi}}}]}
";

    #[test]
    fn each_pod_has_its_size_and_why() {
        assert_eq!(
            shown(PODS, "ap-northeast-2"),
            "\
4 pods on Fargate · ap-northeast-2 · no total, for 1 of them have no price
1 cannot run there and are not in the total

  pods  name               billed size   $/h each  $/month each  confidence
     3  web-0 … web-2      0.25vCPU 1GB  0.016750         12.23  documented
        250m CPU and 512Mi + 256Mi memory, rounded up to 0.25vCPU 1GB; memory decides
     1  kube-system/agent                                        documented
        cannot run on Fargate: a DaemonSet: Fargate has no node to run it on; it uses hostNetwork
     1  disk               1vCPU 2GB                             documented
        1 CPU and 1Gi + 256Mi memory, rounded up to 1vCPU 2GB; CPU decides; 49Gi of disk, 20Gi of it included; no price of `fargate_ephemeral_storage` in `ap-northeast-2`; `runbook prices refresh --region ap-northeast-2` asks AWS

prices  2 of 3 prices that it takes have a price, of 2026-10-05
"
        );
    }
}
