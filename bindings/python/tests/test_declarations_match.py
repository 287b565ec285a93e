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
from sastaotp import _c_api, _errors, _operations, _settings
from sastaotp._arguments import Durability, Roots, durability_value, roots_value

SOURCES = sorted((ROOT / "bindings/python/src/sastaotp").glob("*.py"))
HEADER = (ROOT / "include/sastaotp.h").read_text(encoding="utf-8")
CODE = re.sub(r"/\*.*?\*/|//[^\n]*", " ", HEADER, flags=re.S)
#: The bodies of the structs and of the enumerations, by the name of the type.
STRUCTS, ENUMS = (
    {
        name: body
        for body, name in re.findall(rf"\btypedef {kind}\b[^{{;]*{{([^}}]*)}}\s*(\w+);", CODE)
    }
    for kind in ("struct", "enum")
)
CONSTANTS = {
    name: int(value)
    for pattern in (r"#define SASTAOTP_(\w+) \(?(-?\d+)\)?\s", r"\bSASTAOTP_(\w+) = (-?\d+)\b")
    for name, value in re.findall(pattern, CODE)
}

#: The ctypes type of each C type. Pointers to objects are found by the name of the object.
TYPES: Dict[str, Any] = {
    "void": None,
    "void*": ctypes.c_void_p,
    "bool": ctypes.c_bool,
    "uint8_t": ctypes.c_uint8,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "intptr_t": ctypes.c_ssize_t,
    "char*": ctypes.c_char_p,
}
# The header fixes the underlying type of its enumerations.
TYPES.update(dict.fromkeys(ENUMS, ctypes.c_int32))


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
        bare = [re.sub(r"\b(const|struct|enum|SASTAOTP_MUST_USE)\b", "", part) for part in parts]
        types = [re.sub(r"\s", "", bare[0])]
        for part in bare[1:]:
            # The last identifier is the name of the parameter.
            types.append(re.sub(r"\s", "", re.sub(r"\w+\s*$", "", part)) or part.strip())
        found[name] = types[0], [name for name in types[1:] if name != "void"]
    return found


def read_fields(struct: str) -> List[Tuple[str, Any]]:
    """Return the fields of a struct of the header with their types. A text is an address."""
    fields = re.findall(r"(?:const )?(\w+) (\**)(\w+)(?:\[(\d+)\])?;", STRUCTS[struct])
    assert len(fields) == STRUCTS[struct].count(";")
    found = []
    for type_, stars, name, length in fields:
        bare = ctypes.c_void_p if type_ + stars == "char*" else ctype(type_ + stars)
        found.append((name, bare * int(length) if length else bare))
    return found


DECLARED = read_declarations()


def test_header_is_read() -> None:
    assert len(DECLARED) > 150


@pytest.mark.parametrize("name", _c_api.FUNCTIONS)
def test_function_matches_the_header(name: str) -> None:
    result, parameters = DECLARED[name]
    assert _c_api.FUNCTIONS[name] == (ctype(result), [ctype(parameter) for parameter in parameters])


def test_config_matches_the_header() -> None:
    assert list(_c_api.Config._fields_) == read_fields("sastaotp_config")
    assert re.search(r"#define SASTAOTP_NO_BUDGET INT64_MAX\s", CODE)
    assert _c_api.NO_BUDGET == 2**63 - 1


def test_new_config_equals_the_initializer() -> None:
    code = CODE.replace("\\\n", " ")
    initializer = re.search(r"#define SASTAOTP_CONFIG_INIT\s*{([^{}]*),\s*{([ ,0]*)} }", code)
    assert initializer is not None
    texts = [text.strip() for text in initializer[1].split(",")]
    config = _settings.Settings().config
    values = {f"SASTAOTP_{name}": value for name, value in CONSTANTS.items()}
    values["SASTAOTP_NO_BUDGET"] = _c_api.NO_BUDGET
    values["sizeof(sastaotp_config)"] = ctypes.sizeof(config)
    *names, reserved = [name for name, _ in _c_api.Config._fields_]
    assert list(getattr(config, reserved)) == [int(zero) for zero in initializer[2].split(",")]
    assert [getattr(config, name) for name in names] == [
        {"NULL": None, "0": 0, "false": False, **values}[text] for text in texts
    ]


def test_table_has_exactly_the_called_functions() -> None:
    sources = "".join(file.read_text(encoding="utf-8") for file in SOURCES)
    objects = "version|abi|error|amount|config|client|log|queue|completion"
    called = set(re.findall(rf"\bsastaotp_(?:{objects})_?\w*\b", sources))
    called -= {f"sastaotp_{name}" for name in ("config", "client", "queue", "completion", "error")}
    assert called == set(_c_api.FUNCTIONS)


def test_constants_match_the_header() -> None:
    assert CONSTANTS["ABI_VERSION"] == _c_api.ABI_VERSION
    assert CONSTANTS["OK"] == _c_api.OK
    locations = {member.name: int(member) for member in sastaotp.ApiKeyLocation}
    assert locations == constants("api_key_location", "API_KEY_IN_")


def test_status_values_match_the_core() -> None:
    source = (ROOT / "src/protocol/request.rs").read_text(encoding="utf-8")
    table = re.search(r"fn value\(self\) -> i32 {(.*?)\n    }", source, re.S)
    assert table is not None
    values = {
        snake_case(name): int(value) for name, value in re.findall(r"(\w+) => (-?\d+)", table[1])
    }
    assert {member.name.lower(): int(member) for member in sastaotp.SetStatus} == values


def test_status_changes_match_the_core() -> None:
    source = (ROOT / "src/protocol/status.rs").read_text(encoding="utf-8")
    table = re.search(r"impl StatusChange {(.*?)\n}", source, re.S)
    assert table is not None
    kinds = re.findall(r'=> "(\w+)"', table[1])
    assert [member.value for member in sastaotp.StatusChangeKind] == kinds
    assert [member.name.lower() for member in sastaotp.StatusChangeKind] == kinds


def snake_case(name: str) -> str:
    return re.sub(r"(?<=\w)(?=[A-Z])", "_", name).lower()


def test_durabilities_match_the_header() -> None:
    values = {name.upper(): durability_value(name) for name in get_args(Durability)}
    assert values == constants("durability", "DURABILITY_")


def test_roots_match_the_header() -> None:
    values = {name.upper(): roots_value(name) for name in get_args(Roots)}
    assert values == constants("roots", "ROOTS_")


def constants(enumeration: str, prefix: str) -> Dict[str, int]:
    """Return the constants of an enumeration of the header, by the rest of their names."""
    names = re.findall(r"SASTAOTP_(\w+) =", ENUMS[f"sastaotp_{enumeration}"])
    # The last constant only makes the enumeration as large as an int32_t.
    assert names[-1].endswith("_MAX_ENUM")
    assert all(name.startswith(prefix) for name in names[:-1])
    return {name[len(prefix) :]: CONSTANTS[name] for name in names[:-1]}


@pytest.mark.parametrize(
    ("enumeration", "name", "prefix"),
    [
        (sastaotp.Retry, "retry", "RETRY_"),
        (sastaotp.Phase, "phase", "PHASE_"),
        (sastaotp.StatusKind, "status_kind", "ACTIVATION_STATUS_"),
        (sastaotp.SettlementState, "settled", "SETTLED_"),
        (sastaotp.UnclaimedOutcome, "outcome", "OUTCOME_"),
    ],
)
def test_enumeration_has_the_names_of_the_header(enumeration: Any, name: str, prefix: str) -> None:
    names = set(constants(name, prefix))
    if enumeration in (sastaotp.Phase, sastaotp.SettlementState):
        # The value of a NULL object, which JSON cannot have.
        names.remove("UNKNOWN")
    assert {member.name for member in enumeration} == names
    assert [member.name for member in enumeration] == [
        member.value.upper() for member in enumeration
    ]


def test_every_error_kind_has_a_class() -> None:
    kinds = re.findall(r"SASTAOTP_ERROR_(\w+) = \d+", ENUMS["sastaotp_status"])
    assert len(kinds) >= 23
    assert set(_errors.CLASSES) == {name.lower() for name in kinds}
    assert len(set(_errors.CLASSES.values())) == len(kinds)
    classes = [value for value in vars(_errors).values() if inspect.isclass(value)]
    errors = {value.__name__ for value in classes if issubclass(value, Exception)}
    assert errors <= set(sastaotp.__all__)


def test_every_operation_has_a_method() -> None:
    source = (ROOT / "src/queue/operation.rs").read_text(encoding="utf-8")
    table = re.search(r"const NAMES: .*?= \[(.*?)\]", source, re.S)
    assert table is not None
    names = re.findall(r'"(\w+)"', table[1])
    assert len(names) >= 22
    for client, activation in (
        (sastaotp.Client, sastaotp.Activation),
        (sastaotp.AsyncClient, sastaotp.AsyncActivation),
    ):
        for name in names:
            method = {"claim": "activation"}.get(name, name)
            assert hasattr(client, method) or hasattr(activation, method), name
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

    Visitor().visit(ast.parse(file.read_text(encoding="utf-8")))
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
        assert (ROOT / "bindings/python" / name).read_text(encoding="utf-8") == (
            ROOT / name
        ).read_text(encoding="utf-8")


def test_versions_match() -> None:
    manifest = re.search(
        r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M
    )
    assert manifest is not None
    assert sastaotp.__version__ == manifest[1] == _c_api.library().sastaotp_version().decode()
