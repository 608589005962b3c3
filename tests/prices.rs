//! Prices that are asked for: from the Price List over real sockets into every answer.

use std::process::Output;
use std::sync::Arc;

use runbook_capacity::money::{Price, Unit};
use runbook_capacity::prices::{ListSource, ListedPrice, PriceBook, PriceList};
use runbook_clients::aws::{Connection, Settings, StaticCredentials};
use runbook_clients::{Access, Clock, SilentObserver};
use runbook_showback::prices::{ask, read};

use crate::support::{Folder, Said, Served};

const REFRESH: &[&str] = &["prices", "refresh", "--region", "ap-northeast-2"];
const SANDBOX_LIST: &str = ".runbook/prices/sandbox/ap-northeast-2.json";
const AWS_LIST: &str = ".runbook/prices/ap-northeast-2.json";
const BANNER: &str = "on the sandbox: a simulated AWS account 111122223333, nothing real is touched (--on aws for yours) · state in ./.runbook\n";

const FIRST: &str = "\
✓ ap-northeast-2: 702 prices from the Price List of the sandbox, published 2024-04-01 to 2026-10-05
  changed   nothing changed against what comes with the program
  missing   91 have no price: fargate_ephemeral_storage, f2.12xlarge, f2.48xlarge, f2.6xlarge, g6f.2xlarge and 86 more
in ./.runbook/prices/sandbox/ap-northeast-2.json; only questions about the sandbox use it
";

fn day(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
}

/// A list of AWS with one price that nobody else has.
fn aws_list(usd: &str) -> PriceList {
    let mut list = PriceList::new("ap-northeast-2", ListSource::Aws, day("2026-11-26"));
    for name in ["m7g.large", "t4g.nano"] {
        let listed = ListedPrice {
            price: Price::parse(usd, Unit::Hour).unwrap(),
            as_of: day("2026-11-26"),
            published: day("2026-11-20"),
            usage_type: format!("APN2-BoxUsage:{name}"),
        };
        list.on_demand.insert(name.to_owned(), listed);
    }
    let vcpu = ListedPrice {
        price: Price::parse("1", Unit::Hour).unwrap(),
        usage_type: "APN2-Fargate-vCPU-Hours:perCPU".to_owned(),
        ..list.on_demand["m7g.large"].clone()
    };
    list.services.insert(runbook_capacity::prices::Service::FargateVcpu, vcpu);
    list
}

/// What a table says about a type's on-demand price.
fn shown(folder: &Folder, arguments: &[&str]) -> String {
    let all = [&["prices", "show", "m7g.large", "--region", "ap-northeast-2"], arguments].concat();
    let said = folder.well(&all);
    let line = said.out.lines().find(|line| line.contains("on-demand")).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

const EMBEDDED: &str = "m7g.large ap-northeast-2 on-demand 0.100300 hour 2026-03-30 ! skypilot-catalog@2c3d7ea7 (derived: linear in size from a size that was seen)";
const OF_SANDBOX: &str = "m7g.large ap-northeast-2 on-demand 0.100300 hour 2026-03-30 ! Price List of the sandbox, APN2-BoxUsage:m7g.large, published 2026-03-30";

#[test]
fn a_refresh_says_what_changed_and_a_second_one_that_nothing_did() {
    let folder = Folder::new();
    let first = folder.well(REFRESH);
    assert_eq!((first.out.as_str(), first.err.as_str()), (FIRST, BANNER));
    let second = folder.well(REFRESH);
    assert_eq!(second.out, FIRST.replace(" against what comes with the program", ""));
    assert!(folder.requests(true).is_empty(), "asking for prices writes nothing");

    // A price of the list that is not what the service says is told, with the largest move first.
    let moved = folder
        .read(SANDBOX_LIST)
        .replace(r#""usd":"0.1003""#, r#""usd":"0.2""#)
        .replace(r#""usd":"0.0912""#, r#""usd":"0.09""#);
    folder.write(SANDBOX_LIST, &moved);
    assert!(shown(&folder, &["--on", "sandbox"]).contains(" 0.200000 hour "));
    let third = folder.well(REFRESH).out;
    let line = third.lines().nth(1).unwrap();
    assert_eq!(line, "  changed   2, at most by −49.9 % (m7g.large: 0.2 → 0.1003 $)", "{third}");
    assert_eq!(shown(&folder, &["--on", "sandbox"]), OF_SANDBOX);
}

#[test]
fn what_is_not_answered_keeps_its_price_and_its_day() {
    let folder = Folder::new();
    folder.well(REFRESH);
    let row = |name: &str| {
        format!(
            "    \"{name}\": {{\"as_of\":\"2026-01-02\",\"published\":\"2026-01-01\",\"usage_type\":\"APN2-BoxUsage:{name}\",\"usd\":\"9.5\"}},\n"
        )
    };
    let with_more = folder.read(SANDBOX_LIST).replacen(
        "{\n    \"c3",
        &format!("{{\n{}    \"c3", row("g6f.2xlarge")),
        1,
    );
    folder.write(SANDBOX_LIST, &with_more);
    let said = folder.well(REFRESH).out;
    assert!(
        said.contains("  missing   1 keep their older price, of 2026-01-02 and later: g6f.2xlarge\n  missing   90 have no price: "),
        "{said}"
    );
    let shown = folder.well(&[
        "prices",
        "show",
        "g6f.2xlarge",
        "--region",
        "ap-northeast-2",
        "--on",
        "sandbox",
    ]);
    assert!(
        shown.out.contains("9.500000  hour  2026-01-02 !  Price List of the sandbox"),
        "{shown:#?}"
    );
}

#[test]
fn a_list_of_the_sandbox_is_never_taken_for_one_of_aws() {
    let folder = Folder::new().file("pods.csv", "name,cpu,memory,replicas\nweb,500m,1Gi,2\n");
    folder.well(REFRESH);
    assert_eq!(shown(&folder, &["--on", "sandbox"]), OF_SANDBOX);
    assert_eq!(shown(&folder, &[]), EMBEDDED);
    // Nor when somebody puts it where those of AWS are.
    folder.write(AWS_LIST, folder.read(SANDBOX_LIST));
    let fargate: &[&str] = &["capacity", "fargate", "pods.csv", "--region", "ap-northeast-2"];
    let asked: [&[&str]; 4] = [
        &["prices", "show", "m7g.large", "--region", "ap-northeast-2"],
        fargate,
        &["capacity", "pack", "pods.csv", "--region", "ap-northeast-2"],
        &["report", "compare", "pods.csv", "--region", "ap-northeast-2"],
    ];
    for arguments in asked {
        let said = folder.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{said:#?}");
        assert_eq!(
            said.err.lines().next().unwrap(),
            "error: `./.runbook/prices/ap-northeast-2.json` is not what its place says: it is of ap-northeast-2, Price List of the sandbox; remove it, and `runbook prices refresh --on aws --region ap-northeast-2` asks again"
        );
    }
    // Another region's answers do not need it.
    folder.well(&["capacity", "fargate", "pods.csv", "--region", "us-east-1"]);
}

#[test]
fn every_answer_takes_the_prices_that_were_asked_for() {
    let folder = Folder::new()
        .file("pods.csv", "name,cpu,memory,replicas\nweb,1,1Gi,1\n")
        .file(
            "trace.csv",
            "t_seconds,action,name,cpu,memory,owner\n0,add,a,500m,1Gi,web\n900,remove,a,,,\n",
        )
        .file(AWS_LIST, aws_list("0.0001").text());
    assert_eq!(
        shown(&folder, &[]),
        "m7g.large ap-northeast-2 on-demand 0.000100 hour 2026-11-26 AWS Price List, APN2-BoxUsage:m7g.large, published 2026-11-20"
    );
    let json = |arguments: &[&str]| -> serde_json::Value {
        let said = folder.run(&[arguments, &["--region", "ap-northeast-2", "-o", "json"]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
    };
    // 1 vCPU and 2 GB.
    assert_eq!(json(&["capacity", "fargate", "pods.csv"])["usd_per_hour"], 1.01022);
    let packed = json(&["capacity", "pack", "pods.csv"]);
    assert_eq!(packed["nodes"][0]["instance_type"], "m7g.large");
    assert_eq!(packed["usd_per_hour"], 0.0001);
    assert_eq!(packed["prices"]["newest"], "2026-11-26");
    let with = folder.well(&["report", "compare", "pods.csv", "--region", "ap-northeast-2"]).out;
    let model: &[&str] =
        &["report", "autoscalers", "--trace", "trace.csv", "--node-group", "m7g.large:2:100"];
    let modelled = folder.well(model).out;
    std::fs::remove_file(folder.path().join(AWS_LIST)).unwrap();
    assert_ne!(
        with,
        folder.well(&["report", "compare", "pods.csv", "--region", "ap-northeast-2"]).out
    );
    assert_ne!(modelled, folder.well(model).out);
    assert_eq!(shown(&folder, &[]), EMBEDDED);
}

#[test]
fn what_ran_on_the_sandbox_is_priced_with_its_list_and_with_no_other() {
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]},
    });
    let inventory = |source: &str| {
        serde_json::json!({
            "kind": "Inventory", "version": 1, "madeBy": "runbook 0.1.0", "source": source,
            "region": "ap-northeast-2", "cluster": "c", "collectedAt": "2026-11-26T00:00:00Z",
            "missing": [], "items": [pod],
        })
        .to_string()
    };
    let folder =
        Folder::new().file("sandbox.json", inventory("sandbox")).file("aws.json", inventory("aws"));
    let compared = |file: &str| {
        let said = folder.run(&["report", "compare", "--inventory", file, "-o", "csv"]);
        assert!(said.code == 0 && said.out.lines().count() > 5, "{said:#?}");
        said.out
    };
    let (sandbox, aws) = (compared("sandbox.json"), compared("aws.json"));
    let mut list = aws_list("0.0001");
    folder.write(AWS_LIST, list.text());
    assert_eq!(compared("sandbox.json"), sandbox);
    let refreshed = compared("aws.json");
    assert_ne!(refreshed, aws);
    std::fs::remove_file(folder.path().join(AWS_LIST)).unwrap();
    list.source = ListSource::Sandbox;
    folder.write(SANDBOX_LIST, list.text());
    assert_eq!(compared("aws.json"), aws);
    assert_ne!(compared("sandbox.json"), sandbox);
}

#[test]
fn a_list_that_cannot_be_read_is_refused_by_name_and_not_replaced() {
    let whole = aws_list("0.1").text();
    let cut = whole[..whole.len() / 2].to_owned();
    for (text, words) in [
        (cut, "`./.runbook/prices/ap-northeast-2.json` is damaged: EOF while parsing"),
        (
            whole.replace("\"format\": 1", "\"format\": 9"),
            "`./.runbook/prices/ap-northeast-2.json` has format 9; this program reads formats up to 1; remove it",
        ),
        (whole.replace("\"USD\"", "\"CNY\""), "only USD is understood"),
        (
            whole.replace("\"usd\":\"0.1\"", "\"usd\":\"0\""),
            "a price of zero says that it is not known",
        ),
        (String::new(), "is damaged: EOF"),
    ] {
        let folder = Folder::new().file(AWS_LIST, &text);
        let refresh = [REFRESH, &["--on", "aws"]].concat();
        for arguments in [&["prices", "show", "m7g.large"], refresh.as_slice()] {
            let said = folder.run(arguments);
            assert_eq!(said.code, 64, "{said:#?}");
            assert!(said.err.contains(words), "{words}: {said:#?}");
        }
        assert_eq!(folder.read(AWS_LIST), text);
    }
}

#[test]
fn a_page_that_fails_leaves_the_old_list_whole() {
    let folder = Folder::new();
    folder.well(REFRESH);
    let old = folder.read(SANDBOX_LIST).replace(r#""usd":"0.1003""#, r#""usd":"0.2""#);
    folder.write(SANDBOX_LIST, &old);
    let with = |fault: &str| {
        folder.write("faults.yaml", format!("- {{operation: 'pricing:GetProducts', {fault}}}\n"));
        folder.run(&[REFRESH, &["--faults", "faults.yaml"]].concat())
    };
    for (fault, words) in [
        ("nth: 3, kind: refusal, code: ExpiredNextTokenException", "ExpiredNextTokenException"),
        ("nth: 9, kind: refusal, code: InvalidNextTokenException", "InvalidNextTokenException"),
        (
            "kind: refusal, code: AccessDeniedException",
            "`pricing:GetProducts`; the prices that were known stay",
        ),
        ("nth: 4, count: 99, kind: server_error", "InternalFailure"),
    ] {
        let said = with(fault);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
        assert!(said.err.contains("failed to ask for the prices of `Amazon"), "{said:#?}");
        assert!(
            said.err.contains(words) && said.err.contains("the prices that were known stay"),
            "{said:#?}"
        );
        assert_eq!(folder.read(SANDBOX_LIST), old);
    }
    // What passes is asked again, and short pages are followed.
    for fault in [
        "nth: 2, count: 2, kind: throttle",
        "nth: 2, kind: reset",
        "nth: 2, count: 3, kind: partial_page",
    ] {
        let said = with(fault);
        assert_eq!(said.code, 0, "{said:#?}");
        assert!(said.out.contains("702 prices"), "{said:#?}");
    }
    assert!(folder.read(SANDBOX_LIST) != old);
}

#[test]
fn a_place_without_prices_is_said() {
    let folder = Folder::new();
    let said = folder.run(&["prices", "refresh", "--region", "sa-east-1"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:#?}");
    assert!(
        said.err.contains("the Price List of the sandbox has no price in sa-east-1"),
        "{said:#?}"
    );
    assert!(!folder.path().join(".runbook/prices").exists());
    let said = folder.run(&["prices", "refresh", "--region", "Seoul"]);
    assert_eq!(said.code, 64, "{said:#?}");
    let said = folder.run(&["prices", "refresh"]);
    assert_eq!(said.code, 64, "{said:#?}");
    assert!(said.err.contains("which region's prices?"), "{said:#?}");
}

#[test]
fn prices_of_another_endpoint_are_kept_apart() {
    let folder = Folder::new();
    let served = Served::of(&folder);
    let with = |arguments: &[&str]| -> Said {
        let output: Output = folder
            .command(arguments)
            .envs(served.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        Said::of(&output)
    };
    let url = &served.environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap().1;
    let said = with(&["prices", "refresh", "--region", "us-west-2", "--on", "aws"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.out.contains(&format!(" prices from the Price List at {url}, ")), "{said:#?}");
    assert!(
        said.out.ends_with(&format!("; used only while AWS_ENDPOINT_URL is {url}\n")),
        "{said:#?}"
    );
    let show = ["prices", "show", "m7g.large", "--region", "us-west-2"];
    assert!(with(&show).out.contains(&format!("Price List at {url}, USW2-BoxUsage:m7g.large")));
    let without = folder.well(&show).out;
    assert!(
        without.contains("skypilot-catalog") && !without.contains("Price List at"),
        "{without}"
    );
}

struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> jiff::Timestamp {
        self.real_now()
    }

    #[expect(clippy::disallowed_methods, reason = "signatures are dated in real time")]
    fn real_now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn sleep(&self, duration: std::time::Duration) -> futures::future::BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[tokio::test]
async fn the_reader_needs_no_filter_of_the_service() {
    let folder = Folder::new();
    let served = Served::of(&folder);
    let variable =
        |name: &str| served.environment.iter().find(|(one, _)| one == name).unwrap().1.clone();
    let settings = Settings {
        region: Some("eu-west-1".to_owned()),
        endpoint_url: Some(variable("AWS_ENDPOINT_URL")),
        credentials: Some(StaticCredentials {
            access_key_id: variable("AWS_ACCESS_KEY_ID"),
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY"),
            session_token: None,
        }),
        ..Settings::default()
    };
    let connection =
        Connection::open(settings, Access::Read, Arc::new(RealClock), Arc::new(SilentObserver))
            .await
            .unwrap();
    let client = connection.pricing();
    let today = day("2026-11-26");
    let asked = ask(&client, "ap-northeast-2", ListSource::Sandbox, today).await.unwrap();
    assert_eq!(asked.refused, []);
    // The whole region with all that stands beside the prices: other tenancies, systems, reservations.
    let mut texts = Vec::new();
    for service in ["AmazonEC2", "AmazonEKS", "AmazonECS", "AmazonVPC"] {
        let region = [("regionCode", "ap-northeast-2")];
        texts.extend(client.products(service, &region).await.unwrap());
    }
    texts.extend(client.products("AWSDataTransfer", &[]).await.unwrap());
    assert!(texts.len() > 6 * asked.list.on_demand.len(), "{}", texts.len());
    let everything = read(&texts, "ap-northeast-2", ListSource::Sandbox, today);
    assert_eq!(everything, asked);
    // What came over the wire is what the sandbox's list is made of.
    let (embedded, refreshed) =
        (PriceBook::embedded(), PriceBook::embedded().refreshed(&asked.list));
    for (name, quote) in embedded.on_demand_in("ap-northeast-2") {
        let now = refreshed.on_demand("ap-northeast-2", name).unwrap();
        assert_eq!(now.price, quote.price, "{name}");
        assert!(now.provenance.source.starts_with("Price List of the sandbox, "), "{name}");
    }
    let unknown = client.products("AmazonNothing", &[]).await.unwrap_err();
    assert_eq!(unknown.code(), Some("NotFoundException"));
}
