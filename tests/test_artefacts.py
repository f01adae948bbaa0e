"""Files whose names do not say what they are: recognized by content, in every command."""

import shutil
import time
from pathlib import Path

import pytest

from embzip import artefacts
from embzip.compression import compress
from embzip.embz.format import load, save
from embzip.errors import InputError
from embzip.rewriting import rebuild_file
from tests.commands import outcome, stdout_of
from tests.models import tiny_classifier

# Keras' variables do not know NumPy 2's `copy` argument yet; no code of ours is involved.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.keras", "keras"),
        ("model.h5", "h5"),
        ("model.tflite", "tflite"),
        ("ref.pb", "frozen"),
        ("ref.pbtxt", "frozen"),
    ],
)
def test_a_renamed_file_is_what_it_holds(
    name: str, kind: str, folder: Path, tmp_path: Path
) -> None:
    expected = artefacts.inspect(folder / name)
    for other in ("model.bin", "model.embz", "model.keras", "model.pb", "model.h5", "model.tflite"):
        renamed = tmp_path / other
        shutil.copyfile(folder / name, renamed)
        assert artefacts.kind_of(renamed) == (kind, renamed)
        found = artefacts.inspect(renamed)
        assert (found.format, found.bytes) == (kind, expected.bytes)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_renamed_keras_file_is_rebuilt_and_slimmed(
    name: str, folder: Path, tmp_path: Path
) -> None:
    other = "model.h5" if name == "model.keras" else "model.keras"
    shutil.copyfile(folder / name, tmp_path / other)
    sizes, written = [], []
    for path in (folder / name, tmp_path / other):
        made = rebuild_file(path, tmp_path / "small.keras", codec="int8")
        slim = artefacts.slim(path, tmp_path / "slim.pb", to="frozen")
        sizes.append((made.layer, made.bytes_after, slim.bytes_after))
        written.append((tmp_path / "small.keras").read_bytes())
        time.sleep(1)  # Keras writes the second at which it saves
    assert sizes[0] == sizes[1]
    assert written[0] == written[1]


def test_a_renamed_graph_is_rebuilt(folder: Path, tmp_path: Path) -> None:
    for name, other in (("ref.pb", "graph.bin"), ("ref.pbtxt", "graph.txt")):
        shutil.copyfile(folder / name, tmp_path / other)
        made = rebuild_file(tmp_path / other, tmp_path / "small.pb", codec="int8")
        assert (made.format, made.embedding.shape) == ("frozen", (50, 6))


def test_a_renamed_embz_is_read_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_classifier().save("model.vec")
    save(compress(tiny_classifier().embedding, "int8"), "table.pb")
    Path("test.tsv").write_text("animals\tlion zoo\npeople\tpeople say\n")
    for command in (
        "inspect model.vec", "evaluate model.vec test.tsv", "predict model.vec test.tsv",
        "compress model.vec --codec int8 -o a.embz", "rebuild model.vec --codec int8 -o b.embz",
        "rebuild model.vec --embedding table.pb -o c.embz", "compare model.vec model.vec",
        "prune table.pb --max-vocab 5 --by norm -o d.embz",
        "factorize model.vec --rank 1 -o e.embz", "kit model.vec --name one -o f.embz",
    ):  # fmt: skip
        assert stdout_of(*command.split())
    assert load("a.embz").codec.spec == load("b.embz").codec.spec == "int8"


def test_inspect_lists_its_kinds_once_and_says_what_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "v.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(InputError) as caught:
        artefacts.inspect(tmp_path / "v.npy")
    message = str(caught.value)
    assert "found an array of NumPy (.npy): `embzip compress" in message
    for kind in (".embz", "checkpoint", "SavedModel", ".pbtxt", ".h5", ".keras", ".tflite"):
        assert message.count(kind) == 1


def test_slim_of_an_embz_says_why_not(tmp_path: Path) -> None:
    tiny_classifier().save(tmp_path / "m.embz")
    done = outcome("slim", tmp_path / "m.embz", "-o", tmp_path / "n.pb")
    assert (done.code, done.stdout) == (1, "")
    assert "already contains only what inference needs" in done.stderr
