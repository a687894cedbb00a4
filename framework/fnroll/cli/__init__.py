"""`fn`: words to calls, results to words, errors to exit codes.

One module a command group; each reads its arguments, calls one room and prints. Nothing imports this room. Heavy
imports (boto3, moto, rich, jsonschema) happen inside the command that needs them, so that `fn --help` stays quick.
"""
