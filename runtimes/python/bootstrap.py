"""Runs a python function of AWS's managed runtimes: loads the handler once, then event in, answer out, for ever.

What a function can see of it (context, errors, log lines) is as AWS's own client has it; how it gets there is ours.
"""

import os
import sys


def main() -> None:
    task = os.environ.get("LAMBDA_TASK_ROOT") or "/var/task"
    here = os.path.dirname(os.path.abspath(__file__))
    layers = ["/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2], "/opt/python"]
    # Lambda's order: the function's own code, its layers, then the interpreter's packages and ours.
    sys.path[:] = [task, *layers, *[path for path in sys.path if path not in (here, task)], here]
    from fnruntime.loop import run

    run(os.environ.get("_HANDLER", ""))


main()
