"""The cases that all languages share, through the typed methods of both clients. tests/cases/main.rs tells the format."""

from __future__ import annotations

import asyncio
import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Awaitable, Callable, Dict, List, Optional

import msgspec
import pytest
from conftest import ROOT

from sastaotp import Intent, SastaotpError, SetStatus
from sastaotp.testing import Sandbox

CASES: List[Dict[str, Any]] = [
    case for file in sorted((ROOT / "tests/cases").glob("*.json")) for case in json.loads(file.read_text())
]
#: The operations that are methods of an activation.
OF_ACTIVATION = {"wait_for_code", "mark_sms_sent", "request_next_code", "complete", "cancel", "settle", "leave"}
#: The results that are no object of their own, and the name that the JSON has for them.
NAMES = {"unclaimed": "unclaimed", "budget_left": "budget_left_micros"}


def settings(case: Dict[str, Any]) -> Dict[str, Any]:
    given = dict(case.get("client", {}))
    made: Dict[str, Any] = {}
    if "timeout_ms" in given:
        made["timeout"] = given.pop("timeout_ms") / 1000
    if "budget_micros" in given:
        made["budget"] = Decimal(given.pop("budget_micros")) / 1_000_000
    assert not given, f"settings that this runner does not know: {given}"
    return made


def call(client: Any, op: Dict[str, Any]) -> Any:
    """Runs an operation through the method of its name."""
    arguments = dict(op)
    name = arguments.pop("op")
    for key in ("timeout_ms", "interval_ms"):
        if key in arguments:
            arguments[key[:-3]] = arguments.pop(key) / 1000
    if "max_price_micros" in arguments:
        arguments["max_price"] = Decimal(arguments.pop("max_price_micros")) / 1_000_000
    if "intent" in arguments:
        arguments["intent"] = Intent.from_json(json.dumps(arguments["intent"]))
    if name == "set_status":
        arguments["status"] = SetStatus(arguments["status"])
    owner = client.activation(arguments.pop("id")) if name in OF_ACTIVATION else client
    service = [arguments.pop("service")] if name in ("get_number", "intend") else []
    return getattr(owner, name)(*service, **arguments)


def member(value: Any, name: str) -> Any:
    """A member of a result under the name of the JSON."""
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


def holds(expected: Any, actual: Any) -> bool:
    if expected == "*":
        return actual is not None
    if isinstance(expected, dict):
        return all(holds(one, member(actual, name)) for name, one in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(map(holds, expected, actual))
    return bool(expected == actual)


def filled(value: Any, kept: Dict[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return kept[value[1:]]
    if isinstance(value, dict):
        return {name: filled(one, kept) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, kept) for one in value]
    return value


def keep(value: Any) -> Any:
    """What a later step gets: an intent goes in as its JSON."""
    return json.loads(value.to_json()) if isinstance(value, Intent) else value


async def run(
    case: Dict[str, Any], sandbox: Sandbox, key: str, client: Any, call: Callable[..., Awaitable[Any]]
) -> None:
    kept: Dict[str, Any] = {}
    for at, step in enumerate(case["steps"], 1):
        where = f"{case['name']}: step {at}"
        if "control" in step:
            sandbox.control(step["control"], filled(step["body"], kept), api_key=key)
            continue
        actual: Any
        failure: Optional[SastaotpError] = None
        try:
            actual = await call(client, filled(step["op"], kept))
        except SastaotpError as error:
            actual = failure = error
        name = step["op"]["op"]
        if failure is None and name in NAMES:
            amount = None if actual is None else actual
            if isinstance(amount, Decimal):
                amount = int(amount * 1_000_000)
            actual = {NAMES[name]: amount}
        assert ("fails" in step) == (failure is not None), f"{where}: {actual!r}"
        expected = filled(step["fails"] if failure is not None else step["gives"], kept)
        assert holds(expected, actual), f"{where}: {actual!r} is not {expected}"
        for name, source in step.get("keep", {}).items():
            kept[name] = keep(actual if source == "*" else member(actual, source))


def test_every_case_through_the_blocking_client(sastaotp_sandbox: Sandbox) -> None:
    async def blocking(client: Any, op: Dict[str, Any]) -> Any:
        return call(client, op)

    def one(case: Dict[str, Any]) -> None:
        key = case.get("key") or sastaotp_sandbox.key()
        with sastaotp_sandbox.client(key, **settings(case)) as client:
            asyncio.run(run(case, sastaotp_sandbox, key, client, blocking))

    assert len(CASES) >= 35
    with ThreadPoolExecutor(len(CASES)) as pool:
        list(pool.map(one, CASES))


async def test_every_case_through_the_client_for_asyncio(sastaotp_sandbox: Sandbox) -> None:
    async def awaited(client: Any, op: Dict[str, Any]) -> Any:
        result = call(client, op)
        assert inspect.isawaitable(result)
        return await result

    async def one(case: Dict[str, Any]) -> None:
        key = case.get("key") or sastaotp_sandbox.key()
        async with sastaotp_sandbox.async_client(key, **settings(case)) as client:
            await run(case, sastaotp_sandbox, key, client, awaited)

    await asyncio.gather(*map(one, CASES))


@pytest.mark.parametrize("case", [{"a": "*"}, {"a": [1]}, {"a": 2}])
def test_the_comparison_can_fail(case: Dict[str, Any]) -> None:
    assert holds({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]})
    assert not holds(case, {"a": None if case["a"] == "*" else [2] if case["a"] == [1] else 1})
    assert msgspec.json.encode(case)
