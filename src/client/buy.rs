//! Buying: the public calls that prepare and make a purchase. `charge` sends it.

use super::activation::Activation;
use super::core::Client;
use super::orders::OrderQuery;
use crate::protocol::Purchase;
use crate::{Amount, Intent, NumberRequest, Result};

impl Client {
    /// Buys a number. Action `getNumber`. **Costs money.**
    ///
    /// The purchase is sent at most once. If the error's charge is
    /// [`Charge::Unknown`](crate::Charge::Unknown), call [`Client::reconcile`] before buying again.
    pub fn get_number(&self, request: NumberRequest) -> Result<Activation> {
        self.buy(self.intent(request)?)
    }

    /// Prepares a purchase that [`Client::buy`] makes.
    ///
    /// Save [`Intent::to_json`] before you buy: then a program that is killed before the reply can
    /// still find its purchase in the history. If the client has not seen any order yet, this first
    /// reads the newest one (`getOrders`), because the order of the purchase will have a higher id.
    pub fn intend(&self, request: NumberRequest) -> Result<Intent> {
        if self.ledger().watermark().is_none() {
            let newest = self.get_orders(&OrderQuery { limit: 1, ..OrderQuery::default() })?;
            if newest.says_none() {
                self.ledger().saw_empty_history();
            }
        }
        self.intent(request)
    }

    /// Makes a prepared purchase. **Costs money each time it is called.**
    pub fn buy(&self, intent: Intent) -> Result<Activation> {
        let purchase = self.charge(&intent)?;
        Ok(self.bought(intent, purchase))
    }

    /// Buys the number of a completed activation again. Action `regetNumber`. **Costs money**, as
    /// much as the first time.
    pub fn reget_number(&self, id: &str) -> Result<Activation> {
        self.buy(self.reget_intent(id)?)
    }

    pub(crate) fn intent(&self, request: NumberRequest) -> Result<Intent> {
        let watermark = self.ledger().watermark();
        request.into_intent(self.now().wall, watermark)
    }

    pub(crate) fn reget_intent(&self, id: &str) -> Result<Intent> {
        let ledger = self.ledger();
        let (price, phone_number) = ledger.price_and_number(id);
        // A history without a price can contain 0 instead.
        let price = price.filter(|price| *price > Amount::ZERO);
        Intent::reget(id, phone_number, price, self.now().wall, ledger.watermark())
    }

    pub(crate) fn bought(&self, intent: Intent, purchase: Purchase) -> Activation {
        Activation::bought(self.clone(), intent, purchase)
    }
}

impl Activation {
    /// Buys the same number again after this order was completed. Action `regetNumber`. **Costs
    /// money**, as much as the first time.
    pub fn reget_number(&self) -> Result<Activation> {
        self.client().reget_number(self.id())
    }
}
