"""The public interface of a language: its types with their members."""

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Optional

#: The default of an argument that has none.
REQUIRED = "required"
#: A member that is a field, a property or a getter.
FIELD = "field"
#: A member that is a value of an enumeration.
VALUE = "value"
#: The factors that turn a documented duration into seconds.
UNITS = {"second": 1, "seconds": 1, "minute": 60, "minutes": 60}


@dataclass
class Interface:
    """A public type: the type that it extends, and its members.

    A member is FIELD, VALUE, a list of the texts that a field can be, a dictionary of the arguments
    of a method with their defaults, or a list of such dictionaries for a method with overloads.
    """

    extends: Optional[str] = None
    members: Dict[str, Any] = field(default_factory=dict)
    #: The defaults of members that set an option, as their documentation states them.
    defaults: Dict[str, Any] = field(default_factory=dict)


def documented_default(docs: str) -> Optional[object]:
    """Return the default that a comment of Rust or C++ states, in seconds for a duration."""
    text = " ".join(re.sub(r"^ *///?", "", docs, flags=re.M).split())
    found = re.search(r"(?i)\bthe default is (?:the |at most )?(\S+)(?: (\w+))?", text)
    found = found or re.search(r"\b(\d+)() by default", text)
    found = found or re.search(r"(?i)\bthe default, which is (\d+)()", text)
    # A name is no default, such as the beginning of the user agent.
    if found is None or re.search(r"[/']", found[1]):
        return None
    # Such as `[`Roots::Web`]`, `roots::web` or `"environment"`.
    word = re.sub(r"\W+$", "", found[1]).strip('[`"').rpartition("::")[2].lower()
    if word.isdigit():
        return int(word) * UNITS.get(found[2] or "", 1)
    return 0 if word == "zero" else word


Surface = Dict[str, Interface]
