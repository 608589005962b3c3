//! `runbook prices show`: what is known about a price, and from where.

use runbook_capacity::answer::prices::{PriceRow, PricesAnswer};
use runbook_capacity::answer::written;

use super::table::{Align, table};
use super::{Output, PriceArguments, Problems, exit, files, is_region, json, refuse, remark};
use crate::exit::Exit;
use crate::price_lists::PriceLists;
use crate::printer::Printer;
use crate::style::Style;
use crate::target::On;

/// Arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ShowArguments {
    /// Instance types (`m7g.large`) or services (`fargate_vcpu`, `ebs_gp3`, `nat_gateway`).
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Only this region; without it, every region with instances in the tables.
    #[arg(long)]
    region: Option<String>,
    /// Whose: those for questions about your account, or those for questions about the sandbox.
    #[arg(long, value_enum, default_value = "aws", value_name = "TARGET")]
    pub(super) on: On,
    #[command(flatten)]
    prices: PriceArguments,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(super) fn run(arguments: &ShowArguments, lists: &PriceLists, printer: &Printer) -> Exit {
    let answer = match answer(arguments, lists) {
        Ok(answer) => answer,
        Err(problems) => return refuse(printer, &problems, "nothing was answered"),
    };
    let exit = exit(answer.completeness());
    match arguments.output {
        Output::Csv => printer.raw(answer.csv().as_bytes()),
        Output::Json => return json(printer, &answer, exit),
        Output::Table => printer.out(&text(&answer, printer.out)),
    }
    exit
}

fn answer(arguments: &ShowArguments, lists: &PriceLists) -> Result<PricesAnswer, Problems> {
    let region = arguments.region.as_deref();
    if let Some(wrong) = region.filter(|name| !is_region(name)) {
        return Err(vec![format!("`{wrong}` is not the name of a region, such as ap-northeast-2")]);
    }
    let book = lists.book(region).map_err(|why| vec![why])?;
    PricesAnswer::new(&arguments.names, region, &book, arguments.prices.age()).map_err(files::said)
}

/// For people.
fn text(answer: &PricesAnswer, style: Style) -> String {
    let rows: Vec<Vec<String>> = answer.prices.iter().map(row).collect();
    let columns = [
        ("item", Align::Left),
        ("region", Align::Left),
        ("kind", Align::Left),
        ("$", Align::Right),
        ("per", Align::Left),
        ("of", Align::Left),
        ("from", Align::Left),
    ];
    let mut text = table(&columns, &rows);
    if answer.prices.iter().any(|row| row.too_old) {
        text.push('\n');
        let days = answer.max_age_days;
        text.push_str(&remark(style, "!", &format!("older than {days} days")));
    }
    text
}

fn row(row: &PriceRow) -> Vec<String> {
    let range = row.low.zip(row.high).map(|(low, high)| format!(", {low} to {high} over zones"));
    let said = row.reason.clone().unwrap_or_else(|| row.source.clone());
    let day = row.as_of.clone().unwrap_or_default();
    vec![
        row.item.clone(),
        row.region.clone(),
        row.kind.to_owned(),
        written::dollars_or_nothing(row.price),
        row.unit.clone(),
        if row.too_old { format!("{day} !") } else { day },
        format!("{said}{}", range.unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook_capacity::answer::{Completeness, PriceAge};
    use runbook_capacity::prices::PriceBook;

    fn ask(names: &[&str], region: &str) -> PricesAnswer {
        let names: Vec<String> = names.iter().map(|one| (*one).to_owned()).collect();
        let age = PriceAge { most_days: 90, today: "2026-11-25".parse().expect("a day") };
        PricesAnswer::new(&names, Some(region), PriceBook::embedded(), age).expect("known names")
    }

    #[test]
    fn each_price_has_its_day_and_source() {
        let answer = ask(&["t4g.medium", "fargate_vcpu"], "ap-northeast-2");
        assert_eq!(answer.completeness(), Completeness::Complete);
        assert_eq!(
            text(&answer, Style::plain()),
            "  item          region          kind                     $  per        of            from
  t4g.medium    ap-northeast-2  on-demand         0.041600  hour       2026-03-30 !  skypilot-catalog@2c3d7ea7 (seen)
  t4g.medium    ap-northeast-2  spot             0.0133952  hour       2026-03-30 !  skypilot-catalog@2c3d7ea7 (seen), 0.0128128 to 0.015808 over zones
  t4g.medium    ap-northeast-2  auto mode fee     0.004992  hour       2026-06-01 !  approximate; exact per type in the AWS Price List under operation EKSAutoUsage
  t4g.medium    ap-northeast-2  surplus credits   0.040000  vCPU-hour                above a baseline of 20.0 % of each vCPU
  fargate_vcpu  ap-northeast-2  list price        0.046560  hour       2026-10-05    AWS Price List APN2-Fargate-vCPU-Hours:perCPU

!  older than 90 days
"
        );
    }

    #[test]
    fn what_has_no_price_says_why() {
        let answer = ask(&["m7g.large"], "sa-east-1");
        assert_eq!(answer.completeness(), Completeness::Unpriced);
        assert_eq!(
            text(&answer, Style::plain()),
            "  item       region     kind       $  per   of  from
  m7g.large  sa-east-1  on-demand     hour      no on-demand price of `m7g.large` in `sa-east-1`; `runbook prices refresh --region sa-east-1` asks AWS
"
        );
    }
}
