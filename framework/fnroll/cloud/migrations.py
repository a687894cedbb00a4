"""The tables of the local cloud's database, as the steps that made them from the first version on.

What is of an account is kept under it; what was written before there were several is of 000000000000.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from fnroll.errors import CloudError

MIGRATIONS: Final = (
    """
    CREATE TABLE function (
        id INTEGER PRIMARY KEY, region TEXT NOT NULL, name TEXT NOT NULL, next_version INTEGER NOT NULL DEFAULT 1,
        tags TEXT NOT NULL DEFAULT '{}', UNIQUE (region, name));
    CREATE TABLE version (
        function_id INTEGER NOT NULL REFERENCES function ON DELETE CASCADE, number INTEGER NOT NULL,
        config TEXT NOT NULL, fingerprint TEXT NOT NULL, revision TEXT NOT NULL, package TEXT, image TEXT,
        PRIMARY KEY (function_id, number)) WITHOUT ROWID;
    CREATE TABLE alias (
        function_id INTEGER NOT NULL REFERENCES function ON DELETE CASCADE, name TEXT NOT NULL,
        version TEXT NOT NULL, description TEXT NOT NULL, weights TEXT NOT NULL, revision TEXT NOT NULL,
        PRIMARY KEY (function_id, name)) WITHOUT ROWID;
    CREATE TABLE url (
        id TEXT PRIMARY KEY, function_id INTEGER NOT NULL REFERENCES function ON DELETE CASCADE,
        qualifier TEXT NOT NULL, auth TEXT NOT NULL, cors TEXT, mode TEXT NOT NULL, created TEXT NOT NULL,
        modified TEXT NOT NULL, UNIQUE (function_id, qualifier)) WITHOUT ROWID;
    CREATE TABLE statement (
        function_id INTEGER NOT NULL REFERENCES function ON DELETE CASCADE, qualifier TEXT NOT NULL,
        sid TEXT NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (function_id, qualifier, sid)) WITHOUT ROWID;
    CREATE TABLE policy (
        function_id INTEGER NOT NULL REFERENCES function ON DELETE CASCADE, qualifier TEXT NOT NULL,
        revision TEXT NOT NULL, PRIMARY KEY (function_id, qualifier)) WITHOUT ROWID;
    CREATE TABLE layer (
        region TEXT NOT NULL, name TEXT NOT NULL, next_version INTEGER NOT NULL,
        PRIMARY KEY (region, name)) WITHOUT ROWID;
    CREATE TABLE layer_version (
        region TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, info TEXT NOT NULL, package TEXT NOT NULL,
        size INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (region, name, number)) WITHOUT ROWID;
    CREATE TABLE event (
        id INTEGER PRIMARY KEY, region TEXT NOT NULL, name TEXT NOT NULL, qualifier TEXT, request_id TEXT NOT NULL,
        client_context TEXT, payload BLOB NOT NULL, accepted REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        due REAL NOT NULL);
    CREATE INDEX event_due ON event (due);
    """,
    """
    CREATE TABLE setting (
        function_id INTEGER NOT NULL REFERENCES function ON DELETE CASCADE, qualifier TEXT NOT NULL, noun TEXT NOT NULL,
        value TEXT NOT NULL, PRIMARY KEY (function_id, qualifier, noun)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE source (
        uuid TEXT PRIMARY KEY, region TEXT NOT NULL, name TEXT NOT NULL, qualifier TEXT, arn TEXT NOT NULL,
        enabled INTEGER NOT NULL, config TEXT NOT NULL, tags TEXT NOT NULL, modified REAL NOT NULL,
        result TEXT NOT NULL DEFAULT '', place TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID;
    """,
    """
    ALTER TABLE event ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE code_signing (arn TEXT PRIMARY KEY, region TEXT NOT NULL, said TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE layer_policy (
        region TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, statements TEXT NOT NULL,
        revision TEXT NOT NULL, PRIMARY KEY (region, name, number)) WITHOUT ROWID;
    """,
    """
    ALTER TABLE version ADD COLUMN standing TEXT NOT NULL DEFAULT '{}';
    CREATE INDEX version_on_its_way ON version (standing) WHERE standing <> '{}';
    """,
    # For the start of a cloud of many versions, and for what asks after one kind of setting.
    """
    CREATE INDEX version_package ON version (package);
    CREATE INDEX version_layers ON version (json_extract(config, '$.Layers'))
        WHERE json_extract(config, '$.Layers') IS NOT NULL;
    CREATE INDEX setting_noun ON setting (noun);
    """,
    """
    CREATE TABLE new_function (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
        next_version INTEGER NOT NULL DEFAULT 1, tags TEXT NOT NULL DEFAULT '{}', UNIQUE (account, region, name));
    INSERT INTO new_function SELECT id, '000000000000', region, name, next_version, tags FROM function;
    DROP TABLE function;
    ALTER TABLE new_function RENAME TO function;
    CREATE TABLE new_layer (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, next_version INTEGER NOT NULL,
        PRIMARY KEY (account, region, name)) WITHOUT ROWID;
    INSERT INTO new_layer SELECT '000000000000', region, name, next_version FROM layer;
    DROP TABLE layer;
    ALTER TABLE new_layer RENAME TO layer;
    CREATE TABLE new_layer_version (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, info TEXT NOT NULL,
        package TEXT NOT NULL, size INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, region, name, number)) WITHOUT ROWID;
    INSERT INTO new_layer_version
        SELECT '000000000000', region, name, number, info, package, size, deleted FROM layer_version;
    DROP TABLE layer_version;
    ALTER TABLE new_layer_version RENAME TO layer_version;
    CREATE TABLE new_layer_policy (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL,
        statements TEXT NOT NULL, revision TEXT NOT NULL, PRIMARY KEY (account, region, name, number)) WITHOUT ROWID;
    INSERT INTO new_layer_policy SELECT '000000000000', region, name, number, statements, revision FROM layer_policy;
    DROP TABLE layer_policy;
    ALTER TABLE new_layer_policy RENAME TO layer_policy;
    ALTER TABLE event ADD COLUMN account TEXT NOT NULL DEFAULT '000000000000';
    ALTER TABLE source ADD COLUMN account TEXT NOT NULL DEFAULT '000000000000';
    ALTER TABLE code_signing ADD COLUMN account TEXT NOT NULL DEFAULT '000000000000';
    """,
    """
    ALTER TABLE version ADD COLUMN scaling TEXT NOT NULL DEFAULT '{}';
    CREATE INDEX version_scaled ON version (scaling) WHERE scaling <> '{}';
    CREATE TABLE capacity_provider (
        arn TEXT PRIMARY KEY, said TEXT NOT NULL, tags TEXT NOT NULL, state TEXT NOT NULL, until REAL NOT NULL)
        WITHOUT ROWID;
    ALTER TABLE event ADD COLUMN tenant TEXT;
    ALTER TABLE policy ADD COLUMN head TEXT NOT NULL DEFAULT '{}';
    """,
    """
    ALTER TABLE event ADD COLUMN trace TEXT;
    """,
)
"""Each runs once, in order; `PRAGMA user_version` counts those that ran. Never edit one that was released: add one.

Foreign keys are not looked at meanwhile, so that a table which others refer to can be made anew.
"""


def migrate(connection: sqlite3.Connection, where: Path) -> None:
    """Bring a database that lies at `where` up to date. CloudError if a newer fn has written it."""
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    if done > len(MIGRATIONS):
        raise CloudError(
            "the state was written by a newer fn",
            where=str(where),
            hint="use that version, or another directory with --state",
        )
    (enforced,) = connection.execute("PRAGMA foreign_keys").fetchone()
    connection.execute("PRAGMA foreign_keys=OFF")
    for number, script in enumerate(MIGRATIONS[done:], done + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={number}; COMMIT;")
    connection.execute(f"PRAGMA foreign_keys={enforced}")
