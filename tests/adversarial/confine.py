"""Runs programs one by one in processes of their own, with a wall around each.

``python -m tests.adversarial.confine`` reads programs as lines (Python literals) and writes
for each: status, code, value, CPU seconds as an idle core takes them and bytes that it took
beyond what was there. The address space may grow by 64 MiB and no more: beyond it Python
raises MemoryError, which is no verdict. Linux only (fork, resource).
"""

import ast
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from tests.adversarial.programs import make_head
from vm.authoring import Bench, parse_call

GAS_LIMIT = 1_000_000
MEMORY_BYTES = 64 * 1024 * 1024
CPU_SECONDS_HARD = 10
CPU_SECONDS_QUICK = 0.3
"""Below this no program needs the yardstick."""
YARDSTICK = "def f(a):\n" + "    if a:\n        a = a + 1\n" * 5_000
YARDSTICK_SECONDS = 0.099
"""CPU seconds of compiling YARDSTICK on an idle core of the machine the limits were set on."""


def make_source(text: str) -> tuple[str, str]:
    """The source of a row's text, and the call that runs it."""
    if text.startswith("|"):
        return text[1:], "f()"
    return make_head(text) + "".join(f"    {line}\n" for line in text.split("\n")), "f(7)"


def run(text: str) -> tuple[str, str, Any]:
    """Deploy a program and run it within GAS_LIMIT."""
    source, call = make_source(text)
    bench = Bench(source)
    outcome = bench.deploy(gas_limit=GAS_LIMIT)
    if outcome.status == "ok":
        outcome = bench.run([parse_call(call)], gas_limit=GAS_LIMIT)
    return outcome.status, outcome.code, outcome.values[0] if outcome.values else None


def _read_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    rows = [line.split() for line in lines if line.startswith(field + ":")]
    return int(rows[0][1]) * 1024


def _measure_slowness() -> float:
    """How many times slower than an idle core this one is now; at least 1."""
    started = time.process_time()
    compile(YARDSTICK, "yardstick", "exec")
    return max(1.0, (time.process_time() - started) / YARDSTICK_SECONDS)


def _confined(text: str) -> str:
    """Run ``text`` in this process, which must end after it."""
    size, resident = _read_bytes("VmSize"), _read_bytes("VmRSS")
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY_BYTES, hard))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_HARD, CPU_SECONDS_HARD))
    try:
        status, code, value = run(text)
    except BaseException as error:  # whatever comes is told: this process is the test's
        status, code, value = "raised", f"{type(error).__name__}: {error}", None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    grown = max(0, usage.ru_maxrss * 1024 - resident)
    seconds = usage.ru_utime + usage.ru_stime
    if seconds > CPU_SECONDS_QUICK:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        seconds /= _measure_slowness()
    return ascii((status, code, value, seconds, grown))


def serve() -> None:
    """Answer each line; a child that dies is told as such."""
    run("return a")  # what is loaded on first use is not the program's
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as pipe:
                pipe.write(_confined(ast.literal_eval(line)))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        print(answer or ascii(("died", f"wait status {status}", None, 0.0, 0)), flush=True)


if __name__ == "__main__":
    serve()
