"""A user's own Keras model: one embedding regenerated, or refused by name."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import embzip
from embzip.compression import compress
from embzip.embedding import CompressedEmbedding
from embzip.errors import MismatchError, UnsupportedModelError
from embzip.foreign import rebuild_file, rebuild_model
from embzip.foreign.running import open_model
from embzip.foreign.slimming import slim
from embzip.layers import CompressedEmbeddingLayer

# Keras asks NumPy 2 for an array in the old way when it saves, and when it trains, in places.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

ROWS, DIM, TIME = 50, 6, 7


def ids(seed: int = 0, rows: int = ROWS, texts: int = 4) -> Any:
    drawn = np.random.default_rng(seed).integers(1, rows, (texts, TIME)).astype(np.int32)
    drawn[:, TIME - 2 :] = 0
    return drawn


def words(name: str = "words", **options: Any) -> Any:
    return layers.Embedding(ROWS, DIM, name=name, **options)


def table_of(model: Any, *path: str, spec: str = "float32") -> CompressedEmbedding:
    layer = model
    for name in path or ("words",):
        layer = layer.get_layer(name)
    return compress(layer.get_weights()[0], spec)


def check_same(model: Any, rebuilt: Any, inputs: Any) -> None:
    """The float32 codec must change no bit; the given model must be left alone."""
    expected = keras.tree.map_structure(np.array, model(inputs))
    found = keras.tree.map_structure(np.array, rebuilt(inputs))
    keras.tree.map_structure(np.testing.assert_array_equal, expected, found)


def embedding_layers(model: Any) -> list[Any]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.Embedding)]


def sequential() -> Any:
    return keras.Sequential(
        [keras.Input((TIME,), dtype="int32"), words(), layers.Conv1D(5, 2), layers.Flatten()],
        name="plain",
    )


def test_sequential() -> None:
    model = sequential()
    rebuilt = rebuild_model(model, "words", table_of(model))
    check_same(model, rebuilt, ids())
    assert type(rebuilt) is keras.Sequential
    assert rebuilt.name == "plain"
    assert not embedding_layers(rebuilt)
    assert len(embedding_layers(model)) == 1  # the given model is not changed


def test_sequential_without_an_input_after_one_call() -> None:
    model = keras.Sequential([words(), layers.GlobalAveragePooling1D(), layers.Dense(2)])
    with pytest.raises(UnsupportedModelError, match="call it on one batch"):
        rebuild_model(model, "words", compress(np.zeros((ROWS, DIM)), "int8"))
    model(ids())
    rebuilt = rebuild_model(model, "words", table_of(model))
    check_same(model, rebuilt, ids())


def test_the_copy_shares_no_weights() -> None:
    model = sequential()
    before = [weight.copy() for weight in model.get_weights()]
    rebuilt = rebuild_model(model, None, table_of(model))
    for weight in rebuilt.trainable_variables:
        weight.assign(weight + 1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_codes_are_close_and_stay_int8() -> None:
    model = sequential()
    table = table_of(model, spec="svd:6|int8")
    rebuilt = rebuild_model(model, "words", table)
    layer = rebuilt.get_layer("words")
    assert sorted(str(weight.dtype) for weight in layer.weights) == ["float32", "float32", "int8"]
    np.testing.assert_allclose(layer(ids()), table[ids()], rtol=1e-5, atol=1e-7)


def test_case_74_a_shared_embedding() -> None:
    left, right = (keras.Input((TIME,), dtype="int32", name=n) for n in ("left", "right"))
    shared = words()
    joined = layers.Concatenate()([shared(left), shared(right)])
    model = keras.Model({"left": left, "right": right}, layers.Dense(3)(joined))
    rebuilt = rebuild_model(model, "words", table_of(model))
    check_same(model, rebuilt, {"left": ids(1), "right": ids(2)})
    found = [x for x in rebuilt._flatten_layers() if isinstance(x, CompressedEmbeddingLayer)]
    assert len(found) == 1


def test_masks_reach_recurrent_layers() -> None:
    inputs = keras.Input((None,), dtype="int32")
    hidden = layers.Bidirectional(layers.LSTM(3))(words(mask_zero=True)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(hidden))
    rebuilt = rebuild_model(model, "words", table_of(model))
    check_same(model, rebuilt, ids())
    # The last two ids are masked: without them the answer is the same.
    np.testing.assert_allclose(rebuilt(ids()), rebuilt(ids()[:, : TIME - 2]), rtol=1e-5)


def test_several_inputs_outputs_and_operations() -> None:
    text = keras.Input((TIME,), dtype="int32", name="text")
    price = keras.Input((2,), name="price")
    pooled = ops.max(words()(text) * 2.0 + np.arange(DIM, dtype=np.float32), axis=1)
    scaled = layers.Lambda(lambda x: x / 3)(pooled)
    joined = ops.concatenate([scaled, layers.BatchNormalization()(price)], axis=-1)
    dropped = layers.Dropout(0.5)(joined)
    model = keras.Model([text, price], {"a": layers.Dense(2)(dropped), "b": ops.sum(joined)})
    rebuilt = rebuild_model(model, "words", table_of(model))
    check_same(model, rebuilt, [ids(), np.ones((4, 2), np.float32)])


def tower(name: str = "tower") -> Any:
    inputs = keras.Input((TIME,), dtype="int32")
    return keras.Model(inputs, layers.GlobalMaxPooling1D()(words()(inputs)), name=name)


def test_a_nested_functional_model_used_twice() -> None:
    inner = tower()
    left, right = keras.Input((TIME,), dtype="int32"), keras.Input((TIME,), dtype="int32")
    model = keras.Model(
        [left, right], layers.Dense(2)(layers.Subtract()([inner(left), inner(right)]))
    )
    rebuilt = rebuild_model(model, "tower/words", table_of(model, "tower", "words"))
    check_same(model, rebuilt, [ids(1), ids(2)])
    assert not embedding_layers(rebuilt)


def test_a_nested_sequential_in_a_sequential() -> None:
    inner = keras.Sequential([keras.Input((TIME,), dtype="int32"), words(), layers.Dense(4)])
    model = keras.Sequential([keras.Input((TIME,), dtype="int32"), inner, layers.Flatten()])
    rebuilt = rebuild_model(model, "words", compress(inner.layers[0].get_weights()[0], "float32"))
    check_same(model, rebuilt, ids())
    assert not embedding_layers(rebuilt)


def test_an_embedding_shared_by_the_model_and_one_nested_in_it() -> None:
    shared = words()
    entrance = keras.Input((TIME,), dtype="int32")
    inner = keras.Model(entrance, layers.Dense(DIM)(shared(entrance)), name="inner")
    inputs = keras.Input((TIME,), dtype="int32")
    model = keras.Model(inputs, layers.Add()([inner(inputs), shared(inputs)]))
    rebuilt = rebuild_model(model, None, table_of(model))
    check_same(model, rebuilt, ids())
    assert len({id(x) for x in rebuilt._flatten_layers() if x.name == "words"}) == 1


def own_loss(expected: Any, found: Any) -> Any:
    return ops.mean(ops.abs(expected - found))


def test_compiled_models_come_back_without_an_optimizer() -> None:
    inner = tower()
    inner.compile("adam", own_loss)
    inputs = keras.Input((TIME,), dtype="int32")
    model = keras.Model(inputs, layers.Dense(1)(inner(inputs)))
    model.compile("adam", own_loss)
    model.fit(ids(), np.ones((4, 1), np.float32), verbose=0)
    rebuilt = rebuild_model(model, "words", table_of(model, "tower", "words"))
    check_same(model, rebuilt, ids())
    assert not rebuilt.compiled
    assert not rebuilt.get_layer("tower").compiled


def test_adapted_layers_keep_their_state() -> None:
    reading = layers.TextVectorization(max_tokens=ROWS, output_sequence_length=TIME)
    reading.adapt(["the sea the ship", "the sun"])
    scaling = layers.Normalization(axis=-1)
    scaling.adapt(np.random.default_rng(0).normal(3, 2, (20, 2)))
    text = keras.Input((), dtype="string")
    price = keras.Input((2,))
    pooled = layers.GlobalMaxPooling1D()(words()(reading(text)))
    model = keras.Model([text, price], layers.Concatenate()([pooled, scaling(price)]))
    rebuilt = rebuild_model(model, "words", table_of(model))
    texts = ops.convert_to_tensor(["the ship", "a sun"], dtype="string")
    check_same(model, rebuilt, [texts, ops.ones((2, 2))])


def test_half_precision_outputs_stay_half_precision() -> None:
    inputs = keras.Input((TIME,), dtype="int32")
    model = keras.Model(inputs, words(dtype="mixed_float16")(inputs))
    rebuilt = rebuild_model(model, "words", table_of(model))
    assert rebuilt.output.dtype == "float16"
    check_same(model, rebuilt, ids())


def test_a_padding_row_reads_as_zeros_and_a_foreign_one_does_not() -> None:
    model = sequential()
    rebuilt = rebuild_model(model, "words", table_of(model, spec="int8"))
    assert rebuilt.get_layer("words").pad_id is None
    assert np.abs(rebuilt.get_layer("words")(np.zeros((1, 1), np.int32))).max() > 0


@pytest.mark.parametrize("spec", ["int8", "svd:8|int8"])
def test_the_saved_file_holds_codes_and_other_variables_and_little_else(
    tmp_path: Path, spec: str
) -> None:
    inputs = keras.Input((TIME,), dtype="int32")
    hidden = layers.Dense(64)(layers.Flatten()(layers.Embedding(20_000, 16, name="words")(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(hidden))
    model.compile("adam", "mse")
    model.fit(ids(), np.ones((4, 2), np.float32), verbose=0)
    table = table_of(model, spec=spec)
    rebuilt = rebuild_model(model, "words", table)
    path = tmp_path / "small.keras"
    rebuilt.save(path)
    others = sum(weight.nbytes for weight in model.get_weights()) - 20_000 * 16 * 4
    assert path.stat().st_size <= 1.1 * (table.nbytes + others)
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded(ids()), rebuilt(ids()))
    assert loaded.get_layer("words").codec.spec == spec


# What is refused, and by which name


def test_case_74_no_embedding_layer() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="dense_only")
    for name in (None, "words"):
        with pytest.raises(UnsupportedModelError, match="'dense_only' has no") as caught:
            rebuild_model(model, name, compress(np.zeros((ROWS, DIM)), "int8"))
        assert "\n" not in str(caught.value)


def two() -> Any:
    inputs = keras.Input((TIME,), dtype="int32")
    return keras.Model(inputs, layers.Add()([words("first")(inputs), words("second")(inputs)]))


def test_case_74_two_embedding_layers() -> None:
    model = two()
    table = table_of(model, "second")
    with pytest.raises(UnsupportedModelError, match=r"'first', 'second'.*pass one of these paths"):
        rebuild_model(model, None, table)
    with pytest.raises(UnsupportedModelError, match=r"no layer 'third'.*'first', 'second'"):
        rebuild_model(model, "third", table)
    rebuilt = rebuild_model(model, "second", table)
    check_same(model, rebuilt, ids())
    assert [layer.name for layer in embedding_layers(rebuilt)] == ["first"]


def test_a_rebuilt_model_can_be_rebuilt_again(tmp_path: Path) -> None:
    inputs = keras.Input((TIME,), dtype="int32")
    joined = layers.Concatenate()([words("first")(inputs), words("second")(inputs)])
    model = keras.Model(inputs, layers.Conv1D(5, 2, name="filters")(joined))
    half = rebuild_model(model, "first", table_of(model, "first", spec="int8"))
    # What is not compressed yet is meant where nothing is named.
    both = rebuild_model(half, None, table_of(model, "second", spec="int8"))
    both.save(tmp_path / "both.keras")
    made = rebuild_file(tmp_path / "both.keras", tmp_path / "again.keras", codec="int4", every=True)
    again = keras.models.load_model(tmp_path / "again.keras")
    # The oracle: the model itself over rows that were rounded twice.
    for name in ("first", "second"):
        rounded = compress(table_of(model, name, spec="int8").decode(), "int4").decode()
        model.get_layer(name).set_weights([rounded])
    np.testing.assert_allclose(again(ids()), model(ids()), atol=1e-6)
    assert [made.embedding.codec.spec, made.more[0].embedding.codec.spec] == ["int4", "int4"]


def test_layers_of_one_name_are_told_apart_by_their_path() -> None:
    inputs = keras.Input((TIME,), dtype="int32")
    inner, other = tower("tower"), tower("other")
    outer = ops.max(words()(inputs), axis=1)
    model = keras.Model(inputs, layers.Add()([inner(inputs), other(inputs), outer]))
    with pytest.raises(UnsupportedModelError, match="'tower/words', 'other/words'"):
        rebuild_model(model, None, compress(np.zeros((ROWS, DIM)), "int8"))
    for path in ("tower/words", "words"):  # the latter is the outermost
        rebuilt = rebuild_model(model, path, table_of(model, *path.split("/")))
        check_same(model, rebuilt, ids())
    without = keras.Model(inputs, layers.Add()([inner(inputs), other(inputs)]))
    with pytest.raises(UnsupportedModelError, match=r"several layers .* match"):
        rebuild_model(without, "words", compress(np.zeros((ROWS, DIM)), "int8"))


class Subclassed(keras.Model):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.words = words()

    def call(self, inputs: Any) -> Any:
        return ops.max(self.words(inputs), axis=1)


def test_case_74_subclassed_models() -> None:
    model = Subclassed(name="mine")
    model(ids())
    table = compress(np.zeros((ROWS, DIM)), "int8")
    with pytest.raises(UnsupportedModelError, match=r"'mine' is of the subclass Subclassed"):
        rebuild_model(model, "words", table)
    inputs = keras.Input((TIME,), dtype="int32")
    around = keras.Model(inputs, model(inputs))
    with pytest.raises(UnsupportedModelError, match=r"'mine' is of the subclass Subclassed"):
        rebuild_model(around, "words", table)


def test_what_is_no_model() -> None:
    with pytest.raises(UnsupportedModelError, match=r"received str.*load_model"):
        rebuild_model("model.keras", None, compress(np.zeros((ROWS, DIM)), "int8"))


def test_a_layer_that_is_no_embedding() -> None:
    model = sequential()
    with pytest.raises(UnsupportedModelError, match=r"'conv1d.*' is a Conv1D"):
        rebuild_model(model, model.layers[1].name, table_of(model))


class Positional(layers.Embedding):
    def call(self, inputs: Any) -> Any:
        return super().call(inputs) + 1.0


def test_subclasses_of_embedding() -> None:
    model = keras.Sequential(
        [keras.Input((TIME,), dtype="int32"), Positional(ROWS, DIM, name="words")]
    )
    for name in (None, "words"):
        with pytest.raises(
            UnsupportedModelError, match="a Positional, a subclass that may compute"
        ):
            rebuild_model(model, name, table_of(model))


def test_an_embedding_inside_time_distributed() -> None:
    inputs = keras.Input((3, TIME), dtype="int32")
    encoder = keras.Sequential(
        [keras.Input((TIME,), dtype="int32"), words(mask_zero=True), layers.GRU(4)], name="encoder"
    )
    sentences = layers.TimeDistributed(encoder, name="each")(inputs)
    first = encoder(inputs[:, 0])  # the same encoder outside
    bare = layers.TimeDistributed(layers.TimeDistributed(words("bare")), name="bare_each")(
        ops.expand_dims(inputs, 1)
    )
    model = keras.Model(inputs, [layers.GRU(3)(sentences), first, bare])
    sentence = np.stack([ids(1), ids(2), ids(3)], axis=1)
    rebuilt = rebuild_model(model, "each/encoder/words", compress(rows(encoder), "float32"))
    check_same(model, rebuilt, sentence)
    assert rebuilt.get_layer("each").layer is rebuilt.get_layer("encoder")
    both = embzip.rebuild(rebuilt, codec="float32", layer="bare")
    check_same(model, both, sentence)
    assert not embedding_layers(both)
    with pytest.raises(UnsupportedModelError, match=r"'each/encoder/words', .*'bare_each/"):
        rebuild_model(model, None, table_of(encoder))


def rows(model: Any) -> Any:
    return model.get_layer("words").get_weights()[0]


def test_a_reversible_embedding_is_compressed_at_both_uses_where_asked_for(tmp_path: Path) -> None:
    shared = layers.ReversibleEmbedding(ROWS, DIM, logit_soft_cap=3.0, mask_zero=True, name="words")
    inputs = keras.Input((TIME,), dtype="int32")
    model = keras.Model(inputs, shared(layers.LSTM(DIM)(shared(inputs)), reverse=True))
    table = table_of(model)
    with pytest.raises(UnsupportedModelError, match=r"'words' is a ReversibleEmbedding.*--tied"):
        rebuild_model(model, "words", table)
    rebuilt = rebuild_model(model, "words", table, tied=True)
    np.testing.assert_allclose(rebuilt(ids()), model(ids()), atol=1e-6)
    assert not embedding_layers(rebuilt)
    rebuilt.save(tmp_path / "small.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "small.keras")(ids()),
                                  rebuilt(ids()))  # fmt: skip
    # With codes, the oracle is the model itself over the decoded rows.
    small = rebuild_model(model, "words", table_of(model, spec="int4"), tied=True)
    shared.set_weights([table_of(model, spec="int4").decode()])
    np.testing.assert_allclose(small(ids()), model(ids()), atol=1e-6)


def test_a_reversible_embedding_with_two_tables_is_refused() -> None:
    shared = layers.ReversibleEmbedding(ROWS, DIM, tie_weights=False, name="words")
    inputs = keras.Input((TIME,), dtype="int32")
    model = keras.Model(inputs, shared(layers.LSTM(DIM)(shared(inputs)), reverse=True))
    with pytest.raises(UnsupportedModelError, match="a second table for the way back"):
        rebuild_model(model, "words", compress(np.ones((ROWS, DIM)), "int8"), tied=True)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_a_model_that_keras_has_quantized(mode: str, tmp_path: Path) -> None:
    inputs = keras.Input((TIME,), dtype="int32")
    hidden = layers.GlobalAveragePooling1D()(words()(inputs))
    model = keras.Model(inputs, layers.Dense(4, name="end")(hidden))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # layers that Keras does not quantize
        model.quantize(mode)
    model.save(tmp_path / "quantized.keras")
    made = rebuild_file(tmp_path / "quantized.keras", tmp_path / "small.keras", codec="float32")
    assert made.embedding is not None
    looked_up = model.get_layer("words")(np.arange(ROWS))
    np.testing.assert_allclose(made.embedding.decode(), looked_up, atol=1e-6)
    found = keras.models.load_model(tmp_path / "small.keras")
    np.testing.assert_allclose(found(ids()), model(ids()), atol=1e-6)
    assert "int8" in [w.dtype for w in found.get_layer("end").weights]


class Tied(layers.Layer):
    def __init__(self, source: Any, **options: Any) -> None:
        super().__init__(**options)
        self.source = source

    def call(self, inputs: Any) -> Any:
        return ops.matmul(inputs, ops.transpose(self.source.embeddings))


def tied_model(how: str) -> Any:
    inputs = keras.Input((TIME,), dtype="int32")
    layer = words()
    hidden = ops.max(layer(inputs), axis=1)
    if how == "constant":
        outputs = ops.matmul(hidden, ops.transpose(layer.embeddings))
    elif how == "scaled":
        outputs = ops.matmul(hidden, ops.transpose(layer.embeddings) * 2)
    elif how == "layer":
        outputs = Tied(layer)(hidden)
    else:
        outputs = layers.Lambda(lambda x: ops.matmul(x, ops.transpose(layer.embeddings)))(hidden)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("how", ["constant", "scaled", "layer", "lambda"])
def test_case_74_tied_tables(how: str) -> None:
    model = tied_model(how)
    with pytest.raises(UnsupportedModelError, match="the table of 'words' is tied"):
        rebuild_model(model, "words", table_of(model))


class Unsaveable(layers.Layer):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def call(self, inputs: Any) -> Any:
        return inputs * self.width

    def get_config(self) -> dict[str, Any]:
        return {}


def test_a_layer_that_cannot_be_copied_is_named() -> None:
    inputs = keras.Input((TIME,), dtype="int32")
    model = keras.Model(inputs, Unsaveable(3)(words()(inputs)))
    with pytest.raises(UnsupportedModelError, match="of type Unsaveable cannot be copied"):
        rebuild_model(model, "words", table_of(model))


@pytest.mark.parametrize("shape", [(ROWS - 1, DIM), (ROWS, DIM + 1)])
def test_case_75_another_size(shape: tuple[int, int]) -> None:
    with pytest.raises(MismatchError, match=f"is {ROWS} x {DIM}, .*{shape[0]} rows"):
        rebuild_model(sequential(), "words", compress(np.zeros(shape), "int8"))


@keras.saving.register_keras_serializable("tests")
class Holding(layers.Layer):
    """An output layer that holds the Embedding of the model, as a file has it."""

    def __init__(self, source: Any, **options: Any) -> None:
        super().__init__(**options)
        self.source = source

    def call(self, inputs: Any) -> Any:
        return ops.matmul(inputs, ops.transpose(self.source.embeddings))

    def get_config(self) -> dict[str, Any]:
        held = keras.saving.serialize_keras_object(self.source)
        return {**super().get_config(), "source": held}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        held = keras.saving.deserialize_keras_object(config.pop("source"))
        return cls(held, **config)


def test_a_file_whose_layer_holds_the_embedding_says_so_and_what_there_is(tmp_path: Path) -> None:
    large = layers.Embedding(900, 6, name="words")  # so large that its shape is checked
    inputs = keras.Input((TIME,), dtype="int32", name="ids")
    hidden = layers.GRU(6)(large(inputs))
    model = keras.Model(inputs, Holding(large, name="out")(hidden))
    model.save(tmp_path / "tied.keras")
    with pytest.raises(UnsupportedModelError, match=r"'words' is tied: 'out' \(Holding\).*--tied"):
        rebuild_file(tmp_path / "tied.keras", tmp_path / "out.keras", codec="float32")
    # The way that the message names.
    slim(tmp_path / "tied.keras", tmp_path / "saved", to="savedmodel")
    made = rebuild_file(tmp_path / "saved", tmp_path / "small", codec="float32", tied=True)
    assert made.embedding is not None
    (found,) = open_model(tmp_path / "small").run({"ids": ids()}).values()
    np.testing.assert_allclose(found, model(ids()), atol=1e-6)
