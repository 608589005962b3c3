//! The language from text to diagnostics and values: whole answers to small inputs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot go on here is a failed test"
)]

mod support;

use runbook_core::diagnostic::Diagnostic;
use runbook_core::execute::Cancel;
use runbook_core::graph::Refused;
use runbook_core::plan::Kind;
use runbook_core::source::Sources;
use support::Workshop;

/// Diagnostics as one text: code, place, the marked text, message, help.
fn shown(refused: &Refused) -> String {
    let mut text = String::new();
    for problem in &refused.problems {
        text.push_str(&one(problem, &refused.sources));
    }
    text
}

fn one(problem: &Diagnostic, sources: &Sources) -> String {
    let place = problem.primary.as_ref().map_or_else(String::new, |label| {
        let file = sources.get(label.span.file).unwrap();
        let (line, column) = sources.position(label.span.file, label.span.start).unwrap();
        let marked = &file.text[label.span.start as usize..label.span.end as usize];
        let marked = marked.lines().next().unwrap_or_default();
        format!(" {}:{line}:{column} `{marked}`", file.name)
    });
    let help: String = problem.help.iter().map(|help| format!(" ({help})")).collect();
    format!("{}{place}: {}{help}\n", problem.code.0, problem.message)
}

fn refused(root: &str) -> String {
    shown(&Workshop::new(root).compile().err().expect("the runbook is accepted"))
}

fn tasks(tasks: &str) -> String {
    format!(
        "apiVersion: runbook/v1\nname: test\ninputs:\n  region: {{type: string, default: eu}}\ntasks:\n{tasks}"
    )
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_places() {
    let text = tasks(
        "  - id: one\n    uses: fake.thing\n    with: {nam: a, size: large}\n  - id: two-b\n    uses: fake.thin\n    depends_on: [one]\n  - id: three\n    uses: fake.thing\n    with:\n      name: ${{ inputs.regio }}-${{ tasks.oen.outputs.id }}\n      size: ${{ tasks.one.outputs.idd }}\n",
    );
    assert_eq!(
        refused(&text),
        "RB0108 root.yaml:7:11 `fake.thing`: fake.thing needs the argument `name` (for tests)\n\
         RB0107 root.yaml:8:12 `nam`: unknown argument `nam` of fake.thing (did you mean `name`?)\n\
         RB0109 root.yaml:8:20 `size`: the argument `size` of fake.thing is text, expected integer\n\
         RB0114 root.yaml:9:9 `two-b`: `two-b` cannot name a task (a hyphen means minus in an expression, write `two_b`)\n\
         RB0106 root.yaml:10:11 `fake.thin`: there is no module `fake.thin` (did you mean `fake.thing`?)\n\
         RB0102 root.yaml:11:5 `depends_on`: unknown key `depends_on` of a task (did you mean `needs`?)\n\
         RB0212 root.yaml:15:17 `inputs.regio`: inputs.regio is not declared (did you mean `region`?)\n\
         RB0211 root.yaml:15:37 `tasks.oen.outputs.id`: tasks.oen does not exist (did you mean `one`?)\n\
         RB0218 root.yaml:16:17 `tasks.one.outputs.idd`: tasks.one has no output `idd` (did you mean `id`?)\n"
    );
}

#[test]
fn a_cycle_is_shown_whole() {
    let text = tasks(
        "  - id: a\n    uses: fake.thing\n    with: {name: \"${{ tasks.c.outputs.id }}\"}\n  - id: b\n    uses: fake.thing\n    with: {name: \"${{ tasks.a.outputs.id }}\"}\n  - id: c\n    uses: fake.thing\n    with: {name: x}\n    needs: [b]\n",
    );
    assert_eq!(
        refused(&text),
        "RB0220 root.yaml:8:23 `tasks.c.outputs.id`: the tasks wait for each other: a → c → b → a\n"
    );
}

#[test]
fn what_comes_later_is_refused_by_name() {
    let text = tasks(
        "  - id: a\n    uses: fake.thing\n    with: {name: x}\n    on_error: pause\n  - id: b\n    uses: gate.approve\n",
    );
    assert_eq!(
        refused(&text),
        "RB0104 root.yaml:9:5 `on_error`: `on_error` is not supported yet\n\
         RB0104 root.yaml:11:11 `gate.approve`: `gate.approve` is not supported yet\n"
    );
}

#[test]
fn an_expression_that_yaml_cut_says_quote_it() {
    let text = tasks("  - id: a\n    uses: fake.thing\n    with: {name: ${{ inputs.region }}}\n");
    let answer = refused(&text);
    assert!(answer.contains("quote this expression"), "{answer}");
}

#[test]
fn unreadable_texts() {
    assert_eq!(
        refused("a\0b"),
        "RB0002 root.yaml:1:2 `\0`: the file holds a NUL byte (save it as UTF-8 text)\n"
    );
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert!(refused(bomb).starts_with("RB0006 root.yaml:"), "{}", refused(bomb));
    assert!(refused("tasks: [1\n").starts_with("RB0003"));
    assert!(
        refused("name: a\nname: b\n")
            .contains("RB0009 root.yaml:2:1 `name`: the key `name` stands twice\n")
    );
}

#[test]
fn missing_and_unknown_inputs_come_together() {
    let text = "apiVersion: runbook/v1\nname: t\ninputs:\n  a: {type: string}\n  b: {type: integer}\ntasks: []\n";
    let workshop = Workshop::new(text).input("c", "1").input("b", "many");
    assert_eq!(
        shown(&workshop.compile().err().unwrap()),
        "RB0301: unknown input `c` (-i c)\n\
         RB0302 root.yaml:4:3 `a`: the input `a` is missing (-i a=…)\n\
         RB0304 root.yaml:5:3 `b`: the input `b` (-i b) is text, expected integer\n"
    );
}

#[test]
fn a_missing_input_is_one_problem_however_often_it_is_read() {
    let text = "apiVersion: runbook/v1\nname: test\ninputs:\n  who: {type: string}\ntasks:\n  - id: one\n    uses: fake.thing\n    with: {name: \"${{ inputs.who }}\"}\n";
    assert_eq!(
        refused(text),
        "RB0302 root.yaml:4:3 `who`: the input `who` is missing (-i who=…)\n"
    );
}

#[test]
fn a_runbook_that_calls_itself_through_another() {
    let call = |file: &str| {
        format!("apiVersion: runbook/v1\nname: t\ntasks:\n  - {{id: call, uses: ./{file}}}\n")
    };
    let workshop = Workshop::new(&call("other.yaml")).file("other.yaml", &call("root.yaml"));
    assert_eq!(
        shown(&workshop.compile().err().unwrap()),
        "RB0221 other.yaml:4:22 `./root.yaml`: a runbook calls itself: root.yaml → other.yaml → root.yaml\n"
    );
}

const VALUES: &str = r#"
apiVersion: runbook/v1
name: values
inputs:
  list: {type: list, items: {type: string}, default: [b, a]}
  flag: {type: boolean, default: false}
  password: {type: string, sensitive: true, default: hunter2}
tasks:
  - id: a
    uses: fake.thing
    with: {name: "${{ inputs.list | sort | join('-') }}", uses: "${{ inputs.password ~ 'x' }}"}
  - id: off
    uses: fake.thing
    when: inputs.flag
    with: {name: off}
  - id: reads_off
    uses: fake.thing
    with: {name: "${{ tasks.off.outputs.name }}"}
  - id: forgives
    uses: fake.thing
    with: {name: "${{ tasks.off.outputs.name | default('none') }}"}
  - id: unknown
    uses: fake.thing
    with: {name: z, size: "${{ 1 if tasks.a.outputs.size == 1 else 2 }}"}
  - id: short_circuit
    uses: fake.thing
    with: {name: y, size: "${{ 3 if true or tasks.a.outputs.size == 1 else 2 }}"}
  - id: whole
    uses: fake.thing
    with: {name: w, uses: {deep: "${{ tasks.a.outputs.id }}", known: "${{ inputs.list | length }}"}}
  - id: text
    uses: fake.thing
    with: {name: t, uses: "${{ template('t.j2', who=inputs.list[0]) | trim }} ${{ {'k': [1]} | to_json }}"}
"#;

#[tokio::test]
async fn evaluation_by_read_marking() {
    let workshop = Workshop::new(VALUES).file("t.j2", "hello {{ who }}\n");
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    let task = |address: &str| plan.tasks.iter().find(|task| task.address == address).unwrap();
    let argument = |address: &str, name: &str| task(address).arguments[name].to_string();
    assert_eq!(argument("a", "name"), "\"a-b\"");
    // A secret that is part of a text makes the whole text secret, and it is never stored.
    assert!(argument("a", "uses").starts_with("{\"secret\":"), "{}", argument("a", "uses"));
    assert!(!plan.store().contains("hunter2x"));
    assert_eq!(task("off").kind, Kind::Skipped);
    assert_eq!(
        task("reads_off").reasons,
        ["needs `tasks.off`, which was skipped because `when: inputs.flag` is false"]
    );
    assert_eq!(argument("forgives", "name"), "\"none\"");
    // What reads an unknown leaf is unknown, whatever minijinja made of it.
    assert_eq!(argument("unknown", "size"), "{\"unknown\":\"integer\"}");
    // What is not read does not count.
    assert_eq!(argument("short_circuit", "size"), "3");
    assert_eq!(argument("whole", "uses"), "{\"deep\":{\"unknown\":\"string\"},\"known\":2}");
    assert_eq!(argument("text", "uses"), "\"hello b {\\\"k\\\":[1]}\"");

    let (report, _) = workshop.apply(plan, "r1", Cancel::default()).await;
    assert_eq!(report.counts.failed, 0, "{:#?}", report.tasks);
    assert_eq!(workshop.world.things.lock().unwrap()["z"].size, 1);
}

#[tokio::test]
async fn a_template_renders_values_as_they_are_whatever_its_name() {
    let text = tasks(
        "  - id: a\n    uses: fake.thing\n    with: {name: a, uses: \"${{ template('t.json.j2', who='x<y') | parse_json }}\"}\n",
    );
    let workshop = Workshop::new(&text).file("t.json.j2", "{\"is {{ who }}\": \"{{ who }}\"}");
    let plan = workshop.plan().await.unwrap_or_else(|error| panic!("{error:#?}")).plan;
    assert_eq!(plan.tasks[0].arguments["uses"].to_string(), "{\"is x<y\":\"x<y\"}");
}

#[tokio::test]
async fn an_undefined_value_is_a_diagnostic_at_its_place() {
    let text = tasks("  - id: a\n    uses: fake.thing\n    with: {name: \"${{ [1][3] }}\"}\n");
    let error = Workshop::new(&text).plan().await.err().unwrap();
    let messages: Vec<&str> =
        error.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["the value is undefined"]);
}
