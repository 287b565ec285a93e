"""Compares the package with the header, the core's operations and itself."""

from __future__ import annotations

import ast
import ctypes
import inspect
import re
from pathlib import Path
from typing import Any, Dict, List, Set, Tuple, get_args

import pytest
from conftest import ROOT

import sastaotp
from sastaotp import _c_api, _errors, _operations
from sastaotp._arguments import Durability, durability_value

SOURCES = sorted((ROOT / "bindings/python/src/sastaotp").glob("*.py"))
HEADER = (ROOT / "include/sastaotp.h").read_text()
CODE = re.sub(r"/\*.*?\*/|//[^\n]*", " ", HEADER, flags=re.S)
CONSTANTS = {
    name: int(value) for name, value in re.findall(r"#define SASTAOTP_(\w+) (-?\d+)\s", CODE)
}

#: The ctypes type of each C type. Pointers to objects are found by the name of the object.
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
    """Return the ctypes type of a C type, which is written without const and spaces."""
    if text in TYPES:
        return TYPES[text]
    assert text.endswith("*"), text
    inner = text[:-1]
    structures = {value.__doc__: value for value in vars(_c_api).values() if inspect.isclass(value)}
    return ctypes.POINTER(structures.get(inner) or ctype(inner))


def read_declarations() -> Dict[str, Tuple[str, List[str]]]:
    """Return the functions of the header with the types of their result and parameters."""
    found = {}
    for result, name, parameters in re.findall(
        r"([\w \*]+?)\b(sastaotp_\w+)\s*\(([^)]*)\)\s*;", CODE
    ):
        parts = [result, *parameters.split(",")]
        bare = [re.sub(r"\bconst\b|\bstruct\b", "", part) for part in parts]
        types = [re.sub(r"\s", "", bare[0])]
        for part in bare[1:]:
            # The last identifier is the name of the parameter.
            types.append(re.sub(r"\s", "", re.sub(r"\w+\s*$", "", part)) or part.strip())
        found[name] = types[0], [name for name in types[1:] if name != "void"]
    return found


DECLARED = read_declarations()


def test_header_is_read() -> None:
    assert len(DECLARED) > 150


@pytest.mark.parametrize("name", _c_api.FUNCTIONS)
def test_function_matches_the_header(name: str) -> None:
    result, parameters = DECLARED[name]
    assert _c_api.FUNCTIONS[name] == (ctype(result), [ctype(parameter) for parameter in parameters])


def test_table_has_exactly_the_called_functions() -> None:
    sources = "".join(file.read_text() for file in SOURCES)
    objects = "version|abi|error|amount|config|client|queue|completion"
    called = set(re.findall(rf"\bsastaotp_(?:{objects})_?\w*\b", sources))
    called |= {
        f"sastaotp_config_set_{name}" for name in re.findall(r'self\._set\("(\w+)"', sources)
    }
    called -= {f"sastaotp_{name}" for name in ("config", "client", "queue", "completion", "error")}
    called -= {"sastaotp_config_set_"}
    assert called == set(_c_api.FUNCTIONS)


def test_constants_match_the_header() -> None:
    assert CONSTANTS["ABI_VERSION"] == _c_api.ABI_VERSION
    assert CONSTANTS["OK"] == _c_api.OK
    pairs = [(sastaotp.ApiKeyLocation, "API_KEY_IN_"), (sastaotp.SetStatus, "SET_")]
    for enumeration, prefix in pairs:
        assert {member.name: int(member) for member in enumeration} == constants(prefix)


def test_durabilities_match_the_header() -> None:
    values = {name.upper(): durability_value(name) for name in get_args(Durability)}
    assert values == constants("DURABILITY_")


def constants(prefix: str) -> Dict[str, int]:
    """Return the constants with a prefix, by the rest of their name."""
    return {
        name[len(prefix) :]: value for name, value in CONSTANTS.items() if name.startswith(prefix)
    }


@pytest.mark.parametrize(
    ("enumeration", "prefix"),
    [
        (sastaotp.Retry, "RETRY_"),
        (sastaotp.Phase, "PHASE_"),
        (sastaotp.StatusKind, "ACTIVATION_STATUS_"),
        (sastaotp.StatusChangeKind, "STATUS_CHANGE_"),
        (sastaotp.SettlementState, "SETTLED_"),
        (sastaotp.UnclaimedOutcome, "UNCLAIMED_"),
    ],
)
def test_enumeration_has_the_names_of_the_header(enumeration: Any, prefix: str) -> None:
    assert {member.name for member in enumeration} == set(constants(prefix))
    assert [member.name for member in enumeration] == [
        member.value.upper() for member in enumeration
    ]


def test_every_error_kind_has_a_class() -> None:
    start, end = (
        HEADER.index("#define SASTAOTP_OK 0"),
        HEADER.index("#define SASTAOTP_NOT_CHARGED 0"),
    )
    kinds = re.findall(r"#define SASTAOTP_(\w+) [1-9]\d*\s", HEADER[start:end])
    assert len(kinds) >= 23
    assert set(_errors.CLASSES) == {name.lower() for name in kinds}
    assert len(set(_errors.CLASSES.values())) == len(kinds)
    classes = [value for value in vars(_errors).values() if inspect.isclass(value)]
    errors = {value.__name__ for value in classes if issubclass(value, Exception)}
    assert errors <= set(sastaotp.__all__)


def test_every_operation_has_a_method() -> None:
    source = (ROOT / "src/queue/operation.rs").read_text()
    table = re.search(r"const NAMES: .*?= \[(.*?)\]", source, re.S)
    assert table is not None
    names = re.findall(r'"(\w+)"', table[1])
    assert len(names) >= 22
    for client, activation in (
        (sastaotp.Client, sastaotp.Activation),
        (sastaotp.AsyncClient, sastaotp.AsyncActivation),
    ):
        for name in names:
            # `close` runs `finish`.
            if name == "finish":
                continue
            assert hasattr(client, name) or hasattr(activation, name), name
            assert callable(getattr(_operations, name)), name


def public_methods(class_: Any) -> Dict[str, Any]:
    """Return the public methods of a class with their parameters."""
    return {
        name: [(item.name, item.kind, item.default) for item in parameters(value)]
        for name, value in vars(class_).items()
        if not name.startswith("_") or name == "__init__"
    }


def parameters(value: Any) -> List[inspect.Parameter]:
    if isinstance(value, property) or not callable(value):
        return []
    return list(inspect.signature(value).parameters.values())


@pytest.mark.parametrize("name", ["Client", "Activation", "Lease"])
def test_both_clients_have_the_same_methods(name: str) -> None:
    blocking, asynchronous = getattr(sastaotp, name), getattr(sastaotp, f"Async{name}")
    assert public_methods(blocking) == public_methods(asynchronous)


def test_everything_public_has_a_docstring() -> None:
    for name in sastaotp.__all__:
        class_ = getattr(sastaotp, name)
        assert class_.__doc__, name
        for member, value in vars(class_).items():
            is_documented = inspect.isfunction(value) or isinstance(value, property)
            if is_documented and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"


def imports(file: Path) -> Set[str]:
    """Return the modules of the package that a module imports at run time, also in functions."""
    found: Set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if ast.unparse(node.test) != "TYPE_CHECKING":
                self.generic_visit(node)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            if node.level:
                found.update([node.module] if node.module else [name.name for name in node.names])

    Visitor().visit(ast.parse(file.read_text()))
    return found


def test_modules_import_without_circles() -> None:
    rest = {file.stem: imports(file) for file in SOURCES}
    assert rest["_client"]
    while rest:
        leaves = {name for name, imported in rest.items() if not imported & set(rest)}
        assert leaves, f"these modules form a circle: {rest}"
        rest = {name: imported for name, imported in rest.items() if name not in leaves}


def test_licences_match_the_project() -> None:
    for name in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert (ROOT / "bindings/python" / name).read_text() == (ROOT / name).read_text()


def test_versions_match() -> None:
    manifest = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)
    assert manifest is not None
    assert sastaotp.__version__ == manifest[1] == _c_api.library().sastaotp_version().decode()
