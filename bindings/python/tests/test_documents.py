"""What is shown to users runs: every snippet of the README, and the examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sastaotp.testing import Sandbox

HERE = Path(__file__).resolve().parents[1]
SNIPPETS = re.findall(r"^```python\n(.*?)^```", (HERE / "README.md").read_text(), re.M | re.S)
#: What each prints, in their order; those that define tests are run by pytest.
PRINTS = [
    r"send the SMS to \d+\nthe code is \d+\n",
    r"the wallet has 1000.00\nsend the SMS to \d+\nthe code is \d+\n",
    r"(Your number is \d+. I am waiting for its code.\n){2}(Your code is \d+.\n){2}",
    r"another country, perhaps: buying zz_nonumbers in 22: .*\n",
    r"buying zz_lost_reply in 22: .*\nmay be it: \w+ \d+\n",
    r"1 passed in .*",
]


def run(arguments: list[str], folder: Path, **variables: str) -> str:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("SASTAOTP_API_KEY", "SASTAOTP_BASE_URL")
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout


def test_each_snippet_is_known() -> None:
    assert len(SNIPPETS) == len(PRINTS)


@pytest.mark.parametrize("at", range(len(PRINTS)))
def test_a_snippet_of_the_readme_runs(at: int, tmp_path: Path, sastaotp_sandbox: Sandbox) -> None:
    (tmp_path / "test_snippet.py").write_text(SNIPPETS[at])
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"] if "def test_" in SNIPPETS[at] else []
    account = {"SASTAOTP_API_KEY": sastaotp_sandbox.key(), "SASTAOTP_BASE_URL": sastaotp_sandbox.url}
    printed = run([*tests, "test_snippet.py"], tmp_path, **account)
    assert re.search(PRINTS[at], printed), printed


@pytest.mark.parametrize(
    ("example", "prints"),
    [
        (
            "quickstart.py",
            r"bought \d+ for 10.00\n(waiting \d+ s, \d+ s left\n)+the code is \d+\nthe order is completed\n$",
        ),
        ("hundred.py", r"^100 codes of 100 numbers in [56]\.\d s\nleft of the budget: 7000.00\n$"),
    ],
)
def test_an_example_runs(example: str, prints: str, tmp_path: Path) -> None:
    printed = run([str(HERE / "examples" / example)], tmp_path)
    assert re.search(prints, printed), printed
