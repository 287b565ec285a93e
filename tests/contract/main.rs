//! The contract: checks everything that the library assumes about a service.
//!
//! By default it runs against a sandbox. `tests/contract/run --live --max-inr N` runs it against
//! the service that accepts the key in `SASTAOTP_API_KEY`, so a failed row is a new fact about the
//! live service. Rows that only read are free. Rows that may cost money stay within the budget and
//! settle everything they buy. The same table generates the sandbox's parity page,
//! `src/sandbox/PARITY.md`; `SASTAOTP_BLESS=1` writes it again.

mod money;
mod reads;
mod table;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use sastaotp::sandbox::Server;
use sastaotp::{Amount, Client, ClientBuilder};

use table::{Check, ROWS};

/// The pause between two rows on the live service.
const PAUSE: Duration = Duration::from_secs(1);
/// The budget in the sandbox, in rupees.
const BUDGET_RUPEES: i32 = 200;

/// The service that the rows check.
struct Service {
    builder: ClientBuilder,
    /// One client, so that all rows share its budget.
    client: Client,
    /// Whether rows may cost money.
    may_buy: bool,
    live: bool,
}

impl Service {
    fn new(builder: ClientBuilder, budget: Option<Amount>, live: bool) -> Result<Self, String> {
        let with_budget =
            budget.map_or_else(|| builder.clone(), |budget| builder.clone().budget(budget));
        Ok(Self {
            client: with_budget.build().map_err(reads::text)?,
            builder,
            may_buy: budget.is_some(),
            live,
        })
    }

    fn check(&self, check: &Check) -> Result<(), Failed> {
        if self.live {
            thread::sleep(PAUSE);
        }
        match check {
            Check::Read(check) => Ok(check(self)?),
            Check::Money(check) => Ok(check(&self.client)?),
            Check::Elsewhere(_) => Ok(()),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let live = std::env::var_os("SASTAOTP_CONTRACT_LIVE").is_some();
    // Rows run one at a time, because they share the service and compare balances.
    arguments.test_threads = Some(1);
    let server = (!live).then(|| Server::start(0).expect("a port is free"));
    let service = match &server {
        Some(server) => {
            let builder =
                Client::builder().api_key("stp_canary_of_the_contract").base_url(server.url());
            Service::new(builder, Some(Amount::from_rupees(BUDGET_RUPEES)), false)
        }
        None => live_service(),
    };
    let service = match service {
        Ok(service) => service,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // The rows are removed rather than ignored: `--include-ignored` would buy without a budget.
    let may_buy = service.may_buy;
    if !may_buy {
        eprintln!("no budget: rows that buy are left out; set one with --max-inr");
    }
    let service = Arc::new(Mutex::new(service));
    let mut trials: Vec<Trial> = ROWS
        .iter()
        .filter(|row| {
            matches!(row.check, Check::Read(_)) || may_buy && matches!(row.check, Check::Money(_))
        })
        .map(|row| {
            let service = Arc::clone(&service);
            let name = format!("{}: {}", row.action, row.assumption);
            Trial::test(name, move || {
                service.lock().unwrap_or_else(PoisonError::into_inner).check(&row.check)
            })
            .with_kind(row.grade.word())
        })
        .collect();
    if !live {
        trials.push(Trial::test("the parity page matches the table", table::page_is_up_to_date));
        trials.push(Trial::test(
            "a failed check settles its purchase",
            money::a_failed_check_settles,
        ));
        trials.push(Trial::test("every test in the table exists", table::tests_are_there));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Builds the client for the service in the environment. Without a budget it buys nothing.
fn live_service() -> Result<Service, String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut builder = Client::builder();
    if let Some(key) = set("SASTAOTP_API_KEY") {
        builder = builder.api_key(&key);
    }
    if let Some(url) = set("SASTAOTP_BASE_URL") {
        builder = builder.base_url(&url);
    }
    let budget = set("SASTAOTP_CONTRACT_MAX_INR").map(|text| text.parse::<Amount>()).transpose();
    let budget =
        budget.map_err(|error| format!("invalid --max-inr: {error}: use rupees, like 50"))?;
    Service::new(builder, budget, true)
}
