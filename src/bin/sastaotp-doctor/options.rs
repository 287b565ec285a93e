//! The arguments and the environment.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sastaotp::{Amount, BASE_URL};
use zeroize::Zeroizing;

pub(crate) const HELP: &str = "\
Asks the SastaOTP service what its documentation leaves open, and shows what it does.

Usage: SASTAOTP_API_KEY=... sastaotp-doctor [options]

Only reads are sent, one at a time with a pause between them, about 35 in all. Nothing is bought or
changed. The replies are written to a file with the API key, phone numbers, codes, texts and ids
replaced by stand-ins, ready to be attached to an issue; look at it first. Wrong keys and ids are
asked about with values that nobody has, never with a variation of yours.

  --captures FILE     write the captures there; it must not exist. The default is a new file here
  --json              print one JSON document in place of the table
  --pause-ms N        milliseconds between two requests: 1000, or more than 250 to another machine
  --user-agent TEXT   the other User-Agent that is tried beside the library's own
  --allow-charges     also buy one number, show its life and cancel it for the refund; costs money
                      where the refund fails. Needs --max-inr
  --max-inr N         the most that it may cost, in rupees
  --service CODE      buy this service; the cheapest without
  --country CODE      buy in this country; the cheapest without
  --yes               do not ask before the purchase
  --version, --help

Environment: SASTAOTP_API_KEY, and SASTAOTP_BASE_URL for another server.

Exit codes: 0 all questions are answered. 1 some are not. 2 wrong arguments; nothing was sent.
3 the service ended the run: 429, blocked, or the key refused. 4 a number is open: its id is printed.
5 the purchase was not made, and nothing charged. 130 interrupted, with nothing left open.
";

const OTHER_AGENT: &str =
    concat!("Mozilla/5.0 (compatible; sastaotp-doctor/", env!("CARGO_PKG_VERSION"), ")");
/// The shortest pause where the server is not on this machine.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// What is to be done.
pub(crate) struct Options {
    pub(crate) key: Zeroizing<String>,
    pub(crate) base_url: String,
    pub(crate) captures: PathBuf,
    pub(crate) json: bool,
    pub(crate) pause: Duration,
    pub(crate) user_agent: String,
    pub(crate) purchase: Option<Charges>,
}

/// A purchase that is allowed.
pub(crate) struct Charges {
    pub(crate) most: Amount,
    pub(crate) service: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) yes: bool,
}

/// What the arguments ask for.
pub(crate) enum Wish {
    Print(&'static str),
    Run(Box<Options>),
}

/// Reads the arguments; the error is a sentence.
pub(crate) fn read(
    mut arguments: impl Iterator<Item = String>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Wish, String> {
    let (mut captures, mut json, mut pause, mut agent) =
        (None, false, 1_000, OTHER_AGENT.to_owned());
    let (mut allowed, mut most, mut service, mut country, mut yes) =
        (false, None, None, None, false);
    while let Some(argument) = arguments.next() {
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (argument, None),
        };
        let takes_none = matches!(
            name.as_str(),
            "--json" | "--allow-charges" | "--yes" | "--help" | "-h" | "--version" | "-V"
        );
        if takes_none && given.is_some() {
            return Err(format!("{name} takes no value"));
        }
        let mut value = || {
            given
                .clone()
                .or_else(|| arguments.next())
                .ok_or_else(|| format!("{name} takes a value"))
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Wish::Print(HELP)),
            "--version" | "-V" => {
                return Ok(Wish::Print(concat!(
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
                pause = text
                    .parse()
                    .ok()
                    .filter(|pause| *pause <= 60_000)
                    .ok_or_else(|| format!("--pause-ms takes 0 to 60000, not {text:?}"))?;
            }
            "--max-inr" => {
                let text = value()?;
                let amount = text.parse::<Amount>().ok().filter(|amount| *amount > Amount::ZERO);
                most = Some(amount.ok_or_else(|| {
                    format!("--max-inr takes rupees above 0, like 25 or 18.50, not {text:?}")
                })?);
            }
            _ => {
                return Err(format!(
                    "the argument {name:?} is unknown; --help lists those that are known"
                ));
            }
        }
    }
    let purchase = match (allowed, most) {
        (true, Some(most)) => Some(Charges { most, service, country, yes }),
        (true, None) => {
            return Err(
                "--allow-charges needs --max-inr: say how much a number may cost".to_owned()
            );
        }
        (false, _) if most.is_some() || service.is_some() || country.is_some() || yes => {
            return Err(
                "--max-inr, --service, --country and --yes are about a purchase: they need --allow-charges".to_owned()
            );
        }
        (false, _) => None,
    };
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let key = set("SASTAOTP_API_KEY").ok_or("there is no API key: set SASTAOTP_API_KEY")?;
    if key.len() > 256 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "the API key in SASTAOTP_API_KEY is too long or holds blanks: copy it again".to_owned()
        );
    }
    let base_url = set("SASTAOTP_BASE_URL").unwrap_or_else(|| BASE_URL.to_owned());
    let pause = Duration::from_millis(pause);
    // The library takes plain http to this machine alone.
    if pause < SHORTEST_PAUSE && !base_url.starts_with("http://") {
        return Err(format!(
            "--pause-ms is {} at least, except to this machine",
            SHORTEST_PAUSE.as_millis()
        ));
    }
    let captures = captures.unwrap_or_else(|| {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        PathBuf::from(format!("sastaotp-doctor-{seconds}.jsonl"))
    });
    Ok(Wish::Run(Box::new(Options {
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
    fn what_is_wrong_is_said_in_a_sentence() {
        let with_key = |name: &str| (name == "SASTAOTP_API_KEY").then(|| "stp_x".to_owned());
        for (arguments, word) in [
            ("--allow-charges", "--max-inr"),
            ("--max-inr 5", "--allow-charges"),
            ("--yes", "--allow-charges"),
            ("--max-inr 0 --allow-charges", "above 0"),
            ("--max-inr", "takes a value"),
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
