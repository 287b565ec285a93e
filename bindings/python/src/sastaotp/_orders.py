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
        # A page may have fewer orders than were asked for and not be the last, where the service says that there are more.
        more = len(page) >= self.LIMIT or (page.total is not None and len(self._seen) < page.total)
        # A server that ignores the number of the page would send the same one for ever.
        self.next = self.next + 1 if more and new and self.next is not None else None
        return iter(new)
