"""Training and tuning: what is learned, what is kept, what is refused, and that it repeats."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from embzip import tf
from embzip.classifier import Classifier, TextDigest, TrainingRun
from embzip.classifier.rebuilding import rebuild
from embzip.classifier.schedules import PruningShares
from embzip.compression import compress
from embzip.corpus import Example
from embzip.errors import EmbzipError, InputError, MismatchError
from embzip.evaluation.accuracy import evaluate
from embzip.tf.batches import Batches, batches_of, smallest_type, training_and_dev
from embzip.tf.optimizers import RowSparseAdam
from embzip.tf.tables import redrawn, table_of
from embzip.tokenizers import Normalization, WordTokenizer
from embzip.types import TrainingState
from embzip.vectors.base import Vectors
from embzip.vocabulary import Vocabulary

# Texts of a handful of words are alike, in training and in dev.
pytestmark = pytest.mark.filterwarnings("ignore:dev shares")

WORDS = sorted(f"w{index:02}" for index in range(60))
SMALL: Any = {"filters": 8, "windows": (1, 2), "learning_rate": 0.01}


def vectors(dim: int = 12) -> Vectors:
    tokenizer = WordTokenizer(WORDS, Normalization())
    matrix = np.random.default_rng(0).normal(0, 0.5, (len(WORDS) + 2, dim)).astype(np.float32)
    matrix[0] = 0
    counts = np.arange(len(WORDS) + 2)
    return Vectors(tokenizer.vocabulary, matrix, counts, tokenizer)


def examples(count: int, seed: int = 0) -> list[Example]:
    """Texts whose label is the one of three telling words they hold."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        label = int(rng.integers(3))
        words = [WORDS[int(i)] for i in rng.integers(3, len(WORDS), int(rng.integers(0, 8)))]
        words.insert(int(rng.integers(len(words) + 1)), WORDS[label])
        made.append(Example(text=" ".join(words), label="abc"[label]))
    return made


def accuracy(classifier: Classifier, test: list[Example]) -> float:
    predicted = classifier.predict([example.text for example in test])
    return float(np.mean([p.label == e.label for p, e in zip(predicted, test, strict=True)]))


def same(left: Classifier, right: Classifier) -> bool:
    return left.arrays.keys() == right.arrays.keys() and all(
        np.array_equal(left.arrays[name], right.arrays[name]) for name in left.arrays
    )


@pytest.mark.parametrize("optimizer", ["adam", "adam-rows"])
def test_it_learns_and_repeats_and_leaves_global_randomness_alone(optimizer: Any) -> None:
    states = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002
    options = {**SMALL, "epochs": 8, "optimizer": optimizer, "seed": 3, "batch_size": 16}
    first = tf.train(examples(200), vectors(), **options)
    again = tf.train(examples(200), vectors(), **options)
    assert accuracy(first.classifier, examples(100, seed=1)) > 0.95
    assert same(first.classifier, again.classifier)
    np.testing.assert_array_equal(
        first.classifier.embedding.decode(), again.classifier.embedding.decode()
    )
    assert first.dev_accuracy == again.dev_accuracy
    other = tf.train(examples(200), vectors(), **{**options, "seed": 4})
    assert not same(first.classifier, other.classifier)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002


def test_the_result_of_a_trained_table() -> None:
    source = vectors()
    result = tf.train(examples(100), source, epochs=2, **SMALL)
    embedding = result.classifier.embedding
    assert embedding.codec.spec == "float32"
    assert embedding.tokenizer is source.tokenizer
    np.testing.assert_array_equal(embedding.counts, source.counts)
    moved = np.abs(embedding.codes["values"] - source.matrix).max(axis=1)
    assert moved[0] == 0  # padding
    assert moved[2:5].min() > 0  # the telling words
    np.testing.assert_array_equal(source.matrix, vectors().matrix)  # the input is not changed
    assert len(result.epoch_seconds) == len(result.dev_accuracy) == 2
    assert min(result.epoch_seconds) > 0


def test_a_frozen_table_keeps_its_codes() -> None:
    table = compress(vectors(), "svd:6|int8")
    result = tf.train(examples(100), table, trainable=False, epochs=1, **SMALL)
    assert result.classifier.embedding is table
    plain = tf.train(examples(100), vectors(), trainable=False, epochs=1, **SMALL)
    np.testing.assert_array_equal(plain.classifier.embedding.decode(), vectors().matrix)


def test_a_compressed_table_may_be_trained_on() -> None:
    table = compress(vectors(), "int8")
    result = tf.train(examples(60), table, epochs=1, **SMALL)
    assert result.classifier.embedding.codec.spec == "float32"
    apart = np.abs(result.classifier.embedding.decode() - table.decode()).max()
    assert 0 < apart < 0.1


def test_the_best_epoch_on_dev_is_kept_and_training_stops_early() -> None:
    # Training labels are turned round in dev: the better it learns, the worse dev gets.
    turned = [replace(e, label="abc"["bca".index(e.label)]) for e in examples(60, seed=5)]
    result = tf.train(examples(200), vectors(), dev=turned, epochs=12, patience=2, **SMALL)
    best = int(np.argmax(result.dev_accuracy))
    assert len(result.dev_accuracy) == best + 3 < 12
    assert accuracy(result.classifier, turned) == pytest.approx(max(result.dev_accuracy))


def test_progress_counts_batches() -> None:
    seen: list[tuple[int, int]] = []
    states: list[TrainingState] = []

    def progress(done: int, total: int, state: TrainingState) -> None:
        seen.append((done, total))
        states.append(state)

    result = tf.train(
        examples(50), vectors(), dev=examples(5), epochs=20, patience=20, batch_size=20,
        progress=progress, **SMALL,
    )  # fmt: skip
    assert seen == [(done, 60) for done in range(1, 61)]
    assert [state.epoch for state in states] == [1 + batch // 3 for batch in range(60)]
    told = [None, *result.dev_accuracy[:-1]]
    assert [state.dev_accuracy for state in states] == [told[s.epoch - 1] for s in states]
    losses = [state.loss for state in states]
    assert abs(losses[0] - np.log(3)) < 0.5  # three labels, nothing learned yet
    assert losses[-1] < 0.5 < losses[2]


def test_ctrl_c_keeps_the_best_epoch_if_told_to() -> None:
    def progress(done: int, total: int, state: TrainingState) -> None:
        if done == 20:  # in the fourth epoch
            raise KeyboardInterrupt

    options: dict[str, Any] = {**SMALL, "dev": examples(40, seed=2), "batch_size": 10}
    result = tf.train(
        examples(60), vectors(), epochs=9, keep_interrupted=True, progress=progress, **options
    )
    whole = tf.train(examples(60), vectors(), epochs=3, **options)
    assert result.run.interrupted
    assert not whole.run.interrupted
    assert result.dev_accuracy == whole.dev_accuracy
    assert result.run.best_epoch == whole.run.best_epoch == int(np.argmax(whole.dev_accuracy)) + 1
    assert same(result.classifier, whole.classifier)
    with pytest.raises(KeyboardInterrupt):
        tf.train(examples(60), vectors(), epochs=9, progress=progress, **options)
    with pytest.raises(KeyboardInterrupt):  # no epoch has ended: there is nothing to keep
        tf.train(examples(400), vectors(), keep_interrupted=True, progress=progress, **options)


def test_many_trainings_are_not_taken_for_one_that_is_traced_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(8):
        tf.train(examples(40), vectors(), epochs=1, filters=4, windows=(1,))
    assert not [each for each in caplog.records if "retracing" in each.getMessage()]


def test_auto_takes_the_adam_that_is_faster() -> None:
    few = tf.train(examples(20), vectors(), epochs=1, **SMALL)
    words = sorted([*WORDS, *(f"x{index}" for index in range(1000))])
    tokenizer = WordTokenizer(words, Normalization())
    many = Vectors(tokenizer.vocabulary, np.ones((1062, 4), np.float32), tokenizer=tokenizer)
    assert few.run.optimizer == "adam"
    assert tf.train(examples(20), many, epochs=1, **SMALL).run.optimizer == "adam-rows"
    frozen = tf.train(examples(20), many, epochs=1, trainable=False, **SMALL)
    assert frozen.run.optimizer == "adam"
    named = tf.train(examples(20), many, epochs=1, optimizer="adam", **SMALL)
    assert named.run.optimizer == "adam"


def test_balanced_weights_are_scikit_learns() -> None:
    labels = np.array([0, 0, 0, 0, 0, 1, 2, 2], np.uint8)
    batches = Batches(np.ones(8, np.uint8), np.ones(8, np.int32), labels, max_length=1)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(batches.balance(3), expected, rtol=1e-6)
    targets = np.eye(3, dtype=np.float32)[labels]
    np.testing.assert_allclose(replace(batches, targets=targets).balance(3), expected, rtol=1e-6)
    assert batches.balance(4).tolist()[3] == 0, "no text has that label"


def test_balanced_class_weights_find_the_rare_label() -> None:
    """Where nothing tells labels apart, the answer follows their weights."""
    often, seldom = (Example(text=WORDS[7], label=label) for label in ("often", "seldom"))
    alike = [Example(text=WORDS[8], label="often"), *[often] * 899, *[seldom] * 100]
    options = {**SMALL, "epochs": 1, "batch_size": 20, "dev": [often, seldom], "dropout": 0.0}

    def found(**more: Any) -> float:
        result = tf.train(alike, vectors(), **options, **more)
        return float(result.classifier.probabilities([WORDS[7]])[0][0])

    assert found() > 0.8
    assert abs(found(class_weights="balanced") - 0.5) < 0.1
    rows = np.array([[0.9, 0.1]], np.float32).repeat(1000, axis=0)
    soft: Any = {"targets": rows, "labels": ["often", "seldom"]}
    assert found(**soft) > 0.8
    assert abs(found(class_weights="balanced", **soft) - 0.5) < 0.1


def test_max_length_is_the_99th_percentile_and_the_cut_share_is_told() -> None:
    short = [Example(text="w00 w05", label="a"), Example(text="w01 w06", label="b")] * 149
    long = [Example(text="w00 " * 30, label="a"), Example(text="w01 " * 40, label="b")]
    result = tf.train([*short, *long], vectors(), dev=short[:2], epochs=1, **SMALL)
    assert result.classifier.config.max_length == 2
    assert result.cut_share == pytest.approx(2 / 300)
    wide = tf.train(
        short, vectors(), dev=short[:2], epochs=1, filters=4, windows=(1, 5), batch_size=512
    )
    assert wide.classifier.config.max_length == 5  # at least the widest window
    with pytest.raises(InputError, match="at least the widest window"):
        tf.train(short, vectors(), max_length=1, **SMALL)


def test_ids_and_labels_are_in_the_smallest_sufficient_type() -> None:
    assert [smallest_type(n).name for n in (255, 256, 65_535, 65_536)] == [
        "uint8",
        "uint16",
        "uint16",
        "uint32",
    ]
    result = tf.train(examples(20), vectors(), epochs=1, **SMALL)
    model = result.classifier
    batches = batches_of(examples(20), model.labels, model.embedding, model.config)
    assert (batches.ids.dtype, batches.labels.dtype) == (np.uint8, np.uint8)


def test_training_and_prediction_see_the_same_numbers_whatever_the_padding() -> None:
    result = tf.train(examples(80), vectors(), epochs=1, max_length=40, **SMALL)
    model = result.classifier
    batches = batches_of(examples(30), model.labels, model.embedding, model.config)
    ids, _ = replace(batches, padding=40).cut(np.arange(30))
    assert ids.shape == (30, 40)
    found = np.asarray(tf.from_classifier(model)(ids))
    expected = model.probabilities([e.text for e in examples(30)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_foreign_table_gets_special_rows_and_a_tokenizer() -> None:
    foreign = Vectors(Vocabulary(["w01", "The", "w00"]), np.eye(3, 12))
    table = table_of(foreign, True, None)
    assert isinstance(table, Vectors)
    assert list(table.vocabulary) == ["<PAD>", "<UNK>", "The", "w00", "w01"]
    np.testing.assert_allclose(table.matrix[:2], [np.zeros(12), np.eye(3, 12).mean(axis=0)])
    np.testing.assert_array_equal(table.matrix[2:], np.eye(3, 12)[[1, 2, 0]])
    assert table.tokenizer is not None
    assert not table.tokenizer.normalization.lowercase  # the table tells cases apart
    lower = table_of(Vectors(Vocabulary(["w01", "w00"]), np.eye(2)), True, None)
    assert lower.tokenizer is not None
    assert lower.tokenizer.normalization.lowercase
    with pytest.warns(UserWarning, match="the training texts: 8.* of the tokens are unknown"):
        result = tf.train(examples(50), foreign, trainable=False, epochs=1, **SMALL)
    assert result.classifier.embedding.rows == 5
    assert result.classifier.encode(["The w00 zzz"]) == [[2, 3, 1]]


def test_a_foreign_tables_counts_move_with_its_rows() -> None:
    counts = np.array([7, 4, 2, 9])
    names = Vocabulary(["<UNK>", "w01", "w00", "w02"], unk_id=0)
    table = table_of(Vectors(names, np.eye(4), counts), True, None)
    assert isinstance(table, Vectors)
    assert table.counts is not None
    assert dict(zip(table.vocabulary, table.counts.tolist(), strict=True)) == {
        "<PAD>": 0, "<UNK>": 7, "w00": 2, "w01": 4, "w02": 9
    }  # fmt: skip


@pytest.mark.parametrize("odd", ["<UNK>", "[PAD]", "</s>", "UNK"])
def test_one_odd_token_does_not_decide_the_case(odd: str) -> None:
    foreign = Vectors(Vocabulary([*WORDS, odd]), np.random.default_rng(0).normal(size=(61, 12)))
    capitalised = [Example(text=e.text.upper(), label=e.label) for e in examples(60)]
    result = tf.train(capitalised, foreign, epochs=1, **SMALL)
    assert result.classifier.tokenizer.normalization.lowercase
    assert result.reach.unknown_rate == 0
    assert result.reach.unreachable == (odd,)
    assert result.reach.tokens == 61


def test_the_case_is_decided_by_hand_and_what_it_costs_is_warned_of() -> None:
    foreign = Vectors(Vocabulary(WORDS), np.random.default_rng(0).normal(size=(60, 12)))
    capitalised = [Example(text=e.text.upper(), label=e.label) for e in examples(60)]
    with pytest.warns(UserWarning, match=r"100.0% of the tokens are unknown .*--lowercase"):
        result = tf.train(capitalised, foreign, lowercase=False, epochs=1, **SMALL)
    assert not result.classifier.tokenizer.normalization.lowercase
    upper = Vectors(Vocabulary([word.upper() for word in WORDS]), foreign.matrix)
    assert tf.train(capitalised, upper, epochs=1, **SMALL).reach.unknown_rate == 0
    lost = "60 of the table's 60 tokens are never read, .* such as 'W00'"
    with pytest.warns(UserWarning, match="are unknown"), pytest.warns(UserWarning, match=lost):
        tf.train(capitalised, upper, lowercase=True, epochs=1, **SMALL)
    with pytest.raises(MismatchError, match=r"lowercase \(--lowercase.*has its own"):
        tf.train(capitalised, vectors(), lowercase=True, epochs=1, **SMALL)


def test_tokens_that_no_text_gives_are_counted() -> None:
    odd = ["the", "n't", "'s", "u.s.", "1,000", "--", "...", "e-mail", ":)", "cafe\u0301"]
    table = Vectors(Vocabulary([*WORDS, *odd]), np.random.default_rng(0).normal(size=(70, 12)))
    reach = tf.train(examples(60), table, epochs=1, **SMALL).reach
    assert sorted(reach.unreachable or ()) == sorted(odd[1:])
    assert reach.unknown_rate == 0
    own = tf.train(examples(60), vectors(), epochs=1, **SMALL).reach
    assert (own.unknown_rate, own.unreachable) == (0, None)


def test_a_frozen_compressed_table_without_special_rows_is_refused() -> None:
    bare = compress(np.eye(3, 12), "int8")
    with pytest.raises(MismatchError, match="vocabulary"):
        tf.train(examples(20), bare, **SMALL)
    foreign = compress(Vectors(Vocabulary(["w01", "w00"]), np.eye(2, 12)), "int8")
    with pytest.raises(MismatchError, match="needs a padding row"):
        tf.train(examples(20), foreign, trainable=False, **SMALL)


def test_a_random_table_has_the_spread_of_the_given_one() -> None:
    drawn = redrawn(vectors(200), seed=1)
    assert drawn.matrix[2:].std() == pytest.approx(vectors(200).matrix[2:].std(), rel=0.05)
    assert not drawn.matrix[0].any()
    np.testing.assert_array_equal(drawn.matrix, redrawn(vectors(200), seed=1).matrix)
    result = tf.train(examples(200), vectors(), random_init=True, epochs=8, **SMALL)
    assert accuracy(result.classifier, examples(100, seed=1)) > 0.8


# Case 21, and other labels


def test_case_21_one_class_only() -> None:
    with pytest.raises(InputError, match="at least two different labels, found only 'a'"):
        tf.train([Example(text="w00", label="a"), Example(text="w01", label="a")], vectors())
    with pytest.raises(InputError, match="two different texts, found only 'w00'"):
        tf.train([Example(text="w00", label="a"), Example(text="w00", label="b")], vectors())


@pytest.mark.filterwarnings("default:dev shares")
def test_dev_texts_that_stand_in_training_are_warned_of() -> None:
    few = [Example(text=f"w{index:02}", label="ab"[index % 2]) for index in range(8)]
    shares = "dev shares 2 of its 3 texts with training, such as 'w00'"
    with pytest.warns(UserWarning, match=shares):
        model = tf.train(
            few, vectors(), dev=[*few[:2], Example(text="w09", label="a")], **SMALL
        ).classifier
    with pytest.warns(UserWarning, match=shares):
        tf.tune(model, few, dev=[*few[:2], Example(text="w09", label="a")], epochs=1)
    with pytest.raises(InputError, match=r"dev must have labels of training \('a', 'b'\), found"):
        tf.train(few, vectors(), dev=[Example(text="w09", label="A")], **SMALL)


def test_case_21_a_label_seen_once_and_dev_labels_unseen_in_training() -> None:
    train = [*examples(60), Example(text="w50 w51", label="once")]
    dev = [
        Example(text="w00", label="a"),
        Example(text="w02", label="never"),
        Example(text="", label="never"),
    ]
    with pytest.warns(UserWarning, match="lacks, in 2 of its 3 texts: 'never'"):
        result = tf.train(train, vectors(), dev=dev, epochs=6, **SMALL)
    assert result.classifier.labels == ("a", "b", "c", "once")
    assert max(result.dev_accuracy) < 0.34  # the unseen label is an error


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_holding_out_leaves_every_label_in_training(count: int) -> None:
    few = [Example(text=f"w{index:02}", label=f"label {index}") for index in range(count)]
    kept, held_out = training_and_dev(few, None)
    assert {e.label for e in kept} == {e.label for e in few}
    assert held_out
    tf.train(few, vectors(), epochs=1, **SMALL)


def test_dev_is_a_tenth_by_a_fixed_hash() -> None:
    distinct = [Example(text=f"text {index}", label="ab"[index % 2]) for index in range(2000)]
    kept, held_out = training_and_dev(distinct, None)
    assert 0.08 < len(held_out) / 2000 < 0.12
    assert not {e.text for e in kept} & {e.text for e in held_out}


def test_case_28_texts_without_tokens() -> None:
    empty = [Example(text="", label="a"), Example(text="   ", label="b")] * 10
    model = tf.train(empty, vectors(), epochs=1, **SMALL).classifier
    assert np.isfinite(model.probabilities([""])).all()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"epochs": 0}, "epochs must lie in 1..65536, received 0"),
        ({"batch_size": -1}, "batch_size must lie in 1..65536"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive number"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd': the known ones are auto, adam, adam-rows"),
        ({"class_weights": "even"}, "unknown class weights 'even': the known ones are none, bal"),
        ({"windows": ()}, "windows"),
        ({"windows": (0, 1)}, "windows"),
        ({"filters": 0}, "filters"),
        ({"dropout": 1.0}, "dropout"),
        ({"dev": []}, "dev must contain examples"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(EmbzipError, match=rule):
        tf.train(examples(20), vectors(), **options)


# Tuning


@pytest.fixture(scope="module")
def trained() -> Classifier:
    return tf.train(examples(150), vectors(), epochs=3, **SMALL).classifier


@pytest.mark.parametrize("spec", ["svd:2|int8", "center|svd:2|int8:scale=column"])
def test_tuning_a_folded_model_keeps_the_codes(trained: Classifier, spec: str) -> None:
    small = rebuild(trained, codec=spec)
    assert small.config.indicator == spec.startswith("center")
    result = tf.tune(small, examples(150), epochs=10, learning_rate=0.01)
    assert result.tuned
    assert max(result.dev_accuracy) > result.dev_accuracy_before
    assert result.classifier.embedding is small.embedding
    assert not same(result.classifier, small)
    _, dev = training_and_dev(examples(150), None)
    assert accuracy(result.classifier, dev) == pytest.approx(max(result.dev_accuracy))


def test_a_model_that_tuning_does_not_better_is_kept(trained: Classifier) -> None:
    result = tf.tune(trained, examples(50), dev=examples(40, seed=9), epochs=1, learning_rate=50.0)
    assert not result.tuned
    assert result.classifier is trained
    assert result.dev_accuracy[0] <= result.dev_accuracy_before


def test_tuning_refuses_labels_it_does_not_know(trained: Classifier) -> None:
    with pytest.raises(InputError, match=r"does not know the label 'd'; it knows 'a', 'b', 'c'"):
        tf.tune(trained, [Example(text="w00", label="d")])
    with pytest.raises(InputError, match="received none"):
        tf.tune(trained, [])


# Row-sparse Adam


def lazy_adam(
    table: NDArray[np.float64], batches: list[tuple[list[int], NDArray[np.float64]]], rate: float
) -> NDArray[np.float64]:
    """The oracle: Adam in plain NumPy, only on the rows of each batch."""
    first, second = np.zeros_like(table), np.zeros_like(table)
    for step, (ids, gradients) in enumerate(batches, start=1):
        for row in sorted(set(ids)):
            summed = sum(g for i, g in zip(ids, gradients, strict=True) if i == row)
            first[row] = 0.9 * first[row] + 0.1 * summed
            second[row] = 0.999 * second[row] + 0.001 * summed**2
            mean, square = first[row] / (1 - 0.9**step), second[row] / (1 - 0.999**step)
            table[row] -= rate * mean / (np.sqrt(square) + 1e-7 / np.sqrt(1 - 0.999**step))
    return table


def test_row_sparse_adam_against_plain_numpy() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(6, 3))
    batches = [([1, 3, 1], rng.normal(size=(3, 3))), ([3, 4], rng.normal(size=(2, 3)))]
    batches += [([1, 4, 4, 4], rng.normal(size=(4, 3)))]
    weight = tensorflow.Variable(start.astype(np.float32))
    optimizer = RowSparseAdam(0.05)
    optimizer.build([weight])
    for ids, gradients in batches:
        sparse = tensorflow.IndexedSlices(
            tensorflow.constant(gradients, tensorflow.float32), tensorflow.constant(ids)
        )
        optimizer.apply([sparse], [weight])
    expected = lazy_adam(start.copy(), batches, 0.05)
    np.testing.assert_allclose(weight.numpy(), expected, atol=2e-6)
    np.testing.assert_array_equal(weight.numpy()[[0, 2, 5]], start.astype(np.float32)[[0, 2, 5]])


def test_rows_that_no_batch_reads_stay_as_they_are() -> None:
    source = vectors()
    result = tf.train(examples(60), source, epochs=1, optimizer="adam-rows", **SMALL)
    read = {
        token for ids in source.tokenizer.encode([e.text for e in examples(60)]) for token in ids
    }  # type: ignore[union-attr]
    unread = sorted(set(range(source.rows)) - read)
    np.testing.assert_array_equal(
        result.classifier.embedding.decode()[unread], source.matrix[unread]
    )


def test_how_it_was_trained_is_recorded_and_saved(tmp_path: Path) -> None:
    data = examples(300)
    kept, held_out = training_and_dev(data, None)
    options: Any = {"epochs": 4, "batch_size": 32, "seed": 7, **SMALL}
    result = tf.train(data, vectors(), **options)
    assert result.classifier.training.runs == (
        TrainingRun(
            kind="train",
            training=TextDigest.of(example.text for example in kept),
            dev=TextDigest.of(example.text for example in held_out),
            held_out=True,
            epochs=4,
            best_epoch=int(np.argmax(result.dev_accuracy)) + 1,
            batch_size=32,
            learning_rate=0.01,
            optimizer="adam",
            seed=7,
            patience=2,
            trainable=True,
            dev_accuracy=round(max(result.dev_accuracy), 4),
        ),
    )
    found = evaluate(result.classifier, held_out)
    assert abs(found.accuracy - max(result.dev_accuracy)) < 1e-6
    assert result.classifier.training.has_seen(TextDigest.of(each.text for each in data))
    paths = [tmp_path / "a.embz", tmp_path / "b.embz"]
    for path, texts in zip(paths, (data, [*data]), strict=True):
        tf.train(texts, vectors(), **options).classifier.save(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    turned = [replace(each, label="abc"["bca".index(each.label)]) for each in data]
    other = tf.train(turned, vectors(), **options).classifier.training
    assert other.runs[0].training == result.classifier.training.runs[0].training


def test_other_options_are_recorded() -> None:
    data, dev = examples(60), examples(9, seed=3)
    result = tf.train(
        data,
        vectors(),
        dev=dev,
        epochs=4,
        trainable=False,
        random_init=True,
        optimizer="adam-rows",
        pruning=PruningShares(0.5, frequency=1),
        batch_size=10,
        **SMALL,
    )
    (run,) = result.classifier.training.runs
    assert not run.interrupted
    assert (run.held_out, run.trainable, run.random_init) == (False, False, True)
    assert (run.optimizer, run.pruning) == ("adam-rows", PruningShares(0.5, frequency=1).over(24))
    assert run.training == TextDigest.of(each.text for each in data)
    assert run.dev == TextDigest.of(each.text for each in dev)


def test_a_tuning_is_recorded_where_it_is_kept() -> None:
    data, more, dev = examples(80), examples(200, seed=1), examples(40, seed=2)
    first = tf.train(data, vectors(), epochs=1, **{**SMALL, "learning_rate": 1e-4}).classifier
    small = rebuild(first, codec="svd:6|int8")
    assert small.training == first.training.measured(None)
    tuned = tf.tune(small, more, dev=dev, epochs=9, learning_rate=0.02, seed=4)
    assert tuned.tuned
    run = TrainingRun(
        kind="tune",
        training=TextDigest.of(each.text for each in more),
        dev=TextDigest.of(each.text for each in dev),
        held_out=False,
        epochs=9,
        best_epoch=int(np.argmax(tuned.dev_accuracy)) + 1,
        batch_size=64,
        learning_rate=0.02,
        optimizer="adam",
        seed=4,
        dev_accuracy=round(max(tuned.dev_accuracy), 4),
    )
    assert tuned.classifier.training == small.training.then(run)
    turned = [replace(each, label="abc"["bca".index(each.label)]) for each in more]
    again = tf.tune(tuned.classifier, turned, dev=dev, epochs=1, learning_rate=0.1, quantize=True)
    assert not again.tuned
    assert again.classifier.training == tuned.classifier.training.measured(None)
