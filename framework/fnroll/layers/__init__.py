"""A runtime manifest or a directory to a layer zip; the templates; and a project's parts brought together.

manifest.py   which runtimes there are, and what each says of itself
build.py      `runtime:NAME` or `./DIR` to a `LayerPackage`
recipe.py     what a layer that brings its interpreter is made of; lock.py: from which packages exactly
selfcontained.py   such a layer, built: supply.py fetches, tree.py assembles, elf.py checks, launcher.py starts
scaffold.py   what `fn init` and `fn runtime new` write
project.py    definition + package + layers, for everything that runs or ships a function
"""

from fnroll.layers.build import LayerPackage, build, self_contained
from fnroll.layers.manifest import Runtime, find_runtime, handler_file, list_runtimes
from fnroll.layers.project import Parts, assemble
from fnroll.layers.scaffold import list_templates, write_runtime, write_template
from fnroll.layers.selfcontained import relock
from fnroll.layers.supply import Supply

__all__ = [
    "LayerPackage",
    "Parts",
    "Runtime",
    "Supply",
    "assemble",
    "build",
    "find_runtime",
    "handler_file",
    "list_runtimes",
    "list_templates",
    "relock",
    "self_contained",
    "write_runtime",
    "write_template",
]
