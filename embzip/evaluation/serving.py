"""What serving a classifier costs: load time, memory, latency; each in a fresh child process.

The child predicts in NumPy; nothing here loads TensorFlow. `embzip.inspect` has sizes on disk.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embzip.errors import EmbzipError, InputError, SpecError
from embzip.files.reading import existing_file

_WARM_UP = 10
# One thread, as where several classifiers share a machine: on a busy one, threads that wait for
# each other turn half a millisecond into a scheduler's slice of 16.
SERVING_THREADS = 1
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# Imported, not run by -m: the package may have imported this module already, and -m then warns.
_CHILD = "from embzip.evaluation.serving import answer; answer()"


@dataclass(frozen=True)
class Latency:
    """Milliseconds from one text to its prediction: the median and the 99th percentile."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Serving:
    """What one process pays to serve a classifier.

    `load_seconds` is `load_model` after imports, `rss_mb` the resident memory of the whole
    process (10^6 bytes) after load and first prediction.
    """

    load_seconds: float
    rss_mb: float
    latency_ms: Latency

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain dictionaries and numbers, ready for `json.dumps`."""
        return asdict(self)


def measure_serving(path: str | Path, texts: Sequence[str], *, repeats: int = 300) -> Serving:
    """Load a classifier in a fresh process and time predictions of one text at a time.

    The process computes in one thread.

    Parameters
    ----------
    path
        An .embz file that holds a classifier.
    texts
        Predicted in turn; a sample of the test set makes the figures mean something.
    repeats
        Timed predictions, after a short warm-up.

    Raises
    ------
    MissingFileError
        Where there is no such file.
    EmbzipError
        Where the child fails; the message ends with the last line it wrote.
    """
    existing_file(path)
    if not texts:
        raise InputError("measuring latency needs at least one text, received none")
    if repeats < 1:
        raise SpecError(f"repeats must be at least 1, received {repeats}")
    request = {"path": str(path), "texts": list(texts[:repeats]), "repeats": repeats}
    # The child must import this very package, and nothing from the folder it happens to start in.
    root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    environment = dict(os.environ)
    environment |= dict.fromkeys(_THREADS, str(SERVING_THREADS))
    environment["PYTHONPATH"] = root + (os.pathsep + inherited if inherited else "")
    child = subprocess.run(  # noqa: S603  # this interpreter, a fixed program, no shell
        [sys.executable, "-P", "-c", _CHILD],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        check=False,
    )
    if child.returncode != 0:
        last = child.stderr.strip().splitlines()[-1:] or ["it wrote no message"]
        raise EmbzipError(
            f"{path}: the child process that measures it ended with status {child.returncode}: "
            f"{last[0]}"
        )
    answered = json.loads(child.stdout)
    return Serving(
        load_seconds=answered["load_seconds"],
        rss_mb=answered["rss_mb"],
        latency_ms=Latency(**answered["latency_ms"]),
    )


def answer() -> None:
    """Read a request from standard input, measure, write the answer: the child's whole life."""
    from embzip.classifier import load_model

    request = json.load(sys.stdin)
    started = time.perf_counter()
    classifier = load_model(request["path"])
    load_seconds = time.perf_counter() - started
    texts = request["texts"]
    classifier.predict(texts[:1])
    resident = resident_mb()
    for index in range(_WARM_UP):
        classifier.predict([texts[index % len(texts)]])
    milliseconds = np.empty(request["repeats"])
    for index in range(request["repeats"]):
        text = texts[index % len(texts)]
        started = time.perf_counter()
        classifier.predict([text])
        milliseconds[index] = 1000.0 * (time.perf_counter() - started)
    p50, p99 = np.percentile(milliseconds, [50, 99])
    serving = Serving(load_seconds, resident, Latency(float(p50), float(p99)))
    json.dump(serving.to_json(), sys.stdout)


def resident_mb() -> float:
    """Return this process's resident memory in MB (10^6 bytes).

    Where the system has no /proc, the peak so far stands in for the present value.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # macOS counts bytes, the others kibibytes.
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise EmbzipError("/proc/self/status has no VmRSS line: resident memory cannot be read")
