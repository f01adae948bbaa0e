"""Texts that are in memory already."""

from collections.abc import Iterable, Iterator

from embzip.errors import InputTypeError


class Texts:
    """Texts in memory, where a corpus is asked for: of a list, a pandas or `datasets` column, ...

    Parameters
    ----------
    texts
        Strings. What is iterable once, such as a generator, is read once.
    name
        What messages call them.

    Raises
    ------
    InputTypeError
        For one string in the place of several; when it is read, for what is no string.

    Examples
    --------
    >>> list(Texts(["rain in the north", "three goals"]))
    ['rain in the north', 'three goals']
    """

    def __init__(self, texts: Iterable[str], name: str = "texts") -> None:
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            raise InputTypeError(
                f"texts must be an iterable of str, received {type(texts).__name__}: put one text "
                "in a list"
            )
        self._texts, self._name = texts, name

    def __iter__(self) -> Iterator[str]:
        for row, text in enumerate(self._texts):
            if not isinstance(text, str):
                raise InputTypeError(
                    f"{self._name}, text {row}: expected str, received {type(text).__name__}"
                )
            yield text

    def __str__(self) -> str:
        return self._name
