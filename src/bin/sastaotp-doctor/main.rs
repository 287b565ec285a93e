//! The program `sastaotp-doctor`: what the service at hand does where its documentation says nothing, or too much.
//!
//! `probes` is the table of questions, `ask` sends them, `judge` compares the replies with what is said, `survey` puts one after
//! the other. `redact` decides what may be shown, `captures` writes the replies to a file, `table` shows the findings. `life`
//! buys a number, where that was allowed, with the library's own client.

mod ask;
mod captures;
mod json;
mod judge;
mod life;
mod options;
mod probes;
mod redact;
mod survey;
mod table;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use sastaotp::CancelToken;
use serde_json::json;

use ask::{Asker, Bounds, Stop};
use captures::{Capture, capture};
use judge::{Finding, Verdict};
use life::{Diary, End};
use options::{Charges, Options, Wish};
use probes::Probe;
use redact::Redactor;
use survey::{findings, survey};

/// How long the questions may take in all, and how many requests they may be; a life of a number asks four more.
const TOTAL: Duration = Duration::from_secs(300);
const REQUESTS: u32 = 40;

const WRONG_ARGUMENTS: u8 = 2;
const ENDED: u8 = 3;
const OPEN: u8 = 4;
const NOT_BOUGHT: u8 = 5;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let code = match options::read(std::env::args().skip(1), |name| std::env::var(name).ok()) {
        Ok(Wish::Print(text)) => print(text).map_or(1, |()| 0),
        Ok(Wish::Run(options)) => run(&options),
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

/// A token that an interrupt triggers. The second one ends the program at once.
fn interruptible() -> io::Result<CancelToken> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let (cancel, interrupted) = (CancelToken::new(), Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            INTERRUPTED.into(),
            Arc::clone(&interrupted),
        )?;
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let token = cancel.clone();
    thread::spawn(move || {
        while !interrupted.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
        token.cancel();
    });
    Ok(cancel)
}

/// What is printed and written at the end.
struct Report {
    host: String,
    rows: Vec<(&'static Probe, Finding)>,
    captures: Vec<Capture>,
    life: Vec<String>,
    stop: Option<String>,
}

fn run(options: &Options) -> u8 {
    if options.captures.exists() {
        return fail(
            WRONG_ARGUMENTS,
            &format!("{} is there already: give another --captures", options.captures.display()),
        );
    }
    // Found out before anything is asked or bought, not at the end.
    let folder = options.captures.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return fail(
            WRONG_ARGUMENTS,
            &format!(
                "{} is no folder that captures could be written to: give another --captures",
                folder.display()
            ),
        );
    }
    if options.purchase.as_ref().is_some_and(|purchase| !purchase.yes) && !io::stdin().is_terminal()
    {
        return fail(
            WRONG_ARGUMENTS,
            "nobody is there to be asked before the purchase: give --yes",
        );
    }
    let bounds = Bounds { pause: options.pause, total: TOTAL, requests: REQUESTS };
    let mut asker = match Asker::new(&options.base_url, &options.key, &options.user_agent, bounds) {
        Ok(asker) => asker,
        Err(sentence) => return fail(WRONG_ARGUMENTS, &sentence),
    };
    let cancel = match interruptible() {
        Ok(cancel) => cancel,
        Err(error) => return fail(1, &format!("listening for interrupts: {error}")),
    };

    let shows_progress = io::stderr().is_terminal();
    let mut survey = survey(&mut asker, &cancel, |at, of| {
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
    // First, so that what they hide is hidden in the table too.
    let mut captured: Vec<Capture> = survey
        .replies
        .iter()
        .filter_map(|(name, got)| capture(name, got, &origin, &mut redactor))
        .collect();
    let mut rows = findings(&survey);
    for (_, finding) in &mut rows {
        finding.observed = redactor.line(&finding.observed);
    }
    let stop = survey.stop.as_ref().map(|stop| redactor.line(&words(stop)));
    let mut report = Report {
        host: host_of(&options.base_url),
        rows,
        captures: Vec::new(),
        life: Vec::new(),
        stop,
    };
    if !options.json {
        let _ = print(&head(&report));
    }

    let surveyed = survey.replies.len();
    let end = match &options.purchase {
        Some(charges) if survey.stop.is_none() && !cancel.is_cancelled() => {
            let mut show = |line: &str| {
                if !options.json {
                    let _ = print(&format!("{line}\n"));
                }
            };
            let mut diary = Diary::new(&mut redactor, &mut show);
            let end = buy(options, charges, &mut asker, &cancel, &mut survey.replies, &mut diary);
            report.life = diary.lines;
            end
        }
        Some(_) => End::NotBought,
        None => End::SettlementState,
    };
    let later = survey.replies[surveyed..].iter();
    captured.extend(later.filter_map(|(name, got)| capture(name, got, &origin, &mut redactor)));
    report.captures = captured;
    finish(options, &report, end, survey.stop.as_ref(), cancel.is_cancelled())
}

/// Writes the captures, prints the end of the report, and says how the run went.
fn finish(
    options: &Options,
    report: &Report,
    end: End,
    stop: Option<&Stop>,
    interrupted: bool,
) -> u8 {
    let path = options.captures.display();
    let written = if report.captures.is_empty() {
        Ok(())
    } else {
        captures::write(&options.captures, &report.captures)
    };
    if options.json {
        let _ = print(&format!("{}\n", document(report, &path.to_string())));
    } else if written.is_ok() && !report.captures.is_empty() {
        let _ = print(&format!(
            "\n{} replies are in {path}, without what is private: look at it before you send it\n",
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
        (End::Open, _) => OPEN,
        _ if interrupted => INTERRUPTED,
        (_, Some(Stop::TooMany | Stop::Blocked | Stop::Refused(_))) => ENDED,
        (End::NotBought, _) => NOT_BOUGHT,
        (_, None) if written.is_ok() && report.rows.iter().all(is_answered) => 0,
        _ => 1,
    }
}

/// Buys a number and shows its life, after asking.
fn buy(
    options: &Options,
    charges: &Charges,
    asker: &mut Asker,
    cancel: &CancelToken,
    replies: &mut Vec<(&'static str, ask::Got)>,
    diary: &mut Diary<'_>,
) -> End {
    let Charges { most, service, country, yes } = charges;
    let client = asker.client(&options.base_url, &options.user_agent).budget(*most).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return diary.nothing(&error.to_string()),
    };
    let purchase = match life::choose(&client, service.as_deref(), country.as_deref(), *most) {
        Ok(purchase) => purchase,
        Err(sentence) => return diary.nothing(&sentence),
    };
    if !yes && !confirmed(&purchase, &host_of(&options.base_url)) {
        return diary.nothing("not bought, as you wish");
    }
    life::live(&client, asker, &purchase, cancel, replies, diary)
}

/// Asks whoever sits there.
fn confirmed(purchase: &life::Purchase, host: &str) -> bool {
    let life::Purchase { service, country, price } = purchase;
    eprint!(
        "Buy one number of {service} in country {country} for {price} rupees at {host}, and cancel it for the refund? [y/N] "
    );
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// The table, and why it is short where it is.
fn head(report: &Report) -> String {
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = format!("{}\n\n{}", report.host, table::table(&report.rows, colour));
    if let Some(stop) = &report.stop {
        let _ = write!(text, "\n{stop}\n");
    }
    if report
        .rows
        .iter()
        .any(|(_, finding)| matches!(finding.verdict, Verdict::New | Verdict::Unreadable))
    {
        text.push_str("\nWhat is new or unreadable is worth an issue: attach the captures.\n");
    }
    text
}

/// The report as JSON.
fn document(report: &Report, path: &str) -> serde_json::Value {
    let Report { host, rows, captures, life, stop } = report;
    let questions = rows.iter().map(|(probe, finding)| {
        json!({
            "name": probe.name,
            "question": probe.question,
            "documented": probe.documented,
            "family": probe.family,
            "observed": finding.observed,
            "verdict": finding.verdict.word(),
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "service": host,
        "questions": questions.collect::<Vec<_>>(),
        "stopped": stop,
        "life": life,
        "captures": (!captures.is_empty()).then_some(path),
    })
}

/// Why a run ended, and what to do.
fn words(stop: &Stop) -> String {
    match stop {
        Stop::TooMany => {
            "stopped: the service answered 429, too many requests; try again later, with a longer --pause-ms".to_owned()
        }
        Stop::Blocked => {
            "stopped: a firewall let neither User-Agent through; try --user-agent, or another network".to_owned()
        }
        Stop::Refused(code) => format!("stopped: the service refused the key: {code}"),
        Stop::Bound => "stopped: as many requests, or as much time, as a run may take".to_owned(),
        Stop::Unreachable(why) => format!("stopped: no answer three times in a row: {why}"),
    }
}

/// The host of a URL; whatever else it holds is nobody's business.
fn host_of(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}
