//! Traces made by shape and seed, for those who have none.
//!
//! Three shapes, each two minutes of reading away from what it stands for:
//!
//! - `diurnal`: a day in which three services follow the hour, at their lowest at four in the night
//!   and at their highest in the late morning and the evening; every minute each service gets or
//!   loses the pods that the hour asks for, each at its own second.
//! - `burst`: two hours of a small service, and four jobs of forty to eighty pods that come within
//!   twenty seconds and run for ten to twenty minutes.
//! - `deploy`: three services of twelve to twenty pods that are rolled out anew one after the other: a
//!   quarter of new pods comes first, then one old pod goes for each new one, some seconds later.
//!
//! All numbers are whole, and chance is [`super::random`]'s, so a seed makes the same trace
//! everywhere.

use std::str::FromStr;

use super::random::Random;
use super::trace::{Action, Trace, TraceEvent, TracePod};
use crate::quantity::{Bytes, Millicores};

/// The shape of a made trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceShape {
    /// A day.
    Diurnal,
    /// Jobs.
    Burst,
    /// Rollouts.
    Deploy,
}

/// No shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no shape of a trace (known: diurnal, burst, deploy)")]
pub struct UnknownShape(String);

const SHAPES: [(TraceShape, &str, u64); 3] = [
    (TraceShape::Diurnal, "diurnal", 11),
    (TraceShape::Burst, "burst", 12),
    (TraceShape::Deploy, "deploy", 13),
];

impl FromStr for TraceShape {
    type Err = UnknownShape;

    fn from_str(text: &str) -> Result<Self, UnknownShape> {
        SHAPES
            .iter()
            .find(|(_, name, _)| *name == text)
            .map(|(shape, _, _)| *shape)
            .ok_or_else(|| UnknownShape(text.to_owned()))
    }
}

impl TraceShape {
    /// Its name.
    pub fn name(self) -> &'static str {
        SHAPES.iter().find(|(shape, _, _)| *shape == self).map_or("", |(_, name, _)| name)
    }

    /// The trace of that shape and seed.
    pub fn trace(self, seed: u64) -> Trace {
        let purpose =
            SHAPES.iter().find(|(shape, _, _)| *shape == self).map_or(0, |(_, _, number)| *number);
        let mut making =
            Making { random: Random::apart(seed, purpose), pods: Vec::new(), events: Vec::new() };
        match self {
            Self::Diurnal => diurnal(&mut making),
            Self::Burst => burst(&mut making),
            Self::Deploy => deploy(&mut making),
        }
        making.trace()
    }
}

/// A service and the size of its pods: millicores and MiB.
#[derive(Clone, Copy)]
struct Service {
    name: &'static str,
    cpu: i64,
    memory: i64,
}

const SERVICES: [Service; 3] = [
    Service { name: "web", cpu: 250, memory: 512 },
    Service { name: "api", cpu: 500, memory: 1024 },
    Service { name: "cache", cpu: 250, memory: 2048 },
];
const JOB: Service = Service { name: "job", cpu: 1000, memory: 2048 };

struct Making {
    random: Random,
    pods: Vec<TracePod>,
    events: Vec<TraceEvent>,
}

impl Making {
    fn add(&mut self, at: i64, of: Service, name: String) -> usize {
        let pod = self.pods.len();
        self.pods.push(TracePod {
            name,
            owner: of.name.to_owned(),
            cpu: Millicores(of.cpu),
            memory: Bytes::mebibytes(of.memory),
        });
        self.events.push(TraceEvent { at, action: Action::Add, pod });
        pod
    }

    fn remove(&mut self, at: i64, pod: usize) {
        self.events.push(TraceEvent { at, action: Action::Remove, pod });
    }

    /// In the order of time, and pods in the order of coming.
    fn trace(mut self) -> Trace {
        self.events.sort_by_key(|event| (event.at, event.action, event.pod));
        let mut place = vec![0; self.pods.len()];
        let mut pods = Vec::with_capacity(self.pods.len());
        for event in &mut self.events {
            if event.action == Action::Add {
                place[event.pod] = pods.len();
                pods.push(self.pods[event.pod].clone());
            }
            event.pod = place[event.pod];
        }
        Trace { pods, events: self.events }
    }
}

/// What the hour asks for, in per cent of the most; between hours it is straight.
const DAY: [i64; 24] = [
    30, 24, 20, 18, 16, 18, 25, 40, 60, 80, 95, 100, 96, 90, 85, 80, 78, 80, 88, 96, 92, 75, 55, 40,
];
const MINUTES: i64 = 24 * 60;

fn diurnal(making: &mut Making) {
    for (service, most) in SERVICES.into_iter().zip([40_i64, 24, 12]) {
        let mut there: Vec<usize> = Vec::new();
        let mut made = 0;
        for minute in 0..MINUTES {
            let hour = usize::try_from(minute / 60).unwrap_or(0);
            let (from, to) = (DAY[hour], DAY[(hour + 1) % 24]);
            let now = from * 60 + (to - from) * (minute % 60);
            let wobble = making.random.between(-4, 4);
            let wanted = (most * (now + wobble * 60) / 6000).max(1);
            let wanted = usize::try_from(wanted).unwrap_or(1);
            while there.len() < wanted {
                made += 1;
                let at = minute * 60 + making.random.between(0, 29);
                there.push(making.add(at, service, format!("{}-{made}", service.name)));
            }
            while there.len() > wanted {
                let at = minute * 60 + making.random.between(30, 59);
                let last = u32::try_from(there.len()).unwrap_or(1);
                let which = usize::try_from(making.random.below(last)).unwrap_or(0);
                making.remove(at, there.swap_remove(which));
            }
        }
    }
}

fn burst(making: &mut Making) {
    for index in 0..6 {
        making.add(index, SERVICES[1], format!("api-{index}"));
    }
    for job in 0..4_i64 {
        let start = job * 1800 + making.random.between(120, 600);
        for pod in 0..making.random.between(40, 80) {
            let at = start + making.random.between(0, 20);
            let added = making.add(at, JOB, format!("job-{job}-{pod}"));
            let end = at + making.random.between(600, 1200);
            making.remove(end, added);
        }
    }
}

fn deploy(making: &mut Making) {
    for (number, service) in (0_i64..).zip(SERVICES) {
        let replicas = making.random.between(12, 20);
        let name = |version: i64, pod: i64| format!("{}-v{version}-{pod}", service.name);
        let mut old: Vec<usize> =
            (0..replicas).map(|pod| making.add(making_at(pod), service, name(1, pod))).collect();
        for version in 2..4 {
            let start = (version - 1) * 2700 + number * 600;
            let surge = (replicas + 3) / 4;
            let mut new = Vec::new();
            for pod in 0..replicas {
                // A quarter comes at once; each further one when an old one has gone.
                let wait = (pod - surge + 1).max(0) * 20;
                let at = start + wait + making.random.between(0, 5);
                new.push(making.add(at, service, name(version, pod)));
            }
            for (pod, gone) in (0_i64..).zip(old) {
                let at = start + 60 + pod * 20 + making.random.between(0, 9);
                making.remove(at, gone);
            }
            old = new;
        }
    }
}

/// The first pods of a service come two a second.
const fn making_at(pod: i64) -> i64 {
    pod / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscalers::trace::read_trace;

    #[test]
    fn a_seed_makes_one_trace_and_it_is_one() {
        for (shape, name, _) in SHAPES {
            let trace = shape.trace(7);
            assert_eq!(trace, shape.trace(7));
            assert_ne!(trace, shape.trace(8));
            assert_eq!(name.parse(), Ok(shape));
            // What is made is what can be read.
            assert_eq!(read_trace("made.csv", &trace.csv()).expect("a trace"), trace);
        }
    }

    #[test]
    fn each_shape_is_what_it_says() {
        let most = |trace: &Trace| {
            let (mut now, mut most) = (0_i64, 0);
            for event in &trace.events {
                now += if event.action == Action::Add { 1 } else { -1 };
                most = most.max(now);
            }
            most
        };
        let day = TraceShape::Diurnal.trace(1);
        assert!(day.end() > 23 * 3600 && (70..=82).contains(&most(&day)));
        let jobs = TraceShape::Burst.trace(1);
        assert!(jobs.pods.len() > 160 && (40..=170).contains(&most(&jobs)));
        let rollouts = TraceShape::Deploy.trace(1);
        let there: i64 = rollouts
            .events
            .iter()
            .fold(0, |sum, event| sum + if event.action == Action::Add { 1 } else { -1 });
        assert!((36..=60).contains(&there), "every service is whole at the end");
    }
}
