"""Reads the public interface of the C++ header."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import tree_sitter_cpp
from tree_sitter import Language, Node, Parser

from surface import REQUIRED, VALUE, Interface, Surface, documented_default

PARSER = Parser(Language(tree_sitter_cpp.language()))
#: The members of a class that makes a result of the C library movable and comparable.
OBJECT = re.compile(r"sastaotp_|std::shared_ptr|std::string &message|std::optional<View>")

DECLARATIONS = ("function_definition", "declaration", "field_declaration")
CLASSES = ("class_specifier", "struct_specifier")


def text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def child(node: Node, *fields: str) -> Node:
    for field in fields:
        found = node.child_by_field_name(field)
        assert found is not None, f"{field} of {text(node)}"
        node = found
    return node


def within(node: Node, *types: str) -> Iterator[Node]:
    """Yield the nodes of these types in a node, but not those within them."""
    for inner in node.named_children:
        if inner.type in types:
            yield inner
        else:
            yield from within(inner, *types)


def value_of(value: str) -> object:
    """Return the value of an expression that is the default of an argument."""
    if value in ("std::nullopt", "{}"):
        return None
    seconds = re.fullmatch(r"std::chrono::seconds\((\d+)\)", value)
    if seconds or value.isdigit():
        return int(seconds[1] if seconds else value)
    return value


def parameters(declarator: Node) -> Dict[str, object]:
    found: Dict[str, object] = {}
    for parameter in child(declarator, "parameters").named_children:
        name = parameter.child_by_field_name("declarator")
        while name is not None and name.type != "identifier":
            # A reference or a pointer: the name is the innermost part.
            name = next(iter(name.named_children), None)
        if "parameter" in parameter.type:
            default = parameter.child_by_field_name("default_value")
            own = text(name) if name is not None else f"argument {len(found)}"
            found[own] = REQUIRED if default is None else value_of(text(default).strip())
    return found


def docs(node: Node) -> str:
    """Return the comments before a declaration."""
    found: List[str] = []
    before = node.prev_named_sibling
    while before is not None and before.type == "comment":
        found.insert(0, text(before))
        before = before.prev_named_sibling
    return "\n".join(found)


def types(node: Node) -> str:
    """Return the types of the parameters, which distinguish overloads."""
    declarator = next(within(node, "function_declarator"), None)
    found = child(declarator, "parameters").named_children if declarator is not None else []
    return ", ".join(text(child(item, "type")) for item in found if "parameter" in item.type)


def members(
    body: Node, class_name: str, is_struct: bool
) -> Iterator[Tuple[str, Dict[str, object], Node]]:
    """Yield the public functions and fields of a class, and its constructors as ``new``."""
    is_public = is_struct
    nodes: List[Node] = []
    for node in body.named_children:
        if node.type.startswith("preproc_"):
            nodes += node.named_children
        else:
            nodes.append(node)
    for node in nodes:
        if node.type == "access_specifier":
            is_public = text(node) == "public"
        if node.type == "template_declaration":
            node = node.named_children[-1]
        if not is_public or node.type not in DECLARATIONS or any(within(node, *CLASSES)):
            continue
        declarator = next(within(node, "function_declarator"), None)
        if declarator is None:
            for field in within(node, "field_identifier"):
                yield text(field), {}, node
            continue
        name = text(child(declarator, "declarator"))
        if text(node).endswith("= delete;") or not re.fullmatch(r"\w+", name):
            continue
        found = parameters(declarator)
        if name == class_name:
            # Not the constructors that copy, move, or take an object of the C library.
            is_own = re.search(rf"\b{class_name} &", text(child(declarator, "parameters")))
            if is_own or OBJECT.search(text(child(declarator, "parameters"))):
                continue
            name = "new"
        yield name, found, node


def bases(node: Node, known: Surface) -> Iterator[str]:
    for clause in node.named_children:
        # The elements of a list are named too, but are no base.
        if clause.type == "base_class_clause" and "list<" not in text(clause):
            yield from (name for name in re.findall(r"\w+", text(clause)) if name in known)


def add(surface: Surface, node: Node) -> None:
    """Add the type that a declaration in the namespace defines, if it does."""
    if node.type in ("namespace_definition", "preproc_if", "preproc_ifdef", "declaration_list"):
        space = node.child_by_field_name("name")
        if space is None or node.type != "namespace_definition" or text(space) == "sastaotp":
            for inner in node.named_children:
                add(surface, inner)
        return
    if node.type == "template_declaration":
        node = node.named_children[-1]
    kind = node.type
    body: Optional[Node] = node.child_by_field_name("body")
    if kind not in (*CLASSES, "enum_specifier") or body is None:
        return
    name = text(child(node, "name"))
    found = Interface()
    if kind == "enum_specifier":
        for value in body.named_children:
            if value.type == "enumerator":
                found.members[text(child(value, "name"))] = VALUE
    else:
        inherited = [*bases(node, surface)]
        found.extends = inherited[0] if inherited else None
        for base in inherited:
            found.members.update(surface[base].members)
        own: Dict[str, Dict[str, Dict[str, object]]] = {}
        for member, arguments, declared in members(body, name, kind == "struct_specifier"):
            own.setdefault(member, {}).setdefault(types(declared), arguments)
            if not found.defaults.get(member):
                found.defaults[member] = documented_default(docs(declared))
        for member, overloads in own.items():
            found.members[member] = [*overloads.values()]
            if len(overloads) == 1:
                (found.members[member],) = overloads.values()
    surface[name] = found


def read(header: Path) -> Surface:
    """Return the interface of the header in a folder ``include``."""
    surface: Surface = {}
    tree = PARSER.parse((header / "sastaotp.hpp").read_bytes()).root_node
    for node in tree.named_children:
        add(surface, node)
    if "client" not in surface:
        raise ValueError(f"{header}/sastaotp.hpp: the parser does not find the class client")
    # A class `sms` owns the object, and `sms_view` does not: they have the same members.
    for name in [name for name in surface if name.endswith("_view")]:
        owner = surface.get(name.removesuffix("_view"))
        if owner is not None and owner.extends == name:
            owner.extends = None
            del surface[name]
    # The members of a result include those of the class that it extends.
    for described in surface.values():
        if described.extends not in ("error", None):
            described.extends = None
        elif described.extends:
            inherited = surface[described.extends].members
            described.members = {
                member: value
                for member, value in described.members.items()
                if member not in inherited
            }
    return surface
