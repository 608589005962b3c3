//! Outputs of skipped tasks: each read of one skips the reader, unless `default` forgives that read.

use proptest::prelude::*;
use runbook_core::plan::Kind;

use crate::cases;
use crate::dice::Dice;
use crate::support::Workshop;

/// A part of a text, and whether it is skipped.
const PARTS: [(&str, bool, &str); 9] = [
    ("tasks.off.outputs.name", true, ""),
    ("(tasks.off.outputs.name | default('d'))", false, "d"),
    ("(tasks.looks.outputs.names[0] | default('d'))", false, "d"),
    ("tasks.looks.outputs.names[0]", true, ""),
    ("tasks.other.outputs.id", true, ""),
    ("(tasks.other.outputs.id | d('e'))", false, "e"),
    ("(tasks.off.outputs.id if inputs.flag else 'f')", false, "f"),
    ("(tasks.off.outputs.id if not inputs.flag else 'f')", true, ""),
    ("'g'", false, "g"),
];

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_reader_is_skipped_unless_each_read_is_forgiven(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let count = 1 + dice.roll(4);
        let parts: Vec<(&str, bool, &str)> = (0..count).map(|_| dice.pick(&PARTS)).collect();
        let texts: Vec<&str> = parts.iter().map(|(text, ..)| *text).collect();
        let text = format!(
            "apiVersion: runbook/v1\nname: skipped\ninputs:\n  flag: {{type: boolean, default: false}}\ntasks:\n  - {{id: off, uses: fake.thing, when: inputs.flag, with: {{name: a}}}}\n  - {{id: other, uses: fake.thing, when: inputs.flag, with: {{name: b}}}}\n  - {{id: looks, uses: fake.lookup, when: inputs.flag, with: {{name: b}}}}\n  - id: reader\n    uses: fake.thing\n    with: {{name: \"${{{{ {} }}}}\"}}\n",
            texts.join(" ~ ")
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let planned = runtime.block_on(Workshop::new(&text).plan());
        let plan = planned.unwrap_or_else(|error| panic!("{text}\n{error:#?}")).plan;
        let reader = plan.tasks.iter().find(|task| task.address == "reader").unwrap();
        let skipped = parts.iter().any(|(_, skipped, _)| *skipped);
        prop_assert_eq!(reader.kind == Kind::Skipped, skipped, "{:?} in\n{}", reader.kind, text);
        if !skipped {
            let expected: String = parts.iter().map(|(.., shown)| *shown).collect();
            prop_assert_eq!(reader.arguments["name"].as_str(), Some(expected.as_str()));
        }
    }
}
