//! From a graph and a target to a plan; shared by `plan`, `run` and `apply`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use runbook_core::connection::Access;
use runbook_core::graph::Graph;
use runbook_core::module::{Try, TryObserver};
use runbook_core::owner::Owner;
use runbook_core::plan::look::{Connections, Looker};
use runbook_core::plan::{self, Plan, PlanError, PlanInput, SecretKey};
use runbook_core::task::Knowledge;

use super::Session;
use super::compiled::Compiled;
use crate::exit::Exit;
use crate::library::Library;
use crate::target::Target;
use crate::target::bound::Bound;
use crate::trouble::Trouble;
use crate::view;

/// Tries while planning belong to no run; nobody is told.
struct Unobserved;

impl TryObserver for Unobserved {
    fn tried(&self, _: Try) {}
}

/// Whose objects a graph's are.
pub(crate) fn owner(graph: &Graph) -> Owner {
    Owner(format!("{}/{}", graph.name, graph.instance.as_deref().unwrap_or("default")))
}

/// What looks at a graph's tasks on a target.
pub(crate) fn looker(
    session: &Session,
    target: &Target,
    graph: &Arc<Graph>,
    access: Access,
    run: Option<&str>,
    bound_to: &[String],
) -> Looker {
    let connector = Arc::new(Bound::new(target.connector(run), bound_to));
    Looker {
        owner: owner(graph),
        graph: graph.clone(),
        clock: target.clock.clone(),
        connections: Arc::new(Connections::new(connector, access)),
        scratch: session.state.scratch(),
        tries: Arc::new(Unobserved),
    }
}

/// What is known before anything was looked at.
pub(crate) fn knowledge(session: &Session) -> Knowledge {
    let mut knowledge = Knowledge::default();
    knowledge.environment = Arc::new(session.environment.variables.clone());
    knowledge
}

/// How a plan is made.
pub(crate) struct Planning<'a> {
    /// Looks at once.
    pub(crate) parallelism: u16,
    /// Only these tasks.
    pub(crate) targets: &'a [String],
    /// The connections of an older plan, when this one is made to compare.
    pub(crate) bound_to: &'a [String],
    /// What it is for: the slot of a schedule, or that of the older plan; else the moment.
    pub(crate) slot: Option<Timestamp>,
}

/// Plans; sends no write. Problems are printed.
pub(crate) async fn planned(
    session: &Session,
    target: &Target,
    graph: &Arc<Graph>,
    library: &Library,
    secret_key: &SecretKey,
    planning: &Planning<'_>,
) -> Result<Plan, Trouble> {
    let inputs: BTreeMap<_, _> = secret_key.mask_all(&graph.inputs).into_iter().collect();
    let mut known = knowledge(session);
    known.slot = planning.slot;
    let made = plan::make(PlanInput {
        looker: looker(session, target, graph, Access::Read, None, planning.bound_to),
        knowledge: known,
        parallelism: usize::from(planning.parallelism),
        target: plan::Target {
            on: target.on.name().to_owned(),
            world: target.world.clone(),
            connections: Vec::new(),
        },
        secret_key: secret_key.clone(),
        inputs,
        sources: Box::new(|| plan::Sources {
            root_file: library.root_name(),
            folder: library.folder_on_disk(),
            files: library.files_read(),
        }),
        targets: planning.targets.to_vec(),
    })
    .await;
    match made {
        Ok(planned) => Ok(planned.plan),
        Err(error) => Err(refused(session, graph, &error)),
    }
}

fn refused(session: &Session, graph: &Graph, error: &PlanError) -> Trouble {
    let printer = &session.printer;
    if !error.problems.is_empty() {
        printer.note(&view::diagnostics::render(&error.problems, &graph.sources, &printer.err));
    }
    if error.failures.is_empty() {
        return Trouble::told(Exit::Usage);
    }
    printer.note(&view::summary::not_planned(&error.failures, &printer.err));
    Trouble::told(Exit::Failed)
}

/// The runbook of a plan, as the rest of the program knows a compiled one.
pub(crate) fn warn(session: &Session, compiled: &Compiled) {
    super::compiled::warn(session, &compiled.graph, &compiled.warnings);
}
