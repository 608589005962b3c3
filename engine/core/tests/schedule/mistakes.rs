//! What is wrong with `schedule:` is said at its place.

use runbook_core::schedule::read;

fn refused(schedule: &str) -> String {
    let text = format!(
        "apiVersion: runbook/v1\nname: test\ninputs:\n  team: {{type: string}}\n  size: {{type: integer, default: 1}}\n  token: {{type: string, sensitive: true, default: x}}\ntasks:\n  - {{id: a, uses: assert}}\nschedule:\n{schedule}"
    );
    let refused = read("test.yaml", &text).unwrap_err();
    let mut lines = String::new();
    for problem in &refused.problems {
        let span = problem.primary.as_ref().unwrap().span;
        let (line, column) = refused.sources.position(span.file, span.start).unwrap();
        let marked = &text[span.start as usize..span.end as usize];
        let help = problem.help.join("; ");
        lines.push_str(&format!(
            "{} {line}:{column} `{marked}` {} ({help})\n",
            problem.code.0, problem.message
        ));
    }
    lines
}

#[test]
fn all_mistakes_of_schedules_at_once() {
    let answer = refused(
        "  - {cron: \"0 6 30 2 *\", timezone: Asia/Seol, inputs: {team: a}}\n\
        \x20 - cron: 61 6 * * *\n\
        \x20   timezone: seoul\n\
        \x20   mode: aply\n\
        \x20   overlp: skip\n\
        \x20   dst: {gap: run_aftr, fold: third}\n\
        \x20   catch_up: {policy: newest, window: 6, max: 0}\n",
    );
    assert_eq!(
        answer,
        "RB0131 10:17 `30 2` `30 2` never comes: no such day ()\n\
         RB0132 10:36 `Asia/Seol` there is no time zone `Asia/Seol` (did you mean `Asia/Seoul`?)\n\
         RB0105 13:11 `aply` `mode` is one of plan, apply (did you mean `apply`?)\n\
         RB0102 14:5 `overlp` unknown key `overlp` of a schedule (did you mean `overlap`?)\n\
         RB0130 11:11 `61` `61` is not a minute (0 to 59)\n\
         RB0132 12:15 `seoul` there is no time zone `seoul` (did you mean `Asia/Seoul`?)\n\
         RB0105 15:16 `run_aftr` `gap` is one of run_after, skip, run_before (did you mean `run_after`?)\n\
         RB0105 15:32 `third` `fold` is one of first, second, both ()\n\
         RB0105 16:24 `newest` `policy` is one of last, all, none ()\n\
         RB0105 16:40 `6` `window` is a duration such as `90s`, `15m` or `1h30m` ()\n\
         RB0105 16:48 `0` `max` is a whole number from 1 ()\n"
    );
}

#[test]
fn inputs_of_a_schedule_are_those_of_the_runbook() {
    let answer = refused(
        "  - {cron: 0 6 * * *, timezone: UTC, inputs: {tem: a, size: large, token: y}}\n\
        \x20 - {cron: 0 6 * * *, timezone: UTC, inputs: {team: a}}\n\
        \x20 - {cron: 00 06 * * *, timezone: utc, mode: plan, inputs: {team: a}}\n",
    );
    assert_eq!(
        answer,
        "RB0133 12:5 `{` the same schedule stands twice (two entries differ in cron, timezone, mode or inputs)\n\
         RB0134 10:55 `size` the input `size` is text, expected integer ()\n\
         RB0134 10:47 `tem` the runbook declares no input `tem` (did you mean `team`?)\n\
         RB0134 10:68 `token` the input `token` is sensitive, and has no place in a file ()\n\
         RB0135 10:5 `{` a schedule leaves the input `team` open (`inputs: {team: …}` in the schedule, or a default)\n"
    );
}
