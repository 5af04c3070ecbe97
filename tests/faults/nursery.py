"""The forking process of `tests.faults.children`: jobs come as JSON lines, each answered when its child has ended."""

import json
import os
import signal
import sys
import traceback

import dagster  # noqa: F401 - warms the children
import great_expectations  # noqa: F401
import msgspec  # noqa: F401
import pandas  # noqa: F401
import pydantic  # noqa: F401
import radix  # noqa: F401
import yaml  # noqa: F401
import zstandard  # noqa: F401

assert "polars" not in sys.modules
signal.signal(signal.SIGINT, signal.SIG_IGN)
_started: list[int] = []
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 0
        try:
            from tests.faults.children import work

            os.dup2(2, 1)
            work(job)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stderr.flush()
        os._exit(code)
    if job.get("wait", True):
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    else:
        code = 0
        _started.append(child)
    sys.stdout.write(json.dumps({"code": code}) + "\n")
    sys.stdout.flush()
for child in _started:
    os.waitpid(child, 0)
