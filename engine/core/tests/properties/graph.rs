//! Random runbooks: the order, the edges, cycles, and the digest of what is meant.
//!
//! A runbook is drawn as a model first, tasks and calls with what they come after, and written out
//! in one of many ways; what the compiler makes of the text is held against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;
use runbook_core::graph::{EdgeKind, Graph, VertexId};

use crate::cases;
use crate::dice::Dice;
use crate::support::Workshop;

/// A call of it is two tasks: one that reads what it is given, and one that reads nothing.
const CHILD: &str = "apiVersion: runbook/v1\nname: child\ninputs:\n  given: {type: string, default: none}\ntasks:\n  - {id: reads, uses: fake.thing, with: {name: \"${{ inputs.given }}\"}}\n  - {id: alone, uses: fake.thing, with: {name: alone}}\noutputs:\n  made: ${{ tasks.reads.outputs.id }}\n  other: ${{ tasks.alone.outputs.id }}\n";

/// What a member of the root file is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Task,
    Repeated,
    Call,
}

/// How a member comes after another one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// An argument reads an output.
    Argument,
    /// The condition reads an output.
    Condition,
    /// What it is repeated over is computed from an output.
    Keys,
    Needs,
    After,
}

/// One task or call.
#[derive(Debug, Clone)]
struct Member {
    kind: Kind,
    size: usize,
    on: Vec<(usize, Way)>,
}

/// A root file.
#[derive(Debug, Clone)]
struct Model(Vec<Member>);

impl Model {
    fn random(dice: &mut Dice) -> Self {
        let count = 2 + dice.roll(7);
        // Members stand in any order in the file; the ranks say who may come after whom.
        let mut ranks: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            ranks.swap(at, dice.roll(at + 1));
        }
        let members = (0..count)
            .map(|own| {
                let kind = dice.pick(&[Kind::Task, Kind::Task, Kind::Repeated, Kind::Call]);
                let mut on = Vec::new();
                for other in (0..count).filter(|other| ranks[*other] < ranks[own]) {
                    if dice.percent(30) {
                        on.push((
                            other,
                            dice.pick(&[
                                Way::Argument,
                                Way::Needs,
                                Way::After,
                                Way::Condition,
                                Way::Keys,
                            ]),
                        ));
                    }
                }
                if kind != Kind::Repeated {
                    on.iter_mut().for_each(|(_, way)| {
                        if *way == Way::Keys {
                            *way = Way::Needs;
                        }
                    });
                }
                Member { kind, size: dice.roll(5), on }
            })
            .collect();
        Self(members)
    }

    /// The tasks of a member, by path.
    fn tasks(&self, at: usize) -> Vec<String> {
        match self.0[at].kind {
            Kind::Call => vec![format!("m{at}/reads"), format!("m{at}/alone")],
            _ => vec![format!("m{at}")],
        }
    }

    /// The task that makes the output which others read.
    fn producer(&self, at: usize) -> String {
        if self.0[at].kind == Kind::Call { format!("m{at}/reads") } else { format!("m{at}") }
    }

    /// All edges, by paths.
    fn edges(&self) -> BTreeSet<(String, String, EdgeKind)> {
        let mut edges = BTreeSet::new();
        for (at, member) in self.0.iter().enumerate() {
            for (other, way) in &member.on {
                let (from, to, kind) = match way {
                    // What a call is given is waited for by the task that reads it, and no other.
                    Way::Argument => {
                        (vec![self.producer(at)], vec![self.producer(*other)], EdgeKind::Succeeded)
                    }
                    Way::Condition | Way::Keys => {
                        (self.tasks(at), vec![self.producer(*other)], EdgeKind::Succeeded)
                    }
                    Way::Needs => (self.tasks(at), self.tasks(*other), EdgeKind::Succeeded),
                    Way::After => (self.tasks(at), self.tasks(*other), EdgeKind::Ended),
                };
                for from in from {
                    edges.extend(to.iter().map(|to| (from.clone(), to.clone(), kind)));
                }
            }
        }
        edges
    }

    /// An expression that reads an output of a member, as text.
    fn reading(&self, at: usize) -> String {
        match self.0[at].kind {
            Kind::Task => format!("tasks.m{at}.outputs.id"),
            Kind::Repeated => format!("(tasks.m{at} | outputs('id') | join('-'))"),
            Kind::Call => format!("tasks.m{at}.outputs.made"),
        }
    }

    /// The entries of a member, each a key with its value in flow style.
    fn entries(&self, at: usize, style: &mut Style) -> Vec<(String, String)> {
        let member = &self.0[at];
        let by = |wanted: Way| {
            member.on.iter().filter(move |(_, way)| *way == wanted).map(|(on, _)| *on)
        };
        let read: Vec<String> =
            by(Way::Argument).map(|on| format!("${{{{ {} }}}}", self.reading(on))).collect();
        let mut with = Vec::new();
        let mut entries = vec![("id".to_owned(), style.text(&format!("m{at}")))];
        if member.kind == Kind::Call {
            entries.push(("uses".to_owned(), style.text("./child.yaml")));
            with.push((
                "given".to_owned(),
                style.text(&format!("{}-{}", member.size, read.join("-"))),
            ));
        } else {
            entries.push(("uses".to_owned(), style.text("fake.thing")));
            with.push(("name".to_owned(), style.text(&format!("n{at}"))));
            with.push(("size".to_owned(), member.size.to_string()));
            with.push(("uses".to_owned(), style.text(&format!("x{}", read.join("-")))));
        }
        entries.push(("with".to_owned(), style.map(with)));
        if member.kind == Kind::Repeated {
            let keys: Vec<String> = by(Way::Keys).map(|on| self.reading(on)).collect();
            let all = if keys.is_empty() {
                format!("[{}, {}]", style.text("p"), style.text("q"))
            } else {
                style.text(&format!("${{{{ [{}] }}}}", keys.join(", ")))
            };
            entries.push(("for_each".to_owned(), all));
        }
        let conditions: Vec<String> =
            by(Way::Condition).map(|on| format!("{} != 'no'", self.reading(on))).collect();
        if !conditions.is_empty() {
            entries.push((
                "when".to_owned(),
                style.text(&format!("${{{{ {} }}}}", conditions.join(" and "))),
            ));
        }
        for (word, way) in [("needs", Way::Needs), ("after", Way::After)] {
            let names: Vec<String> = by(way).map(|on| style.text(&format!("m{on}"))).collect();
            if !names.is_empty() {
                entries.push((word.to_owned(), format!("[{}]", names.join(", "))));
            }
        }
        entries
    }

    fn text(&self, style: &mut Style) -> String {
        let mut text = String::new();
        style.comment(&mut text);
        text.push_str("apiVersion: runbook/v1\nname: random\n");
        style.comment(&mut text);
        text.push_str("tasks:\n");
        for at in 0..self.0.len() {
            style.comment(&mut text);
            let entries = self.entries(at, style);
            let entries = style.shuffled(entries);
            if style.0.as_mut().is_some_and(|dice| dice.percent(30)) {
                let one: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                writeln!(text, "  - {{{}}}", one.join(", ")).unwrap();
                continue;
            }
            for (position, (key, value)) in entries.iter().enumerate() {
                let dash = if position == 0 { "-" } else { " " };
                writeln!(text, "  {dash} {key}: {value}").unwrap();
                style.comment(&mut text);
            }
        }
        text
    }

    fn compile(&self, style: &mut Style) -> (String, Result<Graph, Vec<(String, String)>>) {
        let text = self.text(style);
        let graph = Workshop::new(&text).file("child.yaml", CHILD).compile().map_err(|refused| {
            refused
                .problems
                .iter()
                .map(|problem| (problem.code.0.to_owned(), problem.message.clone()))
                .collect()
        });
        (text, graph)
    }

    fn graph(&self, style: &mut Style) -> Graph {
        let (text, graph) = self.compile(style);
        graph.unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))
    }
}

/// How a runbook is written: plainly, or with all that does not matter drawn.
struct Style(Option<Dice>);

impl Style {
    /// Text in one of the ways YAML has for it.
    fn text(&mut self, text: &str) -> String {
        match self.0.as_mut().map_or(0, |dice| dice.roll(3)) {
            0 => format!("'{}'", text.replace('\'', "''")),
            1 => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            _ if text.chars().all(|one| one.is_ascii_alphanumeric() || "./_".contains(one)) => {
                text.to_owned()
            }
            _ => format!("'{}'", text.replace('\'', "''")),
        }
    }

    fn shuffled<T>(&mut self, mut all: Vec<T>) -> Vec<T> {
        if let Some(dice) = &mut self.0 {
            for at in (1..all.len()).rev() {
                all.swap(at, dice.roll(at + 1));
            }
        }
        all
    }

    fn map(&mut self, entries: Vec<(String, String)>) -> String {
        let entries: Vec<String> = self
            .shuffled(entries)
            .into_iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        format!("{{{}}}", entries.join(", "))
    }

    fn comment(&mut self, text: &mut String) {
        if self.0.as_mut().is_some_and(|dice| dice.percent(25)) {
            text.push_str("# it's \"only\" a comment: ${{ nothing }\n\n");
        }
    }
}

fn path(graph: &Graph, id: VertexId) -> String {
    graph.vertex(id).path.join("/")
}

fn edges_of(graph: &Graph) -> BTreeSet<(String, String, EdgeKind)> {
    let mut edges = BTreeSet::new();
    for vertex in &graph.vertices {
        for edge in &vertex.edges {
            assert!(!edge.why.is_empty(), "an edge without a reason");
            edges.insert((vertex.path.join("/"), path(graph, edge.on), edge.kind));
        }
    }
    edges
}

/// What can be reached from each path.
fn reach(edges: &BTreeSet<(String, String, EdgeKind)>) -> BTreeMap<String, BTreeSet<String>> {
    let mut reach: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    loop {
        let before: usize = reach.values().map(BTreeSet::len).sum();
        for (from, to, _) in edges {
            let mut further = reach.get(to).cloned().unwrap_or_default();
            further.insert(to.clone());
            reach.entry(from.clone()).or_default().extend(further);
        }
        if reach.values().map(BTreeSet::len).sum::<usize>() == before {
            return reach;
        }
    }
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn edges_are_those_of_the_model_and_the_order_respects_them(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let model = Model::random(&mut dice);
        let graph = model.graph(&mut Style(Some(dice)));
        let edges = edges_of(&graph);
        prop_assert_eq!(&edges, &model.edges());
        let order: Vec<String> =
            graph.order().unwrap().into_iter().map(|id| path(&graph, id)).collect();
        prop_assert_eq!(order.len(), graph.vertices.len());
        for (from, to, _) in &edges {
            let position = |name: &String| order.iter().position(|one| one == name).unwrap();
            prop_assert!(position(to) < position(from), "{to} before {from} in {order:?}");
        }
    }

    #[test]
    fn an_edge_back_is_refused_with_the_whole_ring(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut model = Model::random(&mut dice);
        let reach = reach(&model.edges());
        let mut pairs: Vec<(usize, usize)> = (0..model.0.len()).map(|at| (at, at)).collect();
        for (from, to) in (0..model.0.len()).flat_map(|from| (0..model.0.len()).map(move |to| (from, to))) {
            // Whatever the last one is, what it needs now needs it.
            let reached = reach.get(&model.producer(from));
            if from != to && reached.is_some_and(|found| found.contains(&model.producer(to))) {
                pairs.push((to, from));
            }
        }
        let (at, on) = dice.pick(&pairs);
        model.0[at].on.retain(|(other, _)| *other != on);
        model.0[at].on.push((on, dice.pick(&[Way::Needs, Way::After])));
        let (text, compiled) = model.compile(&mut Style(None));
        let problems = compiled.err().unwrap_or_else(|| panic!("accepted:\n{text}"));
        prop_assert_eq!(problems.len(), 1, "{}\n{:#?}", text, problems);
        prop_assert_eq!(&problems[0].0, "RB0220");
        let ring = problems[0].1.strip_prefix("the tasks wait for each other: ").unwrap();
        let ring: Vec<&str> = ring.split(" → ").collect();
        prop_assert!(ring.len() > 1 && ring.first() == ring.last(), "{ring:?}");
        let inside: BTreeSet<&&str> = ring.iter().collect();
        prop_assert_eq!(inside.len(), ring.len() - 1, "a ring comes through each task once: {:?}", ring);
        let edges = model.edges();
        for pair in ring.windows(2) {
            let is_edge = edges.iter().any(|(from, to, _)| from == pair[0] && to == pair[1]);
            prop_assert!(is_edge, "{} does not wait for {} in\n{}", pair[0], pair[1], text);
        }
    }

    #[test]
    fn the_digest_is_of_the_meaning(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let model = Model::random(&mut dice);
        let one = model.graph(&mut Style(None));
        let other = model.graph(&mut Style(Some(dice.clone())));
        prop_assert_eq!(&one.digest, &other.digest);
        let mut changed = model.clone();
        let at = dice.roll(changed.0.len());
        changed.0[at].size += 1;
        let graph = changed.graph(&mut Style(Some(dice.clone())));
        prop_assert_ne!(&one.digest, &graph.digest, "an argument of m{} changed", at);
        let mut changed = model.clone();
        let ways = changed.0.iter_mut().flat_map(|member| member.on.iter_mut());
        if let Some((_, way)) = ways.into_iter().find(|(_, way)| *way == Way::Needs) {
            *way = Way::After;
            let graph = changed.graph(&mut Style(Some(dice)));
            prop_assert_ne!(&one.digest, &graph.digest, "`needs` became `after`");
        }
    }
}
