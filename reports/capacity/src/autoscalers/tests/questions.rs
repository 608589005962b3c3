//! Bad traces, bad groups, and the question when nothing is said.

use super::{TYPES, types};
use crate::autoscalers::machine::Overhead;
use crate::autoscalers::node_group::{NodeGroup, NodeGroupSpec};
use crate::autoscalers::standard::Setting;
use crate::autoscalers::trace::{Action, read_trace};
use crate::autoscalers::{Question, made::TraceShape};
use crate::prices::PriceBook;
use crate::region::Region;

const HEADER: &str = "t_seconds,action,name,cpu,memory,owner\n";

fn problems(text: &str) -> Vec<String> {
    let problems = read_trace("trace.csv", text).expect_err("problems");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_bad_cell_is_named_with_line_and_column() {
    let rows = "\
0,add,a,1,1Gi,web
# a comment
-1,add,b,1,1Gi,web
5,add,c,1,1Gi,web

4,add,d,1,1Gi,web
6,scale,e,1,1Gi,web
6,remove,f,,,
6,add,a,1,1Gi,web
6,add,g,1 core,1Gi,web
6,add,h,1,-1Gi,web
6,add,i,20000,1Gi,web
6,add,j,1,2Ei,web
6.5,add,k,1,1Gi,web
6,add,,1,1Gi,web
6,add,l,1,1Gi
99999999999,add,m,1,1Gi,web
";
    assert_eq!(
        problems(&format!("{HEADER}{rows}")),
        [
            "trace.csv: line 4, column `t_seconds`: `-1` is before the beginning",
            "trace.csv: line 7, column `t_seconds`: time runs backwards: 4 after 5",
            "trace.csv: line 8, column `action`: `scale` is no action (known: add, remove)",
            "trace.csv: line 9, column `name`: pod `f` is not there, so it cannot be removed",
            "trace.csv: line 10, column `name`: pod `a` is there since line 2; remove it first",
            "trace.csv: line 11, column `cpu`: `1 core` is not a quantity: unknown unit ` core` (known: n u m k M G T P E, Ki Mi Gi Ti Pi Ei, e3)",
            "trace.csv: line 12, column `memory`: `-1Gi` is negative",
            "trace.csv: line 13, column `cpu`: `20000` is more than any machine has (at most 10000 cores)",
            "trace.csv: line 14, column `memory`: `2Ei` is more than any machine has (at most 1048576Gi)",
            "trace.csv: line 15, column `t_seconds`: `6.5` is no whole number of seconds",
            "trace.csv: line 16, column `name`: it is empty",
            "trace.csv: line 17: it has 5 cells, the header has 6",
            "trace.csv: line 18, column `t_seconds`: `99999999999` is more than a year; is it in seconds?",
        ]
    );
}

#[test]
fn bad_headers_and_empty_traces_are_refused() {
    assert_eq!(
        problems("t_seconds,action,name,cpu,cpu,zone\n"),
        [
            "trace.csv: line 1: column `cpu` is there twice",
            "trace.csv: line 1: column `zone` is not known (known: t_seconds, action, name, cpu, memory, owner)",
            "trace.csv: line 1: column `memory` is missing; needed: t_seconds, action, name, cpu, memory, owner",
            "trace.csv: line 1: column `owner` is missing; needed: t_seconds, action, name, cpu, memory, owner",
        ]
    );
    assert_eq!(problems(HEADER), ["trace.csv: there is no pod in it"]);
    assert_eq!(problems("").len(), 6);
    // Columns may stand in any order.
    let trace = read_trace("t", "owner,name,t_seconds,memory,action,cpu\nweb,a,7,1Gi,add,\n");
    let trace = trace.expect("a trace");
    assert_eq!((trace.pods[0].cpu.0, trace.events[0].at), (0, 7));
}

#[test]
fn a_name_may_come_again() {
    let rows = "0,add,a,1,1Gi,web\n1,remove,a,,,\n1,add,a,2,1Gi,web\n";
    let trace = read_trace("t", &format!("{HEADER}{rows}")).expect("a trace");
    assert_eq!(trace.pods.len(), 2);
    let pods: Vec<(Action, usize)> =
        trace.events.iter().map(|event| (event.action, event.pod)).collect();
    assert_eq!(pods, [(Action::Add, 0), (Action::Remove, 0), (Action::Add, 1)]);
}

#[test]
fn node_groups_are_read_or_refused() {
    let read = |text| NodeGroupSpec::parse(text).map_err(|error| error.to_string());
    assert_eq!(
        read("m6i.large:2:100:zone-a,zone-b"),
        Ok(NodeGroupSpec {
            instance_type: "m6i.large".to_owned(),
            least: 2,
            most: 100,
            zones: vec!["zone-a".to_owned(), "zone-b".to_owned()],
        })
    );
    assert_eq!(read("m6i.large:2:100"), Ok(NodeGroupSpec::standard()));
    let how = "write TYPE:MIN:MAX or TYPE:MIN:MAX:ZONE,ZONE";
    for (text, why) in [
        ("", "it names no instance type"),
        ("m6i.large", "MIN is missing"),
        ("m6i.large:2", "MAX is missing"),
        ("m6i.large:two:3", "MIN `two` is no count up to 10000"),
        ("m6i.large:-1:3", "MIN `-1` is no count up to 10000"),
        ("m6i.large:3:2", "MAX 2 leaves no room above MIN 3"),
        ("m6i.large:0:0", "MAX 0 leaves no room above MIN 0"),
        ("m6i.large:0:1:", "a zone is empty"),
        ("m6i.large:0:1:a,a", "zone `a` is there twice"),
    ] {
        assert_eq!(read(text), Err(format!("`{text}` is no node group: {why}; {how}")));
    }
    let types = types(TYPES);
    let spec = NodeGroupSpec::parse("a.small:0:1").expect("a group");
    assert_eq!(
        NodeGroup::of(&spec, types.first(), &[], Overhead::default())
            .expect_err("none")
            .to_string(),
        "node group of `a.small`: there is no zone to put it in; write TYPE:MIN:MAX:ZONE"
    );
    let spec = NodeGroupSpec::parse("a.small:0:1:elsewhere").expect("a group");
    let refused = NodeGroup::of(&spec, types.first(), &[], Overhead::default());
    assert_eq!(
        refused.expect_err("not there").to_string(),
        "node group `a.small/elsewhere`: `a.small` is not offered in `elsewhere`"
    );
}

#[test]
fn the_standard_question_is_three_zones_of_m6i_large() {
    let setting = Setting {
        region: Region::ApNortheast2,
        book: PriceBook::embedded(),
        node_groups: &[],
        node_pools: &[],
        instance_types: None,
        daemonsets: None,
        seed: 7,
    };
    let question = Question::standard(TraceShape::Deploy.trace(7), &setting).expect("a question");
    let groups: Vec<(&str, usize, usize)> = question
        .node_groups
        .iter()
        .map(|group| (group.name.as_str(), group.least, group.most))
        .collect();
    assert_eq!(
        groups,
        [
            ("m6i.large/ap-northeast-2a", 2, 100),
            ("m6i.large/ap-northeast-2b", 2, 100),
            ("m6i.large/ap-northeast-2c", 2, 100),
        ]
    );
    // 1930m and 6903 MiB of 29 pods, less 180m and 200 MiB of three daemonsets.
    let machine = &question.node_groups[0].machine;
    let free = machine.free();
    assert_eq!((free.cpu, free.memory >> 20, free.pods), (1750, 6703, 26));
    assert_eq!(machine.price.as_ref().expect("priced").to_string(), "0.118");
    assert!(question.karpenter.instance_types.iter().all(|one| !one.name.starts_with('t')));
}
