"""From a definition and what is deployed to a plan, and from a plan to calls.

    desired.py    what the definition wants, in the API's words; what differs; what is ignored (ignored.py)
    actual.py     what is there (the reads)
    steps.py      the words of a plan
    plan.py       the steps between the two: data, pure, ordered so that an interruption harms nothing
                  (urls.py: URL and permissions; settings.py: the rest of the key Fn; prune.py: old versions;
                  record.py: what a version's Description remembers)
    apply.py      the executor: RevisionId on every write, the alias last (beside.py: the writes that carry none;
                  told.py: what it tells)
    rollback.py   the way back; restore.py: $LATEST too
    diff.py       what a deploy would change (diff_code.py: files; diff_masks.py: secrets; described.py: AWS's answer
                  as a request)
    inspect.py    status and versions
    written.py    what is deployed, as the files that would deploy it

Nothing here knows boto3, the emulator or the local cloud: it speaks through `aws` to whatever answers.
"""

from fnroll.deploy.actual import Actual, read_actual
from fnroll.deploy.apply import apply
from fnroll.deploy.desired import Desired, wanted
from fnroll.deploy.ignored import parse as parse_ignored
from fnroll.deploy.inspect import FunctionStatus, VersionRow, status, versions
from fnroll.deploy.plan import Plan, plan, refuse_host_runtimes
from fnroll.deploy.rollback import Served, Target, find_history, find_target, roll_back
from fnroll.deploy.steps import Step, Wishes
from fnroll.deploy.told import Event, Result

__all__ = [
    "Actual",
    "Desired",
    "Event",
    "FunctionStatus",
    "Plan",
    "Result",
    "Served",
    "Step",
    "Target",
    "VersionRow",
    "Wishes",
    "apply",
    "find_history",
    "find_target",
    "parse_ignored",
    "plan",
    "read_actual",
    "refuse_host_runtimes",
    "roll_back",
    "status",
    "versions",
    "wanted",
]
