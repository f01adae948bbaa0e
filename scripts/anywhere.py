"""What exported sources answer, compiled and in Node: for tests and `check_anywhere`."""

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
BIG_ENDIAN = ("s390x-linux-gnu-gcc", "qemu-s390x")  # a compiler, and what runs its programs
SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True)
class Answers:
    """The ids of each text (or an error below 0), the label's number, and all probabilities."""

    ids: list[list[int] | int]
    labels: list[object]
    probabilities: NDArray[np.float64]


def program(name: str) -> str:
    """Return where a program is; the Makefile installs what is missing."""
    path = shutil.which(name)
    if path is None:
        packages = "gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user"
        how = f"apt-get install {packages}" if name in BIG_ENDIAN else "make programs"
        raise FileNotFoundError(f"exported sources run with {name}: `{how}` fetches it")
    return path


def compiled(source: Path, *options: str, compiler: str = "gcc") -> Path:
    """Return the program of `anywhere.c` around an exported source."""
    made = source.with_suffix("")
    subprocess.run(
        [program(compiler), *STRICT, *options, f'-DMODEL="{source.with_suffix(".h")}"',
         HERE / "anywhere.c", source, "-lm", "-o", made],
        check=True,
    )  # fmt: skip
    return made


def c_answers(
    made: Path,
    texts: Sequence[bytes],
    labels: int,
    *,
    runner: Sequence[str] = (),
    order: str = "<" if sys.byteorder == "little" else ">",
) -> Answers:
    """Return what a program of `compiled` answers, run by an emulator of another byte order."""
    given = b"".join(struct.pack(f"{order}I", len(text)) + text for text in texts)
    done = subprocess.run([*runner, made], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    ids: list[list[int] | int] = []
    numbers: list[object] = []
    rows, at = [], 0
    for _ in texts:
        (count,) = struct.unpack_from(f"{order}i", done.stdout, at)
        at += 4
        found = list(struct.unpack_from(f"{order}{max(count, 0)}I", done.stdout, at))
        ids.append(count if count < 0 else found)
        at += 4 * max(count, 0)
        numbers += struct.unpack_from(f"{order}i", done.stdout, at)
        rows.append(np.frombuffer(done.stdout, f"{order}f4", labels, at + 4))
        at += 4 + 4 * labels
    assert at == len(done.stdout)
    return Answers(ids, numbers, np.array(rows, np.float64))


def js_answers(module: Path, texts: Sequence[str]) -> Answers:
    """Return what a module answers in Node."""
    given = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run(
        [program("node"), HERE / "anywhere.mjs", module],
        input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(texts)
    rows = [[p for one in line["probabilities"] for p in one] for line in lines]
    return Answers(
        [line["ids"] for line in lines], [line["labels"] for line in lines], np.array(rows)
    )
