"""From text to a validated, frozen `Definition`; and Lambda's service model as plain data.

Importing this room loads neither botocore nor jsonschema: what needs them does so inside a function.
"""

from fnroll.definition.load import Rendered, find, load, render
from fnroll.definition.model import Definition
from fnroll.definition.schema import schema

__all__ = ["Definition", "Rendered", "find", "load", "render", "schema"]
