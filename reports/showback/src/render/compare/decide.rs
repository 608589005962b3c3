//! What would decide it: the levers on each difference.

use runbook_capacity::money::Amount;

use super::side::Side;
use crate::render::chart::{Chart, Drawing, Lever as Bar, Tornado};
use crate::render::figures::{Cents, Percent};
use crate::render::page::{Block, Fold, Section};
use crate::render::read::{Node, Unreadable};
use crate::render::table::{Cell, Column, Row, Table, Tone};
use crate::render::text;

/// The answer in a sentence: that on the side which the headline is about, with its figures; without
/// one, the headline.
pub(super) fn sentence(headline: &str, sides: &[Side], verdicts: &[Verdict]) -> String {
    let found = primary(headline, sides, verdicts).and_then(|verdict| {
        let side = sides.iter().find(|side| side.id == verdict.side)?;
        let (first, share) = (sides.first()?, verdict.percent?);
        Some((verdict, side, first, Cents::of(side.total?), Cents::of(first.total?), share))
    });
    let Some((verdict, side, first, total, against, share)) = found else {
        return text::sentence(headline);
    };
    let how = if share.count() < 0 { "less" } else { "more" };
    let figures = format!(
        "{} $ a month against {} $, {} {how}",
        total.text(),
        against.text(),
        share.magnitude().text()
    );
    text::sentence(&match verdict.answer {
        Answer::Within => format!(
            "{} and {} cannot be told apart: {figures}, within the uncertainty",
            side.title, first.title
        ),
        answer => format!("{} is {} than {}: {figures}", side.title, answer.words(), first.title),
    })
}

/// How much of a setting is shown at a bar; the table has all of it.
const MOST_SETTING: usize = 26;

/// What was concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Cheaper,
    Dearer,
    Within,
    CannotSay,
}

impl Answer {
    fn read(node: &Node<'_>) -> Result<Self, Unreadable> {
        node.word(
            "answer",
            "`cheaper`, `dearer`, `within_uncertainty` or `cannot_say`",
            &[
                ("cheaper", Self::Cheaper),
                ("dearer", Self::Dearer),
                ("within_uncertainty", Self::Within),
                ("cannot_say", Self::CannotSay),
            ],
        )
    }

    fn words(self) -> &'static str {
        match self {
            Self::Cheaper => "cheaper",
            Self::Dearer => "dearer",
            Self::Within => "within the uncertainty",
            Self::CannotSay => "cannot say",
        }
    }

    /// As a cell, with something said behind it.
    pub(super) fn mark(self, behind: &str) -> Cell {
        let words = match behind {
            "" => self.words().to_owned(),
            behind => format!("{} {behind}", self.words()),
        };
        let tone = match self {
            Self::Cheaper => Tone::Good,
            Self::Dearer => Tone::Bad,
            Self::Within => Tone::Open,
            Self::CannotSay => Tone::Faint,
        };
        Cell::Mark(self.symbol(), words, tone)
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Cheaper => "▼",
            Self::Dearer => "▲",
            Self::Within => "≈",
            Self::CannotSay => "?",
        }
    }
}

/// A verdict on a side.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub side: String,
    pub answer: Answer,
    pub difference: Option<Amount>,
    pub percent: Option<Percent>,
    pub uncertainty: Option<Percent>,
    pub levers: Vec<Lever>,
    pub by_shape: Vec<Shape>,
    pub reason: Option<String>,
}

/// A lever.
#[derive(Debug, Clone)]
pub(super) struct Lever {
    pub what: String,
    pub base: String,
    pub low: End,
    pub high: End,
    pub break_even: Option<String>,
    pub turns: bool,
}

/// One end of a lever.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub setting: String,
    pub difference: Amount,
}

/// The answer for other nodes.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub title: String,
    pub answer: Answer,
    pub difference: Option<Amount>,
}

impl Verdict {
    /// In the words of a label: `▼ −58.4 %`.
    pub(super) fn short(&self) -> String {
        let share = self.percent.map(|share| format!("{}\u{a0}%", share.bare_signed()));
        match (self.answer, share) {
            (Answer::CannotSay, _) | (_, None) => "? cannot say".to_owned(),
            (answer, Some(share)) => format!("{} {share}", answer.symbol()),
        }
    }
}

/// `first` is what the differences are to.
pub(super) fn read(answer: &Node<'_>, first: Option<&Side>) -> Result<Vec<Verdict>, Unreadable> {
    let whole = first.and_then(|side| side.total);
    answer.list("verdicts")?.iter().map(|node| verdict(node, whole)).collect()
}

fn verdict(node: &Node<'_>, whole: Option<Amount>) -> Result<Verdict, Unreadable> {
    let difference = node.maybe_money("difference_usd")?;
    // The answer's own share is rounded already; rounding it once more would show another one.
    let exact = |part: Option<Amount>| {
        part.zip(whole).and_then(|(part, whole)| Percent::share(part, whole))
    };
    let uncertainty = node.maybe_money("uncertainty_usd")?;
    Ok(Verdict {
        side: node.text("side")?,
        answer: Answer::read(node)?,
        difference,
        percent: node.maybe_percent("difference_percent")?.and_then(|_| exact(difference)),
        uncertainty: node.maybe_percent("uncertainty_percent")?.and_then(|_| exact(uncertainty)),
        levers: node.list("tornado")?.iter().map(lever).collect::<Result<_, _>>()?,
        by_shape: node.list("by_node_shape")?.iter().map(shape).collect::<Result<_, _>>()?,
        reason: node.maybe_text("reason")?,
    })
}

fn lever(node: &Node<'_>) -> Result<Lever, Unreadable> {
    let end = |name: &str| -> Result<End, Unreadable> {
        let end = node.field(name)?;
        Ok(End { setting: end.text("setting")?, difference: end.money("difference_usd")? })
    };
    Ok(Lever {
        what: node.text("lever")?,
        base: node.text("base")?,
        low: end("low")?,
        high: end("high")?,
        break_even: node.maybe_text("break_even")?,
        turns: node.flag("turns")?,
    })
}

fn shape(node: &Node<'_>) -> Result<Shape, Unreadable> {
    Ok(Shape {
        title: node.text("node_shape")?,
        answer: Answer::read(node)?,
        difference: node.maybe_money("difference_usd")?,
    })
}

/// The verdict that the headline is about, so that what would decide it is said of the same side;
/// of a headline about none, that on the cheapest side that something is known of.
pub(super) fn primary<'a>(
    headline: &str,
    sides: &[Side],
    verdicts: &'a [Verdict],
) -> Option<&'a Verdict> {
    let side = |verdict: &Verdict| sides.iter().find(|side| side.id == verdict.side);
    let known = || verdicts.iter().filter(|one| one.difference.is_some() && !one.levers.is_empty());
    // A title may begin like another one; the longest is the one that is meant.
    let named = known()
        .filter(|one| side(one).is_some_and(|side| headline.contains(&side.title)))
        .max_by_key(|one| side(one).map(|side| side.title.len()));
    named.or_else(|| known().min_by_key(|one| side(one).and_then(|side| side.total)))
}

pub(super) fn section(headline: &str, sides: &[Side], verdicts: &[Verdict]) -> Option<Section> {
    let primary = primary(headline, sides, verdicts)?;
    let first = sides.first().map_or("the first side", |side| &side.title);
    let title_of = |verdict: &Verdict| {
        sides
            .iter()
            .find(|side| side.id == verdict.side)
            .map_or_else(|| verdict.side.clone(), |side| side.title.clone())
    };
    let mut section = Section::new("decide", "What would decide it").with(Block::Text(format!(
        "A difference is believed when no single lever turns its sign. Each bar goes from the \
         difference as billed to what it becomes when one thing is otherwise; left of 0 the side is \
         cheaper than {first}, right of it dearer."
    )));
    section = section.with(chart(primary, &title_of(primary), first));
    for verdict in verdicts.iter().filter(|verdict| verdict.side != primary.side) {
        let title = title_of(verdict);
        let blocks = if verdict.levers.is_empty() || verdict.difference.is_none() {
            let reason = verdict.reason.clone();
            vec![Block::Text(reason.unwrap_or_else(|| "No lever was looked at.".to_owned()))]
        } else {
            vec![chart(verdict, &title, first)]
        };
        let aside = format!("{}, {}", verdict.short(), verdict.answer.words());
        let aside = if verdict.percent.is_some() { aside } else { verdict.short() };
        section = section.with(Block::Fold(Fold { title, aside, blocks }));
    }
    Some(section)
}

fn chart(verdict: &Verdict, title: &str, first: &str) -> Block {
    let today = verdict.difference.unwrap_or_default();
    let levers = verdict
        .levers
        .iter()
        .map(|lever| Bar {
            what: lever.what.clone(),
            note: note(lever),
            ends: vec![lever.low.difference, lever.high.difference],
            turns: lever.turns,
        })
        .collect();
    Block::Chart(Box::new(Chart {
        title: format!("{title} less {first}"),
        description: described(verdict),
        drawing: Drawing::Tornado(Tornado {
            unit: "difference in $ a month".to_owned(),
            below: "cheaper".to_owned(),
            above: "dearer".to_owned(),
            today,
            levers,
        }),
        table: table(verdict, today),
    }))
}

/// The two settings, each short enough for both to be read, and where the answer turns.
fn note(lever: &Lever) -> String {
    let short = |setting: &str| text::elided(&text::visible(setting), MOST_SETTING).into_owned();
    let settings = if lever.low.setting == lever.high.setting {
        short(&lever.low.setting)
    } else {
        format!("{} … {}", short(&lever.low.setting), short(&lever.high.setting))
    };
    match &lever.break_even {
        Some(at) => format!("{settings}; break-even {at}"),
        None => settings,
    }
}

fn described(verdict: &Verdict) -> String {
    let today = verdict.difference.map(|one| Cents::of(one).signed()).unwrap_or_default();
    let turning = verdict.levers.iter().filter(|lever| lever.turns).count();
    let largest = verdict.levers.first().map(|lever| &*lever.what).unwrap_or_default();
    let turns = match turning {
        0 => "none of them turns the answer".to_owned(),
        1 => "one of them turns the answer".to_owned(),
        many => format!("{many} of them turn the answer"),
    };
    format!(
        "The difference as billed is {today} $ a month. Of {} {turns}; the largest step is {largest}.",
        text::counted(i64::try_from(verdict.levers.len()).unwrap_or(i64::MAX), "lever", "levers")
    )
}

fn table(verdict: &Verdict, today: Amount) -> Table {
    let mut table = Table::new(
        "The difference when one thing is otherwise",
        vec![
            Column::words("lever"),
            Column::words("as billed"),
            Column::words("at one end"),
            Column::figure("difference", "$/month"),
            Column::words("at the other"),
            Column::figure("difference", "$/month"),
            Column::words("break-even"),
            Column::words("turns the answer"),
        ],
    );
    for lever in &verdict.levers {
        let end =
            |end: &End| [Cell::Text(end.setting.clone()), Cell::Change(Cents::of(end.difference))];
        let mut cells = vec![Cell::Name(lever.what.clone()), Cell::Text(lever.base.clone())];
        cells.extend(end(&lever.low));
        cells.extend(end(&lever.high));
        cells.push(Cell::Text(lever.break_even.clone().unwrap_or_else(|| "none".to_owned())));
        cells.push(if lever.turns {
            Cell::Mark("◆", "yes".to_owned(), Tone::Open)
        } else {
            Cell::Text("no".to_owned())
        });
        table.add(Row::plain(cells));
    }
    let mut cells =
        vec![Cell::Text("nothing is otherwise".to_owned()), Cell::Nothing, Cell::Nothing];
    cells.extend([Cell::Change(Cents::of(today)), Cell::Nothing, Cell::Nothing]);
    cells.extend([Cell::Nothing, Cell::Nothing]);
    table.add(Row::subtotal(cells));
    table
}
