//! Plays a month of a team's work in a served world, in which `nodeless.yaml` has made a cluster.
//!
//! ```text
//! runbook run nodeless.yaml --scenario month.yaml      # `begins: 2026-09-30T22:00:00Z`
//! runbook sandbox up &
//! cargo run -p runbook-sandbox --example month -- STATE_DIR 2026-11-01T00:00:00Z [MINUTES]
//!     # now, in further terminals, whoever is to see it:
//!     #   runbook collect --every 5m --until 2026-11-01T00:00:00Z
//!     #   runbook collect --watch --until 2026-11-01T00:00:00Z --samples watched
//!     # and Enter here
//! runbook sandbox bill --window 2026-10 --format cur --out october.csv.gz
//! ```
//!
//! `MINUTES` is how often a job of four minutes runs: 30 when absent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    missing_docs,
    reason = "what cannot go on here ends here; it shares its parts with tests"
)]

#[path = "../tests/support/month.rs"]
mod month;
#[path = "../tests/support/wire.rs"]
mod wire;

use std::io::Write as _;

use jiff::{SignedDuration, Timestamp};
use month::Month;
use runbook_sandbox::{ControlClient, Sandbox};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(folder), Some(until)) = (arguments.first(), arguments.get(1)) else {
        panic!("usage: month STATE_DIR UNTIL [MINUTES]");
    };
    let until: Timestamp = until.parse().expect("UNTIL is a time, 2026-11-01T00:00:00Z");
    let minutes = arguments.get(2).map_or(30, |text| text.parse().expect("MINUTES is a number"));
    let holder = Sandbox::holder(folder.as_ref()).unwrap().expect("somebody serves the world");
    let control = ControlClient::new(holder.control.expect("it is served"), holder.token);
    let world = control.world().await.unwrap();
    let cluster = world["clusters"][0].as_str().expect("a cluster").to_owned();
    let mut month = Month::join(control, &cluster, SignedDuration::from_hours(24)).await;
    let mut out = std::io::stdout().lock();
    writeln!(out, "time stands at {} until Enter is pressed", month.began()).unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    month.begin(minutes).await;
    while month.now() < until {
        let next = until.min(month.now() + SignedDuration::from_hours(24));
        month.play(next).await;
        writeln!(out, "{}", month.now()).unwrap();
    }
}
