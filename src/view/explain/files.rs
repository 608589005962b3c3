//! `RB00xx`: what is wrong with a file before anybody reads its keys.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: "RB0001",
        title: "a file is too large, too deep, or called too deep",
        why: "A runbook is read within bounds: 4 MiB, 1 MiB per line, 64 levels of nesting, a million values, 32 calls inside each other. A text beyond them is not a runbook, or was made to exhaust whoever reads it.",
        what_to_do: "Move data out of the runbook into files that `file()` reads, and split long task lists into runbooks that call each other side by side.",
        example: "tasks:\n  - id: deep\n    uses: ./itself-33-levels-down.yaml      # RB0001",
    },
    Entry {
        code: "RB0002",
        title: "a file holds a NUL byte",
        why: "Text has no NUL bytes. The file is binary, or was saved as UTF-16.",
        what_to_do: "Save it as UTF-8.",
        example: "iconv -f UTF-16 -t UTF-8 runbook.yaml > fixed.yaml",
    },
    Entry {
        code: "RB0003",
        title: "a file is not YAML",
        why: "The YAML parser stopped at the place that is shown. Most often an expression is not quoted: YAML itself reads `: `, ` #`, `{` and `[`. It also refuses tabs as indentation.",
        what_to_do: "Quote the value with the expression. Indent by spaces.",
        example: "with: {name: ${{ inputs.name }}}       # RB0003\nwith: {name: \"${{ inputs.name }}\"}     # right",
    },
    Entry {
        code: "RB0004",
        title: "more than one document in a file",
        why: "A file holds one runbook. A line `---` begins another document, which would never run.",
        what_to_do: "Put the second runbook into a file of its own and call it with `uses: ./file.yaml`.",
        example: "name: first\n---                  # RB0004\nname: second",
    },
    Entry {
        code: "RB0005",
        title: "a YAML tag means nothing here",
        why: "Tags such as `!!python/object` or `!Ref` belong to other programs. None of them is read.",
        what_to_do: "Write the value plainly, or as an expression.",
        example: "role: !Ref Role                              # RB0005\nrole: ${{ tasks.role.outputs.arn }}          # right",
    },
    Entry {
        code: "RB0006",
        title: "aliases copy too much",
        why: "An alias (`*name`) copies what its anchor holds. A few lines of aliases of aliases become millions of values; at 10,000 copied values reading stops.",
        what_to_do: "Write the values out, or make them an input.",
        example: "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b, *b]     # and so on: RB0006",
    },
    Entry {
        code: "RB0007",
        title: "a key is not text",
        why: "Every map of a runbook has text keys. Here a list or a map stands where a key belongs.",
        what_to_do: "Write a text key. Where a value was meant, mind the indentation.",
        example: "with:\n  [a, b]: 1          # RB0007\n  names: [a, b]      # right",
    },
    Entry {
        code: "RB0008",
        title: "merge keys are not read",
        why: "`<<` is not part of YAML 1.2, and what it merges is seen by nobody who reads the task alone.",
        what_to_do: "Write the keys out, or call a runbook whose inputs have defaults.",
        example: "with:\n  <<: *common        # RB0008\n  name: a",
    },
    Entry {
        code: "RB0009",
        title: "a key stands twice",
        why: "A map has each key once. YAML readers that take the last one hide the first without a word.",
        what_to_do: "Remove one of the two, or rename it. Both places are shown.",
        example: "with:\n  name: a\n  name: b        # RB0009",
    },
];
