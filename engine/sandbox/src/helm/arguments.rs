//! The command lines that this helm understands: those of the engine's client, and no others.
//!
//! Anything else is refused by name, in the words of the real one's command line parser, so that a
//! flag that would change the meaning is never ignored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What helm is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `helm version`.
    Version,
    /// `helm upgrade --install RELEASE CHART`.
    Upgrade(Box<Upgrade>),
    /// `helm uninstall RELEASE`.
    Uninstall(Uninstall),
}

/// How the cluster is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) context: Option<String>,
    /// The namespace; the context's own when absent.
    pub(super) namespace: Option<String>,
}

/// `helm upgrade --install`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(super) struct Upgrade {
    pub(super) release: String,
    pub(super) chart: String,
    pub(super) repository: Option<String>,
    pub(super) version: Option<String>,
    pub(super) create_namespace: bool,
    pub(super) values: Vec<PathBuf>,
    pub(super) reset_values: bool,
    pub(super) wait: bool,
    pub(super) timeout: Duration,
    pub(super) json: bool,
    pub(super) description: Option<String>,
    pub(super) access: Access,
}

/// `helm uninstall`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uninstall {
    pub(super) release: String,
    pub(super) wait: bool,
    pub(super) timeout: Duration,
    pub(super) access: Access,
}

/// How long helm waits when nobody says.
const TIMEOUT: Duration = Duration::from_mins(5);
/// Letters for flags.
const SHORT: [(&str, &str); 3] = [("-f", "--values"), ("-n", "--namespace"), ("-o", "--output")];
const ACCESS: [&str; 3] = ["--kubeconfig", "--kube-context", "--namespace"];
const UPGRADE: [&str; 6] =
    ["--version", "--values", "--timeout", "--output", "--repo", "--description"];
const UPGRADE_SWITCHES: [&str; 4] = ["--install", "--create-namespace", "--reset-values", "--wait"];
const UNINSTALL: [&str; 1] = ["--timeout"];
const UNINSTALL_SWITCHES: [&str; 1] = ["--wait"];

/// Reads a command line, without the program's name.
pub(super) fn parse(arguments: &[String]) -> Result<Command, String> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err("a command is needed: version, upgrade --install or uninstall".to_owned());
    };
    match command.as_str() {
        "version" => {
            let words = Words::read("version", rest, &[], &[])?;
            words.positional::<0>("accepts no arguments", "helm version [flags]")?;
            Ok(Command::Version)
        }
        "upgrade" => upgrade(rest),
        "uninstall" => uninstall(rest),
        flag if flag.starts_with('-') => Err(unknown_flag(flag)),
        other => Err(format!(
            "unknown command \"{other}\" for \"helm\"\nThe sandbox's helm has version, upgrade --install and uninstall."
        )),
    }
}

fn upgrade(rest: &[String]) -> Result<Command, String> {
    let mut words = Words::read("upgrade", rest, &UPGRADE, &UPGRADE_SWITCHES)?;
    let [release, chart] =
        words.positional("requires 2 arguments", "helm upgrade [RELEASE] [CHART] [flags]")?;
    if !words.is_set("--install") {
        return Err("the sandbox's helm upgrades with --install only".to_owned());
    }
    let json = match words.take("--output").as_deref() {
        None | Some("table") => false,
        Some("json") => true,
        Some(_) => {
            return Err("invalid argument for \"-o, --output\" flag: the sandbox's helm prints table and json".to_owned());
        }
    };
    Ok(Command::Upgrade(Box::new(Upgrade {
        release: checked_name(release)?,
        chart,
        repository: words.take("--repo"),
        version: words.take("--version"),
        create_namespace: words.is_set("--create-namespace"),
        values: words.take_all("--values").into_iter().map(PathBuf::from).collect(),
        reset_values: words.is_set("--reset-values"),
        wait: words.is_set("--wait"),
        timeout: words.timeout()?,
        json,
        description: words.take("--description"),
        access: words.access(),
    })))
}

fn uninstall(rest: &[String]) -> Result<Command, String> {
    let mut words = Words::read("uninstall", rest, &UNINSTALL, &UNINSTALL_SWITCHES)?;
    let [release] = words
        .positional("requires at least 1 argument", "helm uninstall RELEASE_NAME [...] [flags]")?;
    Ok(Command::Uninstall(Uninstall {
        release: checked_name(release)?,
        wait: words.is_set("--wait"),
        timeout: words.timeout()?,
        access: words.access(),
    }))
}

/// Names of releases are part of names of Secrets.
fn checked_name(name: String) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let right = !name.is_empty()
        && name.len() <= 53
        && name.chars().all(|letter| fits(letter) || matches!(letter, '-' | '.'))
        && name.starts_with(fits)
        && name.ends_with(fits);
    if right {
        return Ok(name);
    }
    Err(format!(
        "release name is invalid: {name}: it has at most 53 lower case letters, digits, '-' and '.', and begins and ends with a letter or digit"
    ))
}

/// A command's words, sorted into flags and others.
struct Words {
    command: &'static str,
    switches: BTreeMap<String, bool>,
    values: BTreeMap<String, Vec<String>>,
    others: Vec<String>,
}

impl Words {
    fn read(
        command: &'static str,
        rest: &[String],
        valued: &[&str],
        switches: &[&str],
    ) -> Result<Self, String> {
        let mut words = Self {
            command,
            switches: BTreeMap::new(),
            values: BTreeMap::new(),
            others: Vec::new(),
        };
        let takes = |flag: &str| valued.contains(&flag) || ACCESS.contains(&flag);
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            if !word.starts_with('-') || word == "-" {
                words.others.push(word.clone());
                continue;
            }
            let (given, joined) = word
                .split_once('=')
                .map_or((word.as_str(), None), |(flag, value)| (flag, Some(value.to_owned())));
            let long = SHORT.iter().find(|(short, _)| *short == given).map(|(_, long)| *long);
            let flag = long.unwrap_or(given);
            if takes(flag) {
                let value = joined.or_else(|| rest.next().cloned()).ok_or_else(|| {
                    if given.starts_with("--") {
                        format!("flag needs an argument: {given}")
                    } else {
                        let letter = given.trim_start_matches('-');
                        format!("flag needs an argument: '{letter}' in {given}")
                    }
                })?;
                words.values.entry(flag.to_owned()).or_default().push(value);
            } else if switches.contains(&flag) {
                let set = switch(flag, joined.as_deref())?;
                words.switches.insert(flag.to_owned(), set);
            } else {
                return Err(unknown_flag(given));
            }
        }
        Ok(words)
    }

    fn positional<const N: usize>(&self, need: &str, usage: &str) -> Result<[String; N], String> {
        <[String; N]>::try_from(self.others.clone())
            .map_err(|_| format!("\"helm {}\" {need}\n\nUsage:  {usage}", self.command))
    }

    fn is_set(&self, switch: &str) -> bool {
        self.switches.get(switch).copied().unwrap_or_default()
    }

    /// The last one counts.
    fn take(&mut self, flag: &str) -> Option<String> {
        self.values.remove(flag)?.pop()
    }

    fn take_all(&mut self, flag: &str) -> Vec<String> {
        self.values.remove(flag).unwrap_or_default()
    }

    fn timeout(&mut self) -> Result<Duration, String> {
        let Some(text) = self.take("--timeout") else { return Ok(TIMEOUT) };
        duration(&text).ok_or_else(|| {
            format!(
                "invalid argument \"{text}\" for \"--timeout\" flag: time: invalid duration \"{text}\""
            )
        })
    }

    fn access(&mut self) -> Access {
        Access {
            kubeconfig: self.take("--kubeconfig").map(PathBuf::from),
            context: self.take("--kube-context"),
            namespace: self.take("--namespace"),
        }
    }
}

fn switch(flag: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(format!("invalid argument \"{other}\" for \"{flag}\" flag")),
    }
}

fn unknown_flag(flag: &str) -> String {
    if flag.starts_with("--") {
        return format!("unknown flag: {flag}");
    }
    let letter = flag.chars().nth(1).unwrap_or('-');
    format!("unknown shorthand flag: '{letter}' in {flag}")
}

/// A duration as Go writes it: `600s`, `10m0s`, `1h30m`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit_ends = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match rest.get(..unit_ends)? {
            "h" => Duration::from_hours(1),
            "m" => Duration::from_mins(1),
            "s" => Duration::from_secs(1),
            "ms" => Duration::from_millis(1),
            _ => return None,
        };
        rest = rest.get(unit_ends..)?;
        total = total.checked_add(unit.checked_mul(u32::try_from(number).ok()?)?)?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn an_installation_is_understood() {
        let line = "upgrade --install karpenter oci://public.ecr.aws/karpenter/karpenter \
            --version 1.14.1 --namespace karpenter --create-namespace -f values.json \
            --reset-values --wait --timeout 600s -o json --description why --kubeconfig=k";
        let Ok(Command::Upgrade(upgrade)) = parsed(line) else { panic!("{:?}", parsed(line)) };
        assert_eq!(upgrade.release, "karpenter");
        assert_eq!(upgrade.version.as_deref(), Some("1.14.1"));
        assert_eq!(upgrade.timeout, Duration::from_mins(10));
        assert_eq!(upgrade.values, [PathBuf::from("values.json")]);
        assert_eq!(upgrade.access.kubeconfig, Some(PathBuf::from("k")));
        assert_eq!(upgrade.access.namespace.as_deref(), Some("karpenter"));
        assert!(upgrade.json && upgrade.wait && upgrade.reset_values && upgrade.create_namespace);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let refused = |line: &str| parsed(line).unwrap_err();
        assert_eq!(refused("upgrade --install a b --atomic"), "unknown flag: --atomic");
        assert_eq!(refused("uninstall a -q"), "unknown shorthand flag: 'q' in -q");
        assert_eq!(refused("upgrade --install a b --version"), "flag needs an argument: --version");
        assert_eq!(refused("upgrade --install a b -f"), "flag needs an argument: 'f' in -f");
        assert_eq!(
            refused("upgrade --install a b --timeout soon"),
            "invalid argument \"soon\" for \"--timeout\" flag: time: invalid duration \"soon\""
        );
        assert!(
            refused("upgrade --install a").starts_with("\"helm upgrade\" requires 2 arguments")
        );
        assert!(refused("rollback a").starts_with("unknown command \"rollback\" for \"helm\""));
        assert!(refused("uninstall A_b").starts_with("release name is invalid: A_b"));
        assert_eq!(refused("upgrade a b"), "the sandbox's helm upgrades with --install only");
    }

    #[test]
    fn durations_are_those_of_go() {
        assert_eq!(duration("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(duration("10m0s"), Some(Duration::from_mins(10)));
        for wrong in ["", "10", "s", "1d", "-1s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
