//! Schedules as systemd timers with their services.
//!
//! A timer that was missed is begun once when the machine is up again (`Persistent`), and a service
//! that is at work is not started twice. systemd reads a time zone at the end of a calendar event.

use runbook_core::schedule::Policy;

use super::super::sources::{Entry, Source};
use super::{Format, Order, Unit, command, comments, name};

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The units of a runbook.
pub(super) fn units(source: &Source, order: &Order<'_>) -> Vec<Unit> {
    source
        .entries
        .iter()
        .flat_map(|entry| {
            let name = name(entry);
            let head = comments(entry, Format::Systemd, order.now);
            [
                Unit {
                    name: format!("{name}.timer"),
                    text: format!("{head}{}", timer(entry, &name)),
                },
                Unit { name: format!("{name}.service"), text: service(entry, source, &name) },
            ]
        })
        .collect()
}

fn timer(entry: &Entry, name: &str) -> String {
    let one = &entry.schedule;
    let mut lines = vec![
        "[Unit]".to_owned(),
        format!("Description=Slots of {}", specifiers(&entry.identity)),
        String::new(),
        "[Timer]".to_owned(),
    ];
    lines.extend(calendar(entry).into_iter().map(|event| format!("OnCalendar={event}")));
    lines.push("AccuracySec=1s".to_owned());
    lines.push(format!("Persistent={}", one.catch_up.policy != Policy::None));
    if !one.jitter.is_zero() {
        lines.push(format!("RandomizedDelaySec={}", one.jitter.as_secs()));
        lines.push("FixedRandomDelay=true".to_owned());
    }
    lines.push(format!("Unit={name}.service"));
    lines.push(String::new());
    lines.push("[Install]".to_owned());
    lines.push("WantedBy=timers.target".to_owned());
    lines.join("\n") + "\n"
}

/// The calendar events that a cron expression stands for: two when one of its day fields is enough.
fn calendar(entry: &Entry) -> Vec<String> {
    let fields = entry.schedule.cron.fields();
    let list = |set: &[i8], whole: usize| {
        if set.len() == whole {
            return "*".to_owned();
        }
        set.iter().map(|one| format!("{one:02}")).collect::<Vec<_>>().join(",")
    };
    let time = format!("{}:{}:00", list(&fields.hours, 24), list(&fields.minutes, 60));
    let months = list(&fields.months, 12);
    let zone = entry.schedule.zone.name();
    let weekdays = fields.weekdays.as_ref().map(|set| {
        let named = |day: &i8| WEEKDAYS.get(usize::try_from(*day).unwrap_or(0)).copied();
        set.iter().filter_map(named).collect::<Vec<_>>().join(",")
    });
    let days = fields.days.as_ref().map(|set| list(set, 31));
    match (days, weekdays) {
        (None, None) => vec![format!("*-{months}-* {time} {zone}")],
        (Some(days), None) => vec![format!("*-{months}-{days} {time} {zone}")],
        (None, Some(weekdays)) => vec![format!("{weekdays} *-{months}-* {time} {zone}")],
        (Some(days), Some(weekdays)) => vec![
            format!("*-{months}-{days} {time} {zone}"),
            format!("{weekdays} *-{months}-* {time} {zone}"),
        ],
    }
}

fn service(entry: &Entry, source: &Source, name: &str) -> String {
    let runbook = if entry.is_shipped {
        entry.runbook.clone()
    } else {
        format!("/etc/runbook/{}", source.root_name)
    };
    let words: Vec<String> =
        command(entry, &runbook, "last").iter().map(|word| quoted(word)).collect();
    let own_files = if entry.is_shipped {
        ""
    } else {
        "# The runbook and the files beside it belong into /etc/runbook.\n"
    };
    format!(
        "# The state folder is /var/lib/runbook: which slots have run, and the journal of runs.\n\
         {own_files}\
         # Credentials of AWS as its SDK finds them, for example in /etc/runbook/environment.\n\
         [Unit]\n\
         Description=A slot of {}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart=/usr/bin/runbook {}\n\
         Environment=RUNBOOK_STATE=/var/lib/runbook\n\
         EnvironmentFile=-/etc/runbook/environment\n\
         DynamicUser=true\n\
         StateDirectory=runbook\n\
         SyslogIdentifier={name}\n\
         NoNewPrivileges=true\n\
         ProtectSystem=strict\n\
         ProtectHome=true\n\
         PrivateTmp=true\n\
         PrivateDevices=true\n\
         ProtectKernelTunables=true\n\
         ProtectKernelModules=true\n\
         ProtectControlGroups=true\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n\
         RestrictSUIDSGID=true\n\
         LockPersonality=true\n\
         CapabilityBoundingSet=\n",
        specifiers(&entry.identity),
        words.join(" ")
    )
}

/// Text in one line, in which systemd replaces nothing.
fn specifiers(text: &str) -> String {
    crate::view::words::one_line(text).replace('%', "%%")
}

/// A word of a command line as systemd splits it.
fn quoted(word: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_./:=@+".contains(one);
    let word = specifiers(word).replace('$', "$$");
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
