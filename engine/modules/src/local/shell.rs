//! `shell`: a command, honest about what cannot be planned.
//!
//! A command with a guard (`unless`, `creates`) is observed by it: where the guard says that there
//! is nothing to do, nothing is done. Without one nobody can know whether it is needed or what it
//! did, so the plan says that it runs each time, and an interrupted one asks a person.
//!
//! What it printed is kept for its `verify`. With the engine's `until`, verify is asked again after
//! it has said converged; only then is the command run again: that is what `until` on a command
//! means.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use runbook_core::change::{Action, Change};
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Context, Description, Intent, Module, Nature, Observation, Observed, Patience, Schema,
    Values, Verdict,
};
use runbook_core::owner::Ownership;
use runbook_core::value::{Type, Value};

use super::machine::Machine;
use super::process::{Ended, NotRun, Process};
use super::task_key;
use crate::arguments::{list, optional_text, text_map, texts, values};
use crate::schema::{argument, required, text_map as text_map_type, texts as texts_type, volatile};

/// What alone says whether there is something to do.
const GUARDS: &[&str] = &["unless", "creates"];
/// How many lines of its errors a failure shows.
const SHOWN_LINES: usize = 10;
/// How long the command is in a plan.
const SHOWN: usize = 72;

/// See the module documentation.
pub(super) struct Shell {
    schema: Schema,
    machine: Machine,
    /// What the commands of this process ended with.
    ran: Mutex<BTreeMap<String, Ran>>,
}

struct Ran {
    ended: Ended,
    /// Verify has said converged once; being asked again means to run it again.
    told: bool,
}

impl Shell {
    pub(super) fn new(machine: Machine) -> Self {
        let text = || Type::Nullable(Box::new(Type::String));
        let schema = Schema {
            name: "shell",
            summary: "Runs a command, unless its guard says that there is nothing to do.",
            nature: Nature::Observable,
            follows: false,
            connection: None,
            arguments: vec![
                required("argv", texts_type(), "The program and its arguments; no shell between."),
                argument("cwd", Type::String, "The working directory, from the runbook's folder."),
                argument("environment", text_map_type(), "Its variables, besides PATH and HOME."),
                argument("stdin", Type::String, "What it reads; nothing when not given."),
                argument(
                    "unless",
                    texts_type(),
                    "A command that changes nothing: when it succeeds there is nothing to do.",
                ),
                argument(
                    "creates",
                    Type::String,
                    "A path, from the working directory: when it exists there is nothing to do.",
                ),
            ],
            outputs: vec![
                volatile(
                    "stdout",
                    text(),
                    "What it printed, up to 64 KiB from the beginning; null when it did not have to run.",
                ),
                volatile(
                    "stderr",
                    text(),
                    "What it printed as errors, up to 64 KiB from the end; null likewise.",
                ),
                volatile(
                    "exit_code",
                    Type::Nullable(Box::new(Type::Integer)),
                    "0; null when it did not have to run.",
                ),
            ],
            may: &[Action::Create, Action::None],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { schema, machine, ran: Mutex::default() }
    }

    fn ran(&self) -> MutexGuard<'_, BTreeMap<String, Ran>> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn process(&self, context: &Context, arguments: &Values, argv: Vec<String>) -> Process {
        let mut environment: BTreeMap<String, OsString> = BTreeMap::new();
        environment.insert("PATH".to_owned(), self.machine.path.clone().into());
        if let Some(home) = &self.machine.home {
            environment.insert("HOME".to_owned(), home.clone().into());
        }
        let given = text_map(arguments, "environment");
        environment.extend(given.into_iter().map(|(name, value)| (name, value.into())));
        Process { argv, folder: folder(context, arguments), environment, stdin: None }
    }

    fn command(&self, context: &Context, arguments: &Values) -> Process {
        let mut process = self.process(context, arguments, texts(arguments, "argv"));
        process.stdin = optional_text(arguments, "stdin").map(str::to_owned);
        process
    }

    /// What the guards say: none without one, and none while one is still unknown.
    async fn nothing_to_do(&self, context: &Context, arguments: &Values) -> Result<bool, Failure> {
        if let Some(path) = optional_text(arguments, "creates") {
            let path = folder(context, arguments).join(path);
            let exists = tokio::fs::try_exists(&path).await.map_err(|error| {
                let shown = path.display();
                Failure::new(Class::Denied, format!("failed to look for `{shown}`: {error}"))
            })?;
            if exists {
                return Ok(true);
            }
        }
        if list(arguments, "unless").is_empty() || arguments.values().any(Value::has_unknown) {
            return Ok(false);
        }
        let guard = self.process(context, arguments, texts(arguments, "unless"));
        let ended = guard.run().await.map_err(|error| {
            Failure::new(Class::Invalid, format!("the guard `unless` cannot be asked: {error}"))
        })?;
        if ended.signal.is_some() {
            let problem = format!("the guard `unless` gave no answer: it {}", ended.told());
            return Err(with_errors(Failure::new(Class::Unavailable, problem), arguments, &ended));
        }
        Ok(ended.succeeded())
    }

    /// The command ran; whether it is done, and what it printed.
    async fn judge(
        &self,
        key: &str,
        context: &Context,
        arguments: &Values,
    ) -> Result<Verdict, Failure> {
        if guarded(arguments) && !self.nothing_to_do(context, arguments).await? {
            return Ok(Verdict::NotYet(
                "it ran, and its guard says that it is still to be done".to_owned(),
            ));
        }
        let mut ran = self.ran();
        let Some(one) = ran.get_mut(key) else {
            return Ok(Verdict::Converged(did_not_run()));
        };
        one.told = true;
        Ok(Verdict::Converged(outputs(&one.ended, arguments)))
    }
}

fn folder(context: &Context, arguments: &Values) -> PathBuf {
    let given = optional_text(arguments, "cwd");
    given.map_or_else(|| context.folder.clone(), |path| context.folder.join(path))
}

fn guarded(arguments: &Values) -> bool {
    GUARDS.iter().any(|name| arguments.get(*name).is_some_and(|value| *value != Value::Null))
}

fn did_not_run() -> Values {
    values([("stdout", Value::Null), ("stderr", Value::Null), ("exit_code", Value::Null)])
}

/// A command that was given a secret may print it.
fn knows_a_secret(arguments: &Values) -> bool {
    arguments.values().any(Value::has_secret)
}

fn outputs(ended: &Ended, arguments: &Values) -> Values {
    let hide = |text: &str| {
        let value = Value::from(text);
        if knows_a_secret(arguments) {
            Value::Secret(runbook_core::value::Secret::new(value))
        } else {
            value
        }
    };
    values([
        ("stdout", hide(&ended.stdout)),
        ("stderr", hide(&ended.stderr)),
        ("exit_code", ended.code.map_or(Value::Null, |code| Value::Integer(code.into()))),
    ])
}

fn with_errors(mut failure: Failure, arguments: &Values, ended: &Ended) -> Failure {
    if knows_a_secret(arguments) {
        return failure.evidence("what it printed is not shown: it was given a secret");
    }
    let said = if ended.stderr.trim().is_empty() { &ended.stdout } else { &ended.stderr };
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    failure.evidence.extend(last.iter().map(|line| (*line).to_owned()));
    failure
}

fn not_run(error: &NotRun) -> Applied {
    let failure = Failure::new(Class::Invalid, error.to_string());
    match error {
        error if error.may_have_happened() => Applied::Ambiguous(failure),
        NotRun::NoProgram { .. } => Applied::Rejected(
            failure.hint("install it, give its path, or set `environment: {PATH: …}` on the task"),
        ),
        _ => Applied::Rejected(failure),
    }
}

/// The program as a person reads it; never a secret.
fn shown_program(arguments: &Values) -> String {
    list(arguments, "argv").first().map(ToString::to_string).unwrap_or_default()
}

#[async_trait]
impl Module for Shell {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn nature(&self, arguments: &Values) -> Nature {
        if guarded(arguments) { Nature::Observable } else { Nature::Blind }
    }

    fn works_in_folder(&self) -> bool {
        true
    }

    fn occupies_thread(&self) -> bool {
        true
    }

    fn guards(&self) -> Option<&'static [&'static str]> {
        Some(GUARDS)
    }

    fn check(&self, arguments: &Values) -> Vec<(String, String)> {
        ["argv", "unless"]
            .iter()
            .filter(|name| {
                arguments.get(**name).and_then(Value::as_list).is_some_and(<[Value]>::is_empty)
            })
            .map(|name| ((*name).to_owned(), "is empty; it names no program".to_owned()))
            .collect()
    }

    fn describe(&self, arguments: &Values) -> Description {
        let words: Vec<String> = list(arguments, "argv").iter().map(ToString::to_string).collect();
        let line = words.join(" ").replace('\n', "⏎");
        let mut subject: String = line.chars().take(SHOWN).collect();
        if subject.len() < line.len() {
            subject.push('…');
        }
        Description { subject, detail: String::new() }
    }

    async fn observe(&self, context: &Context, arguments: &Values) -> Result<Observed, Failure> {
        self.ran().remove(&task_key(context));
        if !self.nothing_to_do(context, arguments).await? {
            return Ok(Observed::Absent);
        }
        Ok(Observed::Present(Observation {
            projection: Values::new(),
            ownership: Ownership::Setting,
            outputs: did_not_run(),
            private: serde_json::Value::Null,
        }))
    }

    fn diff(&self, arguments: &Values, observed: &Observed) -> Change {
        if matches!(observed, Observed::Present(_)) {
            return Change::none();
        }
        let given = |name: &str| arguments.get(name).is_some_and(|value| *value != Value::Null);
        let reason = match (given("creates"), given("unless")) {
            (true, _) => {
                let path = arguments.get("creates").map(ToString::to_string).unwrap_or_default();
                format!("`{path}` is not there")
            }
            (false, true) => "its `unless` says that it is to be done".to_owned(),
            (false, false) => "runs each time: what it does cannot be planned".to_owned(),
        };
        Change { reasons: vec![reason], ..Change::of(Action::Create) }
    }

    async fn apply(&self, context: &Context, intent: Intent<'_>) -> Applied {
        let arguments = intent.arguments;
        if intent.change.action == Action::Delete {
            return Applied::Rejected(Failure::new(
                Class::Invalid,
                "what a command did cannot be undone by running it; give the task an `undo`",
            ));
        }
        let command = self.command(context, arguments);
        let ended = match intent.thread {
            Some(thread) => command.run_on(thread),
            None => command.run().await,
        };
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => return not_run(&error),
        };
        if !ended.succeeded() {
            let problem = format!("`{}` {}", shown_program(arguments), ended.told());
            let failure = with_errors(Failure::new(Class::Terminal, problem), arguments, &ended);
            // It ran to an end that it calls a failure: `retry` decides about another attempt.
            return Applied::Rejected(failure);
        }
        self.ran().insert(task_key(context), Ran { ended, told: false });
        // What it printed is told by `verify`, which is asked next.
        Applied::Acknowledged(Values::new())
    }

    async fn verify(&self, context: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let key = task_key(context);
        let asked_again = self.ran().get(&key).is_some_and(|one| one.told);
        if asked_again {
            let ended = match self.command(context, arguments).run().await {
                Ok(ended) => ended,
                Err(error) => return Err(Failure::new(Class::Invalid, error.to_string())),
            };
            let (succeeded, told) = (ended.succeeded(), ended.told());
            self.ran().insert(key.clone(), Ran { ended, told: true });
            if !succeeded {
                return Ok(Verdict::NotYet(format!("it {told}")));
            }
        }
        self.judge(&key, context, arguments).await
    }

    fn expected(&self, action: Action, _: &Values) -> Duration {
        if action == Action::Create { Duration::from_secs(1) } else { Duration::ZERO }
    }

    fn patience(&self) -> Patience {
        Patience { interval: Duration::from_secs(5), timeout: Duration::from_mins(2) }
    }
}
