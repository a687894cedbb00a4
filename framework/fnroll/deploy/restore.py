"""$LATEST back to a published version: what of it differs, and a deploy of what that version is.

A rollback moves the alias alone; $LATEST keeps what was deployed last. Here the version itself becomes the definition:
its package is downloaded, its configuration turned into a request, and the deploy engine takes the steps to $LATEST,
each on its RevisionId, and no other step.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

from fnroll.archive import MAX_ZIPPED, IgnoreRules, Package, pack, scan, unpack
from fnroll.aws import SYSTEM, Clock, FunctionState, Session
from fnroll.aws.code import download_code
from fnroll.aws.functions import get_function
from fnroll.deploy.actual import read_actual
from fnroll.deploy.apply import apply
from fnroll.deploy.described import described
from fnroll.deploy.desired import Desired, desired_of, differences
from fnroll.deploy.plan import Plan, plan
from fnroll.deploy.steps import Wishes
from fnroll.deploy.told import Report
from fnroll.errors import DeployError

_KINDS = frozenset({"update-code", "update-configuration", "tag"})


def differing(session: Session, name: str, version: str) -> tuple[str, ...]:
    """What $LATEST has otherwise than the version: "code", then members by name. Raises NotFound."""
    latest, then = get_function(session.control, name), get_function(session.control, name, version)
    code = ("code",) if latest.code_sha256 != then.code_sha256 or latest.image_uri != then.image_uri else ()
    desired = _desired(name, then, None)
    members = differences(desired, {**latest.configuration, "Description": latest.description})
    layers = ("Layers",) if latest.layers != then.layers else ()
    return (*code, *sorted((*members, *layers)))


def check_restorable(session: Session, name: str, version: str) -> None:
    """Before anything is moved. Raises DeployError for a package that is too large to be sent back in a request."""
    size = int(get_function(session.control, name, version).configuration.get("CodeSize", 0))
    if size > MAX_ZIPPED:
        raise DeployError(
            f"the package of version {version} has {size:,} bytes; a request takes {MAX_ZIPPED:,}",
            where=name,
            hint="deploy that state from its source instead of --restore-latest; nothing was changed",
        )


def restore_latest(
    session: Session, name: str, version: str, alias: str, report: Report = lambda _: None, *, clock: Clock = SYSTEM
) -> bool:
    """Make $LATEST what the version is; whether anything was to be done. Raises as a deploy does; NotFound."""
    restoring = _plan(session, name, version, alias)
    if restoring:
        apply(restoring, session, report, clock=clock)
    return bool(restoring)


def _plan(session: Session, name: str, version: str, alias: str) -> Plan:
    then = get_function(session.control, name, version)
    package = None
    if then.image_uri is None:
        package = _package(download_code(session, name, version), then.code_sha256)
    desired = _desired(name, then, package)
    wishes = Wishes(publish=False)
    whole = plan(desired, read_actual(session, desired, alias, wishes), alias=alias, wishes=wishes)
    return replace(whole, steps=tuple(step for step in whole.steps if step.kind in _KINDS))


def _desired(name: str, then: FunctionState, package: Package | None) -> Desired:
    request = described(then.configuration)
    if then.image_uri is not None:
        request["Code"] = {"ImageUri": then.image_uri}
    return desired_of(name, request, {}, None, then.layers, package)


def _package(zipped: bytes, code_sha256: str) -> Package:
    """The zip as it is, with the tree digest of what is in it: by that a later deploy knows it again."""
    with tempfile.TemporaryDirectory(prefix="fn-restore-") as scratch:
        root = Path(scratch) / "code"
        unpack(zipped, root)
        count = sum(not path.is_dir() or path.is_symlink() for path in root.rglob("*"))
        tree = pack(scan(root, IgnoreRules(), keep_links=True), limit=None)
    # What is always left out of a package may be in a foreign one; such a tree is no tree of ours.
    digest = tree.tree_digest if tree.files == count else hashlib.sha256(zipped).hexdigest()
    return replace(tree, data=zipped, size=len(zipped), code_sha256=code_sha256, tree_digest=digest)
