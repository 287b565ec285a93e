"""Going through the order history page by page."""

from __future__ import annotations

from typing import Iterator, Optional

from ._models import Order, OrderPage


class Pages:
    """Which page is next. Orders that move to the next page while it is read come once."""

    LIMIT = 100

    def __init__(self) -> None:
        #: The page to ask for; None at the end.
        self.next: Optional[int] = 1
        self._seen: set[Optional[str]] = set()

    def fresh(self, page: OrderPage) -> Iterator[Order]:
        """The orders of a page that were not there before."""
        new = [order for order in page if (order.order_id or order.activation_id) not in self._seen]
        self._seen.update(order.order_id or order.activation_id for order in new)
        # A server that ignores the number of the page would send the same one for ever.
        full = len(page) >= self.LIMIT and bool(new)
        self.next = self.next + 1 if full and self.next is not None else None
        return iter(new)
