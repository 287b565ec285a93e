"""The blocking client: one method for each action of the service."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Callable, Iterator, Optional, Type, Union

from . import _operations
from ._arguments import Money, OnTooEarly, Seconds
from ._base import BaseActivation, BaseClient, BaseLease
from ._intent import Intent
from ._models import (
    ActivationData,
    Balance,
    Countries,
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
from ._pagination import OrderPaginator
from ._session import R, identity
from ._settings import Settings


class Client(BaseClient):
    """A blocking client of the service. Any number of threads may use it at once.

    Every call blocks until its result arrives, or until Ctrl-C. The end of a ``with`` statement
    closes the client. A forked child may use the client of its parent: it gets its own connections,
    budget and list of unclaimed numbers.

    :param api_key: the API key; ``SASTAOTP_API_KEY`` by default.
    :param base_url: the address; ``SASTAOTP_BASE_URL`` by default, or the vendor's if it is unset.
    :param timeout: how long a call may take, retries included; 90 seconds by default.
        ``wait_for_code``, ``reconcile`` and a ``settle`` that waits have their own limits.
    :param budget: the highest sum of all charges, in rupees. If it is set, every purchase needs a
        maximum price.
    :param max_requests_per_minute: a rate limit. Even without it, the client slows down after a
        reply with HTTP status 429.
    :param max_connections: how many requests can be in flight at once, 1 to 512; 64 by default.
    :param user_agent: the User-Agent header; ``libsastaotp/`` and the version by default.
    :param ca_pem: certificates, as PEM, to trust in addition to the public authorities.
    :param api_key_location: an ``ApiKeyLocation``; the header X-API-Key by default.
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
        api_key_location: Optional[int] = None,
    ) -> None:
        settings = Settings.with_key(api_key)
        # If a later line fails, a traceback with locals must not show the key.
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
            api_key_location=api_key_location,
        )
        super().__init__(settings)

    def close(self) -> None:
        """Close the client. Calls of other threads fail with ``Cancelled``.

        A purchase that was sent still runs until its reply, and leases can still be settled. The
        log lists the purchases that are unclaimed at this point.
        """
        session, self._session = self._session, None
        if session is None:
            return
        session.closed = True
        if session.in_this_process:
            session.log_unclaimed(session.run_local(_operations.unclaimed()))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, operation: Operation[T]) -> T:
        return self._run_and_convert(operation, identity)

    def _run_and_convert(self, operation: Operation[T], convert: Callable[[T], R]) -> R:
        return self._open_session().run(operation, convert)

    # Catalogue and prices.

    def get_balance(self) -> Balance:
        """Return the balance of the wallet. Action getBalance."""
        return self._run(_operations.get_balance())

    def get_services(self, service: Optional[str] = None) -> Services:
        """Return all services, or one service with its countries. Action getServicesList."""
        return self._run(_operations.get_services(service))

    def get_prices(self, service: Optional[str] = None, country: Optional[str] = None) -> Prices:
        """Return the prices of services in countries; without arguments about 80,000 rows.

        Action getPrices.
        """
        return self._run(_operations.get_prices(service, country))

    def get_countries(self) -> Countries:
        """Return the countries with their codes, which are not calling codes.

        Action getCountries.
        """
        return self._run(_operations.get_countries())

    def find_country(self, name: str) -> Countries:
        """Return the countries with this English name, in any letter case. Action getCountries.

        Several countries can share a name.
        """
        return self._run(_operations.find_country(name))

    # Order history.

    def get_orders(
        self, *, limit: int = 100, page: int = 1, status: Optional[str] = None
    ) -> OrderPage:
        """Return one page of the order history, newest first. Action getOrders.

        :param limit: the size of a page, 1 to 100 orders.
        :param page: the number of the page, from 1.
        :param status: an ``OrderStatus``; orders of every status by default.
        """
        return self._run(_operations.get_orders(limit, page, status))

    def orders(self, *, status: Optional[str] = None) -> Iterator[Order]:
        """Iterate over the order history, newest first. Action getOrders.

        Each page is fetched when the iteration reaches it.
        """
        paginator = OrderPaginator()
        while paginator.next_page is not None:
            page = self.get_orders(
                limit=paginator.PAGE_SIZE, page=paginator.next_page, status=status
            )
            yield from paginator.new_orders(page)

    # Purchases. Each is sent once.

    def get_number(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
    ) -> Activation:
        """Buy a number. **Costs money.** Action getNumber.

        If it raises ``OutcomeUnknownError``, the number may have been bought: call ``reconcile``
        with the intent of the error before you buy again.

        :param service: the code of the service, such as ``tg``.
        :param country: the code of the country, which is not its calling code: 22 is India. If it
            is None, the service chooses.
        :param max_price: the highest price in rupees. Pass this or ``accept_any_price``.
        :param accept_any_price: buy at any price.
        :param operator: the provider.
        :param multi_sms: buy a number that can receive several codes.
        """
        operation = _operations.get_number(
            service=service,
            country=country,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
        )
        return self._run_and_convert(operation, partial(Activation, self))

    def lease(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
        on_too_early: OnTooEarly = "wait",
    ) -> Lease:
        """Buy a number for a ``with`` statement, and settle it at the end. **Costs money.**

        The order is completed if a code arrived, and otherwise cancelled for the refund. If it is
        too young to be cancelled, the end of the statement waits as long as the service demands,
        usually two minutes. It does not wait if the block was interrupted.

        :param on_too_early: ``"fail"`` raises ``TooEarlyError`` instead of waiting, and
            ``unclaimed`` then lists the number.

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
        return Lease(self, operation, on_too_early)

    def intend(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
    ) -> Intent:
        """Prepare a purchase for ``buy``. Sends no purchase.

        If you save ``intent.to_json()`` before you call ``buy``, then ``reconcile`` can find the
        purchase even after a crash. The parameters are those of ``get_number``.
        """
        operation = _operations.intend(
            service=service,
            country=country,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
        )
        return self._run(operation)

    def buy(self, intent: Intent) -> Activation:
        """Make a prepared purchase. **Costs money.** Action getNumber.

        Raises the same errors as ``get_number``.
        """
        return self._run_and_convert(_operations.buy(intent), partial(Activation, self))

    def reget_number(self, id: str) -> Activation:
        """Buy the number of a completed activation again. **Costs money.** Action regetNumber.

        Raises the same errors as ``get_number``.
        """
        return self._run_and_convert(_operations.reget_number(id), partial(Activation, self))

    def reconcile(self, intent: Intent) -> Reconciliation:
        """Look for a purchase whose reply was lost. Action getOrders.

        Reads the order history 2, 5, 10, 20 and 40 seconds after the reply was lost, but only once
        more after it found a candidate. While another purchase of the same kind is in flight, it
        waits for that reply, because the order may belong to that purchase.

        It claims nothing: run an operation on ``activation(id)`` to claim a candidate.
        """
        session = self._open_session()
        reconciliation = self._run(_operations.reconcile(intent))
        session.forget_unreported(intent)
        return reconciliation

    def unclaimed(self) -> tuple[Unclaimed, ...]:
        """Return the purchases without a holder. Sends no request.

        The caller was gone before the reply arrived, or the lease could not be settled. An
        operation on a number removes it from the list; ``reconcile`` removes an unknown outcome.
        """
        listed = self._run(_operations.unclaimed())
        return listed + self._open_session().unreported()

    def budget_left(self) -> Optional[Decimal]:
        """Return the rest of the budget in rupees. None if there is no budget. Sends no request."""
        return self._run(_operations.budget_left())

    # One activation.

    def activation(self, id: str) -> Activation:
        """Return the activation with this id. Sends no request and claims nothing.

        The id can be from an earlier run, from the history or from ``unclaimed``.
        """
        return Activation(self, ActivationData(id))

    def get_status(self, id: str) -> Status:
        """Return the state of an activation. Action getStatus."""
        return self._run(_operations.get_status(id))

    def set_status(self, id: str, status: int) -> StatusChange:
        """Change an activation with a value of ``SetStatus``. Action setStatus."""
        return self._run(_operations.set_status(id, status))


class Activation(BaseActivation):
    """A number that was bought. Any number of threads may use it at once.

    Dropping the object does not change the order.
    """

    __slots__ = ("_client",)

    def __init__(self, client: Client, data: ActivationData) -> None:
        super().__init__(data)
        self._client = client

    def get_status(self) -> Status:
        """Return the state of the order, and keep a code that it shows. Action getStatus."""
        operation = _operations.get_status(self.id)
        return self._client._run_and_convert(operation, self._keep_status)

    def wait_for_code(
        self,
        timeout: Seconds = 300.0,
        *,
        interval: Optional[Seconds] = None,
        accept_same_code: bool = False,
        cancel_on_timeout: bool = False,
    ) -> Sms:
        """Wait for a code and return it. Action getStatus.

        Polls every 5 seconds, and once more at the end. A code that arrived earlier is returned at
        once. Transient failures do not end the wait.

        Raises ``WaitTimeout`` if no code arrives in time, ``ExpiredError`` if the order expires and
        ``ActivationCancelledError`` if it is cancelled. After any end you can wait again, unless
        ``cancel_on_timeout`` was set.

        :param timeout: the longest wait. The wait also ends when the order expires.
        :param interval: the pause between polls, if 5 seconds are too short.
        :param accept_same_code: after ``request_next_code``, accept an earlier code as the next one
            even if the service never reported that it waits for the next.
        :param cancel_on_timeout: cancel the order for its refund if no code arrives in time, which
            takes up to 10 seconds more. The call still raises ``WaitTimeout``; its hint states
            whether the order was cancelled, or why the cancellation failed.
        """
        operation = _operations.wait_for_code(
            self.id, timeout, interval, accept_same_code, cancel_on_timeout
        )
        return self._client._run_and_convert(operation, self._keep_sms)

    def mark_sms_sent(self) -> None:
        """Report to the service that the SMS was sent to the number. Action setStatus, 1.

        The request is never repeated: no status shows whether it took effect. Raises
        ``ActivationCancelledError`` if the service answers that the order is cancelled.
        """
        return self._client._run(_operations.mark_sms_sent(self.id))

    def request_next_code(self) -> None:
        """Request another code on the same number. Action setStatus, 3.

        ``wait_for_code`` then waits for the new code. Raises ``ActivationCancelledError`` if the
        service answers that the order is cancelled.
        """
        return self._client._run(_operations.request_next_code(self.id))

    def complete(self) -> Settlement:
        """Complete the order, after its code was used. Action setStatus, 6."""
        operation = _operations.complete(self.id)
        return self._client._run_and_convert(operation, self._keep_settlement)

    def cancel(self) -> Settlement:
        """Cancel the order for its refund. Action setStatus, 8.

        If a code arrived first, the order is not cancelled: check ``state`` and ``code`` of the
        settlement.
        """
        operation = _operations.cancel(self.id)
        return self._client._run_and_convert(operation, self._keep_settlement)

    def settle(self, *, on_too_early: OnTooEarly = "fail") -> Settlement:
        """Complete the order if a code arrived; otherwise cancel it for the refund.

        If a code arrived and is not readable, it raises an error and leaves the order open.

        :param on_too_early: if the order is too young to be cancelled, ``"fail"`` raises
            ``TooEarlyError``; ``"wait"`` waits until it may be cancelled, and accepts a code that
            arrives meanwhile.
        """
        operation = _operations.settle(self.id, on_too_early)
        return self._client._run_and_convert(operation, self._keep_settlement)

    def mark_unclaimed(self) -> None:
        """List the number in ``unclaimed`` until an operation claims it. Sends no request.

        It has no effect if another run bought the number: this client has no record of the
        purchase.
        """
        return self._client._run(_operations.mark_unclaimed(self.id))

    def reget_number(self) -> Activation:
        """Buy the same number again, after this order was completed. **Costs money.**

        Action regetNumber.
        """
        return self._client.reget_number(self.id)


class Lease(BaseLease[Activation]):
    """A number for a ``with`` statement: bought at its start and settled at its end.

    It is settled even if the client was closed. If settling fails, ``unclaimed`` lists the number
    and the log has the reason. The statement raises the failure unless its block raised an error or
    had received a code. A lease can be entered once. A forked child that leaves the statement does
    not settle the order.
    """

    def __init__(
        self,
        client: Client,
        operation: Operation[ActivationData],
        on_too_early: OnTooEarly,
    ) -> None:
        super().__init__(operation, on_too_early)
        self._client = client

    def __enter__(self) -> Activation:
        self._mark_entered()
        self._session = self._client._open_session()
        return self._session.run(self._operation, self._activate)

    def _activate(self, data: ActivationData) -> Activation:
        return self._hold(Activation(self._client, data))

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        _: Optional[TracebackType],
    ) -> None:
        activation = self._release()
        if activation is None:
            return
        try:
            self._session.run(
                self._settle_operation(activation, error),
                partial(self._keep_settlement, activation),
                survives_close=True,
            )
        except BaseException as failure:
            self._session.mark_unclaimed(activation.id)
            if self._must_raise(activation, failure, error):
                raise
