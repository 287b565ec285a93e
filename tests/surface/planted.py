#!/usr/bin/env python3
"""Checks that compare.py notices differences: planted ones in copies, and rows that are left out.

    planted.py NODE_MODULES

NODE_MODULES is a folder with typescript and koffi, as for compare.py.
"""

import copy
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from compare import FOLDERS, HERE, LANGUAGES, ROOT, Table, differences, read
from surface import Surface

#: The lengths of the paths of rows, for each section of surface.json.
DEPTHS = {
    "settings": (2,),
    "requests": (2, 3),
    "types": (2, 3, 4, 5),
    "enums": (2, 3),
    "errors": (2,),
    "idioms": (2,),
    "differs": (2,),
}


class Plant(NamedTuple):
    """A change of a file, and a part of the line that must report it."""

    language: str
    file: str
    old: str
    new: str
    reported: str


PLANTS = (
    # A renamed method.
    Plant("rust", "client/buy.rs", "pub fn buy(", "pub fn purchase(", "Client.purchase"),
    Plant("cpp", "sastaotp.hpp", "void keep() const {", "void hold() const {", "activation.hold"),
    Plant("python", "sastaotp/_client.py", "def get_balance(", "def balance(", "Client.balance"),
    Plant("python", "sastaotp/_async_client.py", "def keep(", "def hold(", "AsyncActivation.hold"),
    Plant("node", "index.d.ts", "  getBalance(", "  balance(", "the methods of Client"),
    Plant(
        "node", "activation.js", "  'markSmsSent',", "  'markSent',", "the methods of Activation"
    ),
    # An extra argument, option or setting.
    Plant(
        "rust",
        "client/read.rs",
        "(&self, name: &str)",
        "(&self, name: &str, all: bool)",
        "Client.find_country",
    ),
    Plant("rust", "number_request.rs", "pub fn any_country(", "pub fn any(", "NumberRequest.any"),
    Plant("rust", "client/builder.rs", "pub fn roots(", "pub fn trust(", "ClientBuilder.trust"),
    Plant(
        "rust",
        "client/builder.rs",
        "proxy: impl Into<String>)",
        "proxy: &str, more: bool)",
        "ClientBuilder.proxy",
    ),
    Plant(
        "cpp",
        "sastaotp.hpp",
        "get_status() const",
        "get_status(bool again) const",
        "activation.get_status",
    ),
    Plant("cpp", "sastaotp.hpp", "config &roots(", "config &trust(", "config.trust"),
    Plant(
        "cpp", "sastaotp.hpp", "string_view pem) &", "string_view pem, int more) &", "config.ca_pem"
    ),
    Plant(
        "cpp",
        "sastaotp.hpp",
        "    std::optional<amount> budget_left(",
        "    client with(int milliseconds) const;\n    std::optional<amount> budget_left(",
        "client.with",
    ),
    Plant(
        "python",
        "sastaotp/_client.py",
        "timeout: Seconds = 60.0)",
        "timeout: Seconds = 60.0, all: bool = False)",
        "Client.reconcile",
    ),
    Plant(
        "python",
        "sastaotp/_async_client.py",
        "        journal: Optional",
        "        disk: int = 0,\n        journal: Optional",
        "AsyncClient.new",
    ),
    Plant(
        "node",
        "index.d.ts",
        "  withoutCode?:",
        "  force?: boolean\n  withoutCode?:",
        "Client.complete",
    ),
    Plant("node", "index.d.ts", "  caPem?:", "  pem?:", "Client.new"),
    # Another default, stated in the declaration or in the documentation.
    Plant(
        "rust",
        "client/read.rs",
        "service: Option<&str>, country: Option<&str>",
        "service: &str, country: Option<&str>",
        "Client.get_prices",
    ),
    Plant(
        "cpp",
        "sastaotp.hpp",
        "std::chrono::seconds(60)",
        "std::chrono::seconds(30)",
        "client.reconcile",
    ),
    Plant(
        "python", "sastaotp/_client.py", "limit: int = 100", "limit: int = 50", "Client.get_orders"
    ),
    Plant(
        "python",
        "sastaotp/_client.py",
        "90 seconds by default",
        "60 seconds by default",
        "Client.new",
    ),
    Plant("node", "index.d.ts", "60,000 by default", "30,000 by default", "Client.reconcile"),
    Plant("node", "index.d.ts", "`web` (the default)", "`web`", "Client.new"),
    Plant(
        "node",
        "index.d.ts",
        "  timeoutMs: number\n",
        "  timeoutMs?: number\n",
        "Activation.waitForCode",
    ),
    Plant(
        "rust",
        "client/builder.rs",
        "The default is 90 seconds",
        "The default is 60 seconds",
        "ClientBuilder.timeout",
    ),
    Plant(
        "rust",
        "client/builder.rs",
        "default is [`Roots::Web`]",
        "default is [`Roots::Both`]",
        "ClientBuilder.roots",
    ),
    Plant(
        "cpp",
        "sastaotp.hpp",
        "default is 10 minutes",
        "default is 5 minutes",
        "config.late_booking",
    ),
    Plant(
        "cpp",
        "sastaotp.hpp",
        "The default is roots::web",
        "The default is roots::both",
        "config.roots",
    ),
    # A missing error.
    Plant("rust", "error.rs", "    Journal,\n", "", "ErrorKind.Journal"),
    Plant("cpp", "sastaotp.hpp", "    journal = SASTAOTP_ERROR_JOURNAL,\n", "", "status.journal"),
    Plant(
        "cpp",
        "sastaotp.hpp",
        "class outcome_unknown :",
        "class unknown_outcome :",
        "outcome_unknown",
    ),
    Plant("python", "sastaotp/__init__.py", '    "BudgetError",\n', "", "BudgetError"),
    Plant(
        "python",
        "sastaotp/_errors.py",
        '"budget": BudgetError',
        '"budget": ApiError',
        "kinds.budget",
    ),
    Plant(
        "node",
        "index.d.ts",
        "export class BudgetError extends SastaotpError {}",
        "",
        "the exported classes",
    ),
    Plant("node", "errors.js", "  budget: BudgetError,", "  budget: ApiError,", "BudgetError"),
    Plant("node", "index.d.ts", "    | 'journal'\n", "", "SastaotpError.kind"),
    # Another parent.
    Plant(
        "cpp",
        "sastaotp.hpp",
        "class outcome_unknown : public error",
        "class outcome_unknown : public std::runtime_error",
        "outcome_unknown: extends",
    ),
    Plant(
        "python",
        "sastaotp/_errors.py",
        "class TooEarlyError(ApiError)",
        "class TooEarlyError(SastaotpError)",
        "TooEarlyError: extends",
    ),
    Plant(
        "python",
        "sastaotp/_errors.py",
        "class ConfigError(SastaotpError, ValueError)",
        "class ConfigError(SastaotpError)",
        "ConfigError: extends",
    ),
    Plant(
        "node",
        "index.d.ts",
        "class TooEarlyError extends ApiError",
        "class TooEarlyError extends SastaotpError",
        "TooEarlyError extends",
    ),
    Plant(
        "node",
        "errors.js",
        "class TooEarlyError extends ApiError",
        "class TooEarlyError extends SastaotpError",
        "TooEarlyError extends",
    ),
    # Another field or another value of an enumeration.
    Plant("rust", "protocol/sms.rs", "    pub sender:", "    pub(crate) sender:", "Sms.sender"),
    Plant("cpp", "sastaotp.hpp", "    wait = SASTAOTP_ON_TOO_EARLY_WAIT,", "", "on_too_early.wait"),
    Plant(
        "python",
        "sastaotp/_enums.py",
        '    EXPIRED = "expired"',
        '    EXPIRED = "over"',
        "OrderStatus.EXPIRED",
    ),
    Plant(
        "python",
        "sastaotp/_models.py",
        "    sender: Optional",
        "    origin: Optional",
        "Sms.origin",
    ),
    Plant("node", "index.d.ts", "  sender: string | null", "  origin: string | null", "Sms.origin"),
    Plant(
        "node", "index.d.ts", "charge: 'not_charged' |", "charge: 'free' |", "SastaotpError.charge"
    ),
)


def found_after(plant: Plant, table: Path, modules: Path) -> List[str]:
    """Return the differences of a copy in which a difference is planted."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "copy"
        shutil.copytree(ROOT / FOLDERS[plant.language], copied)
        # The modules of Node read the package's version.
        shutil.copy(ROOT / "bindings/node/package.json", folder)
        file = copied / plant.file
        text = file.read_text(encoding="utf-8")
        if plant.old not in text:
            raise ValueError(f"{plant.file} does not contain {plant.old!r}: correct planted.py")
        file.write_text(text.replace(plant.old, plant.new, 1), encoding="utf-8")
        try:
            found = read(plant.language, copied, modules)
        except ValueError as error:
            return [str(error)]
        return [*differences(Table(table).expected(plant.language), found, plant.language)]


def rows_of(node: Any, path: Tuple[Any, ...] = ()) -> Iterator[Tuple[Any, ...]]:
    """Yield the path of each row of the table, down to the arguments of a method."""
    if len(path) in DEPTHS.get(path[0] if path else "", ()) and path[-1] != "members":
        yield path
    if len(path) < max(DEPTHS.get(path[0] if path else "", (1,))):
        keys = node if isinstance(node, dict) else range(len(node) if isinstance(node, list) else 0)
        for key in keys:
            yield from rows_of(node[key], (*path, key))


def lines_of(document: Dict[str, Any], found: Dict[str, Surface]) -> List[str]:
    """Return the differences of all languages from a table."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        lines: List[str] = []
        try:
            table = Table(Path(file.name))
            for language in LANGUAGES:
                lines += differences(table.expected(language), found[language], language)
        except (KeyError, ValueError) as error:
            # Another row refers to the row that is left out.
            return [str(error)]
        return lines + [str(at) for at in table.unused]


def main() -> None:
    modules = Path(sys.argv[1])
    table = HERE / "surface.json"
    failures = []
    for plant in PLANTS:
        lines = found_after(plant, table, modules)
        if not any(plant.reported in line for line in lines):
            failures.append(f"{plant.language}: {plant.old!r} to {plant.new!r}: reported {lines}")
    found = {language: read(language, ROOT / FOLDERS[language], modules) for language in LANGUAGES}
    document = json.loads(table.read_text(encoding="utf-8"))
    count = 0
    for path in [*rows_of(document)]:
        changed = copy.deepcopy(document)
        node = changed
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]
        count += 1
        if not lines_of(changed, found):
            failures.append(f"surface.json: leaving out {'.'.join(map(str, path))} is not noticed")
    for failure in failures:
        print(failure)
    if failures:
        sys.exit(f"tests/surface: {len(failures)} changes are not noticed")
    print(f"{len(PLANTS)} planted differences and {count} rows that are left out are noticed")


if __name__ == "__main__":
    main()
