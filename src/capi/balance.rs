//! The wallet.

use super::boundary::{call, null_argument};
use super::client::{as_client, sastaotp_client};
use super::error::{sastaotp_error, sastaotp_status};
use super::pointer;
use crate::{Error, ErrorKind};

const READING: &str = "reading the balance";

/// Reads the wallet and writes its amount in micro-rupees. Action getBalance.
///
/// Fails with a read error, and with SASTAOTP_ERROR_PROTOCOL if the service reports another
/// currency than rupees. Then `*micros` is unchanged. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sastaotp_client_get_balance(
    client: *const sastaotp_client,
    micros: *mut i64,
    error: *mut *mut sastaotp_error,
) -> sastaotp_status {
    call(error, || {
        if micros.is_null() {
            return Err(null_argument("micros"));
        }
        let balance = as_client(client)?.balance()?.value;
        if balance.currency != "INR" {
            let reason = format!("the wallet is in {}, not in rupees", balance.currency);
            return Err(Error::new(ErrorKind::Protocol, READING, reason)
                .with_hint("submit get_balance to a queue to read it as JSON"));
        }
        pointer::write(micros, balance.amount.micros());
        Ok(())
    })
}
