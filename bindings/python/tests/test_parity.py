"""What is written twice is the same: the functions of the header, the words, the operations, and the two clients."""

from __future__ import annotations

import ctypes
import inspect
import re
from typing import Any, Dict, List, Tuple

import pytest
from conftest import ROOT

import sastaotp
from sastaotp import _errors, _native, _operations

HEADER = (ROOT / "include/sastaotp.h").read_text()
CODE = re.sub(r"/\*.*?\*/|//[^\n]*", " ", HEADER, flags=re.S)
CONSTANTS = {name: int(value) for name, value in re.findall(r"#define SASTAOTP_(\w+) (-?\d+)\s", CODE)}

#: The types of C, as ctypes has them. Pointers to objects are found by name.
TYPES: Dict[str, Any] = {
    "void": None,
    "bool": ctypes.c_bool,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "char*": ctypes.c_char_p,
    "uint8_t*": ctypes.POINTER(ctypes.c_uint8),
}
TYPES.update(dict.fromkeys(re.findall(r"typedef int32_t (\w+);", CODE), ctypes.c_int32))


def ctype(text: str) -> Any:
    """The ctypes type of a type of C, written without const and blanks."""
    if text in TYPES:
        return TYPES[text]
    assert text.endswith("*"), text
    inner = text[:-1]
    structures = {kind.__doc__: kind for kind in vars(_native).values() if inspect.isclass(kind)}
    return ctypes.POINTER(structures.get(inner) or ctype(inner))


def declared() -> Dict[str, Tuple[str, List[str]]]:
    """The functions of the header: the type of the result, and of each parameter."""
    found = {}
    for result, name, parameters in re.findall(r"([\w \*]+?)\b(sastaotp_\w+)\s*\(([^)]*)\)\s*;", CODE):
        bare = [re.sub(r"\bconst\b|\bstruct\b", "", part) for part in [result, *parameters.split(",")]]
        types = [re.sub(r"\s", "", bare[0])]
        for part in bare[1:]:
            # The last word is the name of the parameter.
            types.append(re.sub(r"\s", "", re.sub(r"\w+\s*$", "", part)) or part.strip())
        found[name] = types[0], [kind for kind in types[1:] if kind != "void"]
    return found


DECLARED = declared()


def test_the_header_is_read() -> None:
    assert len(DECLARED) > 150


@pytest.mark.parametrize("name", _native.FUNCTIONS)
def test_a_function_is_as_the_header_has_it(name: str) -> None:
    result, parameters = DECLARED[name]
    assert _native.FUNCTIONS[name] == (ctype(result), [ctype(parameter) for parameter in parameters])


def test_every_function_that_is_called_is_declared() -> None:
    sources = "".join(file.read_text() for file in (ROOT / "bindings/python/src").rglob("*.py"))
    called = set(re.findall(r"\bsastaotp_(?:version|abi|error|amount|config|client|queue|completion)_?\w*\b", sources))
    called |= {f"sastaotp_config_set_{name}" for name in re.findall(r'self\._set\("(\w+)"', sources)}
    called -= {"sastaotp_config_set_", "sastaotp_config", "sastaotp_client", "sastaotp_queue", "sastaotp_completion"}
    called -= {"sastaotp_error"}
    assert called == set(_native.FUNCTIONS)


def test_the_constants_are_those_of_the_header() -> None:
    assert CONSTANTS["ABI_VERSION"] == _native.ABI_VERSION
    assert CONSTANTS["OK"] == _native.OK
    pairs = [(sastaotp.KeyIn, "KEY_IN_"), (sastaotp.SetStatus, "SET_")]
    for enumeration, prefix in pairs:
        names = {name[len(prefix) :]: value for name, value in CONSTANTS.items() if name.startswith(prefix)}
        assert {member.name: int(member) for member in enumeration} == names


@pytest.mark.parametrize(
    ("enumeration", "prefix"),
    [
        (sastaotp.Retry, "RETRY_"),
        (sastaotp.Phase, "PHASE_"),
        (sastaotp.StatusKind, "STATE_"),
        (sastaotp.Change, "CHANGE_"),
        (sastaotp.Settled, "SETTLED_"),
        (sastaotp.Outcome, "UNCLAIMED_"),
    ],
)
def test_a_word_is_the_name_of_its_constant(enumeration: Any, prefix: str) -> None:
    names = {name[len(prefix) :].lower() for name in CONSTANTS if name.startswith(prefix)}
    assert {member.value for member in enumeration} == names
    assert [member.name for member in enumeration] == [member.value.upper() for member in enumeration]


def test_every_status_has_its_class() -> None:
    start, end = HEADER.index("#define SASTAOTP_OK 0"), HEADER.index("#define SASTAOTP_NOT_CHARGED 0")
    statuses = re.findall(r"#define SASTAOTP_(\w+) [1-9]\d*\s", HEADER[start:end])
    assert len(statuses) >= 23
    assert set(_errors.CLASSES) == {name.lower() for name in statuses}
    assert len(set(_errors.CLASSES.values())) == len(statuses)
    public = [kind for kind in vars(_errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    assert {kind.__name__ for kind in public} <= set(sastaotp.__all__)


def test_every_operation_has_a_method() -> None:
    source = (ROOT / "src/queue/operation.rs").read_text()
    names = re.findall(r'"(\w+)"', re.search(r"const NAMES: .*?= \[(.*?)\]", source, re.S).group(1))  # type: ignore[union-attr]
    assert len(names) >= 22
    for client, activation in (
        (sastaotp.Client, sastaotp.Activation),
        (sastaotp.AsyncClient, sastaotp.AsyncActivation),
    ):
        for name in names:
            assert hasattr(client, name) or hasattr(activation, name), name
            assert callable(getattr(_operations, name)), name


def surface(kind: Any) -> Dict[str, Any]:
    """The public methods of a class, with their signatures."""
    methods = {name: value for name, value in vars(kind).items() if not name.startswith("_") or name == "__init__"}
    return {
        name: [(parameter.name, parameter.kind, parameter.default) for parameter in signature(value)]
        for name, value in methods.items()
    }


def signature(value: Any) -> List[inspect.Parameter]:
    if isinstance(value, property) or not callable(value):
        return []
    return list(inspect.signature(value).parameters.values())


@pytest.mark.parametrize("name", ["Client", "Activation", "Lease"])
def test_both_clients_have_the_same_methods(name: str) -> None:
    assert surface(getattr(sastaotp, name)) == surface(getattr(sastaotp, f"Async{name}"))


def test_everything_public_is_described() -> None:
    for name in sastaotp.__all__:
        kind = getattr(sastaotp, name)
        assert kind.__doc__, name
        for method, value in vars(kind).items():
            if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert value.__doc__, f"{name}.{method}"


def test_the_licence_is_that_of_the_project() -> None:
    for name in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert (ROOT / "bindings/python" / name).read_text() == (ROOT / name).read_text()


def test_the_versions_are_one() -> None:
    manifest = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)
    assert manifest is not None
    assert sastaotp.__version__ == manifest[1] == _native.library().sastaotp_version().decode()
