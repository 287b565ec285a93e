"""Reads the public interface of the Rust crate from its sources."""

from pathlib import Path
from typing import Dict, Iterator, List, Set, Tuple

import tree_sitter_rust
from tree_sitter import Language, Node, Parser

from surface import REQUIRED, VALUE, Interface, Surface, documented_default

PARSER = Parser(Language(tree_sitter_rust.language()))
#: Folders whose items are not part of the crate's interface.
OTHER = ("bin", "capi", "sandbox")
#: Types that a macro defines. ErrorCode has a value for each error code of the service.
MACROS = {"ErrorCode"}
DEFINITIONS = ("struct_item", "enum_item", "const_item", "type_item")


def text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def name_of(node: Node) -> str:
    name = node.child_by_field_name("name")
    assert name is not None, text(node)
    return text(name)


def items(parent: Node) -> Iterator[Tuple[Node, str]]:
    """Yield the items in a node, each with its attributes as text."""
    attributes = ""
    for node in parent.named_children:
        if node.type == "attribute_item":
            attributes += text(node)
        elif "comment" not in node.type:
            yield node, attributes
            attributes = ""


def is_hidden(attributes: str) -> bool:
    return any(text in attributes for text in ("doc(hidden)", "cfg(test", "cfg(fuzzing"))


def is_public(node: Node) -> bool:
    visibility = node.children[0] if node.children else None
    return visibility is not None and text(visibility) == "pub"


def exported(library: Node) -> Dict[str, str]:
    """Return the items that lib.rs exports, each with its module."""
    found: Dict[str, str] = {}
    for node, attributes in items(library):
        if node.type != "use_declaration" or not is_public(node) or is_hidden(attributes):
            continue
        tree = text(node).removeprefix("pub use ").removesuffix(";")
        module, _, names = tree.partition("::")
        for name in names.strip("{} \n,").split(","):
            found[name.strip().rpartition("::")[2]] = module
    return found


def arguments(function: Node) -> Dict[str, object]:
    """Return the arguments of a function. An Option is an argument that can be omitted."""
    parameters = function.child_by_field_name("parameters")
    assert parameters is not None
    found: Dict[str, object] = {}
    for parameter in parameters.named_children:
        if parameter.type == "parameter":
            pattern, kind = (parameter.child_by_field_name(field) for field in ("pattern", "type"))
            assert pattern is not None
            assert kind is not None
            is_optional = text(kind).startswith("Option<")
            found[text(pattern).removeprefix("mut ")] = None if is_optional else REQUIRED
    return found


def docs(node: Node) -> str:
    """Return the comments before an item."""
    found: List[str] = []
    before = node.prev_named_sibling
    while before is not None and ("comment" in before.type or before.type == "attribute_item"):
        found.insert(0, text(before).strip())
        before = before.prev_named_sibling
    return "\n".join(found)


def add_functions(found: Interface, body: Node) -> None:
    for node, attributes in items(body):
        if node.type == "function_item" and is_public(node) and not is_hidden(attributes):
            found.members[name_of(node)] = arguments(node)
            found.defaults[name_of(node)] = documented_default(docs(node))


def definition(node: Node) -> Interface:
    """Return a struct with its public fields, or an enumeration with its values."""
    found = Interface()
    body = node.child_by_field_name("body")
    for member, attributes in items(body) if body is not None else ():
        if member.type == "enum_variant":
            found.members[name_of(member)] = VALUE
        elif member.type == "field_declaration" and is_public(member) and not is_hidden(attributes):
            found.members[name_of(member)] = {}
    return found


def read(source: Path) -> Surface:
    """Return the interface of the crate in a folder ``src``."""
    surface: Surface = {}
    library = PARSER.parse((source / "lib.rs").read_bytes()).root_node
    exports = exported(library)
    impls: List[Tuple[str, Node]] = []
    others: Set[str] = set()
    for file in sorted(source.rglob("*.rs")):
        parts = file.relative_to(source).with_suffix("").parts
        if parts[0] in OTHER or parts[-1] == "tests":
            continue
        for node, attributes in items(PARSER.parse(file.read_bytes()).root_node):
            if is_hidden(attributes):
                others.update([name_of(node)] if node.child_by_field_name("name") else [])
            elif node.type == "impl_item":
                kind = node.child_by_field_name("type")
                body = node.child_by_field_name("body")
                if node.child_by_field_name("trait") is None and kind is not None:
                    assert body is not None
                    impls.append((text(kind).partition("<")[0], body))
            elif node.type in DEFINITIONS and exports.get(name_of(node)) == parts[0]:
                if node.type in ("struct_item", "enum_item"):
                    surface[name_of(node)] = definition(node)
                else:
                    others.add(name_of(node))
    for name, body in impls:
        if name in surface:
            add_functions(surface[name], body)
    missing = set(exports) - set(surface) - others - MACROS
    if missing:
        raise ValueError(f"src/lib.rs exports {sorted(missing)}, whose definitions are not found")
    return surface
