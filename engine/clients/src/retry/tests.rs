//! The one retry policy: what is repeated, how often, and what never is.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::error::{Class, Said};
use crate::request::RequestClass;
use crate::scripted::{StillClock, Tries};

fn operation() -> Operation {
    Operation { service: "eks", name: "CreateCluster".to_owned(), class: RequestClass::Write }
}

fn error(processed: Processed, passes: Passes) -> Error {
    let said = Said { processed, passes, ..Said::unsent(Class::Unavailable, "it broke") };
    Error::new(&operation(), said)
}

fn caller(clock: &Arc<StillClock>, tries: &Arc<Tries>) -> Caller {
    Caller {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        observer: Arc::clone(tries) as Arc<dyn Observer>,
        policy: Policy::default(),
        seed: "run".into(),
    }
}

/// Writes against these answers, in order; what came of it and how many answers were used.
async fn write(repeat: Repeat, script: Vec<Result<u32, Error>>) -> (Outcome<u32>, usize) {
    let (clock, tries) = (StillClock::new(), Arc::default());
    let all = script.len();
    let script = Mutex::new(script.into_iter());
    let outcome = caller(&clock, &tries)
        .write(&operation(), repeat, || async { script.lock().unwrap().next().unwrap() })
        .await;
    (outcome, all - script.into_inner().unwrap().len())
}

#[tokio::test]
async fn a_write_of_unknown_effect_is_not_sent_again_without_a_token() {
    let lost = || Err(error(Processed::Unknown, Passes::Soon));
    let (outcome, used) = write(Repeat::OnlyIfUnprocessed, vec![lost(), Ok(1)]).await;
    assert!(matches!(outcome, Err(Undone::Ambiguous(_))));
    assert_eq!(used, 1);
    let (outcome, used) = write(Repeat::WithToken, vec![lost(), Ok(1)]).await;
    assert_eq!((outcome, used), (Ok(1), 2));
}

#[tokio::test]
async fn a_write_that_was_not_processed_is_sent_again() {
    let throttled = || Err(error(Processed::No, Passes::Soon));
    let script = vec![throttled(), throttled(), Ok(1)];
    assert_eq!(write(Repeat::OnlyIfUnprocessed, script).await, (Ok(1), 3));
    let all = (0..9).map(|_| throttled()).collect();
    let (outcome, used) = write(Repeat::OnlyIfUnprocessed, all).await;
    assert!(matches!(outcome, Err(Undone::Rejected(_))));
    assert_eq!(used, 7);
}

#[tokio::test]
async fn a_refusal_after_a_lost_reply_may_be_about_ourselves() {
    let lost = Err(error(Processed::Unknown, Passes::Soon));
    let refused = Err(error(Processed::No, Passes::No));
    let (outcome, used) = write(Repeat::WithToken, vec![lost, refused.clone()]).await;
    assert!(matches!(outcome, Err(Undone::Ambiguous(_))));
    assert_eq!(used, 2);
    let (outcome, _) = write(Repeat::WithToken, vec![refused]).await;
    assert!(matches!(outcome, Err(Undone::Rejected(_))));
}

#[tokio::test]
async fn a_read_is_repeated_while_the_cause_passes_and_every_try_is_seen() {
    let (clock, tries) = (StillClock::new(), Arc::<Tries>::default());
    let read = Operation { class: RequestClass::Read, ..operation() };
    let script = Mutex::new(
        vec![
            Err(error(Processed::Unknown, Passes::Soon)),
            Err(error(Processed::No, Passes::Soon)),
            Ok(7),
        ]
        .into_iter(),
    );
    let result = caller(&clock, &tries)
        .read(&read, || async { script.lock().unwrap().next().unwrap() })
        .await;
    assert_eq!(result, Ok(7));
    assert_eq!(
        tries.seen(),
        [
            "eks:CreateCluster read 1 no connection",
            "eks:CreateCluster read 2 no connection",
            "eks:CreateCluster read 3 ok",
        ]
    );
    let slept = clock.slept();
    assert_eq!(slept.len(), 2);
    assert!(slept[0] >= Duration::from_millis(250) && slept[0] <= Duration::from_millis(500));
    assert!(slept[1] >= Duration::from_millis(500) && slept[1] <= Duration::from_secs(1));
}

#[test]
fn the_same_run_waits_the_same_times() {
    let same = |seed| spread(seed, &operation(), 1);
    assert_eq!(same("a"), same("a"));
    let all: std::collections::BTreeSet<u8> =
        (1..20).map(|number| spread("a", &operation(), number)).collect();
    assert!(all.len() > 10, "{all:?}");
}

proptest! {
    /// What the policy promises, over every script of answers.
    #[test]
    fn an_effect_is_never_doubled_and_never_denied(
        answers in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..12),
        token in any::<bool>(),
    ) {
        let repeat = if token { Repeat::WithToken } else { Repeat::OnlyIfUnprocessed };
        let script: Vec<Result<u32, Error>> = answers
            .iter()
            .map(|(unknown, soon)| {
                let processed = if *unknown { Processed::Unknown } else { Processed::No };
                Err(error(processed, if *soon { Passes::Soon } else { Passes::No }))
            })
            .chain(std::iter::once(Ok(1)))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (outcome, used) = runtime.block_on(write(repeat, script));
        let sent = &answers[..used.min(answers.len())];
        let unknown = sent.iter().filter(|(unknown, _)| *unknown).count();
        // Without a token nothing is sent after a try that may have had its effect.
        if !token {
            let first = sent.iter().position(|(unknown, _)| *unknown);
            prop_assert!(first.is_none_or(|first| first + 1 == used));
        }
        match outcome {
            Ok(_) => {}
            Err(Undone::Rejected(_)) => prop_assert_eq!(unknown, 0),
            Err(Undone::Ambiguous(_)) => prop_assert!(unknown > 0),
        }
        prop_assert!(used <= 7);
    }

    #[test]
    fn delays_stay_between_half_and_the_whole_of_the_step(number in 1_u32..100, spread: u8) {
        let policy = Policy::default();
        let delay = policy.delay(number, spread);
        prop_assert!(delay >= policy.first_delay / 2);
        prop_assert!(delay <= policy.max_delay);
    }
}
