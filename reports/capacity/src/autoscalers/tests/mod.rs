//! The model on small traces that are worked out by hand, and what holds for every trace.

mod by_hand;
mod properties;
mod questions;

use super::node_group::NodeGroupSpec;
use super::standard::Setting;
use super::trace::{Trace, read_trace};
use super::{LaunchTime, Question};
use crate::karpenter::{InstanceOption, read_instance_types};
use crate::prices::PriceBook;
use crate::region::Region;

/// A machine of two vCPUs and one of four, nothing taken off.
const TYPES: &str = "\
instance_type,arch,allocatable_cpu_m,allocatable_memory_mib,pods,usd_per_hour,zones
a.small,amd64,2000,4096,10,0.1,z
b.big,amd64,4000,8192,20,0.18,z
";

fn types(text: &str) -> Vec<InstanceOption> {
    read_instance_types("types.csv", text).expect("types")
}

fn trace(rows: &str) -> Trace {
    read_trace("trace.csv", &format!("t_seconds,action,name,cpu,memory,owner\n{rows}"))
        .expect("a trace")
}

/// A question about these types and groups, without daemonsets, every launch taking 40 s.
fn question(trace: Trace, types: &[InstanceOption], groups: &[&str]) -> Question {
    let groups: Vec<NodeGroupSpec> =
        groups.iter().map(|text| NodeGroupSpec::parse(text).expect("a group")).collect();
    let setting = Setting {
        region: Region::ApNortheast2,
        book: PriceBook::embedded(),
        node_groups: &groups,
        node_pools: &[],
        instance_types: Some(types),
        daemonsets: Some(&[]),
        seed: 1,
    };
    let mut question = Question::standard(trace, &setting).expect("a question");
    question.launch_time = LaunchTime::constant(40);
    question
}
