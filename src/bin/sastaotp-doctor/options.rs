//! The program's options, from its arguments and the environment.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sastaotp::{Amount, BASE_URL};
use zeroize::Zeroizing;

pub(crate) const HELP: &str = "\
Checks how the SastaOTP service behaves where its documentation is silent, and prints the results.

Usage: SASTAOTP_API_KEY=... sastaotp-doctor [options]
       sastaotp-doctor journal FOLDER

The doctor sends about 35 requests, one at a time with a pause in between. They only read: nothing
is bought or changed. It writes the replies to a file that you can attach to an issue. In the file,
the API key, phone numbers, codes, texts and ids are replaced; read it before you send it. To see
how the service treats a wrong key or id, the doctor sends fixed ones that no account has, never a
variation of yours.

  --captures FILE     write the replies to FILE, which must not exist; default: a new file here
  --json              print one JSON document instead of the table
  --pause-ms N        milliseconds between two requests, default 1000; at least 250, unless the
                      service is on this machine
  --user-agent TEXT   the second User-Agent to try, after the library's own
  --allow-charges     also buy one number, show its status and cancel it for the refund; this costs
                      money if the refund fails. Needs --max-inr
  --max-inr N         the price limit of that number, in rupees
  --service CODE      buy this service; default: the cheapest
  --country CODE      buy in this country; default: the cheapest
  --yes               buy without asking for confirmation
  --version           print the version
  --help              print this help

`journal FOLDER` sends nothing. It prints the purchases of a journal, checks each line of its files,
and exits with 1 if a line is damaged. The column `spent` is the amount that a purchase counts in
the budget: its maximum price as long as its outcome is unknown. docs/journal.md explains the
states.

Environment: SASTAOTP_API_KEY is the API key; SASTAOTP_BASE_URL selects another server.

Exit codes:
  0    all questions are answered; the journal is intact
  1    some questions are not answered; a line of the journal is damaged
  2    invalid arguments, or no journal; nothing was sent
  3    the service stopped the run: it answered 429, blocked the requests, or refused the key
  4    a number is open: its id is printed
  5    the purchase was not made, and nothing was charged
  130  interrupted; no number is open
";

const OTHER_AGENT: &str =
    concat!("Mozilla/5.0 (compatible; sastaotp-doctor/", env!("CARGO_PKG_VERSION"), ")");
/// The shortest pause, unless the server is on this machine.
const MIN_PAUSE: Duration = Duration::from_millis(250);

/// The options of a run.
pub(crate) struct Options {
    pub(crate) key: Zeroizing<String>,
    pub(crate) base_url: String,
    pub(crate) captures: PathBuf,
    pub(crate) json: bool,
    pub(crate) pause: Duration,
    pub(crate) user_agent: String,
    pub(crate) purchase: Option<PurchaseOptions>,
}

/// The options of an allowed purchase.
pub(crate) struct PurchaseOptions {
    pub(crate) limit: Amount,
    pub(crate) service: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) yes: bool,
}

/// The action that the arguments request.
pub(crate) enum Action {
    Print(&'static str),
    /// Print and check the journal in this folder.
    Journal(PathBuf),
    Run(Box<Options>),
}

/// Parses the arguments. The error is a sentence.
pub(crate) fn read(
    arguments: impl Iterator<Item = String>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Action, String> {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|argument| argument == "journal").is_none() {
        return read_options(arguments, environment);
    }
    match (arguments.next(), arguments.next()) {
        (Some(option), None) if matches!(&*option, "--help" | "-h") => Ok(Action::Print(HELP)),
        (Some(folder), None) => Ok(Action::Journal(PathBuf::from(folder))),
        _ => Err("journal needs a folder: sastaotp-doctor journal FOLDER".to_owned()),
    }
}

/// Parses the options of a run.
fn read_options(
    mut arguments: impl Iterator<Item = String>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Action, String> {
    let (mut captures, mut json, mut pause, mut agent) =
        (None, false, 1_000, OTHER_AGENT.to_owned());
    let (mut allowed, mut limit, mut service, mut country, mut yes) =
        (false, None, None, None, false);
    while let Some(argument) = arguments.next() {
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (argument, None),
        };
        let is_flag = matches!(
            name.as_str(),
            "--json" | "--allow-charges" | "--yes" | "--help" | "-h" | "--version" | "-V"
        );
        if is_flag && given.is_some() {
            return Err(format!("{name} takes no value"));
        }
        let mut value = || {
            given
                .clone()
                .or_else(|| arguments.next())
                .ok_or_else(|| format!("{name} needs a value"))
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Action::Print(HELP)),
            "--version" | "-V" => {
                return Ok(Action::Print(concat!(
                    "sastaotp-doctor ",
                    env!("CARGO_PKG_VERSION"),
                    "\n"
                )));
            }
            "--json" => json = true,
            "--allow-charges" => allowed = true,
            "--yes" => yes = true,
            "--captures" => captures = Some(PathBuf::from(value()?)),
            "--user-agent" => agent = value()?,
            "--service" => service = Some(value()?),
            "--country" => country = Some(value()?),
            "--pause-ms" => {
                let text = value()?;
                pause = text.parse().ok().filter(|pause| *pause <= 60_000).ok_or_else(|| {
                    format!("invalid --pause-ms {text:?}: use a number from 0 to 60000")
                })?;
            }
            "--max-inr" => {
                let text = value()?;
                let amount = text.parse::<Amount>().ok().filter(|amount| *amount > Amount::ZERO);
                limit = Some(amount.ok_or_else(|| {
                    format!("invalid --max-inr {text:?}: use rupees above 0, like 25 or 18.50")
                })?);
            }
            _ => {
                return Err(format!("unknown argument {name:?}: see --help"));
            }
        }
    }
    let purchase = match (allowed, limit) {
        (true, Some(limit)) => Some(PurchaseOptions { limit, service, country, yes }),
        (true, None) => {
            return Err(
                "--allow-charges needs --max-inr: say how much a number may cost".to_owned()
            );
        }
        (false, _) if limit.is_some() || service.is_some() || country.is_some() || yes => {
            return Err("--max-inr, --service, --country and --yes need --allow-charges".to_owned());
        }
        (false, _) => None,
    };
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let key = set("SASTAOTP_API_KEY").ok_or("no API key: set SASTAOTP_API_KEY")?;
    if key.len() > 256 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "the API key in SASTAOTP_API_KEY is too long or contains blanks: copy it again"
                .to_owned(),
        );
    }
    let base_url = set("SASTAOTP_BASE_URL").unwrap_or_else(|| BASE_URL.to_owned());
    let pause = Duration::from_millis(pause);
    // The library allows plain http only to this machine.
    if pause < MIN_PAUSE && !base_url.starts_with("http://") {
        return Err(format!(
            "--pause-ms must be at least {}, unless the service is on this machine",
            MIN_PAUSE.as_millis()
        ));
    }
    let captures = captures.unwrap_or_else(|| {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        PathBuf::from(format!("sastaotp-doctor-{seconds}.jsonl"))
    });
    Ok(Action::Run(Box::new(Options {
        key: Zeroizing::new(key),
        base_url,
        captures,
        json,
        pause,
        user_agent: agent,
        purchase,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_arguments_are_refused_with_the_reason() {
        let with_key = |name: &str| (name == "SASTAOTP_API_KEY").then(|| "stp_x".to_owned());
        for (arguments, word) in [
            ("--allow-charges", "--max-inr"),
            ("--max-inr 5", "--allow-charges"),
            ("--yes", "--allow-charges"),
            ("--max-inr 0 --allow-charges", "above 0"),
            ("--max-inr", "needs a value"),
            ("--json=1", "takes no value"),
            ("--pause-ms 10", "250"),
            ("--pause-ms x", "60000"),
            ("--nothing", "--help"),
        ] {
            let sentence =
                read(arguments.split(' ').map(str::to_owned), with_key).err().unwrap_or_default();
            assert!(sentence.contains(word), "{arguments}: {sentence}");
        }
        assert!(
            read(std::iter::empty(), |_| None)
                .err()
                .is_some_and(|sentence| sentence.contains("SASTAOTP_API_KEY"))
        );
        assert!(
            read("--allow-charges --max-inr=18.50".split(' ').map(str::to_owned), with_key).is_ok()
        );
    }
}
