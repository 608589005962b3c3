//! `runbook capacity allocatable`: what a node of a type offers, and the arithmetic.

use runbook_capacity::allocatable::{Allocatable, PodDensity};
use runbook_capacity::answer::allocatable::{AllocatableAnswer, Offer};
use runbook_capacity::catalogue::instance_type;
use runbook_capacity::quantity::Bytes;

use super::node::NodeArguments;
use super::table::{Align, table};
use super::{Output, files, json, refuse};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::style::{Meaning, Style};

/// Up to so many types are shown with their arithmetic.
const SHOWN_WHOLE: usize = 10;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AllocatableArguments {
    /// Instance types; without any, the whole catalogue.
    #[arg(value_name = "TYPE")]
    types: Vec<String>,
    #[command(flatten)]
    node: NodeArguments,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(super) fn run(
    arguments: &AllocatableArguments,
    environment: &Environment,
    printer: &Printer,
) -> Exit {
    let answer = arguments.node.settings(environment).and_then(|settings| {
        AllocatableAnswer::new(&arguments.types, settings).map_err(files::said)
    });
    let answer = match answer {
        Ok(answer) => answer,
        Err(problems) => return refuse(printer, &problems, "nothing was answered"),
    };
    match arguments.output {
        Output::Csv => printer.raw(answer.csv().as_bytes()),
        Output::Json => return json(printer, &answer, Exit::Done),
        Output::Table => printer.out(&text(&answer, printer.out)),
    }
    Exit::Done
}

/// For people.
fn text(answer: &AllocatableAnswer, style: Style) -> String {
    if answer.instance_types.len() <= SHOWN_WHOLE {
        let each: Vec<String> =
            answer.instance_types.iter().map(|offer| whole(offer, answer, style)).collect();
        return each.join("\n");
    }
    let figure = |one: Option<i64>| one.map(|one| one.to_string()).unwrap_or_default();
    let rows: Vec<Vec<String>> = answer
        .instance_types
        .iter()
        .map(|offer| {
            vec![
                offer.instance_type.clone(),
                figure(offer.allocatable_cpu_m),
                figure(offer.allocatable_memory_mib),
                figure(offer.pods.map(i64::from)),
                offer.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let columns = [
        ("instance type", Align::Left),
        ("cpu m", Align::Right),
        ("memory MiB", Align::Right),
        ("pods", Align::Right),
        ("", Align::Left),
    ];
    table(&columns, &rows)
}

fn whole(offer: &Offer, answer: &AllocatableAnswer, style: Style) -> String {
    let name = style.paint(Meaning::Strong, &offer.instance_type);
    let Some(terms) = offer.arithmetic else {
        return format!("{name}  {}\n", offer.reason.clone().unwrap_or_default());
    };
    let rows = [
        vec!["cpu".to_owned(), format!("{}m", terms.cpu.0), cpu(&terms)],
        vec!["memory".to_owned(), mebibytes(terms.memory), memory(&terms, offer, answer)],
        vec!["pods".to_owned(), terms.pods.to_string(), pods(offer, answer)],
        vec!["disk".to_owned(), mebibytes(terms.storage), disk(&terms)],
    ];
    let columns = [("", Align::Left), ("", Align::Right), ("", Align::Left)];
    let lines = table(&columns, &rows);
    format!("{name}\n{}", lines.trim_start_matches('\n'))
}

fn mebibytes(bytes: Bytes) -> String {
    format!("{} MiB", bytes.in_mebibytes_down())
}

fn minus(amount: i64, what: &str) -> String {
    if amount == 0 { String::new() } else { format!(" − {amount} {what}") }
}

fn cpu(terms: &Allocatable) -> String {
    format!(
        "= {}{}{}",
        terms.capacity_cpu.0,
        minus(terms.kube_reserved_cpu.0, "kubelet"),
        minus(terms.system_reserved_cpu.0, "system")
    )
}

fn memory(terms: &Allocatable, offer: &Offer, answer: &AllocatableAnswer) -> String {
    let is_seen = answer.settings.discovered_memory.contains_key(&offer.instance_type);
    let overhead =
        if is_seen { "hypervisor, as seen" } else { "firmware and hypervisor, predicted" };
    format!(
        "= {}{}{}{}{}",
        terms.sold_memory.in_mebibytes_down(),
        minus(terms.memory_overhead.in_mebibytes_up(), overhead),
        minus(terms.kube_reserved_memory.in_mebibytes_up(), "kubelet"),
        minus(terms.system_reserved_memory.in_mebibytes_up(), "system"),
        minus(terms.eviction_memory.in_mebibytes_up(), "eviction")
    )
}

fn pods(offer: &Offer, answer: &AllocatableAnswer) -> String {
    let Some(one) = instance_type(&offer.instance_type) else { return String::new() };
    let interfaces = match answer.settings.reserved_enis {
        0 => format!("{} interfaces", one.enis),
        kept => format!("({} − {kept} reserved) interfaces", one.enis),
    };
    let each = format!("({} − 1) addresses", one.ipv4_per_eni);
    let base = match answer.settings.pod_density {
        PodDensity::Interfaces => format!("= {interfaces} × {each} + 2"),
        PodDensity::InterfacesUpTo(most) => {
            format!("= {interfaces} × {each} + 2, at most {most}")
        }
        PodDensity::MaxPods(_) => "kubelet.maxPods".to_owned(),
        PodDensity::PrefixDelegation => format!(
            "= {interfaces} × {each} × 16 + 2, at most {}",
            if one.vcpus < 30 { 110 } else { 250 }
        ),
    };
    match answer.settings.pods_per_core {
        Some(per_core) => format!("{base}, at most {per_core} per core"),
        None => base,
    }
}

fn disk(terms: &Allocatable) -> String {
    format!(
        "= {}{}{}{}",
        terms.capacity_storage.in_mebibytes_down(),
        minus(terms.kube_reserved_storage.in_mebibytes_up(), "kubelet"),
        minus(terms.system_reserved_storage.in_mebibytes_up(), "system"),
        minus(terms.eviction_storage.in_mebibytes_up(), "eviction")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook_capacity::allocatable::NodeSettings;

    fn shown(names: &[&str], settings: NodeSettings) -> String {
        let names: Vec<String> = names.iter().map(|one| (*one).to_owned()).collect();
        text(&AllocatableAnswer::new(&names, settings).expect("types"), Style::plain())
    }

    #[test]
    fn the_arithmetic_is_shown() {
        assert_eq!(
            shown(&["m6i.large", "m7g.large", "mac2.metal"], NodeSettings::default()),
            "\
m6i.large
  cpu         1930m  = 2000 − 70 kubelet
  memory   6903 MiB  = 8192 − 615 firmware and hypervisor, predicted − 574 kubelet − 100 eviction
  pods           29  = 3 interfaces × (10 − 1) addresses + 2
  disk    17408 MiB  = 20480 − 1024 kubelet − 2048 eviction

m7g.large
  cpu         1930m  = 2000 − 70 kubelet
  memory   6844 MiB  = 8192 − 674 firmware and hypervisor, predicted − 574 kubelet − 100 eviction
  pods           29  = 3 interfaces × (10 − 1) addresses + 2
  disk    17408 MiB  = 20480 − 1024 kubelet − 2048 eviction

mac2.metal  a Mac runs no Kubernetes node
"
        );
    }
}
