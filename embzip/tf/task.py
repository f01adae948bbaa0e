"""What a training run needs: the table with its tokenizer, the model, the texts as ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embzip.classifier import Classifier, Encoder
from embzip.classifier.training_options import ClassWeights, Optimizer, chosen_optimizer
from embzip.compression import compress
from embzip.corpus import Example
from embzip.embedding import CompressedEmbedding
from embzip.layers.decoding import CompressedEmbeddingLayer, TrainableEmbedding
from embzip.tf.batches import Batches, batches_of, default_max_length, encode
from embzip.tf.classifiers import arrays_of, build_model
from embzip.tf.tables import reach_of, table_of
from embzip.tf.trainer import OPTIMIZERS, Trainer
from embzip.tokenizers.reach import Reach
from embzip.types import Matrix
from embzip.vectors.base import Vectors


@dataclass(frozen=True, eq=False)
class Task:
    """Everything that a training run needs."""

    table: Vectors | CompressedEmbedding
    labels: tuple[str, ...]
    config: Encoder
    model: Any
    trainer: Trainer
    batches: Batches
    cut_share: float
    reach: Reach
    optimizer: str

    @classmethod
    def prepare(
        cls,
        examples: Sequence[Example],
        labels: tuple[str, ...],
        vectors: Vectors | CompressedEmbedding,
        *,
        trainable: bool,
        max_length: int | None,
        encoder: type[Encoder],
        shape: Mapping[str, Any],
        learning_rate: float,
        seed: int,
        optimizer: Optimizer,
        class_weights: ClassWeights = "none",
        lowercase: bool | None = None,
        random_init: bool = False,
        targets: Matrix | None = None,
    ) -> "Task":
        # Refuses wrong options before the table is read.
        encoder.of(1, encoder.longest if max_length is None else max_length, shape)
        table = table_of(vectors, trainable, seed if random_init else None, lowercase)
        encoded = encode(table, examples)
        reach = reach_of(table, encoded, foreign=vectors.tokenizer is None)
        if max_length is None:
            lengths = [len(ids) for ids in encoded]
            least = encoder.least_length(shape)
            max_length = default_max_length(lengths, least=least, most=encoder.longest)
        config = encoder.of(table.dim, max_length, shape)
        layer: Any
        if isinstance(table, Vectors):
            pad_id = table.vocabulary.pad_id
            layer = TrainableEmbedding(table.matrix, pad_id=pad_id, name="embedding")
        else:
            layer = CompressedEmbeddingLayer(table, name="embedding")
        model = build_model(config, len(labels), layer, seed=seed)
        chosen = chosen_optimizer(optimizer, table.rows if isinstance(table, Vectors) else 0)
        batches = replace(batches_of(examples, labels, table, config, encoded), targets=targets)
        trainer = Trainer(
            model,
            OPTIMIZERS[chosen](learning_rate),
            soft=targets is not None,
            weights=batches.balance(len(labels)) if class_weights == "balanced" else None,
        )
        return cls(
            table,
            labels,
            config,
            model,
            trainer,
            batches,
            sum(len(ids) > max_length for ids in encoded) / len(encoded),
            reach,
            chosen,
        )

    def classifier(self) -> Classifier:
        """Return the trained model as a classifier."""
        table = self.table
        if isinstance(table, Vectors):
            trained = self.model.get_layer("embedding").table.value.numpy()
            table = compress(replace(table, matrix=trained), "float32")
        return Classifier(
            table, self.labels, self.config, arrays_of(self.model, self.config, len(self.labels))
        )
