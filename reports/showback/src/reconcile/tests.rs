//! Reconciliations by hand: what each planted difference comes out as, and that causes always add up.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use runbook_capacity::money::{Price, Unit};
use runbook_capacity::prices::Service;

use super::*;
use crate::allocate::charge::{Origin, Part, Recipient};
use crate::bill::Line;
use crate::observed::{ClusterId, Source};

const REGION: &str = "ap-northeast-2";
const SLOT: &str = "2026-11-05T00:00:00Z";

fn book() -> &'static PriceBook {
    PriceBook::embedded()
}

fn cluster() -> Arc<ClusterId> {
    Arc::new(ClusterId {
        account: Some("111122223333".to_owned()),
        region: REGION.to_owned(),
        name: "myeks".to_owned(),
    })
}

fn day(number: u8) -> Date {
    format!("2026-10-{number:02}").parse().unwrap()
}

fn window(first: u8, last: u8) -> Window {
    Window { start: Window::day(day(first)).start, end: Window::day(day(last)).end }
}

fn hourly(class: Class, kind: &str) -> Price {
    match class {
        Class::Ec2Compute => book().on_demand(REGION, kind).unwrap().price,
        Class::FargateVcpu => book().service(REGION, Service::FargateVcpu).unwrap().price,
        Class::ControlPlane => book().service(REGION, Service::EksControlPlane).unwrap().price,
        other => panic!("{other:?}"),
    }
}

/// What we charge for so many hours of a thing at list.
fn ours(number: u8, class: Class, id: &str, kind: &str, hours: i64) -> Charge {
    let is_fargate = class == Class::FargateVcpu;
    Charge {
        day: day(number),
        period: Window::day(day(number)),
        class,
        origin: Arc::new(Origin {
            cluster: cluster(),
            resource_id: (!is_fargate && class != Class::ControlPlane).then(|| id.to_owned()),
            name: id.to_owned(),
            kind: kind.to_owned(),
        }),
        recipient: Recipient::Idle,
        part: Part::Whole,
        amount: hourly(class, kind).amount(1, hours * 3600),
    }
}

/// A line of the bill: at list times `percent`.
fn billed(
    number: u8,
    class: Class,
    id: Option<&str>,
    kind: &str,
    (hours, percent): (i64, i64),
) -> Line {
    let amount = hourly(class, kind).fraction(percent, 100).amount(1, hours * 3600);
    Line {
        period: Window::day(day(number)),
        class,
        category: Category::Usage,
        resource_id: id.map(str::to_owned),
        pod: None,
        usage_type: match class {
            Class::Ec2Compute => format!("APN2-BoxUsage:{kind}"),
            Class::FargateVcpu => "APN2-Fargate-vCPU-Hours:perCPU".to_owned(),
            _ => "APN2-AmazonEKS-Hours:perCluster".to_owned(),
        },
        quantity_billionths: Some(i128::from(hours) * 1_000_000_000),
        unit: "Hrs".to_owned(),
        list: None,
        effective: amount,
        is_estimated: false,
    }
}

fn bill(window: Window, scope: Scope, lines: Vec<Line>) -> Bill {
    Bill { source: "a file".to_owned(), window, scope, lines, as_of: None, asking: Amount::ZERO }
}

fn tag() -> Scope {
    Scope::Tag("nodeless/myeks".to_owned())
}

fn looked(covered: Vec<Window>) -> ClusterObserved {
    ClusterObserved {
        id: cluster(),
        covered,
        resolution_seconds: 300,
        looks: 1,
        is_in_extended_support: None,
        created: None,
        sources: [Source::Poll].into(),
    }
}

/// A class in a line: list, effective, bill, then each cause that has something.
fn shown(line: &ClassLine) -> String {
    let causes: String = Cause::ALL
        .into_iter()
        .filter(|cause| line.causes.of(*cause) != Amount::ZERO)
        .map(|cause| format!(" {} {}", cause.name(), line.causes.of(cause).dollars(4)))
        .collect();
    format!(
        "{}: {} {} {}{causes}{}",
        line.class.title(),
        line.list.dollars(4),
        line.effective.dollars(4),
        line.billed.dollars(4),
        if line.is_reconciled { "" } else { " !" }
    )
}

fn answer(charges: &[Charge], covered: Vec<Window>, bill: &Bill) -> Reconciliation {
    let clusters = [looked(covered)];
    let ours = Ours { charges, clusters: &clusters, without: &[] };
    reconcile(ours, bill, book(), SLOT.parse().unwrap()).unwrap()
}

fn lines(answer: &Reconciliation) -> Vec<String> {
    answer.classes.iter().map(shown).collect()
}

/// Two instances, a control plane and a pod for two days.
fn month() -> (Vec<Charge>, Vec<Line>) {
    let (mut charges, mut lines) = (Vec::new(), Vec::new());
    for number in [5, 6] {
        for (class, id, kind, hours) in [
            (Class::Ec2Compute, "i-0a", "m7g.large", 24),
            (Class::Ec2Compute, "i-0b", "c6g.xlarge", 12),
            (Class::ControlPlane, "control plane", "", 24),
            (Class::FargateVcpu, "shop/web-0", "", 6),
        ] {
            charges.push(ours(number, class, id, kind, hours));
            lines.push(billed(number, class, None, kind, (hours, 100)));
        }
    }
    (charges, lines)
}

#[test]
fn what_agrees_is_reconciled_and_has_no_cause() {
    let (charges, billed) = month();
    let found = answer(&charges, vec![window(5, 6)], &bill(window(5, 6), tag(), billed));
    assert!(found.is_reconciled());
    assert_eq!(
        lines(&found),
        [
            "EC2 compute: 8.5104 8.5104 8.5104",
            "Fargate vCPU: 0.5587 0.5587 0.5587",
            "control plane: 4.8000 4.8000 4.8000",
        ]
    );
    assert!(found.classes[1].is_account_scope && !found.classes[0].is_account_scope);
}

#[test]
fn a_price_that_is_wrong_in_the_book_is_a_price() {
    let (charges, mut billed) = month();
    for line in billed.iter_mut().filter(|line| line.usage_type.ends_with("m7g.large")) {
        line.effective = Price::new(1_071_000_000, Unit::Hour).amount(1, 24 * 3600);
    }
    let found = answer(&charges, vec![window(5, 6)], &bill(window(5, 6), tag(), billed));
    assert!(found.is_reconciled());
    assert_eq!(lines(&found)[0], "EC2 compute: 8.5104 8.8368 8.8368 price -0.3264");
    assert_eq!(
        found.classes[0].remarks,
        ["BoxUsage:m7g.large in ap-northeast-2: 0.100300 $ in the book, 0.107100 $ on the bill"]
    );
}

#[test]
fn a_ratio_that_usage_types_share_is_a_discount() {
    let (charges, mut billed) = month();
    for line in billed.iter_mut().filter(|line| line.class != Class::ControlPlane) {
        line.effective = Amount::from_raw(line.effective.raw() / 10 * 9);
    }
    let found = answer(&charges, vec![window(5, 6)], &bill(window(5, 6), tag(), billed));
    assert!(found.is_reconciled());
    assert_eq!(
        lines(&found),
        [
            "EC2 compute: 8.5104 7.6594 7.6594 discount 0.8510",
            "Fargate vCPU: 0.5587 0.5028 0.5028 discount 0.0559",
            "control plane: 4.8000 4.8000 4.8000",
        ]
    );
    assert_eq!(found.classes[0].remarks, ["the account pays 10.0 % below list"]);
}

#[test]
fn with_a_list_cost_discount_and_price_are_told_apart_exactly() {
    let mut line = billed(5, Class::Ec2Compute, Some("i-0a"), "m7g.large", (24, 80));
    line.list =
        Some(hourly(Class::Ec2Compute, "m7g.large").fraction(110, 100).amount(1, 24 * 3600));
    let charges = [ours(5, Class::Ec2Compute, "i-0a", "m7g.large", 24)];
    let found = answer(&charges, vec![window(5, 5)], &bill(window(5, 5), tag(), vec![line]));
    assert_eq!(lines(&found), ["EC2 compute: 2.4072 1.9258 1.9258 price -0.2407 discount 0.7222"]);
}

#[test]
fn a_lost_day_is_no_samples() {
    let (charges, billed) = month();
    let seen: Vec<Charge> = charges.into_iter().filter(|one| one.day == day(5)).collect();
    let found = answer(&seen, vec![window(5, 5)], &bill(window(5, 6), tag(), billed));
    assert!(found.is_reconciled());
    assert_eq!(
        lines(&found),
        [
            "EC2 compute: 4.2552 4.2552 8.5104 no_samples -4.2552",
            "Fargate vCPU: 0.2794 0.2794 0.5587 no_samples -0.2794",
            "control plane: 2.4000 2.4000 4.8000 no_samples -2.4000",
        ]
    );
    assert_eq!(found.classes[0].remarks, ["nobody looked for all of 2026-10-06"]);
}

#[test]
fn a_hole_explains_its_share_of_the_day_and_not_more() {
    let charges = [ours(5, Class::Ec2Compute, "i-0a", "m7g.large", 12)];
    let line = billed(5, Class::Ec2Compute, Some("i-0a"), "m7g.large", (24, 100));
    let six_hours = Window { end: "2026-10-05T18:00:00Z".parse().unwrap(), ..window(5, 5) };
    let found = answer(&charges, vec![six_hours], &bill(window(5, 5), tag(), vec![line]));
    assert_eq!(
        lines(&found),
        ["EC2 compute: 1.2036 1.2036 2.4072 no_samples -0.6018 unexplained -0.6018 !"]
    );
    assert_eq!(found.classes[0].remarks, ["nobody looked for 6 h 00 min of 2026-10-05"]);
    assert!(!found.is_reconciled() && !found.total.is_reconciled);
}

#[test]
fn by_resource_what_only_one_side_has_is_named() {
    let charges = [
        ours(5, Class::Ec2Compute, "i-ours", "m7g.large", 24),
        ours(5, Class::Ec2Compute, "i-both", "m7g.large", 24),
    ];
    let of = |id| billed(5, Class::Ec2Compute, Some(id), "m7g.large", (24, 100));
    let billed = vec![of("i-both"), of("i-bill")];
    let account = Scope::Accounts(vec!["111122223333".to_owned()]);
    let found = answer(&charges, vec![window(5, 5)], &bill(window(5, 5), account, billed));
    assert!(found.by_resource && !found.is_reconciled());
    assert_eq!(
        lines(&found),
        ["EC2 compute: 4.8144 4.8144 4.8144 outside_scope -2.4072 unexplained 2.4072 !"]
    );
    let named: Vec<_> = found.resources.iter().map(|one| (one.side, &*one.id)).collect();
    assert_eq!(named, [(Side::Billed, "i-bill"), (Side::Seen, "i-ours")]);
}

#[test]
fn what_aws_may_change_is_estimated_and_what_we_never_look_at_is_outside() {
    let charges = [ours(5, Class::Ec2Compute, "i-0a", "m7g.large", 24)];
    let mut late = billed(5, Class::Ec2Compute, Some("i-0a"), "m7g.large", (20, 100));
    late.is_estimated = true;
    let nat = Line {
        class: Class::Nat,
        usage_type: "APN2-NatGateway-Hours".to_owned(),
        effective: Price::new(590_000_000, Unit::Hour).amount(1, 24 * 3600),
        ..billed(5, Class::ControlPlane, None, "", (24, 100))
    };
    let tax = Line { category: Category::Tax, ..nat.clone() };
    let found =
        answer(&charges, vec![window(5, 5)], &bill(window(5, 5), tag(), vec![late, nat, tax]));
    assert!(found.is_reconciled());
    assert_eq!(
        lines(&found),
        [
            "EC2 compute: 2.4072 2.4072 2.0060 estimated 0.4012",
            "NAT gateways: 0.0000 0.0000 1.4160 outside_scope -1.4160",
        ]
    );
    assert_eq!(found.classes[1].remarks, ["nothing of NAT gateways is observed"]);
    assert_eq!(
        found.not_compared,
        [NotCompared { category: Category::Tax, amount: found.classes[1].billed }]
    );
}

#[test]
fn only_whole_days_that_ended_two_days_ago_are_compared() {
    let slot: Timestamp = "2026-10-08T00:00:00Z".parse().unwrap();
    let (charges, lines) = month();
    let clusters = [looked(vec![window(5, 7)])];
    let ours = Ours { charges: &charges, clusters: &clusters, without: &[] };
    let found = reconcile(ours, &bill(window(5, 7), tag(), lines), book(), slot).unwrap();
    assert_eq!((found.days, found.unsettled), (vec![day(5)], vec![day(6), day(7)]));
    let late = reconcile(ours, &bill(window(7, 7), tag(), vec![]), book(), slot).unwrap_err();
    assert_eq!(
        late.to_string(),
        "no day of 2026-10-07 can be compared yet: AWS may change a UTC day until 48 h after its end, and \
         it is 2026-10-08T00:00:00Z; ask for an earlier --window"
    );
}

#[test]
fn a_month_of_a_volume_is_the_calendars() {
    // 20 GB for a day of October are 20 / 31 GB-months.
    let gp3 = book().service(REGION, Service::EbsGp3).unwrap().price;
    let charge = Charge {
        class: Class::Ebs,
        amount: gp3.amount_in_month(20, 86_400, 31),
        ..ours(5, Class::ControlPlane, "volume", "", 24)
    };
    let billed = Line {
        class: Class::Ebs,
        usage_type: "APN2-EBS:VolumeUsage.gp3".to_owned(),
        quantity_billionths: Some(645_161_290),
        effective: Amount::from_raw(gp3.monthly().raw() / 31 * 20),
        ..billed(5, Class::ControlPlane, None, "", (24, 100))
    };
    let found = answer(&[charge], vec![window(5, 5)], &bill(window(5, 5), tag(), vec![billed]));
    assert_eq!(
        shown(&found.classes[0]),
        // 645,161,290 billionths are not 20 / 31 to the last digit; what that leaves is nothing.
        "EBS volumes: 0.0588 0.0588 0.0588 price 0.0000 unexplained 0.0000"
    );
    assert!(found.is_reconciled());
}

/// A side of a made bill.
fn any_line() -> impl Strategy<Value = (u8, usize, u8, i64, i64, Option<i64>, bool)> {
    (
        1_u8..4,
        0_usize..4,
        0_u8..4,
        0_i64..25,
        -50_i64..300,
        proptest::option::of(0_i64..300),
        any::<bool>(),
    )
}

fn made(of: &(u8, usize, u8, i64, i64, Option<i64>, bool), by_id: bool) -> Line {
    let (number, class, id, hours, percent, list, is_estimated) = *of;
    let (class, kind) = CLASSES[class];
    let resource = format!("i-{id}");
    let mut line = billed(number, class, by_id.then_some(&*resource), kind, (hours, percent));
    line.list =
        list.map(|percent| hourly(class, kind).fraction(percent, 100).amount(1, hours * 3600));
    line.is_estimated = is_estimated;
    if hours == 7 {
        line.quantity_billionths = None;
    }
    line
}

const CLASSES: [(Class, &str); 4] = [
    (Class::Ec2Compute, "m7g.large"),
    (Class::Ec2Compute, "c6g.xlarge"),
    (Class::FargateVcpu, ""),
    (Class::ControlPlane, ""),
];

proptest! {
    #[test]
    fn the_bill_and_the_causes_are_ours_whatever_they_are(
        ours_made in prop::collection::vec((1_u8..4, 0_usize..4, 0_u8..4, 0_i64..25), 0..25),
        billed_made in prop::collection::vec(any_line(), 0..25),
        by_id in any::<bool>(),
        scope in 0_u8..3,
        covered in 0_i64..100,
    ) {
        let charges: Vec<Charge> = ours_made
            .iter()
            .map(|(number, class, id, hours)| {
                let (class, kind) = CLASSES[*class];
                ours(*number, class, &format!("i-{id}"), kind, *hours)
            })
            .collect();
        let lines: Vec<Line> = billed_made.iter().map(|one| made(one, by_id)).collect();
        let scope = match scope {
            0 => tag(),
            1 => Scope::Accounts(vec!["111122223333".to_owned()]),
            _ => Scope::Accounts(vec!["999999999999".to_owned()]),
        };
        let all = window(1, 3);
        let end = all.start.saturating_add(jiff::SignedDuration::from_hours(covered)).unwrap();
        let found = answer(&charges, vec![Window { end: end.min(all.end), ..all }], &bill(all, scope, lines.clone()));
        let mut by_class: BTreeMap<Class, (Amount, Amount)> = BTreeMap::new();
        for charge in &charges {
            by_class.entry(charge.class).or_default().0 += charge.amount;
        }
        for line in &lines {
            by_class.entry(line.class).or_default().1 += line.effective;
        }
        by_class.retain(|_, sides| *sides != (Amount::ZERO, Amount::ZERO));
        let sides: BTreeMap<Class, (Amount, Amount)> =
            found.classes.iter().map(|one| (one.class, (one.list, one.billed))).collect();
        prop_assert_eq!(sides, by_class);
        for line in found.classes.iter().chain([&found.total]) {
            prop_assert_eq!(line.billed + line.causes.sum(), line.list);
        }
    }
}

#[test]
fn every_form_has_the_same_cents() {
    use crate::render::reconcile as forms;
    let (charges, mut lines) = month();
    lines[0].effective = Price::new(1_071_000_000, Unit::Hour).amount(1, 24 * 3600);
    let tax = Line {
        category: Category::Tax,
        effective: Price::new(15_000_000_000, Unit::Piece).amount(1, 0),
        ..lines[2].clone()
    };
    lines.push(tax);
    let mut found = answer(&charges, vec![window(5, 5)], &bill(window(5, 6), tag(), lines));
    found.asking = Price::new(300_000_000, Unit::Piece).amount(1, 0);
    assert_eq!(forms::text(&found, "sandbox"), TEXT);
    let markdown = forms::markdown(&found, "sandbox");
    assert!(
        markdown.contains("| EC2 compute | 8.51 | 8.67 | 8.67 | −0.16 | −0.16 | 0.00 |"),
        "{markdown}"
    );
    let csv = forms::csv(&found, "sandbox");
    assert!(
        csv.contains(
            "\ntotal,total,13.87,14.03,14.03,-0.16,0.00,-0.16,0.00,0.00,0.00,0.00,true,USD,sandbox,"
        ),
        "{csv}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&forms::json(&found, "sandbox").unwrap()).unwrap();
    assert_eq!((&json["total"]["billed"], &json["asking"]), (&14.03.into(), &0.03.into()));
    assert_eq!(json["classes"][0]["causes"]["price"], -0.16);
    let page = forms::html(&found, "sandbox").replace('\u{a0}', " ");
    assert!(
        page.contains("Reconciled: 0.00 $ unexplained of 14.03 $ billed.")
            && page.ends_with("</html>\n")
    );
}

const TEXT: &str = "\
reconciled: 2026-10-05 to 2026-10-06 against a file · tag runbook/owner nodeless/myeks · sandbox

  $              at list  at the bill's rate   bill  difference  price  unexplained
  EC2 compute       8.51                8.67   8.67       −0.16  −0.16         0.00
  Fargate vCPU      0.56                0.56   0.56        0.00   0.00         0.00
  control plane     4.80                4.80   4.80        0.00   0.00         0.00
  total            13.87               14.03  14.03       −0.16  −0.16         0.00

EC2 compute  BoxUsage:m7g.large in ap-northeast-2: 0.100300 $ in the book, 0.103700 $ on the bill
Fargate vCPU  account scope: its lines never carry the tag, and the bill names no pods
not compared  tax: 1.50 $, of the whole account
asking  this bill cost 0.03 $ to ask for
";
