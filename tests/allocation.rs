//! `/allocation` of a server over a real socket, as a dashboard asks it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::schedules::ask;
use crate::support::Folder;

const NIGHTLY: &str = "apiVersion: runbook/v1
name: nightly
tasks:
  - {id: note, uses: assert, with: {that: '${{ true }}', message: never}}
schedule:
  - {cron: 30 2 * * *, timezone: UTC, mode: plan}
";

struct Server(Child, String);

impl Server {
    fn of(folder: &Folder) -> Self {
        let mut child = folder
            .command(&["serve", "nightly.yaml", "--listen", "127.0.0.1:0", "--rules", "rules.yaml"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address =
            said.find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        Self(child, address.unwrap())
    }

    fn get(&self, path: &str) -> (String, Value) {
        let (status, body) = ask(&self.1, path, "localhost");
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn observed() -> Folder {
    let world = include_str!("../engine/sandbox/scenarios/default.yaml");
    let folder = Folder::new()
        .file("world.yaml", format!("{world}begins: 2026-10-01T00:00:00Z\n"))
        .file("rules.yaml", "owners:\n  - {namespace: default, owner: shop}\n")
        .file("nightly.yaml", NIGHTLY);
    folder.well(&["run", "--quiet", "nodeless.yaml", "--scenario", "world.yaml"]);
    folder.well(&["collect", "--every", "1h", "--until", "2026-10-03T06:00:00Z"]);
    folder
}

fn costs(set: &Value) -> i64 {
    let all = set.as_object().unwrap().values();
    #[expect(clippy::cast_possible_truncation, reason = "a few dollars")]
    let sum = all.map(|one| (one["totalCost"].as_f64().unwrap() * 100_000.0).round() as i64).sum();
    sum
}

#[test]
fn a_dashboard_has_what_the_report_says_and_is_refused_the_rest_by_name() {
    let folder = observed();
    let day = "2026-10-02";
    let written = folder.well(&[
        "report",
        "showback",
        "--window",
        day,
        "--by",
        "namespace",
        "-o",
        "allocation",
    ]);
    let written: Value = serde_json::from_str(&written.out).unwrap();
    let server = Server::of(&folder);
    let window = "window=2026-10-02T00:00:00Z,2026-10-03T00:00:00Z";
    // The whole answer is that of the report, whose figures its own tests hold.
    let (status, whole) = server
        .get(&format!("/allocation?{window}&aggregate=namespace&includeIdle=true&resolution=1m"));
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(whole, written);
    let set = &whole["data"][0];
    assert!(set["__idle__"]["totalCost"].as_f64().unwrap() > 0.0, "{set:#}");
    // Two pods of nginx with 250m and 128 MiB on a c5a.large (2 vCPU, 4 GiB, 0.086 $ an hour: 2.064 $ a
    // day), for a day. 9:1 makes 18/22 of it vCPU: 2.064 · 18/22 · 12/48 core-hours = 0.42218, and
    // 2.064 · 4/22 · 0.25/4 GiB = 0.02345; together 0.44564, so a last place goes to the vCPU.
    let shop = &set["default"];
    for (field, value) in [
        ("cpuCores", 0.5),
        ("cpuCoreHours", 12.0),
        ("minutes", 1440.0),
        ("ramBytes", 268_435_456.0),
        ("ramByteHours", 6_442_450_944.0),
        ("cpuCost", 0.42219),
        ("ramCost", 0.02345),
        ("totalCost", 0.44564),
    ] {
        assert_eq!(shop[field].as_f64(), Some(value), "{field} of {shop:#}");
    }
    // The control plane is nobody's: 0.10 $ an hour.
    assert_eq!(set["__unallocated__"]["sharedCost"].as_f64(), Some(2.4), "{set:#}");

    // Steps make up the window, a filter leaves one namespace, rules say whose it is.
    let (_, hours) =
        server.get(&format!("/allocation/compute?{window}&aggregate=namespace&step=6h"));
    let hours = hours["data"].as_array().unwrap();
    assert_eq!(hours.len(), 4);
    let apart: i64 = hours.iter().map(costs).sum();
    let (_, without) = server.get(&format!("/allocation?{window}&aggregate=namespace"));
    assert!((apart - costs(&without["data"][0])).abs() <= 4, "to the last place of each set");
    let filter = "filter=namespace%3A%22default%22";
    let (_, one) = server.get(&format!("/allocation?{window}&aggregate=team&{filter}"));
    let one = one["data"][0].as_object().unwrap();
    assert_eq!(one.keys().collect::<Vec<_>>(), ["shop"]);
    assert_eq!(one["shop"]["totalCost"], shop["totalCost"]);

    // Where nobody looked there is nothing, and not a zero.
    let (status, none) = server.get("/allocation?window=2026-09-01T00:00:00Z,2026-09-02T00:00:00Z");
    assert_eq!((status.as_str(), &none["data"]), ("HTTP/1.1 200 OK", &serde_json::json!([{}])));
    for (query, why) in [
        ("", "`window` is missing"),
        ("window=7d&shareIdle=true", "`shareIdle` is not answered here"),
        ("window=7d&aggregate=annotation:a", "`annotation:a` is nothing to aggregate by"),
        ("window=365d", "a set of 365 days is not answered, 92 are the most"),
        ("window=7d&step=1m", "the window has 10080 steps"),
    ] {
        let (status, answer) = server.get(&format!("/allocation?{query}"));
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{query}");
        assert_eq!((&answer["code"], &answer["data"]), (&400.into(), &Value::Null), "{query}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with("Error: ") && message.contains(why), "{query}: {message}");
    }
    let (status, _) = ask(&server.1, &format!("/allocation?{window}"), "rebound.example.com");
    assert_eq!(status, "HTTP/1.1 421 Misdirected Request");

    // What was seen of the last 24 hours, and what they cost.
    let (_, metrics) = ask(&server.1, "/metrics", "localhost");
    let gauge = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).trim().parse().unwrap()
    };
    let ratio = gauge("runbook_samples_coverage_ratio ");
    assert!((0.99..=1.0).contains(&ratio), "{ratio}");
    assert!(metrics.contains("\nrunbook_samples_largest_hole_seconds "), "{metrics}");
    assert!(metrics.contains("\nrunbook_samples_last_look_age_seconds "), "{metrics}");
    assert!(metrics.contains("\nrunbook_cost_dollars{class=\"control_plane\"} 2.4"), "{metrics}");
}

#[test]
fn without_samples_a_dashboard_hears_so() {
    let folder = Folder::new().file("rules.yaml", "owners: []\n").file("nightly.yaml", NIGHTLY);
    let server = Server::of(&folder);
    let (status, answer) = server.get("/allocation?window=1d");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert!(answer["message"].as_str().unwrap().contains("there are no samples in"), "{answer}");
    let (status, metrics) = ask(&server.1, "/metrics", "localhost");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(!metrics.contains("coverage_ratio"), "unknown is not zero");
}
