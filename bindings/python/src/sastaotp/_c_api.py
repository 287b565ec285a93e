"""The functions of the C interface that this package calls, with their types.

``include/sastaotp.h`` documents each function, and ``tests/test_declarations_match.py`` compares
this table with it.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_bool,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_ssize_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from functools import cache
from typing import Any

from ._find_binaries import find_library, library_advice
from ._library_file import check_length, explain

#: The version of the binary interface that this table describes.
ABI_VERSION = 0
OK = 0
NO_BUDGET = 2**63 - 1


class Config(ctypes.Structure):
    """sastaotp_config"""

    # The texts are addresses: reading a field of type c_char_p would copy the API key.
    _fields_ = (
        ("size", c_size_t),
        ("api_key", c_void_p),
        ("base_url", c_void_p),
        ("user_agent", c_void_p),
        ("proxy", c_void_p),
        ("ca_pem", c_void_p),
        ("ca_pem_length", c_size_t),
        ("journal", c_void_p),
        ("budget_micros", c_int64),
        ("max_connections", c_uint32),
        ("timeout_ms", c_uint32),
        ("late_booking_ms", c_uint32),
        ("max_requests_per_minute", c_uint32),
        ("api_key_location", c_int32),
        ("roots", c_int32),
        ("durability", c_int32),
        ("journal_on_network", c_bool),
        ("from_env", c_bool),
        ("reserved", c_uint8 * 10),
    )


class Client(ctypes.Structure):
    """sastaotp_client"""


class Queue(ctypes.Structure):
    """sastaotp_queue"""


class Completion(ctypes.Structure):
    """sastaotp_completion"""


class Error(ctypes.Structure):
    """sastaotp_error"""


ConfigPointer = POINTER(Config)
ClientPointer = POINTER(Client)
QueuePointer = POINTER(Queue)
CompletionPointer = POINTER(Completion)
ErrorPointer = POINTER(Error)

_ERROR = POINTER(ErrorPointer)

#: For each name: the type of the result (None is void) and the types of the parameters.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "sastaotp_version": (c_char_p, []),
    "sastaotp_abi_version": (c_uint32, []),
    "sastaotp_error_json": (c_char_p, [ErrorPointer]),
    "sastaotp_error_free": (None, [ErrorPointer]),
    "sastaotp_amount_parse": (c_int32, [c_char_p, POINTER(c_int64), _ERROR]),
    "sastaotp_client_new": (c_int32, [ConfigPointer, POINTER(ClientPointer), _ERROR]),
    "sastaotp_client_free": (None, [ClientPointer]),
    "sastaotp_queue_new": (c_int32, [ClientPointer, c_uint32, POINTER(QueuePointer), _ERROR]),
    "sastaotp_log_collect": (c_int32, [c_int32, _ERROR]),
    "sastaotp_log_take": (c_size_t, [POINTER(c_int32), c_char_p, c_size_t]),
    "sastaotp_queue_submit_held": (
        c_int32,
        [QueuePointer, c_char_p, c_void_p, POINTER(c_uint64), _ERROR],
    ),
    "sastaotp_queue_cancel": (c_bool, [QueuePointer, c_uint64]),
    "sastaotp_queue_release": (c_bool, [QueuePointer, c_uint64]),
    "sastaotp_queue_take": (
        c_int32,
        [QueuePointer, POINTER(CompletionPointer), c_size_t, c_uint32, POINTER(c_size_t), _ERROR],
    ),
    "sastaotp_queue_join": (
        c_int32,
        [QueuePointer, c_uint64, c_uint32, POINTER(CompletionPointer), _ERROR],
    ),
    "sastaotp_queue_fd": (c_ssize_t, [QueuePointer]),
    "sastaotp_queue_free": (None, [QueuePointer]),
    "sastaotp_completion_ticket": (c_uint64, [CompletionPointer]),
    "sastaotp_completion_json": (c_char_p, [CompletionPointer]),
    "sastaotp_completion_error": (ErrorPointer, [CompletionPointer]),
    "sastaotp_completion_free": (None, [CompletionPointer]),
}


@cache
def library() -> ctypes.CDLL:
    """Load the shared library, once. Its calls release the GIL."""
    path = find_library()
    try:
        check_length(path)
        loaded = ctypes.CDLL(str(path))
        version = loaded.sastaotp_abi_version()
        if version != ABI_VERSION:
            raise ImportError(
                f"loading {path}: its binary interface has version {version}, "
                f"and this package needs {ABI_VERSION}: {library_advice()}"
            )
        for name, (result, parameters) in FUNCTIONS.items():
            function = getattr(loaded, name)
            function.restype = result
            function.argtypes = parameters
    except OSError as error:
        raise ImportError(explain(path, error)) from None
    except AttributeError as error:
        raise ImportError(
            f"loading {path}: {error}: it is the library of another version, or another library: "
            f"{library_advice()}"
        ) from None
    return loaded
