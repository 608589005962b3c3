//! The README holds: its commands are run, its YAML is checked, its samples are what is printed,
//! its table of exit codes is the program's. And every source file opens with its story.
//!
//! Conventions of the README that this page relies on:
//! - in a `sh` block each line is a command, in a `console` block each line after `$ `; those that
//!   begin with `runbook` or `cargo run --` are run, in order, in one folder with fresh state;
//! - a command ends with 0, or with what a comment `# exit 4` says;
//! - below a command of a `console` block stands its output: `…` alone in a line stands for any
//!   lines, within a line for any text, and figures may differ where they are times or addresses;
//! - a `yaml` block is a file: its name is in the comment of its first line.
//!
//! Commands with `--on aws` get a served sandbox for their account.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

const RUNBOOK: &str = env!("CARGO_BIN_EXE_runbook");

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    language: String,
    /// The line of its fence, from 1.
    line: usize,
    lines: Vec<String>,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open =
                    Some(Block { language: language.to_owned(), line: at + 1, lines: Vec::new() });
            }
            (None, Some(block)) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block without an end");
    blocks
}

/// The words of a command line as a shell splits them, and the comment behind them.
fn words(line: &str) -> (Vec<String>, String) {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for (at, one) in line.char_indices() {
        match (one, quote) {
            (_, Some(mark)) if one == mark => quote = None,
            ('\'' | '"', None) => {
                quote = Some(one);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            ('#', None) if word.is_none() => return (words, line[at + 1..].trim().to_owned()),
            _ => word.get_or_insert_default().push(one),
        }
    }
    assert_eq!(quote, None, "a quote without an end: {line}");
    words.extend(word);
    (words, String::new())
}

/// A command of the README.
#[derive(Debug)]
struct Step {
    line: usize,
    arguments: Vec<String>,
    exit: i32,
    /// What the README shows of its output.
    sample: Vec<String>,
}

/// The arguments when the line is one of ours.
fn ours(line: &str) -> Option<(Vec<String>, i32)> {
    let (mut words, comment) = words(line);
    let program = if words.first().map(String::as_str) == Some("runbook") {
        1
    } else if words.starts_with(&["cargo", "run", "--"].map(str::to_owned)) {
        3
    } else {
        return None;
    };
    let exit = comment.strip_prefix("exit ").map_or(0, |code| code.parse().unwrap());
    Some((words.split_off(program), exit))
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let console = block.language == "console";
    let mut shown = false;
    for (at, line) in block.lines.iter().enumerate() {
        let command = if console { line.strip_prefix("$ ") } else { Some(line.as_str()) };
        match (command, steps.last_mut()) {
            (Some(command), _) => {
                let ours = ours(command);
                shown = ours.is_some();
                steps.extend(ours.map(|(arguments, exit)| Step {
                    line: block.line + 1 + at,
                    arguments,
                    exit,
                    sample: Vec::new(),
                }));
            }
            (None, Some(step)) if shown => step.sample.push(line.clone()),
            (None, _) => {}
        }
    }
    steps
}

/// Where the README is followed: a folder, its state, and the sandbox that is served from it.
struct Desk {
    folder: TempDir,
    served: Option<(Child, BufReader<ChildStdout>)>,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), served: None }
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(RUNBOOK);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") || name == "KUBECONFIG" {
                command.env_remove(name);
            }
        }
        command
            .env("RUNBOOK_STATE", self.folder.path().join("state"))
            .env("NO_COLOR", "1")
            .env_remove("CLICOLOR_FORCE");
        command
    }

    /// Serves the world, as `runbook sandbox up` in a terminal of its own.
    fn serve(&mut self) {
        if self.served.is_some() {
            return;
        }
        let mut child = self
            .command(&["sandbox", "up"].map(str::to_owned))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("# in another terminal") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "`sandbox up` ended by itself");
        }
        self.served = Some((child, said));
    }

    /// What `eval "$(runbook sandbox env)"` sets.
    fn account(&self) -> BTreeMap<String, String> {
        let output = self.command(&["sandbox", "env"].map(str::to_owned)).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| words(line.strip_prefix("export ")?).0.pop())
            .filter_map(|set| {
                set.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect()
    }

    fn stop(&mut self) {
        if let Some((mut child, _)) = self.served.take() {
            // It may have ended by itself, which the next command would have noticed.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Runs a command; what is wrong with its end and its output.
    fn follow(&mut self, step: &Step) -> Vec<String> {
        let is = |name: &str| step.arguments.join(" ") == name;
        if is("sandbox up") {
            self.serve();
            return Vec::new();
        }
        if is("sandbox reset") {
            self.stop();
        }
        let mut command = self.command(&step.arguments);
        if step.arguments.windows(2).any(|pair| pair == ["--on", "aws"]) {
            self.serve();
            command.envs(self.account());
        }
        let output = command.output().unwrap();
        let said = format!("README.md:{}: runbook {}", step.line, step.arguments.join(" "));
        let mut wrong = Vec::new();
        if output.status.code() != Some(step.exit) {
            wrong.push(format!(
                "{said}\nended with {}, not with {}\n{}",
                output.status,
                step.exit,
                text(&output)
            ));
        }
        if let Some(line) = not_printed(&step.sample, &output) {
            wrong.push(format!("{said}\ndid not print, in this order: {line}\n{}", text(&output)));
        }
        wrong
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop();
    }
}

fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = write!(text, "{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The first line of a sample that was not printed after those before it: on one of the streams.
fn not_printed<'a>(sample: &'a [String], output: &Output) -> Option<&'a str> {
    let streams = [&output.stdout, &output.stderr].map(|bytes| {
        String::from_utf8_lossy(bytes).lines().map(plain).filter(|line| !line.is_empty()).collect()
    });
    let mut places: [(Vec<String>, usize); 2] = streams.map(|lines| (lines, 0));
    for line in sample {
        let wanted = plain(line);
        if wanted.is_empty() || wanted == "…" {
            continue;
        }
        let found = places.iter_mut().any(|(lines, next)| {
            match lines[*next..].iter().position(|line| is_like(line, &wanted)) {
                Some(further) => {
                    *next += further + 1;
                    true
                }
                None => false,
            }
        });
        if !found {
            return Some(line);
        }
    }
    None
}

/// Without what is different each time or on each machine: columns' widths.
fn plain(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is what the sample says, `…` being any text.
fn is_like(line: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('…').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    // Behind a last `…` comes anything; else the line ends where the sample does.
    rest.is_empty() || last == Some("")
}

#[test]
fn samples_are_compared_as_they_are_meant() {
    assert!(is_like("a b c", "a b c"));
    assert!(is_like("took 1.2 s · on x", "took … s · on x"));
    assert!(is_like("name-x7f   Running".replace("   ", " ").as_str(), "name-… Running"));
    assert!(is_like("a and more", "a …"));
    assert!(!is_like("a b", "a"));
    assert!(!is_like("b a", "a …"));
    assert!(!is_like("a 2 tasks", "a 3 tasks"));
}

#[test]
fn a_command_line_is_split_as_a_shell_splits_it() {
    let (split, comment) = words("runbook run a.yaml -i 'b=[c, d]'   # exit 4");
    assert_eq!(split, ["runbook", "run", "a.yaml", "-i", "b=[c, d]"]);
    assert_eq!(comment, "exit 4");
    assert_eq!(words("AWS_PAGER=''").0, ["AWS_PAGER="]);
    assert_eq!(ours("cargo run -- run x").unwrap(), (vec!["run".to_owned(), "x".to_owned()], 0));
    assert!(ours("cargo test --workspace").is_none());
}

#[test]
fn the_readme_does_what_it_says() {
    let mut desk = Desk::new();
    let mut wrong = Vec::new();
    let mut ran = 0;
    let readme = readme();
    for block in blocks(&readme) {
        match block.language.as_str() {
            "yaml" => write_file(desk.folder.path(), &block),
            "sh" | "console" => {
                for step in steps(&block) {
                    wrong.extend(desk.follow(&step));
                    ran += 1;
                }
            }
            "text" => {}
            other => panic!("README.md:{}: a block of {other:?} is not checked", block.line),
        }
    }
    assert!(ran > 25, "only {ran} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A YAML block as the file that it names.
fn write_file(folder: &Path, block: &Block) {
    let name = block.lines[0].strip_prefix("# ").unwrap_or_else(|| {
        panic!("README.md:{}: a YAML block begins with `# NAME.yaml`", block.line)
    });
    assert!(!name.contains('/'), "{name}");
    std::fs::write(folder.join(name), block.lines.join("\n") + "\n").unwrap();
}

#[test]
fn the_yaml_of_the_readme_is_right() {
    let desk = Desk::new();
    let mut runbooks = 0;
    for block in blocks(&readme()).iter().filter(|block| block.language == "yaml") {
        write_file(desk.folder.path(), block);
        // Manifests are YAML, too; what needs them is among the commands.
        if block.lines.iter().any(|line| line == "apiVersion: runbook/v1") {
            let name = block.lines[0].trim_start_matches("# ").to_owned();
            let output = desk.command(&["check".to_owned(), name]).output().unwrap();
            assert!(output.status.success(), "README.md:{}\n{}", block.line, text(&output));
            runbooks += 1;
        }
    }
    assert!(runbooks > 0, "no runbook was found");
}

/// Number and meaning of each exit code, from the program's source.
fn documented_codes() -> BTreeMap<u8, String> {
    let source = std::fs::read_to_string(root().join("src/exit.rs")).unwrap();
    let mut meanings = BTreeMap::new();
    let mut said = String::new();
    let mut codes = BTreeMap::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            said.push_str(if said.is_empty() { "" } else { " " });
            said.push_str(text.trim_end_matches('.'));
        } else if let Some((name, code)) = line
            .strip_prefix("Self::")
            .and_then(|line| line.trim_end_matches(',').split_once(" => "))
            .and_then(|(name, code)| Some((name, code.parse::<u8>().ok()?)))
        {
            let (name, signal) = name.trim_end_matches(')').split_once('(').unwrap_or((name, ""));
            let meaning: &String = &meanings[name];
            let by = if signal == "Signal::Interrupt" { "Ctrl-C" } else { "SIGTERM" };
            codes.insert(code, meaning.replace("that signal", by));
        } else {
            let name = line.split(['(', ',']).next().unwrap_or_default();
            meanings.entry(name.to_owned()).or_insert_with(|| std::mem::take(&mut said));
            said.clear();
        }
    }
    codes
}

#[test]
fn the_table_of_exit_codes_is_the_programs() {
    let readme = readme();
    let table: BTreeMap<u8, String> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| exit |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(code, meaning)| (code.parse().unwrap(), meaning.to_owned()))
        .collect();
    let codes = documented_codes();
    assert_eq!(codes.len(), 11, "{codes:#?}");
    assert_eq!(table.keys().collect::<Vec<_>>(), codes.keys().collect::<Vec<_>>());
    for (code, meaning) in codes {
        let said = &table[&code];
        // The README may say more, never something else.
        assert!(said.to_lowercase().starts_with(&meaning.to_lowercase()), "{code}: {said:?}");
    }
}

#[test]
fn every_source_file_opens_with_its_story() {
    let mut silent = Vec::new();
    let mut folders = vec![root()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            let hidden = name.to_string_lossy().starts_with('.') || name == "target";
            if hidden {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                seen += 1;
                if !std::fs::read_to_string(&path).unwrap().starts_with("//!") {
                    silent.push(path);
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} files were found");
    assert!(silent.is_empty(), "these do not say what they are: {silent:#?}");
}
