"""A short run of the script that kills writers and fills disks."""

import random
from pathlib import Path

from scripts.faults import full_disks, killed_saves, processes, threads


def test_faults_are_held(tmp_path: Path) -> None:
    for outcomes, tried, expected in (
        (killed_saves, 6, 7),
        (full_disks, 3, 3),  # .embz, .vec and .bin; the formats of TensorFlow take minutes
        (threads, 3, 25),
        (processes, 2, 17),
    ):
        folder = tmp_path / outcomes.__name__
        folder.mkdir()
        assert list(outcomes(folder, tried, random.Random(0))) == [True] * expected, outcomes
