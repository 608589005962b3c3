//! `fake.blind`: a module that cannot be observed, and occupies a thread as a command does.

use std::sync::Arc;

use async_trait::async_trait;
use runbook_core::change::Action;
use runbook_core::failure::{Class, Failure};
use runbook_core::module::{
    Applied, Argument, Context, Description, Intent, Module, Nature, Observed, Schema, Values,
    Verdict,
};
use runbook_core::value::Type;

use super::things::{Fault, World, argument, output, text};

/// `fake.blind`: writes something that nobody can observe.
pub(crate) struct BlindModule {
    world: Arc<World>,
    schema: Schema,
}

impl BlindModule {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let schema = Schema {
            name: "fake.blind",
            summary: "A command without a guard.",
            nature: Nature::Blind,
            follows: false,
            connection: None,
            arguments: vec![Argument { identity: true, ..argument("name", Type::String, true) }],
            outputs: vec![output("name", Type::String)],
            may: &[Action::Create],
            iam_actions: &[],
            kubernetes_verbs: &[],
            bills: None,
        };
        Self { world, schema }
    }
}

#[async_trait]
impl Module for BlindModule {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn occupies_thread(&self) -> bool {
        true
    }

    fn guards(&self) -> Option<&'static [&'static str]> {
        Some(&[])
    }

    fn describe(&self, arguments: &Values) -> Description {
        Description { subject: text(arguments, "name"), detail: String::new() }
    }

    async fn observe(&self, _: &Context, _: &Values) -> Result<Observed, Failure> {
        Ok(Observed::Absent)
    }

    async fn apply(&self, _: &Context, intent: Intent<'_>) -> Applied {
        let name = text(intent.arguments, "name");
        let fault = self.world.next_fault(&name);
        if matches!(fault, Some(Fault::Reject | Fault::Passing)) {
            return Applied::Rejected(Failure::new(Class::Terminal, "it exited with 1"));
        }
        assert!(fault != Some(Fault::Panic), "as the test asked");
        self.world.log.lock().unwrap().push(format!("run {name}"));
        match fault {
            // Two of them are needed, each on a thread of its own.
            Some(Fault::Meet) => self.world.meeting.wait(),
            // Until what it has left in the thread's keeping is dropped.
            Some(Fault::Hang) => {
                let (keeping, dropped) = std::sync::mpsc::channel::<()>();
                let _kept = intent.thread.unwrap().keep(keeping);
                dropped.recv().unwrap_err();
                self.world.log.lock().unwrap().push(format!("end {name}"));
            }
            _ => {}
        }
        if fault == Some(Fault::Lost) {
            return Applied::Ambiguous(Failure::new(Class::Unavailable, "it was killed"));
        }
        Applied::Acknowledged(Values::new())
    }

    async fn verify(&self, _: &Context, arguments: &Values) -> Result<Verdict, Failure> {
        let name = arguments["name"].clone();
        Ok(Verdict::Converged(Values::from([("name".to_owned(), name)])))
    }
}
