"""What Keras 2 computed under a name that means something else in Keras 3."""

from typing import Any

import keras
from keras import ops


def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Return 0.2 x + 0.5, between 0 and 1; the `hard_sigmoid` of Keras 3 is x / 6 + 0.5.

    Old recurrent layers have it as `recurrent_activation` by default.

    >>> hard_sigmoid_of_keras_2(keras.ops.array([-3.0, 0.0, 1.0])).numpy().tolist()
    [0.0, 0.5, 0.699999988079071]
    """
    return ops.clip(ops.add(ops.multiply(x, 0.2), 0.5), 0.0, 1.0)


keras.saving.register_keras_serializable(package="embzip")(hard_sigmoid_of_keras_2)
