//! `runbook apply`: a stored plan, if the world is still what it relied on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use runbook_core::graph::{Given, GivenInputs, Graph};
use runbook_core::plan::{Plan, SecretKey, moved};
use runbook_core::value::Value;
use runbook_tasks::plan_cost::ExpectedUsage;

use super::Session;
use super::carry_out::{Work, carry_out};
use super::compiled::{build, given};
use super::cost::cost;
use super::planned::{Planning, planned};
use super::run::approve;
use crate::arguments::{ApplyArguments, EventFormat, InputArguments};
use crate::exit::Exit;
use crate::library::Library;
use crate::state::run_name;
use crate::target::clock::real_now;
use crate::target::{On, SandboxOptions, Target};
use crate::trouble::Trouble;
use crate::view;

/// Applies a stored plan.
pub(crate) async fn apply(session: &Session, arguments: &ApplyArguments) -> Result<Exit, Trouble> {
    let began = real_now();
    let shown = arguments.plan.display();
    let path = session.environment.working_directory.join(&arguments.plan);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Trouble::usage(format!("failed to read the plan `{shown}`: {error}")))?;
    let plan = Plan::load(&text).map_err(|error| {
        Trouble::of(&error)
            .exit(Exit::Usage)
            .hint("runbook plan RUNBOOK --out FILE makes a new one")
    })?;
    session.state.create()?;
    let secret_key = session.state.secret_key()?;
    let (graph, library) = graph_of(session, &plan, &arguments.inputs, &secret_key)?;
    let target = target_of(session, &plan, &arguments.sandbox).await?;
    if arguments.apply.output == EventFormat::Text {
        session.greet(&target);
        session.printer.out("");
        let cost = cost(session, &plan, &ExpectedUsage::default());
        session.printer.out(&view::plan::render(&plan, cost.as_ref(), &session.printer.out));
    }
    let work = Work {
        target: &target,
        graph: graph.clone(),
        plan: Arc::new(plan),
        run: run_name()?,
        resumed: None,
        secret_key,
        options: &arguments.apply,
        began,
    };
    let exit = checked(session, &library, work).await;
    target.close().await;
    exit
}

/// Approved, fresh, applied.
async fn checked(session: &Session, library: &Library, work: Work<'_>) -> Result<Exit, Trouble> {
    // Who applies a stored plan has read it: only what destroys is asked for again.
    if let Some(exit) = approve(session, &work.plan, false, work.options)? {
        return Ok(exit);
    }
    let planning = Planning {
        parallelism: work.options.parallelism,
        targets: &[],
        bound_to: &work.plan.target.connections,
        slot: Some(work.plan.slot()),
    };
    let now =
        planned(session, work.target, &work.graph, library, &work.secret_key, &planning).await?;
    let moved = moved(&work.plan.facts, &now.facts);
    if !moved.is_empty() {
        let style = &session.printer.err;
        session.printer.note(&view::summary::stale(
            &work.plan,
            &moved,
            "runbook plan RUNBOOK --out FILE",
            style,
        ));
        return Ok(Exit::Stale);
    }
    carry_out(session, work).await
}

/// The graph of a stored plan, from the files that the plan carries.
pub(crate) fn graph_of(
    session: &Session,
    plan: &Plan,
    arguments: &InputArguments,
    key: &SecretKey,
) -> Result<(Arc<Graph>, Library), Trouble> {
    let library = Library::stored(plan);
    let graph = graph_in(session, &library, plan, arguments, key)?;
    let worker = graph.vertices.iter().find(|vertex| vertex.module.works_in_folder());
    if let Some(worker) = worker {
        folder_is_there(plan, &worker.path.join("/"))?;
    }
    Ok((graph, library))
}

/// A command runs where `run` would have run it, or not at all.
fn folder_is_there(plan: &Plan, task: &str) -> Result<(), Trouble> {
    let Some(folder) = &plan.folder else {
        let made_by = &plan.made_by;
        return Err(Trouble::failed(format!(
            "`{task}` works in the runbook's folder, and the plan (made by runbook {made_by}) does not say which that is"
        ))
        .hint("plan again"));
    };
    if Path::new(folder).is_dir() {
        return Ok(());
    }
    Err(Trouble::failed(format!(
        "the runbook's folder `{folder}` is not there, and `{task}` works in it"
    ))
    .hint("bring the folder back, or plan again where the runbook is now"))
}

/// The same, from a library of these files.
pub(crate) fn graph_in(
    session: &Session,
    library: &Library,
    plan: &Plan,
    arguments: &InputArguments,
    key: &SecretKey,
) -> Result<Arc<Graph>, Trouble> {
    let root = library.root(&plan.root_file).map_err(Trouble::failed)?;
    let given = inputs_of(session, plan, arguments)?;
    let (graph, _) = build(session, root, library, &given)?;
    if graph.digest != plan.graph {
        return Err(Trouble::failed(format!(
            "this program (runbook {}) reads the plan's runbook in another way than runbook {}, which made it",
            env!("CARGO_PKG_VERSION"),
            plan.made_by
        ))
        .exit(Exit::Stale)
        .hint("plan again"));
    }
    let inputs: BTreeMap<_, _> = key.mask_all(&graph.inputs).into_iter().collect();
    for (name, planned) in &plan.inputs {
        if inputs.get(name) != Some(planned) {
            return Err(Trouble::usage(format!(
                "the sensitive input `{name}` has another value than the plan was made with"
            ))
            .hint(format!("-i {name}=… with the value of the plan, or plan again")));
        }
    }
    Ok(Arc::new(graph))
}

/// The inputs that a plan carries; sensitive ones have to be given again.
fn inputs_of(
    session: &Session,
    plan: &Plan,
    arguments: &InputArguments,
) -> Result<GivenInputs, Trouble> {
    let mut inputs = given(session, arguments)?;
    let mut missing = Vec::new();
    for (name, value) in &plan.inputs {
        let is_secret = value.get("secret").is_some();
        let was_given = inputs.0.contains_key(name);
        if is_secret && !was_given {
            missing.push(format!("-i {name}=…"));
        }
        if !is_secret {
            if was_given {
                return Err(Trouble::usage(format!(
                    "the plan has its own value of the input `{name}`"
                ))
                .hint(
                    "plan again to change it; only sensitive inputs are given to a stored plan",
                ));
            }
            let value = Given::Value(Value::from_json(value));
            inputs.0.insert(name.clone(), (value, "the plan".to_owned()));
        }
    }
    if !missing.is_empty() {
        return Err(Trouble::usage("a plan does not hold sensitive inputs; give them again")
            .hint(missing.join(" ")));
    }
    Ok(inputs)
}

/// Opens the target that a plan is bound to.
pub(crate) async fn target_of(
    session: &Session,
    plan: &Plan,
    options: &SandboxOptions,
) -> Result<Target, Trouble> {
    let on = match plan.target.on.as_str() {
        "aws" => On::Aws,
        _ => On::Sandbox,
    };
    let target =
        Target::open(on, options, &session.state, &session.environment, &session.printer).await?;
    if plan.target.world.is_some() && plan.target.world != target.world {
        let (planned, found) = (plan.target.world.clone(), target.world.clone());
        target.close().await;
        return Err(Trouble::failed(format!(
            "the plan was made for the sandbox's world `{}`, this one is `{}`",
            planned.unwrap_or_default(),
            found.unwrap_or_default()
        ))
        .exit(Exit::Stale)
        .hint("plan again"));
    }
    Ok(target)
}
