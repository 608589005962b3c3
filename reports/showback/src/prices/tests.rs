//! Products as the real list has them, and those that a careless reader would take.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use runbook_capacity::prices::PriceBook;
use serde_json::{Value, json};

use super::*;

const SEOUL: &str = "ap-northeast-2";

fn today() -> Date {
    "2026-11-26".parse().expect("a day")
}

/// A product with one on-demand dimension.
fn product(service: &str, attributes: &Value, unit: &str, price: &Value) -> Value {
    json!({
        "product": {"productFamily": "", "attributes": attributes, "sku": "S"},
        "serviceCode": service,
        "terms": {
            "OnDemand": {"S.JRTCKXETXF": {"sku": "S", "priceDimensions": {
                "S.JRTCKXETXF.6YS6EN2CT7": {"unit": unit, "pricePerUnit": price, "beginRange": "0", "endRange": "Inf"},
            }}},
            "Reserved": {"S.4NA7Y494T4": {"sku": "S", "priceDimensions": {
                "S.4NA7Y494T4.6YS6EN2CT7": {"unit": unit, "pricePerUnit": {"USD": "0.0100000000"}},
            }}},
        },
        "version": "20261120000000", "publicationDate": "2026-11-20T17:45:21Z",
    })
}

fn instance(changes: &Value) -> Value {
    let mut attributes = json!({
        "regionCode": SEOUL, "locationType": "AWS Region", "instanceType": "m7g.large",
        "operatingSystem": "Linux", "preInstalledSw": "NA", "tenancy": "Shared",
        "capacitystatus": "Used", "marketoption": "OnDemand", "operation": "RunInstances",
        "usagetype": "APN2-BoxUsage:m7g.large",
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        attributes[name] = value.clone();
    }
    let mut product = product("AmazonEC2", &attributes, "Hrs", &json!({"USD": "0.1003000000"}));
    product["product"]["productFamily"] = json!("Compute Instance");
    product
}

fn service(code: &str, usage_type: &str, unit: &str, usd: &str) -> Value {
    let attributes = json!({"regionCode": SEOUL, "usagetype": usage_type});
    product(code, &attributes, unit, &json!({"USD": usd}))
}

fn answered(products: &[Value]) -> Answered {
    let texts: Vec<String> = products.iter().map(ToString::to_string).collect();
    read(&texts, SEOUL, ListSource::Aws, today())
}

fn refused(answered: &Answered) -> Vec<(&str, &str)> {
    answered.refused.iter().map(|one| (one.item.as_str(), one.reason.as_str())).collect()
}

#[test]
fn a_price_comes_with_its_day_and_usage_type() {
    let answered = answered(&[instance(&json!({}))]);
    let listed = &answered.list.on_demand["m7g.large"];
    assert_eq!(listed.price.to_string(), "0.1003");
    assert_eq!(
        (listed.as_of.to_string().as_str(), listed.published.to_string().as_str()),
        ("2026-11-26", "2026-11-20")
    );
    assert_eq!(listed.usage_type, "APN2-BoxUsage:m7g.large");
    assert_eq!((answered.refused.len(), answered.list.services.len()), (0, 0));
}

#[test]
fn what_stands_beside_a_price_is_not_taken_for_it() {
    for other in [
        json!({"tenancy": "Dedicated", "usagetype": "APN2-DedicatedUsage:m7g.large"}),
        json!({"tenancy": "Dedicated"}),
        json!({"operatingSystem": "Windows"}),
        json!({"operatingSystem": "RHEL"}),
        json!({"preInstalledSw": "SQL Std"}),
        json!({"capacitystatus": "UnusedCapacityReservation"}),
        json!({"usagetype": "APN2-UnusedBox:m7g.large"}),
        json!({"marketoption": "CapacityBlock"}),
        json!({"operation": "RunInstances:0002"}),
        json!({"locationType": "AWS Outposts"}),
        json!({"regionCode": "us-east-1"}),
        json!({"usagetype": "APN1-BoxUsage:m7g.large"}),
        json!({"usagetype": "BoxUsage:m7g.large"}),
        json!({"instanceType": "m7g.xlarge"}),
    ] {
        let answered = answered(&[instance(&other)]);
        assert_eq!(answered, self::answered(&[]), "{other}");
    }
}

#[test]
fn services_are_told_by_usage_type_and_counted_in_our_units() {
    let answered = answered(&[
        service("AmazonEKS", "APN2-Fargate-vCPU-Hours:perCPU", "hours", "0.0465600000"),
        service("AmazonEKS", "APN2-Fargate-GB-Hours", "hours", "0.0051100000"),
        service("AmazonECS", "APN2-Fargate-ARM-GB-Hours", "hours", "0.0040900000"),
        service("AmazonECS", "APN2-Fargate-GB-Hours", "hours", "0.0099900000"),
        service("AmazonECS", "APN2-Fargate-EphemeralStorage-GB-Hours", "GB-Hours", "0.0001270000"),
        service("AmazonEKS", "APN2-AmazonEKS-Hours:perCluster", "Hours", "0.1000000000"),
        service("AmazonEKS", "APN2-AmazonEKS-Hours:extendedSupport", "Hours", "0.5000000000"),
        service("AmazonEC2", "APN2-EBS:VolumeP-Throughput.gp3", "GiBps-mo", "46.6944000000"),
        service("AmazonVPC", "APN2-PublicIPv4:IdleAddress", "Hrs", "0.0070000000"),
    ]);
    let prices: Vec<(&str, String)> = answered
        .list
        .services
        .iter()
        .map(|(service, listed)| (service.name(), listed.price.to_string()))
        .collect();
    let expected = [
        ("fargate_vcpu", "0.04656"),
        ("fargate_memory", "0.00511"),
        ("fargate_ephemeral_storage", "0.000127"),
        ("eks_control_plane", "0.1"),
        ("eks_control_plane_extended_support", "0.6"),
        ("ebs_gp3_throughput", "0.0456"),
    ];
    assert_eq!(prices, expected.map(|(name, price)| (name, price.to_owned())));
    assert_eq!(
        answered.list.services[&Service::EksControlPlaneExtendedSupport].usage_type,
        "APN2-AmazonEKS-Hours:perCluster and APN2-AmazonEKS-Hours:extendedSupport"
    );
    assert_eq!(refused(&answered), []);
}

#[test]
fn two_prices_for_one_thing_leave_it_open() {
    let mut dearer = instance(&json!({}));
    dearer["terms"]["OnDemand"]["S.JRTCKXETXF"]["priceDimensions"]["S.JRTCKXETXF.6YS6EN2CT7"]["pricePerUnit"] =
        json!({"USD": "0.2"});
    // The same price twice is one price.
    let same = answered(&[instance(&json!({})), instance(&json!({}))]);
    assert_eq!(same.list.on_demand.len(), 1);
    let open = answered(&[instance(&json!({})), dearer.clone()]);
    assert_eq!(open.list.on_demand.len(), 0);
    assert_eq!(open.list.unpriced["m7g.large"], "2 different prices: 0.1003 $, 0.2 $");
    let book = PriceBook::embedded().refreshed(&open.list);
    assert_eq!(
        book.on_demand(SEOUL, "m7g.large").expect_err("open").reason,
        "AWS Price List: 2 different prices: 0.1003 $, 0.2 $"
    );
    // Two tiers that both cost something, in one product.
    let mut tiers = instance(&json!({}));
    tiers["terms"]["OnDemand"]["S.JRTCKXETXF"]["priceDimensions"]["second"] =
        json!({"unit": "Hrs", "pricePerUnit": {"USD": "0.09"}});
    assert_eq!(
        answered(&[tiers]).list.unpriced["m7g.large"],
        "2 different prices: 0.09 $, 0.1003 $"
    );
}

#[test]
fn what_is_no_price_is_named_and_what_was_known_stays() {
    let with = |unit: &str, price: Value| {
        let attributes = json!({"regionCode": SEOUL, "usagetype": "APN2-EBS:VolumeUsage.gp3"});
        let answered = answered(&[product("AmazonEC2", &attributes, unit, &price)]);
        assert!(answered.list.services.is_empty() && answered.list.unpriced.is_empty());
        let book = PriceBook::embedded().refreshed(&answered.list);
        assert_eq!(
            book.service(SEOUL, Service::EbsGp3),
            PriceBook::embedded().service(SEOUL, Service::EbsGp3)
        );
        let [one] = answered.refused.as_slice() else { return format!("{answered:?}") };
        format!("{}: {}", one.item, one.reason)
    };
    assert_eq!(with("GB-Mo", json!({"USD": "0.0000000000"})), "ebs_gp3: its price is zero");
    assert_eq!(
        with("GB-Mo", json!({"CNY": "0.5"})),
        "ebs_gp3: it is in CNY; only USD is understood"
    );
    assert_eq!(with("GB-Mo", json!({})), "ebs_gp3: it has no on-demand price");
    assert_eq!(
        with("Hrs", json!({"USD": "0.1"})),
        "ebs_gp3: it is per `Hrs`, which is not what is looked for"
    );
    for wrong in ["-0.1", "0.1.2", "1e99", "", "NaN", "0.00000000001"] {
        let said = with("GB-Mo", json!({"USD": wrong}));
        assert!(said.starts_with("ebs_gp3: `") && said.contains("is not a price"), "{said}");
    }
}

#[test]
fn a_free_tier_and_a_second_currency_are_passed_over() {
    let mut address = service("AmazonVPC", "APN2-PublicIPv4:InUseAddress", "Hrs", "0.005");
    let dimensions = &mut address["terms"]["OnDemand"]["S.JRTCKXETXF"]["priceDimensions"];
    dimensions["free"] = json!({"unit": "Hrs", "pricePerUnit": {"USD": "0.0000000000"}});
    dimensions["S.JRTCKXETXF.6YS6EN2CT7"]["pricePerUnit"]["CNY"] = json!("0.035");
    let answered = answered(&[address]);
    assert_eq!(answered.list.services[&Service::PublicIpv4].price.to_string(), "0.005");
    assert_eq!(refused(&answered), []);
}

#[test]
fn a_product_that_is_cut_off_is_named() {
    let text = instance(&json!({})).to_string();
    let answered = read(&[text[..text.len() / 2].to_owned()], SEOUL, ListSource::Aws, today());
    assert!(answered.list.on_demand.is_empty());
    let said = refused(&answered);
    assert_eq!(said.len(), 1);
    assert!(said[0].1.starts_with("it cannot be read: "), "{said:?}");
}

#[test]
fn changes_are_counted_against_what_was_known() {
    let mut dearer = instance(&json!({}));
    dearer["terms"]["OnDemand"]["S.JRTCKXETXF"]["priceDimensions"]["S.JRTCKXETXF.6YS6EN2CT7"]["pricePerUnit"] =
        json!({"USD": "0.1053150000"});
    let new =
        instance(&json!({"instanceType": "m99.large", "usagetype": "APN2-BoxUsage:m99.large"}));
    let before = PriceBook::embedded();
    let answered = answered(&[dearer, new]);
    let changes = Changes::of(&answered.list, before);
    let [change] = changes.changed.as_slice() else { panic!("{:?}", changes.changed) };
    assert_eq!((change.item.as_str(), change.thousandths()), ("m7g.large", 50));
    assert_eq!(changes.added, ["m99.large"]);
    let missing = |name: &str| changes.missing.iter().find(|one| one.item == name);
    assert!(missing("m7g.large").is_none());
    assert!(missing("m6i.large").expect("missing").known_since.is_some());
    assert_eq!(missing("fargate_ephemeral_storage").expect("missing").known_since, None);
    assert!(missing("cost_explorer_request").is_none());
    let after = before.refreshed(&answered.list);
    assert_eq!(Changes::of(&answered.list, &after).changed, []);
    assert!(Changes::of(&answered.list, &after).added.is_empty());
}

#[test]
fn halves_are_rounded_away_from_nothing() {
    let by = |before, after| {
        let price = |units| Price::new(units, Unit::Hour);
        Change { item: String::new(), before: price(before), after: price(after) }.thousandths()
    };
    assert_eq!([by(1000, 1001), by(2000, 2001), by(2000, 1999), by(1000, 500)], [1, 1, -1, -500]);
}

proptest! {
    #[test]
    fn exact_decimals_survive(units in 1_i64..1_000_000_000_000) {
        let text = format!("{}.{:010}", units / 10_000_000_000, units % 10_000_000_000);
        let read = answered(&[service("AmazonEC2", "APN2-EBS:VolumeUsage.gp3", "GB-Mo", &text)]);
        prop_assert_eq!(read.list.services[&Service::EbsGp3].price, Price::new(units, Unit::Month));
    }

    #[test]
    fn the_order_of_products_does_not_show(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle()) {
        let all = [
            instance(&json!({})),
            instance(&json!({"tenancy": "Dedicated"})),
            service("AmazonEKS", "APN2-AmazonEKS-Hours:extendedSupport", "Hours", "0.5"),
            service("AmazonEKS", "APN2-AmazonEKS-Hours:perCluster", "Hours", "0.1"),
            service("AmazonEC2", "APN2-EBS:VolumeUsage.gp3", "GB-Mo", "0.0912"),
            service("AmazonEC2", "APN2-EBS:VolumeUsage.gp3", "GB-Mo", "0"),
        ];
        let shuffled: Vec<Value> = order.iter().map(|place| all[*place].clone()).collect();
        prop_assert_eq!(answered(&shuffled), answered(&all));
    }
}
