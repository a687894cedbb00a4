"""From text to a validated, frozen `Definition`; and Lambda's service model as plain data.

Importing this room loads neither botocore nor jsonschema: what needs them does so inside a function.
"""
