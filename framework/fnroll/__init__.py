"""fn: run, ship and release AWS Lambda functions from one function.json.

This module holds the version and imports nothing, so that `import fnroll` costs nothing.
The rooms are listed, ground floor first, in docs/architecture.md.
"""

__version__ = "0.1.0"
