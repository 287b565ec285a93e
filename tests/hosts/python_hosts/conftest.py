"""Prints the figures of the exits at the end of the run."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

# The service that the tests of the package use.
sys.path.append(str(Path(__file__).parents[3] / "bindings" / "python" / "tests"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    hosts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "exits":
                hosts[value[0]].update(value[1])
    for host, figures in hosts.items():
        terminalreporter.write_line(
            f"{host}: {figures['exits']} exits, {figures['charged']} numbers charged, "
            f"{figures['open']} open at the exit, {figures['unknown']} purchases unknown"
        )
