"""The public interface of a language: its types with their members."""

from dataclasses import dataclass, field
from typing import Any, Dict, Optional

#: The default of an argument that has none.
REQUIRED = "required"
#: A member that is a field, a property or a getter.
FIELD = "field"
#: A member that is a value of an enumeration.
VALUE = "value"


@dataclass
class Interface:
    """A public type: the type that it extends, and its members.

    A member is FIELD, VALUE, a list of the texts that a field can be, a dictionary of the arguments
    of a method with their defaults, or a list of such dictionaries for a method with overloads.
    """

    extends: Optional[str] = None
    members: Dict[str, Any] = field(default_factory=dict)


Surface = Dict[str, Interface]
