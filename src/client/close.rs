//! Completing and cancelling an order, and the poll before that.

use super::activation::Activation;
use super::settlement::{Settlement, SettlementState};
use super::transition::operation;
use super::wait::WaitTask;
use crate::protocol::{SetStatus, Sms};
use crate::{Error, ErrorKind, Result};

impl Activation {
    /// Completes the order, after its code was used. Action `setStatus`, 6.
    ///
    /// Fails with [`ErrorKind::Config`] if no code arrived, because a completed order is paid for:
    /// cancel it, or call [`Activation::complete_without_code`]. Before that it polls once, and
    /// fails as [`Activation::get_status`] does if the poll fails.
    ///
    /// Check [`Settlement::state`]: it is [`SettlementState::Cancelled`] if the service treats a 6
    /// as a cancellation.
    pub fn complete(&self) -> Result<Settlement> {
        let deadline = self.client().deadline();
        let (has_code, is_ended) = {
            let state = self.state();
            (!state.codes().is_empty(), state.is_end_confirmed())
        };
        if !has_code && !is_ended && self.look()?.is_none() {
            let operation = operation(self.id(), SetStatus::Complete);
            if !self.state().is_answered_recently(self.client().now()) {
                let reason = "the call has too little time left to look for a code";
                return Err(Error::new(ErrorKind::Timeout, &operation, reason)
                    .with_hint("try again with more time"));
            }
            return Err(Error::config(&operation, "no code arrived")
                .with_hint("cancel the order, or complete it without a code explicitly"));
        }
        self.until(deadline).complete_without_code()
    }

    /// Completes the order even if no code arrived. It is paid for. Action `setStatus`, 6.
    pub fn complete_without_code(&self) -> Result<Settlement> {
        Ok(self.settled(self.set_status(SetStatus::Complete)?))
    }

    /// Cancels the order for its refund. Action `setStatus`, 8.
    ///
    /// Before that, it polls once, unless a poll was answered in the last 5 seconds. If a code
    /// arrived, the order stays open and the settlement contains the code: complete the order. A
    /// code that you already have does not prevent the attempt. Fails with
    /// [`ErrorKind::TooEarly`] if the order cannot be cancelled yet; [`Error::retry`] has the
    /// waiting time.
    pub fn cancel(&self) -> Result<Settlement> {
        let deadline = self.client().deadline();
        if self.code().is_none()
            && let Some(code) = self.look_for_cancel()?
        {
            let state = SettlementState::CodeArrived;
            return Ok(Settlement { state, code: Some(code), raw: String::new() });
        }
        let settlement = self.until(deadline).cancel_now()?;
        if settlement.state == SettlementState::CodeArrived && settlement.code.is_none() {
            let code = self.until(deadline).look_for_cancel()?;
            return Ok(Settlement { code, ..settlement });
        }
        Ok(settlement)
    }

    /// Polls once, unless the last poll counts, and returns the code that is there. Fails if the
    /// poll fails. Leaves half of the time that the call has.
    fn look(&self) -> Result<Option<Sms>> {
        let look = WaitTask::look(self, self.client().left(self.client().deadline()));
        match self.client().run(look, |_| {}) {
            Ok(sms) => Ok(Some(sms)),
            Err(error) if error.kind() == ErrorKind::WaitTimeout => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The look before a cancellation, or after one that was refused because of a code. If its poll
    /// fails, the cancellation goes on.
    fn look_for_cancel(&self) -> Result<Option<Sms>> {
        match self.look() {
            Err(error) if error.kind() != ErrorKind::Cancelled => Ok(None),
            looked => looked,
        }
    }
}
