"""Runs every Python snippet of the README, and the examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sastaotp.testing import Sandbox

HERE = Path(__file__).resolve().parents[1]
SNIPPETS = re.findall(
    r"^```python\n(.*?)^```", (HERE / "README.md").read_text(encoding="utf-8"), re.M | re.S
)
#: The output of each snippet, in order. pytest runs a snippet that defines tests.
OUTPUTS = [
    r"send the SMS to \d+\nthe code is \d+\n",
    r"the wallet has 1000.00\nsend the SMS to \d+\nthe code is \d+\n",
    r"bought \d+\n22 bought\n$",
    r"(Your number is \d+. I am waiting for its code.\n){2}(Your code is \d+.\n){2}",
    r"try another country: buying zz_nonumbers in 22: .*\n",
    r"buying zz_lost_reply in 22: .*\nmay be the purchase: \w+ \d+ \(.+\)\n",
    r"^$",
    r"^$",
    r"1 passed in .*",
]


def run(arguments: list[str], folder: Path, **variables: str) -> str:
    unset = ("SASTAOTP_API_KEY", "SASTAOTP_BASE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout


def test_each_snippet_has_an_expected_output() -> None:
    assert len(SNIPPETS) == len(OUTPUTS)


@pytest.mark.parametrize("index", range(len(OUTPUTS)))
def test_readme_snippet_runs(index: int, tmp_path: Path, sastaotp_sandbox: Sandbox) -> None:
    snippet = SNIPPETS[index]
    (tmp_path / "test_snippet.py").write_text(snippet, encoding="utf-8")
    options: list[str] = []
    if "def test_" in snippet:
        options = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    account = {
        "SASTAOTP_API_KEY": sastaotp_sandbox.key(),
        "SASTAOTP_BASE_URL": sastaotp_sandbox.url,
    }
    output = run([*options, "test_snippet.py"], tmp_path, **account)
    assert re.search(OUTPUTS[index], output), output


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (
            "quickstart.py",
            r"bought \d+ for 10.00\n(waiting \d+ s, \d+ s left\n)+"
            r"the code is \d+\nthe order is completed\n$",
        ),
        (
            "hundred.py",
            r"^received 100 codes for 100 numbers in \d+\.\d s\nleft of the budget: 7000.00\n$",
        ),
    ],
)
def test_example_runs(example: str, expected: str, tmp_path: Path) -> None:
    output = run([str(HERE / "examples" / example)], tmp_path)
    assert re.search(expected, output), output
