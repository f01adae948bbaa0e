"""Says what is odd about the labels of a file: a header row, ids or texts in the label's place.

Such files are read and trained without an error, and the classifier is wrong. What a row is, says
`corpus`; here is only judged what the labels of all rows look like together.
"""

from collections import Counter

_MOST_LABELS = 10_000  # later ones are not looked at, which bounds the memory
_MOST_LENGTHS = 100_000
_QUOTED = 60


class LabelCheck:
    """Looks at the rows of one file as they pass; `oddity` says what was seen.

    Examples
    --------
    >>> check = LabelCheck()
    >>> for number, label in enumerate(["topic", "sport", "sport", "money", "money"], start=1):
    ...     check.add(number, label, "some text")
    >>> check.oddity()
    "the first row's label is in no other row, line 1 'topic\\\\tsome text': if it is a header, ..."
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, tuple[int, str]] = {}  # the line that has a label first
        self._lengths: list[tuple[int, int]] = []  # of label and text
        self._wider = 0  # rows with a third column, of those

    def add(self, number: int, label: str, text: str) -> None:
        """Look at the row in a line of this number."""
        if label not in self._counts:
            if len(self._counts) == _MOST_LABELS:
                return
            self._first[label] = (number, f"{label[:_QUOTED]}\t{text}"[:_QUOTED])
        self._counts[label] += 1
        if len(self._lengths) < _MOST_LENGTHS:
            self._lengths.append((len(label), len(text)))
            self._wider += "\t" in text

    def oddity(self) -> str | None:
        """Return what is odd, with a row that shows it; None of labels as they should be."""
        from statistics import median  # imported here: who serves reads no labels

        rows = self._counts.total()
        if rows < 3:
            return None
        alone = [label for label, count in self._counts.items() if count == 1]
        labels, texts = (median(lengths) for lengths in zip(*self._lengths, strict=True))
        if labels > texts:
            return (
                f"labels are longer than texts, {labels:.0f} characters and {texts:.0f} on the "
                f"median, such as {self._row(next(iter(self._counts)))}: lines must be "
                "label<TAB>text, so exchange the columns if the text comes first"
            )
        if 2 * len(alone) > rows:
            return (
                f"{len(alone):,} of {rows:,} rows have a label that no other row has, such as "
                f"{self._row(alone[0])}: lines must be label<TAB>text, so remove what stands "
                "before the label, such as a number, or exchange the columns"
            )
        if 2 * self._wider > len(self._lengths):
            return (
                f"{self._wider:,} of {len(self._lengths):,} rows have a third column, which is "
                f"read as text, such as {self._row(next(iter(self._counts)))}: lines must be "
                "label<TAB>text, so remove what stands behind the text"
            )
        said = []
        if alone and alone[0] == next(iter(self._counts)):
            row = self._row(alone.pop(0))
            said.append(
                f"the first row's label is in no other row, {row}: if it is a header, remove it"
            )
        if alone:
            more = f", and {len(alone) - 1:,} more such labels" if len(alone) > 1 else ""
            said.append(
                f"a label is in one row only, {self._row(alone[0])}{more}: correct it if it is "
                "misspelt"
            )
        return "; ".join(said) or None

    def _row(self, label: str) -> str:
        number, line = self._first[label]
        return f"line {number} {line!r}"
