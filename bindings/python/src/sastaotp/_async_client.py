"""The client for asyncio: the methods of ``Client``, to be awaited."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import AsyncIterator, Callable, Optional, Type, Union

from . import _operations
from ._bought import Bought
from ._errors import UsageError
from ._intent import Intent
from ._lease import Leased
from ._models import (
    Balance,
    Countries,
    Number,
    Order,
    OrderPage,
    Prices,
    Reconciliation,
    Services,
    Settlement,
    Sms,
    Status,
    StatusChange,
    Unclaimed,
)
from ._operations import Operation, T
from ._orders import Pages
from ._pump import Pump
from ._session import SOON, Owner, R, same
from ._settings import Settings
from ._units import Money, Seconds


class AsyncClient(Owner):
    """A client of the service for asyncio. The settings are those of ``Client``.

    A task that is cancelled gives its call up at once. A purchase that was sent runs on, and ``unclaimed`` lists what it
    bought. One event loop at a time uses a client.
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        timeout: Optional[Seconds] = None,
        budget: Optional[Money] = None,
        max_requests_per_minute: Optional[int] = None,
        max_connections: Optional[int] = None,
        user_agent: Optional[str] = None,
        ca_pem: Union[str, bytes, None] = None,
        key_in: Optional[int] = None,
    ) -> None:
        settings = Settings.with_key(api_key)
        # A traceback that shows the locals of what fails below must not show it.
        del api_key
        if isinstance(settings, Exception):
            raise settings
        settings.add(
            base_url=base_url,
            timeout=timeout,
            budget=budget,
            max_requests_per_minute=max_requests_per_minute,
            max_connections=max_connections,
            user_agent=user_agent,
            ca_pem=ca_pem,
            key_in=key_in,
        )
        super().__init__(settings)
        self._pump: Optional[Pump] = None

    async def close(self) -> None:
        """End the client. Calls of other tasks fail with ``Cancelled``; a purchase that was sent runs on to its reply.

        Waits for leases that are being settled. The log then says what ``unclaimed`` would list.
        """
        session, pump = self._session, self._pump
        self._session = self._pump = None
        if session is None or not session.is_ours:
            return
        loop = asyncio.get_running_loop()
        if pump is None or pump.session is not session:
            pump = Pump(session, loop)
        elif pump.loop is not loop:
            if pump.loop.is_closed():
                pump.abandon()
            else:
                pump.loop.call_soon_threadsafe(pump.end)
            pump = Pump(session, loop)
        pump.end()
        await pump.rest()
        listed: Optional[tuple[Unclaimed, ...]] = None
        with suppress(asyncio.TimeoutError):
            listed = await asyncio.wait_for(pump.run(_operations.unclaimed(), same), SOON)
        session.report(listed)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _here(self) -> Pump:
        """The pump of the loop that runs."""
        session, loop, pump = self._open(), asyncio.get_running_loop(), self._pump
        if pump is None or pump.session is not session or pump.loop is not loop:
            if pump is not None and pump.session is session:
                if pump.is_busy:
                    raise UsageError("the client is in use by another event loop: make one for each loop")
                pump.abandon()
            self._pump = pump = Pump(session, loop)
        return pump

    async def _run(self, operation: Operation[T]) -> T:
        return await self._make(operation, same)

    async def _make(self, operation: Operation[T], made: Callable[[T], R]) -> R:
        return await self._here().run(operation, made)

    # What there is, and what it costs.

    async def get_balance(self) -> Balance:
        """The wallet. Action getBalance."""
        return await self._run(_operations.get_balance())

    async def get_services(self, service: Optional[str] = None) -> Services:
        """What is sold: all services, or one with its countries. Action getServicesList."""
        return await self._run(_operations.get_services(service))

    async def get_prices(self, service: Optional[str] = None, country: Optional[str] = None) -> Prices:
        """What services cost in countries; all of them are some eighty thousand. Action getPrices."""
        return await self._run(_operations.get_prices(service, country))

    async def get_countries(self) -> Countries:
        """The countries and their codes, which are not calling codes. Action getCountries."""
        return await self._run(_operations.get_countries())

    async def find_country(self, name: str) -> Countries:
        """The countries of this name in English, whatever its case: there may be several. Action getCountries."""
        return await self._run(_operations.find_country(name))

    # The history.

    async def get_orders(self, *, limit: int = 100, page: int = 1, status: Optional[str] = None) -> OrderPage:
        """One page of the history, newest first, of 1 to 100 orders. Action getOrders."""
        return await self._run(_operations.get_orders(limit, page, status))

    async def orders(self, *, status: Optional[str] = None) -> AsyncIterator[Order]:
        """Every order of the history, newest first; pages are fetched as they are needed. Action getOrders."""
        pages = Pages()
        while pages.next is not None:
            for order in pages.fresh(await self.get_orders(limit=pages.LIMIT, page=pages.next, status=status)):
                yield order

    # Buying. What costs money is sent once.

    async def get_number(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
    ) -> AsyncActivation:
        """Buy a number. **Costs money.** Action getNumber.

        An ``OutcomeUnknownError`` says that it may have been bought: ``reconcile`` its intent before you buy again.

        :param service: the code of the service, such as ``tg``.
        :param country: the code of the country, which is not its calling code: 22 is India. The service chooses without.
        :param max_price: rupees at most; this or ``accept_any_price`` must be said.
        :param operator: the provider.
        :param multi_sms: a number that can get several codes.
        """
        operation = _operations.get_number(
            service=service,
            country=country,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
        )
        return await self._make(operation, partial(AsyncActivation, self))

    def lease(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
        wait_out: bool = True,
    ) -> AsyncLease:
        """Buy a number for an ``async with`` statement, and settle it at its end. **Costs money.**

        It is completed when a code came, else cancelled for the refund. An order that is too young to be cancelled is
        waited for as long as the service asks, usually two minutes, unless ``wait_out`` is False or the block was interrupted.

        The other parameters are those of ``get_number``.
        """
        operation = _operations.get_number(
            service=service,
            country=country,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
        )
        return AsyncLease(self, operation, wait_out)

    async def intend(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
    ) -> Intent:
        """Prepare a purchase for ``buy``. Save ``intent.to_json()`` before, and a crash loses nothing: see ``reconcile``.

        The parameters are those of ``get_number``.
        """
        operation = _operations.intend(
            service=service,
            country=country,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
        )
        return await self._run(operation)

    async def buy(self, intent: Intent) -> AsyncActivation:
        """Make a purchase that was prepared. **Costs money.** Action getNumber. Fails as ``get_number`` does."""
        return await self._make(_operations.buy(intent), partial(AsyncActivation, self))

    async def reget_number(self, id: str) -> AsyncActivation:
        """Buy the number of a completed activation again. **Costs money.** Action regetNumber. Fails as ``get_number`` does."""
        return await self._make(_operations.reget_number(id), partial(AsyncActivation, self))

    async def reconcile(self, intent: Intent) -> Reconciliation:
        """Look for a purchase whose reply was lost in the history, 2 to 40 seconds after it. Action getOrders.

        Waits for another purchase of the kind that is under way: its reply tells whose an order is. Takes up nothing: give the
        id of a candidate to ``activation``.
        """
        session = self._open()
        found = await self._run(_operations.reconcile(intent))
        session.looked_for(intent)
        return found

    async def unclaimed(self) -> tuple[Unclaimed, ...]:
        """The purchases that nobody has: their callers gave up before the reply, or they could not be settled.

        An operation on one of them takes it off the list. Asks nobody.
        """
        await self._here().left()
        return await self._run(_operations.unclaimed()) + self._open().untold()

    async def budget_left(self) -> Optional[Decimal]:
        """What is left of the budget, in rupees; None where there is none. Asks nobody."""
        return await self._run(_operations.budget_left())

    # One number.

    def activation(self, id: str) -> AsyncActivation:
        """An activation that exists: of an earlier run, of the history, or of ``unclaimed``. Asks nobody, takes up nothing."""
        return AsyncActivation(self, Number(id))

    async def get_status(self, id: str) -> Status:
        """The state of an activation. Action getStatus."""
        return await self._run(_operations.get_status(id))

    async def set_status(self, id: str, status: int) -> StatusChange:
        """Change an activation by the service's own number: see ``SetStatus``. Action setStatus."""
        return await self._run(_operations.set_status(id, status))


class AsyncActivation(Bought):
    """A number that was bought. Any number of tasks may use it at once. The object may go: the order stays."""

    __slots__ = ("_client",)

    def __init__(self, client: AsyncClient, number: Number) -> None:
        super().__init__(number)
        self._client = client

    async def poll(self) -> Status:
        """Ask the service once for the state. A code that comes is kept. Action getStatus."""
        return await self._client._make(_operations.get_status(self.id), self._polled)

    async def wait_for_code(
        self,
        timeout: Seconds = 300.0,
        *,
        interval: Optional[Seconds] = None,
        accept_same_code: bool = False,
        cancel_on_timeout: bool = False,
    ) -> Sms:
        """Wait for a code, with a poll every 5 seconds and one at the end. Action getStatus.

        Fails with ``WaitTimeout``, ``ExpiredError`` or ``ActivationCancelledError``. A failure that may pass does not end the
        wait, and a code that came before is returned at once. However it ends, the activation can be waited for again, unless
        it was to cancel the order.

        :param timeout: how long at most; the end of the order ends it too.
        :param interval: a longer pause between polls.
        :param accept_same_code: after ``request_next_code``, take one that came before for the next one.
        :param cancel_on_timeout: cancel the order for its refund when no code came in time. That takes 10 seconds more at most.
            The wait fails with ``WaitTimeout`` all the same, whose hint says whether the order was cancelled, or with what the
            cancellation failed with.
        """
        operation = _operations.wait_for_code(self.id, timeout, interval, accept_same_code, cancel_on_timeout)
        return await self._client._make(operation, self._received)

    async def mark_sms_sent(self) -> None:
        """Tell the service that the SMS was sent to the number. Action setStatus, 1.

        Sent once, for no status shows whether it applied. Fails with ``ActivationCancelledError`` where the service answers
        that the order is cancelled.
        """
        return await self._client._run(_operations.mark_sms_sent(self.id))

    async def request_next_code(self) -> None:
        """Ask for a further code on the same number. ``wait_for_code`` then waits for the new one. Action setStatus, 3.

        Fails with ``ActivationCancelledError`` where the service answers that the order is cancelled.
        """
        return await self._client._run(_operations.request_next_code(self.id))

    async def complete(self) -> Settlement:
        """Complete the order: its code was used. Action setStatus, 6."""
        return await self._client._make(_operations.complete(self.id), self._closed)

    async def cancel(self) -> Settlement:
        """Cancel the order for its refund. A code that came first wins: read the settlement. Action setStatus, 8."""
        return await self._client._make(_operations.cancel(self.id), self._closed)

    async def settle(self, *, wait_out: bool = False) -> Settlement:
        """Complete the order when a code came, else cancel it for the refund.

        A code that came and cannot be read is an error, and the order stays open.

        :param wait_out: wait until an order that is too young may be cancelled, and take a code that comes meanwhile.
        """
        return await self._client._make(_operations.settle(self.id, wait_out), self._closed)

    async def leave(self) -> None:
        """List the number in ``unclaimed`` until an operation takes it up. Asks nobody.

        Does nothing for an activation of another run: nothing is known of its purchase.
        """
        return await self._client._run(_operations.leave(self.id))

    async def reget(self) -> AsyncActivation:
        """Buy the same number again, after this order was completed. **Costs money.** Action regetNumber."""
        return await self._client.reget_number(self.id)


class AsyncLease(Leased[AsyncActivation]):
    """A number for an ``async with`` statement: bought as it begins, settled as it ends, also where the client was closed.

    Where it cannot be settled, ``unclaimed`` lists it, the log says why, and the statement raises it, unless the block raised
    already or had a code. It is entered once; what a forked child does leaves the order as it is.
    """

    def __init__(self, client: AsyncClient, operation: Operation[Number], wait_out: bool) -> None:
        super().__init__(operation, wait_out)
        self._client = client

    async def __aenter__(self) -> AsyncActivation:
        self._enter()
        self._pump = self._client._here()
        return await self._pump.run(self._operation, self._bought)

    def _bought(self, number: Number) -> AsyncActivation:
        return self._hold(AsyncActivation(self._client, number))

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], _: Optional[TracebackType]
    ) -> None:
        number = self._release()
        if number is None:
            return
        try:
            await self._pump.run(self._settling(number, error), partial(self._settled, number), lasting=True)
        except BaseException as failure:
            self._pump.leave(number.id)
            if self._raises(number, failure, error):
                raise
