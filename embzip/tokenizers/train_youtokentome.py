"""The child process that trains with YouTokenToMe and writes a model file.

It reads a JSON request from standard input. It prints `reproducible` if two trainings on a small
sample gave the same model. It imports nothing from embzip.
"""

import json
import os
import random
import sys


def main() -> None:
    """Train as the request on standard input says."""
    import youtokentome

    request = json.load(sys.stdin)
    youtokentome.BPE.train(
        data=request["text"],
        model=request["model"],
        vocab_size=request["vocab"],
        coverage=request["coverage"],
        n_threads=request["threads"],
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
    )
    # YTTM is reproducible only if built with -DDETERMINISTIC_QUEUE, and does not tell whether it
    # is. Other builds swap the ids of equally frequent pairs, of which a small text has many.
    probe = request["model"] + ".probe"
    chance = random.Random(0)  # noqa: S311 (not a secret)
    with open(probe, "w", encoding="ascii") as file:
        for _ in range(1000):
            letters = chance.choices("eeetttaaooiinnsshrdlu", k=chance.randint(1, 8))
            file.write("".join(letters) + " ")
    models = set()
    for run in range(3):
        youtokentome.BPE.train(
            data=probe, model=f"{probe}.{run}", vocab_size=700, n_threads=request["threads"]
        )
        with open(f"{probe}.{run}", "rb") as trained:
            models.add(trained.read())
        os.remove(f"{probe}.{run}")
    sys.stdout.write("reproducible\n" if len(models) == 1 else "varies\n")


if __name__ == "__main__":
    main()
