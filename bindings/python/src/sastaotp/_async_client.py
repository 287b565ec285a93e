"""The asyncio client: one coroutine for each action of the service."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import AsyncIterator, Callable, Mapping, Optional, Sequence, Type, Union

from . import _operations
from ._arguments import Durability, Folder, Money, OnTooEarly, Roots, Seconds, flag
from ._async_runner import ClientRunner, LeaseRunner
from ._base import BaseActivation
from ._intent import Intent
from ._models import (
    ActivationData,
    Balance,
    Countries,
    Offer,
    Order,
    OrderPage,
    Prices,
    Reconciliation,
    Services,
    SettledLease,
    Settlement,
    Sms,
    Status,
    StatusChange,
    Unclaimed,
)
from ._native_queue import R, identity
from ._operations import Operation, T
from ._pagination import OrderPaginator
from ._settings import Settings


class AsyncClient(ClientRunner["AsyncActivation"]):
    """An asyncio client of the service. One event loop at a time may use it.

    Cancelling a task ends its call at once. A purchase that was already sent continues to its
    reply, and ``unclaimed`` lists the number if one is bought.

    The end of an ``async with`` statement closes the client; a client that was not closed is closed
    when the interpreter exits. A forked child may use the client of its parent: it gets its own
    connections and full budget, and with a journal the budget that all processes share.

    :param api_key: the API key, 1 to 256 visible ASCII characters; ``SASTAOTP_API_KEY`` by default.
    :param base_url: an https address, or http to this machine only; ``SASTAOTP_BASE_URL`` by
        default, or the vendor's address if that is unset.
    :param timeout: how long a call may take, retries included; 90 seconds by default. After it, a
        purchase that was sent raises ``OutcomeUnknownError``, and continues to its reply:
        ``unclaimed`` lists the number if one is bought. ``wait_for_code``, ``reconcile`` and
        ``settle`` with ``on_too_early="wait"`` have their own limits.
    :param late_booking: how long after the end of a request the service may still book its
        purchase; 10 minutes by default. ``reconcile`` is not complete before.
    :param end_wait: how long ``close`` and the end of the program wait for the replies of purchases
        in flight; 10 seconds by default.
    :param budget: the most that this client may spend, in rupees; no limit by default. A purchase
        that could exceed it is refused before it is sent; a confirmed refund is added back. With a
        budget, every purchase needs a maximum price. Only the purchases that this client sends
        count: one that another client or an earlier run sent does not, even if this client finds
        it. With a journal, the purchases of all clients and processes that use it count.
    :param max_requests_per_minute: the most requests per minute; no limit by default. With or
        without it, the client slows down after a reply with HTTP status 429.
    :param max_connections: the most requests in flight at once, and the most idle connections to
        keep, 1 to 512; 64 by default.
    :param user_agent: the User-Agent header; ``libsastaotp/`` and the version by default.
    :param proxy: ``"environment"``, ``"direct"`` or a URL; ``"environment"`` by default: the proxy
        of ``HTTPS_PROXY`` or ``ALL_PROXY`` unless ``NO_PROXY`` excludes the host, read as curl
        reads them, and none for a service on this machine. ``"direct"`` ignores the environment. A
        URL is ``scheme://user:password@host:port`` with the scheme ``http``, ``https``, ``socks5``
        or ``socks5h``; the user name and password are optional and percent-encoded. With ``socks5``
        this machine looks up the name of the service, with ``socks5h`` the proxy does. The default
        port is 443 for ``https``, and otherwise 1080. A proxy that is set by URL is used for every
        service. For a loopback address it connects to its own machine.
    :param roots: the certificate authorities to trust: ``"web"``, those of the web, which the
        library contains; ``"system"``, those of the system, or of ``SSL_CERT_FILE`` and
        ``SSL_CERT_DIR`` if one of these variables is set; or ``"both"``.
    :param ca_pem: certificates to trust in addition: the text of a PEM file, not its path. Each is
        that of an authority, or of the server itself.
    :param api_key_location: an ``ApiKeyLocation``; ``ApiKeyLocation.HEADER`` by default, the header
        X-API-Key.
    :param journal: keep a journal of the purchases in this folder, which is created if it does not
        exist; ``SASTAOTP_JOURNAL`` by default, or no journal if that is unset. However this process
        ends, the next process that opens the folder with the same API key and base URL has its
        purchases: ``unclaimed`` lists them, and their objects have the codes that arrived. The
        budget is that of all these processes together, from the first purchase in the journal on.
        Several processes can use a folder at once. All clients of an API key and a base URL in a
        process use the same folder and durability. The folder contains phone numbers and codes.
        Those of settled orders are removed by the next purchase or settlement after half a day. It
        never contains the API key. A journal does not protect against the loss of the disk.
        ``JournalError`` is raised if the folder cannot be used, and by a purchase that cannot be
        written: then nothing is sent.
    :param durability: the failures that the journal survives: with ``"power"`` the end of the
        process, however it ends, and a power loss; with ``"process"`` only the end of the process,
        which is faster.
    :param journal_on_network: allow the journal on a network file system. By default it is refused
        there, because another machine may not see the locks: two machines could then settle one
        order. Allow it only if a single machine uses the folder.
    :param exit_on_sigterm: whether the ``async with`` statement of the client turns SIGTERM into
        ``SystemExit``, in the main thread and unless the program has a handler of its own. Without
        a handler, SIGTERM ends the process before leases can be settled and purchases reported.
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        timeout: Optional[Seconds] = None,
        late_booking: Optional[Seconds] = None,
        end_wait: Seconds = 10.0,
        budget: Optional[Money] = None,
        max_requests_per_minute: Optional[int] = None,
        max_connections: Optional[int] = None,
        user_agent: Optional[str] = None,
        proxy: Optional[str] = None,
        roots: Roots = "web",
        ca_pem: Union[str, bytes, None] = None,
        api_key_location: Optional[int] = None,
        journal: Optional[Folder] = None,
        durability: Durability = "power",
        journal_on_network: bool = False,
        exit_on_sigterm: bool = True,
    ) -> None:
        settings = Settings.with_secrets(api_key, proxy)
        # If a later line fails, a traceback with locals must not show the secrets.
        del api_key, proxy
        if isinstance(settings, Exception):
            raise settings
        settings.add(
            base_url=base_url,
            timeout=timeout,
            late_booking=late_booking,
            end_wait=end_wait,
            budget=budget,
            max_requests_per_minute=max_requests_per_minute,
            max_connections=max_connections,
            user_agent=user_agent,
            roots=roots,
            ca_pem=ca_pem,
            api_key_location=api_key_location,
            journal=journal,
            durability=durability,
            journal_on_network=journal_on_network,
        )
        super().__init__(settings, exit_on_sigterm=flag(exit_on_sigterm, "exit_on_sigterm"))

    async def close(self) -> None:
        """Close the client. Calls of other tasks fail with ``CallCancelledError``.

        Waits for leases that are being settled, and up to ``end_wait`` for the replies of purchases
        in flight. Then writes one line to stderr for each purchase of this client that is in
        flight, unknown or open, unless it is kept, and for each unclaimed purchase of its API key.
        """
        await self._close()

    async def __aenter__(self) -> AsyncClient:
        self._enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.close()
        finally:
            self._exit()

    def _new_activation(self, data: ActivationData) -> AsyncActivation:
        return AsyncActivation(self, data)

    # Catalogue and prices.

    async def get_balance(self) -> Balance:
        """Return the balance of the wallet. Action getBalance."""
        return await self._run(_operations.get_balance())

    async def get_services(self, service: Optional[str] = None) -> Services:
        """Return all services, or one service with its countries. Action getServicesList."""
        return await self._run(_operations.get_services(service))

    async def get_prices(
        self, service: Optional[str] = None, country: Optional[str] = None
    ) -> Prices:
        """Return the price of each service in each country. Action getPrices.

        Without arguments the list has about 80,000 rows.
        """
        return await self._run(_operations.get_prices(service, country))

    async def get_offers(
        self,
        service: str,
        *,
        countries: Optional[Sequence[str]] = None,
        min_price: Optional[Money] = None,
        max_price: Optional[Money] = None,
        min_available: int = 0,
    ) -> tuple[Offer, ...]:
        """Return the offers of a service, cheapest first. Actions getServicesList and getPrices.

        There is one for each country that sells the service now, and for each operator if the
        service lists prices by operator. Of equal prices, the one with more numbers in stock is
        first. If the two replies disagree about an offer, it has the higher price and the smaller
        stock. An offer without a price or with no number in stock is left out. Pass offers to
        ``get_number`` to buy one of them.

        :param countries: only offers in these countries.
        :param min_price: only offers with at least this price, in rupees.
        :param max_price: only offers with at most this price, in rupees.
        :param min_available: only offers with at least this many numbers in stock. Above 0, an
            offer whose stock the service does not report is left out.
        """
        operation = _operations.get_offers(
            service,
            countries=countries,
            min_price=min_price,
            max_price=max_price,
            min_available=min_available,
        )
        return await self._run(operation)

    async def cheapest_offer(
        self,
        service: str,
        *,
        countries: Optional[Sequence[str]] = None,
        min_price: Optional[Money] = None,
        max_price: Optional[Money] = None,
        min_available: int = 0,
    ) -> Optional[Offer]:
        """Return the first offer that ``get_offers`` returns, or None if there is no offer."""
        offers = await self.get_offers(
            service,
            countries=countries,
            min_price=min_price,
            max_price=max_price,
            min_available=min_available,
        )
        return offers[0] if offers else None

    async def get_countries(self) -> Countries:
        """Return the countries with their codes, which are not calling codes.

        Action getCountries.
        """
        return await self._run(_operations.get_countries())

    async def find_country(self, name: str) -> Countries:
        """Return the countries with this English name, in any letter case. Action getCountries.

        Several countries can share a name.
        """
        return await self._run(_operations.find_country(name))

    # Order history.

    async def get_orders(
        self, *, limit: int = 100, page: int = 1, status: Optional[str] = None
    ) -> OrderPage:
        """Return one page of the order history, newest first. Action getOrders.

        :param limit: the size of a page, 1 to 100 orders.
        :param page: the number of the page, from 1.
        :param status: an ``OrderStatus``; orders of every status by default.
        """
        return await self._run(_operations.get_orders(limit, page, status))

    async def orders(self, *, status: Optional[str] = None) -> AsyncIterator[Order]:
        """Iterate over the order history, newest first. Action getOrders.

        Each page is fetched when the iteration reaches it.

        :param status: only orders with this status: ``pending``, ``completed``, ``cancelled`` or
            ``expired``. If it is None, orders with every status.
        """
        paginator = OrderPaginator()
        while paginator.next_page is not None:
            page = await self.get_orders(
                limit=paginator.PAGE_SIZE, page=paginator.next_page, status=status
            )
            for order in paginator.new_orders(page):
                yield order

    # Purchases. Each is sent once.

    async def get_number(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        countries: Optional[Sequence[str]] = None,
        offers: Optional[Sequence[Offer]] = None,
        any_country: bool = False,
        min_price: Optional[Money] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
        patience: Seconds = 0,
        parameters: Optional[Mapping[str, str]] = None,
    ) -> AsyncActivation:
        """Buy a number. **Costs money.** Action getNumber.

        If it raises ``OutcomeUnknownError``, the number may have been bought: call ``reconcile``
        with ``error.intent`` before you buy again.

        State the country with ``country``, ``countries``, ``offers``, ``any_country`` or
        ``operator``, and the price with ``max_price`` or ``accept_any_price``, unless each offer
        has a price. ``ConfigError`` is raised if a statement is missing, or if two statements
        contradict each other; nothing is sent then. None is no statement.

        The purchase is sent only if its reply has time to arrive before the call times out: two
        thirds of ``timeout``, at most 60 seconds. A ``SastaotpWarning`` reports a purchase that
        cost more than its maximum, an odd reply, or a number with another country's calling code.

        :param service: the code of the service, such as ``tg``.
        :param country: the code of the country, which is not its calling code: 22 is India.
        :param countries: several countries, which are tried in this order: 1 to 100 codes. The call
            moves on only if the service refused the country: it has no number there, does not sell
            the service there, or sells it above ``max_price``. Any other failure ends the call, and
            an unknown outcome is never followed by another attempt. Each attempt has the full
            timeout, and the budget reserves one attempt at a time. ``purchase.attempts`` and
            ``error.attempts`` list the attempts. If every country is refused, the call raises the
            last temporary refusal, such as NO_NUMBERS, or else the last one.
        :param offers: several offers of ``get_offers``, which are tried in this order like
            ``countries``. The maximum price of each attempt is the price of its offer, or
            ``max_price`` if that is lower. An offer without a price needs ``max_price``.
        :param any_country: let the service choose the country.
        :param min_price: the lowest price in rupees. Cheap numbers have often been used before. The
            call reads the price list once (getPrices). It skips a country whose listed price is
            below the minimum or above the maximum, and a country that is not listed. Not possible
            with ``any_country``.
        :param max_price: the highest price in rupees.
        :param accept_any_price: buy at any price.
        :param operator: a country code that fixes the country, sent verbatim as the parameter
            ``operator`` of the vendor's page. For other vendors of the protocol it is the name of a
            mobile operator: then set the country too.
        :param multi_sms: buy a number that can receive several codes.
        :param patience: how long to keep trying if the service refused every country, as seconds or
            a ``timedelta``; by default each is tried once. The call pauses before it starts again
            with the first country. The pauses grow from 2 to 30 seconds, and are longer if the
            service requests it. It does not bound the call: each country is tried at least
            once, and each attempt has the full ``timeout`` of the client. Bound the call with
            ``asyncio.wait_for``.
        :param parameters: further parameters that the service accepts, such as
            ``{"ref": "my-shop", "fixedPrice": "true"}``: at most 16. Every value is text. They are
            part of the intent. These names are refused, in any letter case, because the library
            sets them: ``action``, ``api_key``, ``country``, ``format``, ``id``, ``limit``,
            ``maxPrice``, ``multiSMS``, ``operator``, ``page``, ``service``, ``status``.
        """
        operation = _operations.get_number(
            service=service,
            country=country,
            countries=countries,
            offers=offers,
            any_country=any_country,
            min_price=min_price,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
            patience=patience,
            parameters=parameters,
        )
        return await self._buy(operation)

    def lease(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        countries: Optional[Sequence[str]] = None,
        offers: Optional[Sequence[Offer]] = None,
        any_country: bool = False,
        min_price: Optional[Money] = None,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
        patience: Seconds = 0,
        parameters: Optional[Mapping[str, str]] = None,
        on_too_early: OnTooEarly = "wait",
    ) -> AsyncLease:
        """Buy a number for an ``async with`` statement, and settle its order at the end.

        **Costs money.** The purchase is made at the start of the statement.

        The order is completed if a code arrived, and otherwise cancelled for its refund. If it is
        too young to be cancelled, the end of the statement waits as long as the service demands,
        usually two minutes. It does not wait if the block ended by Ctrl-C, by the cancellation of
        its task or because the client was closed.

        The statement binds the number, not the lease. Assign the lease to a variable first if you
        need its ``settlement`` or ``keep()``.

        :param on_too_early: ``"fail"`` raises ``TooEarlyError`` instead of waiting, and
            ``unclaimed`` then lists the number.

        The other parameters are those of ``get_number``.
        """
        operation = _operations.lease(
            service=service,
            country=country,
            countries=countries,
            offers=offers,
            any_country=any_country,
            min_price=min_price,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
            patience=patience,
            parameters=parameters,
        )
        return AsyncLease(self, operation, on_too_early)

    async def intend(
        self,
        service: str,
        *,
        country: Optional[str] = None,
        any_country: bool = False,
        max_price: Optional[Money] = None,
        accept_any_price: bool = False,
        operator: Optional[str] = None,
        multi_sms: bool = False,
        parameters: Optional[Mapping[str, str]] = None,
    ) -> Intent:
        """Prepare a purchase for ``buy``, for programs that may be killed. Buys nothing.

        If you save ``intent.to_json()`` before you call ``buy``, then ``reconcile`` can find the
        purchase even after a crash. If the client has no order id yet, it requests the newest order
        (getOrders): the order of the purchase has a higher id.

        An intent is one attempt: it has no list of countries. The parameters are those of
        ``get_number``.
        """
        operation = _operations.intend(
            service=service,
            country=country,
            any_country=any_country,
            max_price=max_price,
            accept_any_price=accept_any_price,
            operator=operator,
            multi_sms=multi_sms,
            parameters=parameters,
        )
        return await self._run(operation)

    async def buy(self, intent: Intent) -> AsyncActivation:
        """Make a prepared purchase. **Costs money.** Action getNumber or regetNumber.

        An intent is sent once. A second purchase of it raises ``AlreadySentError``, which names the
        first one. An intent of an earlier run is looked up in the order history first (getOrders).
        The call is refused in the same way, and names the candidates, unless the search is complete
        and found none. That takes ten minutes, or ``late_booking``, from the first search of this
        process, because the earlier run may have sent the request at its end.

        Raises the same errors as ``get_number`` otherwise.
        """
        return await self._buy(_operations.buy(intent))

    async def reget_number(
        self, id: str, *, max_price: Optional[Money] = None, accept_any_price: bool = False
    ) -> AsyncActivation:
        """Buy the number of a completed activation again. **Costs money.** Action regetNumber.

        The service takes no maximum for this action. If the price is known from the purchase or
        from the order history and is above ``max_price``, the call raises ``PriceTooHighError`` and
        sends nothing. Otherwise a ``SastaotpWarning`` reports a price above it.

        Raises the same errors as ``get_number``. A client with a budget needs ``max_price``.

        :param max_price: the highest price in rupees.
        :param accept_any_price: buy at any price.
        """
        return await self._buy(_operations.reget_number(id, max_price, accept_any_price))

    async def reconcile(self, intent: Intent, timeout: Seconds = 60.0) -> Reconciliation:
        """Look in the order history for a purchase with an unknown outcome. Action getOrders.

        It returns early only if the evidence proves that an order is the purchase, or if the search
        is complete. Otherwise it looks until ``timeout``, and returns the orders that may be the
        purchase, each with its evidence. An order that another purchase of this process bought is
        not a candidate.

        Without a candidate, nothing was charged only if ``complete`` is set: then the whole history
        since the purchase was read, and ``late_booking`` has passed. The purchase stays listed in
        ``unclaimed`` and reserved until ``resolve(intent, not_made=True)``. If ``complete`` is not
        set, ``reason`` states why, and the next call continues the search.

        If the history cannot be read, the call raises ``OutcomeUnknownError``: the purchase
        stays unknown.

        It only looks: call ``resolve`` with the candidate that you choose. If there are several
        candidates, call it before ``activation`` on one of them. ``activation`` of the only
        candidate also resolves the purchase, unless the search ended less than 60 seconds after the
        reply was lost and was not complete. Then the maximum stays reserved, and a refund of that
        order makes the purchase unknown again: call ``resolve`` as well if you know that the order
        is yours.

        :param timeout: how long to look; 60 seconds by default, and 0 is a single look.
        """
        return await self._run(_operations.reconcile(intent, timeout))

    async def resolve(
        self, intent: Intent, *, not_made: bool = False, activation_id: Optional[str] = None
    ) -> None:
        """Resolve a purchase with an unknown outcome. Sends no request.

        If a client of this process sent the purchase, its reservation returns to that client's
        budget, or the price of the order takes its place. Raises ``ConfigError`` if the reply may
        still arrive, if the answer is known to be wrong, or if another purchase bought that
        activation.

        The id is not checked: take it from a candidate or from the service's order history. A wrong
        answer can be corrected by calling ``resolve`` again until the order has a code or has
        ended.

        :param not_made: nothing was bought.
        :param activation_id: the activation that was bought.
        """
        return await self._run(_operations.resolve(intent, not_made, activation_id))

    async def unclaimed(self) -> tuple[Unclaimed, ...]:
        """Return the purchases that are not settled and that no handle holds. Sends no request.

        They are the purchases of this API key in this process: those whose call was interrupted,
        those with an unknown outcome, and those whose ``AsyncActivation`` objects are gone.

        A number is listed until its order is completed, cancelled or has expired, or until
        ``keep``. It is not listed as long as an object of ``activation`` exists. An unknown outcome
        is listed until it is found or resolved.
        """
        await self._free_abandoned()
        return await self._run(_operations.unclaimed())

    async def finish(self, timeout: Seconds = 10.0) -> tuple[Unclaimed, ...]:
        """Wait for the replies of this client's purchases in flight, and return the open purchases.

        They are each purchase of this client that is not settled or kept, even if an object holds
        it, and each unclaimed one of the same API key. Sends no request.

        :param timeout: how long to wait for the replies; 10 seconds by default.
        """
        await self._free_abandoned()
        return await self._run(_operations.finish(timeout, "timeout"))

    async def settle_leftover_leases(
        self, *, on_too_early: OnTooEarly = "fail"
    ) -> tuple[SettledLease, ...]:
        """Settle the leases in the client's journal whose processes ended before they settled them.

        Without a journal there are none. Each is settled as ``settle`` does it, and its
        ``settlement`` or its ``error`` is returned. A lease that could not be settled stays listed
        by ``unclaimed``.

        :param on_too_early: if an order is too young to be cancelled, ``"wait"`` waits until it may
            be cancelled. The leases wait at the same time.
        """
        return await self._run(_operations.settle_leftover_leases(on_too_early))

    async def budget_left(self) -> Optional[Decimal]:
        """Return the remaining budget in rupees. None without a budget. Sends no request."""
        return await self._run(_operations.budget_left())

    # One activation.

    async def activation(self, id: str) -> AsyncActivation:
        """Claim the activation with this id. Sends no request.

        The id can be from an earlier run, from the history or from ``unclaimed``, which does not
        list it as long as the object exists. The object has the phone number and the price if the
        client knows them.
        """
        operation = _operations.claim(id)
        return await self._convert(operation, partial(self._claimed, operation))

    async def get_status(self, id: str) -> Status:
        """Return the status of an activation. Action getStatus."""
        return await self._run(_operations.get_status(id))

    async def set_status(self, id: str, status: int) -> StatusChange:
        """Change the status of an activation to a value of ``SetStatus``. Action setStatus."""
        return await self._run(_operations.set_status(id, status))


class AsyncActivation(BaseActivation):
    """A number that was bought. Any number of tasks may use it at once.

    When the last object of a number is garbage-collected and its order is open, ``unclaimed`` lists
    it. The order does not change.
    """

    __slots__ = ("_client",)

    def __init__(self, client: AsyncClient, data: ActivationData) -> None:
        super().__init__(data)
        self._client = client

    async def _run(self, operation: Operation[T], convert: Callable[[T], R]) -> R:
        return await self._client._convert(operation, convert)

    async def get_status(self) -> Status:
        """Return the status of the order; keeps a code in it as ``code``. Action getStatus."""
        operation = _operations.get_status(self.id)
        return await self._run(operation, self._keep_status)

    async def wait_for_code(
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

        Raises ``WaitTimeoutError`` if no code arrives in time, ``ExpiredError`` if the order
        expires and ``ActivationCancelledError`` if it is cancelled. Without ``cancel_on_timeout``,
        a wait that times out or is interrupted does not change the order: you can wait again.

        :param timeout: how long to wait; 300 seconds by default. The wait also ends when the order
            expires.
        :param interval: the pause between two polls; 5 seconds by default. A shorter pause becomes
            5 seconds, and one of more than an hour becomes an hour.
        :param accept_same_code: after ``request_next_code``, accept the previous code again even if
            the service did not report waiting in between.
        :param cancel_on_timeout: cancel the order for its refund if no code arrives in time, which
            takes at most 10 more seconds. A code that arrives during the cancellation is returned.
            Otherwise the call raises the error of the cancellation if that failed, or a
            ``WaitTimeoutError`` whose hint states whether the order was cancelled.
        """
        operation = _operations.wait_for_code(
            self.id, timeout, interval, accept_same_code, cancel_on_timeout
        )
        return await self._run(operation, self._keep_sms)

    async def mark_sms_sent(self) -> None:
        """Report to the service that the SMS was sent to the number. Action setStatus, 1.

        The request is never repeated: no status shows whether it took effect. Raises
        ``ActivationCancelledError`` if the service answers that the order is cancelled.
        """
        return await self._run(_operations.mark_sms_sent(self.id), identity)

    async def request_next_code(self) -> None:
        """Request another code on the same number. Action setStatus, 3.

        The next ``wait_for_code`` does not return the previous code. Raises
        ``ActivationCancelledError`` if the service answers that the order is cancelled.
        """
        return await self._run(_operations.request_next_code(self.id), identity)

    async def complete(self, *, without_code: bool = False) -> Settlement:
        """Complete the order after you have used its code. Action setStatus, 6.

        Check ``state``: the service may report that it cancelled the order instead.

        :param without_code: complete and pay an order that has received no code. Otherwise the call
            polls once for a code, unless a poll was answered in the last 5 seconds, and raises
            ``ConfigError`` if there is none.
        """
        operation = _operations.complete(self.id, without_code)
        return await self._run(operation, self._keep_settlement)

    async def cancel(self) -> Settlement:
        """Cancel the order for its refund, unless a code arrives first. Action setStatus, 8.

        If a code arrived first, the order stays open: the settlement has the state ``code_arrived``
        and, if the service shows it, the code.
        """
        operation = _operations.cancel(self.id)
        return await self._run(operation, self._keep_settlement)

    async def settle(self, *, on_too_early: OnTooEarly = "fail") -> Settlement:
        """Complete the order if a code arrived; otherwise cancel it for its refund.

        Raises an error if a code arrived that cannot be read: the order then stays open.

        :param on_too_early: if the order is too young to be cancelled, ``"fail"`` raises
            ``TooEarlyError``; ``"wait"`` waits until it may be cancelled, and accepts a code that
            arrives meanwhile.
        """
        operation = _operations.settle(self.id, on_too_early)
        return await self._run(operation, self._keep_settlement)

    async def keep(self) -> None:
        """Do not list the number in ``unclaimed`` or at the end of the program. Sends no request.

        For an order that stays open on purpose, such as one that another program settles. Save the
        id first.
        """
        return await self._run(_operations.keep(self.id), identity)

    async def mark_unclaimed(self) -> None:
        """List the number in ``unclaimed`` until ``activation`` claims it again. Sends no request.

        For a program that stops using a number without settling it. An operation on the number that
        is open holds it until its end. It has no effect on a number of whose purchase the client
        has no record.
        """
        return await self._run(_operations.mark_unclaimed(self.id), identity)

    async def reget_number(
        self, *, max_price: Optional[Money] = None, accept_any_price: bool = False
    ) -> AsyncActivation:
        """Buy the number again after this order was completed. **Costs money.** Action regetNumber.

        The parameters and the errors are those of ``AsyncClient.reget_number``.
        """
        return await self._client.reget_number(
            self.id, max_price=max_price, accept_any_price=accept_any_price
        )


class AsyncLease(LeaseRunner[AsyncActivation]):
    """A number for an ``async with`` statement: bought at its start and settled at its end.

    It is settled even if the client was closed. If settling fails, ``unclaimed`` lists the number
    and a ``SastaotpWarning`` has the reason. The statement raises that failure unless its block
    raised an error or received a code. A lease can be entered once. A forked child that exits the
    statement does not settle the order.
    """

    async def __aenter__(self) -> AsyncActivation:
        return await self._buy()

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        _: Optional[TracebackType],
    ) -> None:
        await self._settle(error)

    def keep(self) -> None:
        """Keep the order open when the statement ends, as ``AsyncActivation.keep`` does."""
        self._keep()
