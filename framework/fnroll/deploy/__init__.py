"""From a definition and what is deployed to a plan, and from a plan to calls.

    desired.py    what the definition wants, in the API's words; what differs
    actual.py     what is there (the reads)
    plan.py       the steps between the two: data, pure, ordered so that an interruption harms nothing
    apply.py      the executor: RevisionId on every write, the alias last
    rollback.py   the way back
    inspect.py    status and versions

Nothing here knows boto3, the emulator or the local cloud: it speaks through `aws` to whatever answers.
"""

from fnroll.deploy.actual import Actual, read_actual
from fnroll.deploy.apply import Event, Result, apply
from fnroll.deploy.desired import Desired, wanted
from fnroll.deploy.inspect import FunctionStatus, VersionRow, status, versions
from fnroll.deploy.plan import Plan, Step, plan, refuse_host_runtimes
from fnroll.deploy.rollback import Target, find_target, roll_back

__all__ = [
    "Actual",
    "Desired",
    "Event",
    "FunctionStatus",
    "Plan",
    "Result",
    "Step",
    "Target",
    "VersionRow",
    "apply",
    "find_target",
    "plan",
    "read_actual",
    "refuse_host_runtimes",
    "roll_back",
    "status",
    "versions",
    "wanted",
]
