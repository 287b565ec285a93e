#!/usr/bin/env python3
"""Compares the public interface of each language with surface.json, in both directions.

    compare.py NODE_MODULES              compare all languages; exit with 1 if one differs
    compare.py NODE_MODULES --differs    list the differences between the languages, with reasons

NODE_MODULES is a folder with typescript and koffi. tests/surface/run installs it, and the parsers.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import cpp_surface
import rust_surface
from surface import FIELD, REQUIRED, VALUE, Interface, Surface

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LANGUAGES = ("rust", "cpp", "python", "node")
#: The folder that each language's interface is read from.
FOLDERS = {
    "rust": "src",
    "cpp": "include",
    "python": "bindings/python/src",
    "node": "bindings/node/lib",
}
#: Names that are keywords of C++.
KEYWORDS = ("operator",)
#: The units of fields and arguments, whose names differ between the languages.
UNITS = ("amount", "duration", "time")
#: Languages whose callers do not write the names of arguments, and that have no options but in
#: classes.
POSITIONAL = ("rust", "cpp")
#: The types whose methods take a signal in Node.
CALLS = ("Client.", "Activation.", "Lease.")
#: A member that sets one option: it has one argument, or none for a flag.
ANY = "*"


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


#: How each language writes a value of an enumeration.
STYLES: Dict[str, Callable[[str], str]] = {"rust": pascal, "cpp": str, "python": str.upper}


def with_factors(name: str, unit: str, language: str, is_argument: bool) -> Dict[str, int]:
    """Return the names of a field or an argument, each with the factor of its default."""
    if language == "node":
        if unit == "amount":
            return {camel(name): 1, camel(name) + "Micros": 1_000_000}
        return {camel(name) + "Ms": 1000} if unit == "duration" else {camel(name): 1}
    if language == "python" and unit in UNITS and not is_argument:
        return {name: 1, name + ("_micros" if unit == "amount" else "_ms"): 1}
    return {name + "_" * (language == "cpp" and name in KEYWORDS): 1}


class Table:
    """surface.json, from which the interface of each language follows."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        self.settings: Dict[str, Any] = document["settings"]
        self.requests: Dict[str, Any] = document["requests"]
        self.types: Dict[str, Any] = document["types"]
        self.enums: Dict[str, List[str]] = document["enums"]
        self.errors: Dict[str, Any] = document["errors"]
        #: The texts that a field of each enumeration can have.
        self.texts = {
            **self.enums,
            "ErrorKind": [row["kind"] for row in self.errors.values() if "kind" in row],
        }
        self.signal: Dict[str, Any] = document["signal"]
        self.idioms: List[Any] = document["idioms"]
        self.differs: List[Any] = document["differs"]
        #: Differences that no declaration shows.
        self.behaviour: List[Any] = document["behaviour"]
        for row in self.behaviour:
            name, _, member = row["at"].partition(".")
            if member not in self.types.get(name, {"members": {}})["members"]:
                raise ValueError(f"surface.json: there is no {row['at']}")
        #: The exceptions by language and place.
        self.exceptions: Dict[Tuple[str, str], Dict[str, Any]] = {}
        #: The further members of a type, or further types, by language and place.
        self.additions: Dict[Tuple[str, str], Dict[str, Any]] = {}
        for row in [*self.idioms, *self.differs, *self.behaviour]:
            if not row["reason"]:
                raise ValueError(f"surface.json: there is no reason for {row['at']}")
        for row in [*self.idioms, *self.differs]:
            for language in row["in"]:
                for at in row["at"] if isinstance(row["at"], list) else [row["at"]]:
                    if at.endswith("+"):
                        self.additions.setdefault((language, at), {}).update(row["is"])
                        continue
                    if (language, at) in self.exceptions:
                        raise ValueError(f"surface.json: {at} has two exceptions for {language}")
                    self.exceptions[language, at] = row["is"]
        self.unused = {*self.exceptions, *self.additions}

    def exception(self, language: str, *places: str) -> Optional[Dict[str, Any]]:
        """Return the exception of a language at the first of these places that has one."""
        for at in places:
            if (language, at) in self.exceptions:
                self.unused.discard((language, at))
                return self.exceptions[language, at]
        return None

    def addition(self, language: str, at: str) -> Dict[str, Any]:
        """Return the further members of a type, or the further types of a language."""
        self.unused.discard((language, at))
        return self.additions.get((language, at), {})

    def expected(self, language: str) -> Surface:
        """Return the interface that a language must have."""
        surface: Surface = {}
        for name, row in self.types.items():
            for own, described in self.type(name, row, language).items():
                surface[own] = described
                if language == "python" and row.get("async"):
                    surface[f"Async{own}"] = described
        for name, values in self.enums.items():
            self.add(surface, language, name, self.enum(name, values, language))
        self.add_errors(surface, language)
        self.add_requests(surface, language)
        self.add_settings(surface, language)
        surface.update(types_of(self.addition(language, "+")))
        return surface

    def add(self, surface: Surface, language: str, name: str, found: Optional[Interface]) -> None:
        """Add a type, or the types of an exception that take its place."""
        replaced = self.exception(language, name)
        if replaced is not None:
            surface.update(types_of(replaced))
        elif found is not None:
            surface[snake(name) if language == "cpp" else name] = found

    def type(self, name: str, row: Dict[str, Any], language: str) -> Surface:
        surface: Surface = {}
        found = Interface(row.get("extends", {}).get(language))
        for member, value in row["members"].items():
            found.members.update(self.member(name, member, value, language))
        found.members.update(self.addition(language, f"{name}.+"))
        self.add(surface, language, name, found)
        return surface

    def member(self, name: str, member: str, value: Any, language: str) -> Dict[str, Any]:
        """Return the members that a row of the table stands for in a language."""
        replaced = self.exception(language, f"{name}.{member}", f"*.{member}")
        if replaced is not None:
            return replaced
        if isinstance(value, dict):
            (own,) = with_factors(member, "", language, True)
            return {own: self.arguments(f"{name}.{member}", value, language)}
        if value in self.texts and language == "node":
            # Node has no enumerations: the type of the field lists the texts.
            return {camel(member): self.texts[value]}
        field: Any = {} if language in POSITIONAL else FIELD
        return dict.fromkeys(with_factors(member, value, language, False), field)

    def arguments(self, at: str, row: Dict[str, Any], language: str) -> Dict[str, Any]:
        found: Dict[str, Any] = {}
        for name, default in row.items():
            if name != "...":
                found.update(argument(name, default, language))
            elif language in POSITIONAL:
                found["request"] = REQUIRED
            else:
                for option, value in self.requests[default].items():
                    found.update(argument(option, value, language))
        if language == "rust":
            # Without default arguments, an option is an Option or has to be stated.
            found = {own: value if value is None else REQUIRED for own, value in found.items()}
        if language == "node" and at.startswith(CALLS) and at not in self.signal["not"]:
            found["signal"] = None
        return found

    def enum(self, name: str, values: List[str], language: str) -> Optional[Interface]:
        if language == "node":
            return None
        found = Interface()
        for value in values:
            replaced = self.exception(language, f"{name}.{value}")
            found.members.update({STYLES[language](value): VALUE} if replaced is None else replaced)
        found.members.update(self.addition(language, f"{name}.+"))
        return found

    def add_errors(self, surface: Surface, language: str) -> None:
        """Add a class for each error; in Rust and C++, a kind."""
        kinds: Dict[str, Any] = {}
        for name, row in self.errors.items():
            kind = row.get("kind")
            replaced = self.exception(language, name)
            if language in POSITIONAL:
                own = STYLES[language](kind) if kind else None
                kinds.update({own: VALUE} if own else {})
                continue
            if replaced is None:
                surface[name] = Interface(row["extends"], {})
            else:
                surface.update(types_of(replaced))
            if kind:
                kinds[kind] = next(iter(replaced)) if replaced else name
        own = {"rust": "ErrorKind", "cpp": "status"}.get(language, "kinds")
        kinds.update({"ok": VALUE} if language == "cpp" else {})
        surface[own] = Interface(None, kinds)

    def add_requests(self, surface: Surface, language: str) -> None:
        """Add the classes that hold the options of a call in Rust and C++."""
        for name, row in self.requests.items() if language in POSITIONAL else ():
            required = {option: value for option, value in row.items() if value == REQUIRED}
            found = Interface(None, {"new": required})
            for option in row:
                if option not in required:
                    replaced = self.exception(language, f"{name}.{option}")
                    (own,) = with_factors(option, "", language, True)
                    found.members.update({own: ANY} if replaced is None else replaced)
                    if replaced is None:
                        found.defaults[own] = plain(row[option])
            found.members.update(self.addition(language, f"{name}.+"))
            self.add(surface, language, name, found)

    def add_settings(self, surface: Surface, language: str) -> None:
        found: Dict[str, Any] = {}
        defaults: Dict[str, Any] = {}
        for name, default in self.settings.items():
            replaced = self.exception(language, f"settings.{name}")
            if replaced is not None:
                found.update(replaced)
            elif language in POSITIONAL:
                found[name] = ANY
                defaults[name] = plain(default)
            else:
                found.update(argument(name, default, language))
        found.update(self.addition(language, "settings.+"))
        if language in POSITIONAL:
            surface[{"rust": "ClientBuilder", "cpp": "config"}[language]] = Interface(
                None, found, defaults
            )
        else:
            for name in ("Client", "AsyncClient") if language == "python" else ("Client",):
                surface[name].members["new"] = found


def plain(default: Any) -> Any:
    """Return a default without its unit."""
    return next(iter(default.values())) if isinstance(default, dict) else default


def argument(name: str, default: Any, language: str) -> Dict[str, Any]:
    """Return an argument with its default, with the names and units of a language."""
    unit = ""
    if isinstance(default, dict):
        ((unit, default),) = default.items()
    found: Dict[str, Any] = {}
    for own, factor in with_factors(name, unit, language, True).items():
        has_unit = isinstance(default, (int, float)) and not isinstance(default, bool)
        found[own] = default * factor if has_unit else default
    return found


def types_of(replaced: Dict[str, Any]) -> Surface:
    return {
        name: Interface(row.get("extends"), row.get("members", {}))
        for name, row in replaced.items()
    }


def read(language: str, folder: Path, modules: Path) -> Surface:
    """Return the interface of a language from its folder."""
    if language == "rust":
        return rust_surface.read(folder)
    if language == "cpp":
        return cpp_surface.read(folder)
    command = {
        "python": [sys.executable, str(HERE / "python_surface.py"), str(folder)],
        "node": ["node", str(HERE / "node_surface.cjs"), str(modules), str(folder)],
    }[language]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{language}: {done.stderr.strip()}")
    document = json.loads(done.stdout)
    return {name: Interface(value["extends"], value["members"]) for name, value in document.items()}


def is_same(expected: Any, found: Any, language: str) -> bool:
    if expected == ANY:
        overloads = found if isinstance(found, list) else [found]
        return all([*overload.values()] in ([], [REQUIRED]) for overload in overloads)
    if isinstance(expected, dict) and isinstance(found, dict):
        if language in POSITIONAL:
            # Only the defaults count, in their order.
            return [*expected.values()] == [*found.values()]
        return set(expected) == set(found) and all(
            is_same(value, found[name], language) for name, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(found, list):
        lists = (
            sorted(str([*item.values()] if isinstance(item, dict) else item) for item in items)
            for items in (expected, found)
        )
        return next(lists) == next(lists)
    if found is None and not isinstance(expected, (dict, list)):
        # An option without a documented default: it is absent, false or 0.
        return expected is None or expected is False or expected == 0
    return bool(expected == found)


def differences(expected: Surface, found: Surface, language: str) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        if name not in found:
            yield f"{name}: in the table, but not in the language"
        elif name not in expected:
            yield f"{name}: in the language, but not in the table: {found[name].members}"
        else:
            left, right = expected[name], found[name]
            if left.extends != right.extends:
                yield f"{name}: extends {right.extends}, but in the table {left.extends}"
            for member, default in left.defaults.items():
                stated = right.defaults.get(member)
                if member in right.members and not is_same(default, stated, language):
                    at = f"{name}.{member}"
                    yield f"{at}: states the default {stated}, but in the table {default}"
            for member in sorted({*left.members, *right.members}):
                at = f"{name}.{member}"
                if member not in right.members:
                    yield f"{at}: in the table, but not in the language"
                elif member not in left.members:
                    yield f"{at}: in the language, but not in the table: {right.members[member]}"
                elif not is_same(left.members[member], right.members[member], language):
                    expected_here, found_here = left.members[member], right.members[member]
                    yield f"{at}: is {found_here}, but in the table {expected_here}"


def compare(root: Path, table: Path, modules: Path) -> List[str]:
    """Return the differences between the table and the languages of a checkout."""
    rows = Table(table)
    found: List[str] = []
    for language in LANGUAGES:
        expected = rows.expected(language)
        actual = read(language, root / FOLDERS[language], modules)
        found += [f"{language}: {line}" for line in differences(expected, actual, language)]
    found += [f"{language}: no row has the exception {at}" for language, at in sorted(rows.unused)]
    return found


def main() -> None:
    modules = Path(sys.argv[1])
    table = HERE / "surface.json"
    if sys.argv[2:] == ["--differs"]:
        rows = Table(table)
        for row in [rows.signal, *rows.differs, *rows.behaviour]:
            at = row["at"] if isinstance(row["at"], str) else ", ".join(row["at"])
            print(f"{at} ({', '.join(row['in'])}): {row['reason']}")
        return
    found = compare(ROOT, table, modules)
    for line in found:
        print(line)
    if found:
        sys.exit(f"tests/surface: {len(found)} differences from tests/surface/surface.json")


if __name__ == "__main__":
    main()
