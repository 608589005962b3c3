//! Each mistake in a file as it is shown, whole: place, reason, way out, and nothing was asked for.

use crate::support::Folder;

fn told(rest: &str, expected: &str) {
    let folder = Folder::new().file("t.yaml", format!("apiVersion: runbook/v1\nname: t\n{rest}"));
    let said = folder.run(&["run", "t.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (64, ""), "{said:#?}");
    let err = said.err.replace(folder.path().to_str().unwrap(), "FOLDER");
    assert_eq!(err, format!("{expected}\n1 problem in 1 file; nothing was run\n"));
    assert!(folder.requests(false).is_empty(), "nothing was asked for");
}

#[test]
fn a_module_that_does_not_exist() {
    told(
        "tasks:\n  - {id: a, uses: shel}\n",
        "\
error[RB0106]: there is no module `shel`
  ╭▸ t.yaml:4:19
  │
4 │   - {id: a, uses: shel}
  │                   ━━━━ not a module
  │
  ├ help: did you mean `shell`?
  ╰ runbook explain RB0106
",
    );
}

#[test]
fn an_id_that_stands_twice() {
    told(
        "tasks:\n  - {id: a, uses: wait, with: {for: 1s}}\n  - {id: a, uses: wait, with: {for: 1s}}\n",
        "\
error[RB0116]: the id `a` stands twice
  ╭▸ t.yaml:5:10
  │
4 │   - {id: a, uses: wait, with: {for: 1s}}
  │          ─ first here
5 │   - {id: a, uses: wait, with: {for: 1s}}
  │          ━ again here
  │
  ╰ runbook explain RB0116
",
    );
}

#[test]
fn an_id_that_is_a_keyword() {
    told(
        "tasks:\n  - {id: if, uses: wait, with: {for: 1s}}\n",
        "\
error[RB0115]: `if` cannot name a task
  ╭▸ t.yaml:4:10
  │
4 │   - {id: if, uses: wait, with: {for: 1s}}
  │          ━━ a word of the expression language
  │
  ╰ runbook explain RB0115
",
    );
}

#[test]
fn an_input_that_is_named_like_a_root() {
    told(
        "inputs:\n  run: {type: string, default: x}\ntasks: []\n",
        "\
error[RB0110]: an input cannot be named `run`
  ╭▸ t.yaml:4:3
  │
4 │   run: {type: string, default: x}
  │   ━━━ this name has a meaning in expressions
  │
  ├ help: choose another name
  ╰ runbook explain RB0110
",
    );
}

#[test]
fn an_input_that_is_missing() {
    told(
        "inputs:\n  x: {type: string}\ntasks: []\n",
        "\
error[RB0302]: the input `x` is missing
  ╭▸ t.yaml:4:3
  │
4 │   x: {type: string}
  │   ━ declared here: string
  │
  ├ help: -i x=…
  ╰ runbook explain RB0302
",
    );
}

#[test]
fn a_ring() {
    told(
        "tasks:\n  - {id: a, uses: wait, with: {for: 1s}, needs: [b]}\n  - {id: b, uses: wait, with: {for: 1s}, needs: [a]}\n",
        "\
error[RB0220]: the tasks wait for each other: a → b → a
  ╭▸ t.yaml:4:50
  │
4 │   - {id: a, uses: wait, with: {for: 1s}, needs: [b]}
  │                                                  ━ `a` waits for `b`
5 │   - {id: b, uses: wait, with: {for: 1s}, needs: [a]}
  │                                                  ─ `b` waits for `a`
  │
  ╰ runbook explain RB0220
",
    );
}

#[test]
fn a_tab() {
    told(
        "tasks:\n\t- {id: a, uses: wait}\n",
        "\
error[RB0003]: not YAML: tabs disallowed within this context (block indentation)
  ╭▸ t.yaml:4:2
  │
4 │     - {id: a, uses: wait}
  │     ━ here
  │
  ├ help: YAML does not indent by tabs, use spaces
  ╰ runbook explain RB0003
",
    );
}

#[test]
fn an_expression_without_quotes() {
    told(
        "tasks:\n  - {id: a, uses: wait, when: ${{ true }}}\n",
        "\
error[RB0003]: not YAML: while parsing a flow mapping, did not find expected ',' or '}'
  ╭▸ t.yaml:4:32
  │
4 │   - {id: a, uses: wait, when: ${{ true }}}
  │                                ━ here
  │
  ├ help: quote this expression: YAML reads `: `, ` #`, `{` and `[` itself
  ╰ runbook explain RB0003
",
    );
}

#[test]
fn a_wrong_type() {
    told(
        "tasks:\n  - {id: a, uses: wait, with: {for: [1]}}\n",
        "\
error[RB0109]: the argument `for` of wait is a list, expected duration
  ╭▸ t.yaml:4:32
  │
4 │   - {id: a, uses: wait, with: {for: [1]}}
  │                                ━━━ this argument
  │
  ╰ runbook explain RB0109
",
    );
}

#[test]
fn a_file_outside() {
    told(
        "tasks:\n  - {id: a, uses: ./../x.yaml}\n",
        "\
error[RB0203]: failed to read `./../x.yaml`: `./../x.yaml` leads out of the runbook's folder; only files inside it can be used
  ╭▸ t.yaml:4:19
  │
4 │   - {id: a, uses: ./../x.yaml}
  │                   ━━━━━━━━━━━ called here
  │
  ╰ runbook explain RB0203
",
    );
}

#[test]
fn a_file_that_is_not_there() {
    told(
        "tasks:\n  - {id: a, uses: ./x.yaml}\n",
        "\
error[RB0203]: failed to read `./x.yaml`: there is no file `x.yaml` in `FOLDER`
  ╭▸ t.yaml:4:19
  │
4 │   - {id: a, uses: ./x.yaml}
  │                   ━━━━━━━━ called here
  │
  ╰ runbook explain RB0203
",
    );
}

#[test]
fn an_unknown_key() {
    told(
        "tasks:\n  - {id: a, uses: wait, wiht: {for: 1s}}\n",
        "\
error[RB0102]: unknown key `wiht` of a task
  ╭▸ t.yaml:4:25
  │
4 │   - {id: a, uses: wait, wiht: {for: 1s}}
  │                         ━━━━ not a key
  │
  ├ help: did you mean `with`?
  ╰ runbook explain RB0102
",
    );
}

#[test]
fn an_unknown_argument() {
    told(
        "tasks:\n  - {id: a, uses: wait, with: {fro: 1s}}\n",
        "\
error[RB0107]: unknown argument `fro` of wait
  ╭▸ t.yaml:4:32
  │
4 │   - {id: a, uses: wait, with: {fro: 1s}}
  │                                ━━━ not an argument
  │
  ├ help: did you mean `for`?
  ╰ runbook explain RB0107
",
    );
}

#[test]
fn a_task_that_does_not_exist() {
    told(
        "tasks:\n  - {id: one, uses: shell, with: {argv: [echo]}}\n  - {id: two, uses: shell, with: {argv: [echo, \"${{ tasks.oen.outputs.stdout }}\"]}}\n",
        "\
error[RB0211]: tasks.oen does not exist
  ╭▸ t.yaml:5:53
  │
5 │   - {id: two, uses: shell, with: {argv: [echo, \"${{ tasks.oen.outputs.stdout }}\"]}}
  │                                                     ━━━━━━━━━━━━━━━━━━━━━━━━ no task of this id
  │
  ├ help: did you mean `one`?
  ╰ runbook explain RB0211
",
    );
}
