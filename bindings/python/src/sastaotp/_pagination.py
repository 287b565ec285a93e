"""Paging through the order history."""

from __future__ import annotations

from typing import Iterator, Optional

from ._models import Order, OrderPage


class OrderPaginator:
    """Picks the next page, and skips orders that moved to a later page while pages were read."""

    PAGE_SIZE = 100

    def __init__(self) -> None:
        #: The number of the page to fetch, from 1. None after the last page.
        self.next_page: Optional[int] = 1
        self._seen: set[Optional[str]] = set()

    def new_orders(self, page: OrderPage) -> Iterator[Order]:
        """Return the orders of a page that no earlier page had, and choose the next page."""
        new = [order for order in page if _key(order) not in self._seen]
        self._seen.update(map(_key, new))
        # A short page is not the last one if the service reports a larger total.
        has_more = len(page) >= self.PAGE_SIZE or (
            page.total is not None and len(self._seen) < page.total
        )
        # A server that ignores the page number sends the same page forever: stop if none is new.
        if has_more and new and self.next_page is not None:
            self.next_page += 1
        else:
            self.next_page = None
        return iter(new)


def _key(order: Order) -> Optional[str]:
    return order.order_id or order.activation_id
