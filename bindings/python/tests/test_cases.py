"""Runs the cases shared by all languages through the methods of both clients.

tests/cases/main.rs documents the format of the cases.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Awaitable, Callable, Dict, List, Optional

import pytest
from conftest import ROOT

from sastaotp import Intent, SastaotpError, SetStatus, _operations
from sastaotp.testing import Sandbox

CASES: List[Dict[str, Any]] = [
    case
    for file in sorted((ROOT / "tests/cases").glob("*.json"))
    for case in json.loads(file.read_text(encoding="utf-8"))
]
#: The operations that are methods of an activation.
ACTIVATION_METHODS = {
    "wait_for_code",
    "mark_sms_sent",
    "request_next_code",
    "complete",
    "cancel",
    "settle",
    "keep",
    "mark_unclaimed",
}
#: Operations whose Python result is a plain value, with the name of that value in the JSON.
PLAIN_RESULTS = {
    "get_offers": "offers",
    "unclaimed": "unclaimed",
    "finish": "unclaimed",
    "settle_leftover_leases": "leases",
    "budget_left": "budget_left_micros",
}


def settings(case: Dict[str, Any]) -> Dict[str, Any]:
    rest = dict(case.get("client", {}))
    arguments: Dict[str, Any] = {}
    if "timeout_ms" in rest:
        arguments["timeout"] = rest.pop("timeout_ms") / 1000
    if "budget_micros" in rest:
        arguments["budget"] = Decimal(rest.pop("budget_micros")) / 1_000_000
    assert not rest, f"settings that this runner does not know: {rest}"
    return arguments


def call(client: Any, op: Dict[str, Any]) -> Any:
    """Call the method with the name of the operation."""
    arguments = dict(op)
    name = arguments.pop("op")
    for key in ("timeout_ms", "interval_ms", "patience_ms"):
        if key in arguments:
            arguments[key[:-3]] = arguments.pop(key) / 1000
    if "max_price_micros" in arguments:
        arguments["max_price"] = Decimal(arguments.pop("max_price_micros")) / 1_000_000
    if "intent" in arguments:
        arguments["intent"] = Intent.from_json(json.dumps(arguments["intent"]))
    if name == "lease":
        # The method returns a context manager, whose end settles the order.
        unset = {"operator": None, "any_country": False, "accept_any_price": False}
        return client._run(_operations.lease(multi_sms=False, **unset, **arguments))
    if name == "set_status":
        arguments["status"] = SetStatus(arguments["status"])
    if name == "claim":
        return client.activation(**arguments)
    service = [arguments.pop("service")] if name in ("get_number", "intend") else []
    if name not in ACTIVATION_METHODS:
        return getattr(client, name)(*service, **arguments)
    claimed = client.activation(arguments.pop("id"))
    if inspect.isawaitable(claimed):
        return on_claimed(claimed, name, arguments)
    return getattr(claimed, name)(**arguments)


async def on_claimed(claimed: Any, name: str, arguments: Any) -> Any:
    """Run a method of an activation of the asyncio client."""
    return await getattr(await claimed, name)(**arguments)


def member(value: Any, name: str) -> Any:
    """Return the value of a result that has this name in the JSON."""
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, Intent):
        return json.loads(value.to_json())[name]
    if name.endswith("_micros") and not hasattr(value, name):
        amount = getattr(value, name[: -len("_micros")])
        return None if amount is None else int(amount * 1_000_000)
    if name.endswith("_ms") and not hasattr(value, name):
        seconds = getattr(value, name[: -len("_ms")])
        return None if seconds is None else round(seconds * 1000)
    return getattr(value, name)


def matches(expected: Any, actual: Any) -> bool:
    if expected == "*":
        return actual is not None
    if isinstance(expected, dict):
        return all(matches(value, member(actual, name)) for name, value in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(map(matches, expected, actual))
    return bool(expected == actual)


def with_kept_values(value: Any, kept: Dict[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return kept[value[1:]]
    if isinstance(value, dict):
        return {name: with_kept_values(inner, kept) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_kept_values(inner, kept) for inner in value]
    return value


def to_keep(value: Any) -> Any:
    """Convert a value for later steps: they take an intent as its JSON."""
    return json.loads(value.to_json()) if isinstance(value, Intent) else value


async def run(
    case: Dict[str, Any],
    sandbox: Sandbox,
    key: str,
    client: Any,
    call: Callable[..., Awaitable[Any]],
) -> None:
    kept: Dict[str, Any] = {}
    #: A number is unclaimed if its objects are gone.
    results: List[Any] = []
    for number, step in enumerate(case["steps"], 1):
        place = f"{case['name']}: step {number}"
        if "control" in step:
            sandbox.control(step["control"], with_kept_values(step["body"], kept), api_key=key)
            continue
        actual: Any
        failure: Optional[SastaotpError] = None
        try:
            actual = await call(client, with_kept_values(step["op"], kept))
        except SastaotpError as error:
            actual = failure = error
        results.append(actual)
        name = step["op"]["op"]
        if failure is None and name in PLAIN_RESULTS:
            if isinstance(actual, Decimal):
                actual = int(actual * 1_000_000)
            actual = {PLAIN_RESULTS[name]: actual}
        assert ("fails" in step) == (failure is not None), f"{place}: {actual!r}"
        expected = with_kept_values(step["gives" if failure is None else "fails"], kept)
        assert matches(expected, actual), f"{place}: {actual!r} is not {expected}"
        for name, source in step.get("keep", {}).items():
            kept[name] = to_keep(actual if source == "*" else member(actual, source))


def test_every_case_passes_through_the_blocking_client(sastaotp_sandbox: Sandbox) -> None:
    async def call_blocking(client: Any, op: Dict[str, Any]) -> Any:
        return call(client, op)

    def run_case(case: Dict[str, Any]) -> None:
        key = case.get("key") or sastaotp_sandbox.key()
        with sastaotp_sandbox.client(key, **settings(case)) as client:
            asyncio.run(run(case, sastaotp_sandbox, key, client, call_blocking))

    assert len(CASES) >= 35
    with ThreadPoolExecutor(len(CASES)) as pool:
        list(pool.map(run_case, CASES))


async def test_every_case_passes_through_the_async_client(sastaotp_sandbox: Sandbox) -> None:
    async def call_async(client: Any, op: Dict[str, Any]) -> Any:
        result = call(client, op)
        assert inspect.isawaitable(result)
        return await result

    async def run_case(case: Dict[str, Any]) -> None:
        key = case.get("key") or sastaotp_sandbox.key()
        async with sastaotp_sandbox.async_client(key, **settings(case)) as client:
            await run(case, sastaotp_sandbox, key, client, call_async)

    await asyncio.gather(*map(run_case, CASES))


@pytest.mark.parametrize(
    ("expected", "actual"),
    [({"a": "*"}, {"a": None}), ({"a": [1]}, {"a": [2]}), ({"a": 2}, {"a": 1})],
)
def test_comparison_can_fail(expected: Any, actual: Any) -> None:
    assert not matches(expected, actual)


def test_comparison_ignores_extra_members() -> None:
    assert matches({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]})
