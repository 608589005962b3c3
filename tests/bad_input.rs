//! Bad input: each mistake is told with its place and its way out, before anything is written.

use crate::support::{Folder, Said};

const HEAD: &str = "apiVersion: runbook/v1\nname: t\n";

fn checked(text: &str) -> Said {
    Folder::new().file("t.yaml", text).run(&["check", "t.yaml"])
}

/// The text is refused, with these words.
fn refused(text: &str, words: &[&str]) {
    let said = checked(text);
    assert_eq!(said.code, 64, "{text}\n{said:#?}");
    for word in words {
        assert!(said.err.contains(word), "`{word}` is missing for\n{text}\nin\n{}", said.err);
    }
    assert!(said.err.contains("nothing was run"), "{}", said.err);
}

fn with(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

#[test]
fn a_mistake_is_shown_whole_with_its_place_and_what_to_do() {
    let text = with(
        "tasks:\n  - id: one\n    uses: shell\n    with: {argv: [echo], clean: true}\n  - id: two\n    uses: assert\n    with: {that: \"${{ tasks.oen.outputs.stdout == 'x' }}\", message: no}\n",
    );
    let said = checked(&text);
    assert_eq!(said.code, 64);
    assert_eq!(said.out, "");
    let expected = "\
error[RB0107]: unknown argument `clean` of shell
 ╭▸ t.yaml:6:27
 │
6│     with: {argv: [echo], clean: true}
 │                          ━━━━━ not an argument";
    let places: Vec<&str> = said.err.lines().filter(|line| line.starts_with("error[")).collect();
    assert_eq!(places.len(), 2, "{}", said.err);
    assert_eq!(places[0], expected.lines().next().unwrap(), "{}", said.err);
    assert!(places[1].starts_with("error[RB0211]: "), "{}", said.err);
    assert!(said.err.contains("t.yaml:6:26"), "{}", said.err);
    assert!(said.err.contains("did you mean `one`?"), "{}", said.err);
    assert!(said.err.trim_end().ends_with("2 problems in 1 file; nothing was run"), "{}", said.err);
}

#[test]
fn keys_modules_and_types() {
    refused(
        &with("tasks:\n  - {id: a, uses: wait, wiht: {}}\n"),
        &["wiht", "did you mean `with`?"],
    );
    refused(&with("tasks:\n  - {id: a, uses: shel}\n"), &["shel", "did you mean `shell`?"]);
    refused(&with("tasks:\n  - {id: a, uses: shell, with: {argv: true}}\n"), &["argv"]);
    refused(&with("tasks:\n  - {id: a, uses: wait}\n  - {id: a, uses: wait}\n"), &["`a`"]);
    refused(&with("tasks:\n  - {id: if, uses: wait}\n"), &["if"]);
    refused(&with("tasks:\n  - {id: a-b, uses: wait}\n"), &["a-b"]);
    refused(&with("inputs:\n  tasks: {type: string}\ntasks: []\n"), &["tasks"]);
    refused(&with("inputs:\n  x: {type: string}\ntasks: []\n"), &["the input `x` is missing"]);
    refused(&with("tasks: []\nmatrix: {}\n"), &["matrix"]);
    refused(&with("tasks:\n  - {id: a, uses: wait, undo: {}}\n"), &["undo", "not supported yet"]);
}

#[test]
fn a_profile_without_a_selector_is_refused_before_anything_is_looked_at() {
    let text = with(
        "tasks:\n  - {id: a, uses: eks.fargate_profile, with: {cluster: c, name: n, role_arn: r, subnet_ids: [s], selectors: []}}\n",
    );
    let folder = Folder::new().file("t.yaml", text);
    let said = folder.run(&["run", "t.yaml"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("the argument `selectors` of eks.fargate_profile"), "{}", said.err);
    assert!(folder.requests(true).is_empty());
}

#[test]
fn text_that_is_no_yaml() {
    refused(&with("tasks:\n\t- {id: a, uses: wait}\n"), &["tab"]);
    refused(&with("tasks:\n  - {id: a, uses: wait, when: ${{ true }}}\n"), &["quote"]);
    refused("apiVersion: runbook/v1\nname: \"a\0b\"\ntasks: []\n", &["t.yaml"]);
    refused(&format!("{HEAD}description: {}\ntasks: []\n", "x".repeat(10 << 20)), &["bytes"]);
    let bomb = with(
        "description: x\ninputs:\n  a: {type: list, items: {type: string}, default: &a [x, x, x, x, x, x, x, x, x]}\n  b: {type: list, items: {type: string}, default: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]}\n  c: {type: list, items: {type: string}, default: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]}\n  d: {type: list, items: {type: string}, default: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]}\n  e: {type: list, items: {type: string}, default: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]}\n  f: {type: list, items: {type: string}, default: [*e, *e, *e, *e, *e, *e, *e, *e, *e]}\ntasks: []\n",
    );
    refused(&bomb, &["alias"]);
    // A byte order mark is not a mistake.
    let said = checked(&format!("\u{feff}{HEAD}tasks: []\n"));
    assert_eq!(said.code, 0, "{said:#?}");
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let text = with(
        "tasks:\n  - id: a\n    uses: assert\n    with:\n      that: ${{ range(10000) | map('string') | join(',') | length > 1 and (range(9999) | list | sort | reverse | list | sort | reverse | list | sort | reverse | list | length > 0) }}\n      message: m\n",
    );
    let said = Folder::new().file("t.yaml", text).run(&["plan", "t.yaml"]);
    assert_ne!(said.code, 0, "{said:#?}");
    assert!(said.err.contains("error["), "{}", said.err);
}

#[test]
fn files_stay_in_the_runbooks_folder() {
    let call = |path: &str| with(&format!("tasks:\n  - {{id: a, uses: {path}}}\n"));
    let folder = Folder::new()
        .file("in/t.yaml", call("./../out.yaml"))
        .file("out.yaml", with("tasks: []\n"))
        .file("in/missing.yaml", call("./nowhere.yaml"))
        .file(
            "in/read.yaml",
            with("tasks:\n  - {id: a, uses: assert, with: {that: \"${{ file('../secret') == '' }}\", message: m}}\n"),
        )
        .file(
            "in/link.yaml",
            with("tasks:\n  - {id: a, uses: assert, with: {that: \"${{ file('link') == '' }}\", message: m}}\n"),
        )
        .file("secret", "do not read this");
    std::os::unix::fs::symlink(folder.path().join("secret"), folder.path().join("in/link"))
        .unwrap();
    for (file, words) in [
        ("in/t.yaml", "leads out of the runbook's folder"),
        ("in/missing.yaml", "there is no file `nowhere.yaml`"),
        ("in/read.yaml", "leads out of the runbook's folder"),
        ("in/link.yaml", "symbolic link that leads out of the runbook's folder"),
    ] {
        let said = folder.run(&["plan", file]);
        assert_eq!(said.code, 64, "{file}: {said:#?}");
        assert!(said.err.contains(words), "{file}: {}", said.err);
        assert!(!said.err.contains("do not read this"), "{}", said.err);
    }
    let said = folder.run(&["check", "nothing.yaml"]);
    assert_eq!(said.code, 64);
    assert_eq!(
        said.err,
        "error: there is no runbook `nothing.yaml`, neither a file nor a shipped one\n  → runbook list\n"
    );
}

#[test]
fn a_ring_is_shown_whole_also_through_two_calls() {
    refused(
        &with(
            "tasks:\n  - {id: a, uses: wait, needs: [c]}\n  - {id: b, uses: wait, needs: [a]}\n  - {id: c, uses: wait, needs: [b]}\n",
        ),
        &["a", "b", "c", "RB0"],
    );
    let call = with(
        "inputs:\n  x: {type: string}\ntasks:\n  - {id: s, uses: shell, with: {argv: [echo, \"${{ inputs.x }}\"]}}\noutputs:\n  y: ${{ tasks.s.outputs.stdout }}\n",
    );
    let root = with(
        "tasks:\n  - {id: one, uses: ./child.yaml, with: {x: \"${{ tasks.two.outputs.y }}\"}}\n  - {id: two, uses: ./child.yaml, with: {x: \"${{ tasks.one.outputs.y }}\"}}\n",
    );
    let folder = Folder::new().file("t.yaml", root).file("child.yaml", call);
    let said = folder.run(&["check", "t.yaml"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("one/s") && said.err.contains("two/s"), "{}", said.err);
}

#[test]
fn inputs_are_read_by_their_type_and_all_told_at_once() {
    let folder = Folder::new().file(
        "t.yaml",
        with("inputs:\n  count: {type: integer, min: 1}\n  name: {type: string, pattern: \"^[a-z]+$\", default: x}\ntasks: []\n"),
    );
    let said = folder.run(&["check", "t.yaml", "-i", "count=many", "-i", "nmae=y"]);
    assert_eq!(said.code, 64);
    assert!(said.err.contains("unknown input `nmae` (-i nmae)"), "{}", said.err);
    assert!(said.err.contains("did you mean `name`?"), "{}", said.err);
    assert!(said.err.contains("the input `count` (-i count)"), "{}", said.err);
    folder.well(&["check", "t.yaml", "-i", "count=3"]);
    assert_eq!(folder.run(&["check", "t.yaml", "-i", "count"]).code, 64);
}

#[test]
fn the_command_line_is_no_changes_when_it_is_wrong() {
    let folder = Folder::new();
    let said = folder.run(&["plan"]);
    assert_eq!(said.code, 64, "2 means that there are changes");
    assert!(said.err.contains("<RUNBOOK>"), "{}", said.err);
    assert_eq!(folder.run(&["nonsense"]).code, 64);
    assert_eq!(folder.run(&["--version"]).code, 0);
}

#[test]
fn a_state_folder_that_cannot_be_used_stops_before_the_first_write() {
    let folder = Folder::new().file("state", "a file, not a folder");
    let said = folder.run(&["run", "nodeless.yaml", "--state-dir", "state/inside"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("failed to create the state folder"), "{}", said.err);
}

#[test]
fn a_journal_of_a_newer_program_is_left_alone() {
    let folder =
        Folder::new().file("t.yaml", with("tasks:\n  - {id: a, uses: wait, with: {for: 1s}}\n"));
    folder.well(&["run", "--quiet", "t.yaml"]);
    let path = folder.path().join(".runbook/journal.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // `user_version` of an SQLite file: four bytes at 60.
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let _ = std::fs::remove_file(folder.path().join(".runbook/journal.db-wal"));
    let said = folder.run(&["runs"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains("has format 999, this program reads up to"), "{}", said.err);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is unharmed");
}
