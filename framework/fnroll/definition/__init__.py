"""From text to a validated, frozen `Definition`; and Lambda's service model as plain data.

Importing this room loads neither botocore nor jsonschema: what needs them does so inside a function.
"""

from fnroll.definition.load import Rendered, find, load, render
from fnroll.definition.lookups import Book, World
from fnroll.definition.model import CUSTOM_RUNTIME, RUNTIME_LAYER, Definition
from fnroll.definition.positions import Places
from fnroll.definition.schema import schema
from fnroll.definition.service import Operation, operations, service_model, shape

__all__ = [
    "CUSTOM_RUNTIME",
    "RUNTIME_LAYER",
    "Book",
    "Definition",
    "Operation",
    "Places",
    "Rendered",
    "World",
    "find",
    "load",
    "operations",
    "render",
    "schema",
    "service_model",
    "shape",
]
