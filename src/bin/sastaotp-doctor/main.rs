//! The program `sastaotp-doctor`: compares a service with its documentation and finds out what the
//! documentation leaves open.
//!
//! `questions` is the table of questions, `query` sends requests, `findings` evaluates the replies,
//! and `survey` runs all questions in order. `redact` hides private data, `captures` writes the
//! replies to a file, and `report_table` prints the findings. If a purchase is allowed,
//! `trial_purchase` buys a number with the library's own client. `journal_table` prints a journal.

mod ask_questions; // Runs all questions in order.
mod captures; // Writes the redacted replies to a file.
mod findings; // Evaluates replies.
mod journal_table; // Prints a journal.
mod lossless_json; // JSON with its order of fields and its text of numbers.
mod options; // Arguments and environment.
mod questions; // The table of questions.
mod redact; // Hides private data.
mod report_table; // Prints the findings.
mod send_requests; // Sends requests.
mod trial_purchase; // Buys a number and cancels it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime};

use sastaotp::CancelToken;
use sastaotp::system::interrupt_flag;
use serde_json::json;

use ask_questions::{findings, survey};
use captures::{Capture, capture};
use findings::{Finding, Question, Verdict};
use options::{Action, Options, PurchaseOptions};
use redact::Redactor;
use send_requests::{Limits, Sender, StopReason};
use trial_purchase::{Transcript, TrialResult};

/// The limits of all questions together: total time and number of requests. A trial purchase sends
/// four more.
const TOTAL: Duration = Duration::from_secs(300);
const REQUESTS: u32 = 40;

const WRONG_ARGUMENTS: u8 = 2;
const STOPPED: u8 = 3;
const OPEN: u8 = 4;
const NOT_BOUGHT: u8 = 5;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let code = match options::read(std::env::args().skip(1), |name| std::env::var(name).ok()) {
        Ok(Action::Print(text)) => print(text).map_or(1, |()| 0),
        Ok(Action::Journal(folder)) => match journal_table::report(&folder) {
            Ok((table, is_intact)) => print(&table).map_or(1, |()| u8::from(!is_intact)),
            Err(sentence) => fail(WRONG_ARGUMENTS, &sentence),
        },
        Ok(Action::Run(options)) => run(&options),
        Err(sentence) => fail(WRONG_ARGUMENTS, &sentence),
    };
    ExitCode::from(code)
}

fn fail(code: u8, sentence: &str) -> u8 {
    eprintln!("sastaotp-doctor: {sentence}");
    code
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Returns a token that an interrupt triggers. A second interrupt ends the program at once.
fn interruptible() -> io::Result<CancelToken> {
    let (cancel, interrupted) = (CancelToken::new(), interrupt_flag(INTERRUPTED)?);
    let token = cancel.clone();
    thread::spawn(move || {
        while !interrupted.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
        token.cancel();
    });
    Ok(cancel)
}

/// The output of a run.
struct Report {
    host: String,
    rows: Vec<(&'static Question, Finding)>,
    captures: Vec<Capture>,
    purchase: Vec<String>,
    stop: Option<String>,
}

fn run(options: &Options) -> u8 {
    if options.captures.exists() {
        return fail(
            WRONG_ARGUMENTS,
            &format!("{} already exists: pass another --captures", options.captures.display()),
        );
    }
    // Checked before the first request, so that the run does not fail at the end.
    let folder = options.captures.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return fail(
            WRONG_ARGUMENTS,
            &format!("{} is not an existing folder: pass another --captures", folder.display()),
        );
    }
    if options.purchase.as_ref().is_some_and(|purchase| !purchase.yes) && !io::stdin().is_terminal()
    {
        return fail(
            WRONG_ARGUMENTS,
            "the purchase cannot be confirmed without a terminal: pass --yes",
        );
    }
    let limits = Limits { pause: options.pause, total: TOTAL, requests: REQUESTS };
    let mut sender = match Sender::new(&options.base_url, &options.key, &options.user_agent, limits)
    {
        Ok(sender) => sender,
        Err(sentence) => return fail(WRONG_ARGUMENTS, &sentence),
    };
    let cancel = match interruptible() {
        Ok(cancel) => cancel,
        Err(error) => return fail(1, &format!("listening for interrupts: {error}")),
    };

    let shows_progress = io::stderr().is_terminal();
    let mut survey = survey(&mut sender, &cancel, |at, of| {
        if shows_progress {
            eprint!("\rasking {at} of {of} ");
        }
    });
    if shows_progress {
        eprint!("\r\x1b[K");
    }

    let mut redactor = Redactor::new(&options.key);
    let origin = format!(
        "sastaotp-doctor {}, {}, {}",
        env!("CARGO_PKG_VERSION"),
        host_of(&options.base_url),
        httpdate::fmt_http_date(SystemTime::now())
    );
    // The captures come first, because values that they hide must be hidden in the table too.
    let mut captured: Vec<Capture> = survey
        .replies
        .iter()
        .filter_map(|(name, answer)| capture(name, answer, &origin, &mut redactor))
        .collect();
    let mut rows = findings(&survey);
    for (_, finding) in &mut rows {
        finding.observed = redactor.line(&finding.observed);
    }
    let stop = survey.stop.as_ref().map(|stop| redactor.line(&stop_message(stop)));
    let mut report = Report {
        host: host_of(&options.base_url),
        rows,
        captures: Vec::new(),
        purchase: Vec::new(),
        stop,
    };
    if !options.json {
        let _ = print(&table_and_stop(&report));
    }

    let surveyed = survey.replies.len();
    let end = match &options.purchase {
        Some(charges) if survey.stop.is_none() && !cancel.is_cancelled() => {
            let mut show = |line: &str| {
                if !options.json {
                    let _ = print(&format!("{line}\n"));
                }
            };
            let mut transcript = Transcript::new(&mut redactor, &mut show);
            let end =
                buy(options, charges, &mut sender, &cancel, &mut survey.replies, &mut transcript);
            report.purchase = transcript.lines;
            end
        }
        Some(_) => TrialResult::NotBought,
        None => TrialResult::Settled,
    };
    let later = survey.replies[surveyed..].iter();
    captured
        .extend(later.filter_map(|(name, answer)| capture(name, answer, &origin, &mut redactor)));
    report.captures = captured;
    finish(options, &report, end, survey.stop.as_ref(), cancel.is_cancelled())
}

/// Writes the captures, prints the end of the report, and returns the exit code.
fn finish(
    options: &Options,
    report: &Report,
    end: TrialResult,
    stop: Option<&StopReason>,
    interrupted: bool,
) -> u8 {
    let path = options.captures.display();
    let written = if report.captures.is_empty() {
        Ok(())
    } else {
        captures::write(&options.captures, &report.captures)
    };
    if options.json {
        let _ = print(&format!("{}\n", json_report(report, &path.to_string())));
    } else if written.is_ok() && !report.captures.is_empty() {
        let _ = print(&format!(
            "\n{} redacted replies are in {path}: read the file before you send it\n",
            report.captures.len()
        ));
    }
    if let Err(error) = &written {
        eprintln!("sastaotp-doctor: writing {path}: {error}");
    }
    let is_answered = |(_, finding): &(_, Finding)| {
        !matches!(finding.verdict, Verdict::Unanswered | Verdict::Unreadable)
    };
    match (end, stop) {
        (TrialResult::Open, _) => OPEN,
        _ if interrupted => INTERRUPTED,
        (_, Some(StopReason::TooMany | StopReason::Blocked | StopReason::Refused(_))) => STOPPED,
        (TrialResult::NotBought, _) => NOT_BOUGHT,
        (_, None) if written.is_ok() && report.rows.iter().all(is_answered) => 0,
        _ => 1,
    }
}

/// Chooses a number, asks the user, and runs the trial purchase.
fn buy(
    options: &Options,
    charges: &PurchaseOptions,
    sender: &mut Sender,
    cancel: &CancelToken,
    replies: &mut Vec<(&'static str, send_requests::Answer)>,
    transcript: &mut Transcript<'_>,
) -> TrialResult {
    let PurchaseOptions { limit, service, country, yes } = charges;
    let client = sender.client(&options.base_url, &options.user_agent).budget(*limit).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return transcript.not_bought(&error.to_string()),
    };
    let purchase = match trial_purchase::choose_cheapest(
        &client,
        service.as_deref(),
        country.as_deref(),
        *limit,
    ) {
        Ok(purchase) => purchase,
        Err(sentence) => return transcript.not_bought(&sentence),
    };
    if !yes && !confirmed(&purchase, &host_of(&options.base_url)) {
        return transcript.not_bought("nothing was bought, because you did not confirm");
    }
    trial_purchase::run(&client, sender, &purchase, cancel, replies, transcript)
}

/// Asks the user to confirm the purchase.
fn confirmed(purchase: &trial_purchase::Purchase, host: &str) -> bool {
    let trial_purchase::Purchase { service, country, price } = purchase;
    eprint!(
        "Buy one number of {service} in country {country} for {price} rupees at {host}, \
         and cancel it for the refund? [y/N] "
    );
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// The table, and the reason if the run was stopped.
fn table_and_stop(report: &Report) -> String {
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = format!("{}\n\n{}", report.host, report_table::table(&report.rows, colour));
    if let Some(stop) = &report.stop {
        let _ = write!(text, "\n{stop}\n");
    }
    if report
        .rows
        .iter()
        .any(|(_, finding)| matches!(finding.verdict, Verdict::New | Verdict::Unreadable))
    {
        text.push_str(
            "\nPlease report new and unreadable findings in an issue, and attach the captures.\n",
        );
    }
    text
}

/// The report as JSON.
fn json_report(report: &Report, path: &str) -> serde_json::Value {
    let Report { host, rows, captures, purchase, stop } = report;
    let questions = rows.iter().map(|(question, finding)| {
        json!({
            "name": question.name,
            "question": question.text,
            "documented": question.documented,
            "family": question.family,
            "observed": finding.observed,
            "verdict": finding.verdict.word(),
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "service": host,
        "questions": questions.collect::<Vec<_>>(),
        "stopped": stop,
        "purchase": purchase,
        "captures": (!captures.is_empty()).then_some(path),
    })
}

/// Why the run was stopped, and what to do.
fn stop_message(stop: &StopReason) -> String {
    match stop {
        StopReason::TooMany => concat!(
            "stopped: the service answered 429, too many requests: ",
            "try again later, with a longer --pause-ms"
        )
        .to_owned(),
        StopReason::Blocked => concat!(
            "stopped: a firewall blocked both User-Agents: ",
            "try --user-agent, or another network"
        )
        .to_owned(),
        StopReason::Refused(code) => format!("stopped: the service refused the key: {code}"),
        StopReason::Bound => "stopped: the run reached its limit of requests or time".to_owned(),
        StopReason::Unreachable(reason) => {
            format!("stopped: no answer three times in a row: {reason}")
        }
    }
}

/// The host of a URL; the rest may be private.
fn host_of(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}
