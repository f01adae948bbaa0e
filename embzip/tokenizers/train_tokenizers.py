"""The child process that trains with Hugging Face tokenizers and writes a YTTM model file.

It reads a JSON request from standard input. It imports nothing from embzip.
"""

import json
import sys


def main() -> None:
    """Train as the request on standard input says."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    request = json.load(sys.stdin)
    space = request["space"]
    alphabet = [space, *request["alphabet"]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(f"[{request['separators']}]+"), "removed"),
            pre_tokenizers.Metaspace(space, prepend_scheme="always", split=False),
        ]
    )
    # Special tokens are left out: as strings they could be confused with pieces of the text.
    trainer = trainers.BpeTrainer(
        vocab_size=request["vocab"] - 4,
        min_frequency=1,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train([request["text"]], trainer)
    ids = {char: 4 + place for place, char in enumerate(alphabet)}
    merges = []
    for left, right in json.loads(tokenizer.to_str())["model"]["merges"]:
        # The trainer may have two merges that make the same piece; YTTM allows one per piece.
        if left + right not in ids:
            ids[left + right] = 4 + len(ids)
            merges.append((ids[left], ids[right], ids[left + right]))
    with open(request["model"], "w", encoding="ascii") as file:
        file.write(f"{len(alphabet)} {len(merges)}\n")
        file.writelines(f"{ord(char)} {ids[char]}\n" for char in alphabet)
        file.writelines(f"{left} {right} {new}\n" for left, right, new in merges)
        file.write("1 0 2 3\n")
    sys.stdout.write("reproducible\n")


if __name__ == "__main__":
    main()
