//! What is read as plain text is what the parser reads.

use proptest::prelude::*;

use super::build::parse_all;
use super::{NodeKind, plain};
use crate::source::FileId;

const FILE: FileId = FileId(0);

/// Values as runbooks have them, and what looks like them and is something else.
const VALUES: [&str; 64] = [
    "",
    "text",
    "two words",
    "1",
    "-1",
    "1.5",
    "true",
    "~",
    "null",
    "a:b",
    "a: b",
    "a:",
    ":a",
    "a #b",
    "a#b",
    "#a",
    "# a",
    "- a",
    "-a",
    "--- a",
    "---",
    "...",
    "- ",
    "-",
    "? a",
    "?a",
    "'a'",
    "'a''b'",
    "\"a\"",
    "\"a\\\\b\\\"\"",
    "\"a\\nb\"",
    "\"a: #b\"",
    "'a' b",
    "\"a\": b",
    "'a': b",
    "[]",
    "[a]",
    "[a, b]",
    "[ a , \"b\" ]",
    "[a,]",
    "[a b, c:d]",
    "[a: b]",
    "[a",
    "[[a], {b: c}]",
    "[a] b",
    "[a]: b",
    "{}",
    "{a: b}",
    "{a: b, c: [d]}",
    "{a: b, a: c}",
    "{a:b}",
    "{a}",
    "{a: b",
    "${{ a.b }}",
    "\"${{ a.b }}\"",
    "${{ a.b }} and ${{ c }}",
    "|",
    "&a b",
    "*a",
    "!a b",
    "@a",
    "%a",
    "`a`",
    "é\u{a0}€",
];

/// Keys, some of which are none.
const KEYS: [&str; 12] =
    ["a: ", "b: ", "c:", "a-b.c/d: ", "1: ", "<<: ", "a b: ", "\"a\": ", "a :", "a:  ", ": ", ""];

const INDENTS: [&str; 6] = ["", "  ", "    ", "      ", " ", "   "];
const ENDS: [&str; 6] = ["", "", "", " ", " # why", "\t"];

fn line() -> impl Strategy<Value = String> {
    let dashes = prop_oneof![4 => Just(""), 3 => Just("- "), 1 => Just("- - "), 1 => Just("-   ")];
    let value =
        prop_oneof![2 => Just(""), 3 => Just("text"), 5 => prop::sample::select(&VALUES[..])];
    (
        prop::sample::select(&INDENTS[..]),
        dashes,
        prop_oneof![3 => Just("a: "), 2 => Just("b: "), 4 => prop::sample::select(&KEYS[..])],
        value,
        prop::sample::select(&ENDS[..]),
    )
        .prop_map(|(indent, dash, key, value, end)| format!("{indent}{dash}{key}{value}{end}\n"))
}

fn agree(text: &str) -> Result<bool, TestCaseError> {
    let Some(plain) = plain::read(FILE, text) else { return Ok(false) };
    let (root, problems) = parse_all(FILE, text);
    prop_assert_eq!(problems, Vec::new(), "refused: {:?}", text);
    prop_assert_eq!(Some(plain), root, "read otherwise: {:?}", text);
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn lines_are_read_as_the_parser_reads_them(lines in prop::collection::vec(line(), 1..6)) {
        agree(&lines.concat())?;
        agree(lines.concat().trim_end())?;
    }

    #[test]
    fn any_text_is_read_as_the_parser_reads_it(text in "[ab:\\- #\n'\"\\[\\]{},$\\\\.%&*!|>@~?]{1,24}") {
        agree(&format!("a:{text}"))?;
        agree(&format!("a: [{text}]\n"))?;
        agree(&format!("a: b\n{text}"))?;
    }
}

#[test]
fn a_runbook_is_plain() {
    let text = "# Why.\napiVersion: runbook/v1\nname: many # of them\n\ninputs:\n  size: {type: integer, default: 3}\n  \
        zones: {type: list, items: {type: string}, default: [\"a\", 'b', c]}\n\ntasks:\n- id: first\n  uses: fake.thing\n- \
        id: second\n  uses: fake.thing\n  with:\n    name: thing-${{ inputs.size }}\n    pattern: \"^a\\\\.b$\"\n    \
        uses: [\"${{ tasks.first.outputs.id }}\"]\n    rules:\n      - - 1\n        - 2\n      - key: value\n        more: {}\n";
    assert!(agree(text).unwrap());
    let entries = plain::read(FILE, text).map(|root| root.kind);
    let Some(NodeKind::Mapping(entries)) = entries else { panic!("a runbook is a map") };
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["apiVersion", "name", "inputs", "tasks"]);
}

#[test]
fn what_is_not_plain_is_left_to_the_parser() {
    for text in [
        "",
        "a",
        "a:\n",
        "a: |\n  b\n",
        "a: b\n  c\n",
        "a: &x b\n",
        "a: b\na: c\n",
        "a: b\n---\na: c\n",
    ] {
        assert_eq!(plain::read(FILE, text), None, "{text:?}");
    }
    let deep = format!("a: {}{}\n", "[".repeat(70), "]".repeat(70));
    assert_eq!(plain::read(FILE, &deep), None);
}

#[test]
fn the_place_of_a_character_is_where_it_stands() {
    let escaped = ("\"b\\\\ ${{ c }}\"", [('b', "b"), ('\\', "\\\\"), ('$', "$"), ('c', "c")]);
    let written =
        [("\"b ${{ c }} é\"", 'b'), ("'b ${{ c }}'", 'c'), ("b ${{ c }}", '}'), ("'éb'", 'b')];
    let place = |value: &str, wanted: char| {
        let text = format!("a: {value}\n");
        let root = super::parse(FILE, &text).0.unwrap();
        let scalar = root.get("a").unwrap().value.scalar().unwrap().clone();
        let at = scalar.text.find(wanted).unwrap();
        let span = scalar.place(&text, at, at + wanted.len_utf8());
        text[span.start as usize..span.end as usize].to_owned()
    };
    for (wanted, shown) in escaped.1 {
        assert_eq!(&place(escaped.0, wanted)[..1], &shown[..1]);
    }
    for (value, wanted) in written {
        assert_eq!(place(value, wanted), wanted.to_string(), "{value}");
    }
}
