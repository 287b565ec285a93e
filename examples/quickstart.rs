//! Buys a number, waits for its code, and completes the order.
//!
//! Without settings it starts a sandbox in this process, so it needs no account and no money. If
//! `SASTAOTP_BASE_URL` or `SASTAOTP_API_KEY` is set, it uses that server instead and **spends
//! money** there.

use std::error::Error;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use sastaotp::sandbox::Server;
use sastaotp::{Amount, Client, NumberRequest, OnTooEarly, WaitOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let is_live = std::env::var_os("SASTAOTP_BASE_URL").is_some()
        || std::env::var_os("SASTAOTP_API_KEY").is_some();
    let sandbox = if is_live { None } else { Some(Server::start(0)?) };
    let client = match &sandbox {
        Some(sandbox) => Client::builder().api_key("quickstart").base_url(sandbox.url()).build()?,
        None => Client::from_env()?,
    };

    println!("balance   {}", client.get_balance()?.amount);
    // 22 is India: the country codes of this service are not dialling codes.
    let prices = client.get_prices(Some("tg"), Some("22"))?;
    let price = prices
        .get("22", "tg")
        .and_then(|price| price.price)
        .ok_or("tg is not sold in country 22")?;
    println!("price     {price}");

    let max_price = price.checked_add(Amount::from_rupees(5)).unwrap_or(price);
    let number = client.lease(NumberRequest::new("tg").country("22").max_price(max_price))?;
    println!("number    {}", number.phone_number().unwrap_or("unknown"));

    let terminal = stdout().is_terminal();
    let mut polls = 0;
    let mut progress = |progress: &sastaotp::Progress<'_>| {
        let line = format!(
            "waiting   {} s, {} s left",
            progress.elapsed.as_secs(),
            progress.remaining.as_secs()
        );
        if terminal {
            print!("\r{line} ");
            let _ = stdout().flush();
        } else if progress.polls != polls {
            println!("{line}");
        }
        polls = progress.polls;
    };
    let sms = number
        .wait_for_code(WaitOptions::new(Duration::from_secs(300)).on_progress(&mut progress))?;
    if terminal {
        println!();
    }
    println!("code      {}", sms.code);
    println!("SMS       {}", sms.text.as_deref().unwrap_or("the service returned no text"));

    println!("settled   {:?}", number.close(OnTooEarly::Wait)?.state);
    println!("balance   {}", client.get_balance()?.amount);
    Ok(())
}
