"""Prints the public interface of the Python package as JSON.

    python_surface.py FOLDER

FOLDER contains the package. It runs in a separate process, because it imports the package.
"""

import enum
import importlib
import inspect
import json
import re
import sys
from dataclasses import asdict
from types import ModuleType
from typing import Any, Dict, Optional, Type

from surface import FIELD, REQUIRED, UNITS, VALUE, Interface, Surface


def documented(docs: str, name: str) -> Optional[object]:
    """Return the default that the documentation of a parameter states, or None."""
    found = re.search(rf":param {name}:(.*?)(?=:param |\Z)", docs, re.S)
    sentence = " ".join(found[1].split()) if found else ""
    duration = re.search(r"\b([\d,]+) (\w+) by default", sentence)
    if duration and duration[2] in UNITS:
        return int(duration[1].replace(",", "")) * UNITS[duration[2]]
    number = re.search(r"\b(\d+) by default", sentence)
    text = re.search(r'``(?:"(\w+)"|\w+\.([A-Z]+))`` by default', sentence)
    if text:
        return text[1] or text[2].lower()
    return int(number[1]) if number else None


def arguments(function: Any, class_: type) -> Dict[str, object]:
    found: Dict[str, object] = {}
    parameters = [*inspect.signature(function).parameters.values()]
    text = inspect.getdoc(class_ if function.__name__ == "__init__" else function) or ""
    for parameter in parameters:
        if parameter.name == "self":
            continue
        default = parameter.default
        if default is inspect.Parameter.empty:
            default = REQUIRED
        elif default is None:
            default = documented(text, parameter.name)
        found[parameter.name] = default
    return found


def member(value: Any, class_: type) -> Optional[object]:
    """Return the description of a public attribute. None if it is not part of the interface."""
    if isinstance(value, property) or inspect.ismemberdescriptor(value):
        return FIELD
    if isinstance(value, (classmethod, staticmethod)):
        return arguments(value.__get__(None, class_), class_)
    return arguments(value, class_) if inspect.isfunction(value) else None


def name_of(class_: type) -> str:
    return f"builtins.{class_.__name__}" if class_.__module__ == "builtins" else class_.__name__


def describe_enum(class_: Type[enum.Enum]) -> Interface:
    found = Interface()
    for value in class_:
        is_other = isinstance(value, str) and value.value != value.name.lower()
        found.members[value.name] = [value.value] if is_other else VALUE
    return found


def describe_error(class_: type) -> Interface:
    """Return an error class with its own fields, and all its parents but Exception."""
    parents = [base for base in class_.__bases__ if base is not Exception]
    found = Interface(", ".join(name_of(base) for base in parents) or None)
    found.members.update(dict.fromkeys(inspect.get_annotations(class_), FIELD))
    for name, value in vars(class_).items():
        if isinstance(value, property) and not name.startswith("_"):
            found.members[name] = FIELD
    return found


def describe_class(class_: type) -> Interface:
    found = Interface()
    for base in reversed(class_.__mro__):
        if not base.__module__.startswith("sastaotp"):
            continue
        fields = [*getattr(base, "__struct_fields__", ()), *inspect.get_annotations(base)]
        found.members.update({name: FIELD for name in fields if not name.startswith("_")})
        for name, value in vars(base).items():
            kind = None if name.startswith("_") else member(value, class_)
            if kind is not None:
                found.members[name] = kind
    # An attribute that `__init__` sets and documents, such as `Lease.settlement`.
    for base in class_.__mro__:
        constructor = vars(base).get("__init__")
        if base.__module__.startswith("sastaotp") and inspect.isfunction(constructor):
            source = inspect.getsource(constructor)
            found.members.update(
                dict.fromkeys(re.findall(r'self\.([a-z]\w*): .*\n +"""', source), FIELD)
            )
    constructor = vars(class_).get("__init__")
    # The clients make the objects of the other classes.
    if constructor is not None and "client" not in arguments(constructor, class_):
        found.members["new"] = arguments(constructor, class_)
    return found


def describe(class_: type) -> Interface:
    if issubclass(class_, enum.Enum):
        return describe_enum(class_)
    if issubclass(class_, BaseException):
        return describe_error(class_)
    return describe_class(class_)


def read(package: ModuleType) -> Surface:
    surface = {name: describe(getattr(package, name)) for name in package.__all__}
    classes = importlib.import_module("sastaotp._errors").CLASSES
    kinds = {kind: class_.__name__ for kind, class_ in classes.items()}
    surface["kinds"] = Interface(members=kinds)
    return surface


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    surface = read(importlib.import_module("sastaotp"))
    print(json.dumps({name: asdict(value) for name, value in surface.items()}))
