"""What sentence-transformers and model2vec make of exported tables, beside what embzip makes.

    uv pip install --python .venv/bin/python --target bench/site sentence-transformers torch
    python -m scripts.check_static_models bench/site data/tagmynews/train.tsv.xz

torch is too large for the project's environment, so sentence-transformers stands in a folder of its
own, and a process of its own reads it. Tables are trained on the first texts of the file, of
which the last are encoded. Differences are the largest of any number: of rows, to our decoded row
of the token; of means, to the mean of our rows, for model2vec without unknown tokens.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import embzip
from embzip.static_models import export_static
from embzip.tokenizers.base import Tokenizer
from embzip.types import Matrix

CODECS = ("int8", "svd|tcq:2")
CHILD = """
import json, sys
import numpy as np
folder, texts, tokens, out = sys.argv[1:]
texts, tokens = (json.load(open(each)) for each in (texts, tokens))
{load}
np.savez(out, means=means, rows=rows)
print(version)
"""
LOADS = {
    "model2vec": """
import importlib.metadata, model2vec
model = model2vec.StaticModel.from_pretrained(folder)
means = model.encode(texts, use_multiprocessing=False)
rows = model.encode(tokens, use_multiprocessing=False)
version = importlib.metadata.version("model2vec")
""",
    "sentence-transformers": """
import sentence_transformers
model = sentence_transformers.SentenceTransformer(folder, device="cpu", local_files_only=True)
means, rows = model.encode(texts), model.encode(tokens)
version = sentence_transformers.__version__
""",
}


def run(
    library: str, site: Path, folder: Path, texts: Path, tokens: Path
) -> tuple[Matrix, Matrix, str]:
    """Return what a library makes of texts of one token, and of texts, and its version."""
    out = folder.parent / "answers.npz"
    environment = {
        **os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    code = CHILD.format(load=LOADS[library])
    command = [sys.executable, "-c", code, *map(str, (folder, texts, tokens, out))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{library}: {done.stderr.strip().splitlines()[-1]}")
    with np.load(out) as found:
        return found["rows"], found["means"], done.stdout.strip().splitlines()[-1]


def means(table: embzip.CompressedEmbedding, texts: Sequence[str], skip: int | None) -> Matrix:
    """Return the mean row of each text, without an id that is skipped."""
    every = [[i for i in ids if i != skip] for ids in table.encode(texts)]
    zero = np.zeros(table.dim, np.float32)
    return np.stack([table[ids].mean(axis=0) if ids else zero for ids in every])


def tokenizers_of(texts: embzip.Texts, folder: Path) -> dict[str, Tokenizer]:
    """Return a tokenizer of words and one of pieces."""
    words = embzip.build_words(texts, min_count=2)
    return {"words": words, "pieces": embzip.build_bpe(texts, folder / "bpe.model", vocab=4000)}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--dim", type=int, default=100)
    given = parser.parse_args()
    every = [each.text for each in embzip.read_examples(given.data)]
    texts, corpus = every[-given.texts :], embzip.Texts(every[: -given.texts])
    columns = [f"{library}, {what}" for library in LOADS for what in ("rows", "means")]
    print(f"| table | .embz | written for | folder | {' | '.join(columns)} |")
    print(f"|---|--:|---|--:|{'--:|' * len(columns)}")
    versions = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts").write_text(json.dumps(texts))
        for kind, tokenizer in tokenizers_of(corpus, folder).items():
            vectors = embzip.train_vectors(corpus, tokenizer, dim=given.dim)
            # Texts of one token: of pieces, those that begin a word.
            named = [token.removeprefix("\u2581") for token in list(vectors.vocabulary)[4:]]
            ids = tokenizer.encode(named)
            single = [each for each, found in zip(named, ids, strict=True) if len(found) == 1]
            (folder / "tokens").write_text(json.dumps(single))
            for codec in CODECS:
                table = embzip.compress(vectors, codec)
                embzip.save(table, folder / "t.embz")
                shown = codec.replace("|", "\\|")
                told = f"{kind}, {table.rows:,} x {table.dim}, `{shown}`"
                for to in LOADS:
                    made = export_static(table, folder / "model", to=to)
                    gaps: list[str] = []
                    for library in LOADS:
                        read = (folder / "texts", folder / "tokens")
                        rows, of_texts, versions[library] = run(
                            library, given.site, made.path, *read
                        )
                        skip = table.unk_id if library == "model2vec" else None
                        for found, of in ((rows, single), (of_texts, texts)):
                            gaps.append(f"{np.abs(found - means(table, of, skip)).max():.0e}")
                    size = f"{(folder / 't.embz').stat().st_size:,}"
                    after = f"{made.nbytes:,}, {made.dtype}"
                    print(f"| {told} | {size} | {to} | {after} | {' | '.join(gaps)} |", flush=True)
    print(f"\n{len(texts):,} texts; {' and '.join(map(' '.join, versions.items()))}")


if __name__ == "__main__":
    main()
