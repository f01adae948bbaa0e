"""Tables by which a text is normalized and split without Python: of this Python's own Unicode.

Other languages have other versions of Unicode built in, so what `unicodedata`, `str.lower` and
`\\w` say here is written into tables of ranges. Normalizing takes four steps, of which the first
two are one look-up of each code point: decompose, lower-case, order the marks, compose. That gives
what NFC, lower-casing and NFC give, one after another: lower-casing changes no canonical
equivalence.
"""

import unicodedata
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

OTHER, WORD, MARK, JOINER, SPACE = range(5)  # what a code point is to the word pattern
MAPPED, JOINS, CASED, IGNORABLE = 8, 16, 32, 64  # flags above that

_CODES = 0x110000
_HANGUL = range(0xAC00, 0xAC00 + 11172)  # decomposed by arithmetic
_VOWELS, _TAILS = range(0x1161, 0x1176), range(0x11A8, 0x11C3)
_SIGMA = "\u03a3"
_IDEOGRAPHS = (range(0xF900, 0xFB00), range(0x2F800, 0x2FA20))  # for compatibility
_FAR = 0xD800  # where surrogates would stand, code points above U+FFFF do, by their number
_RUNS = 32  # a step of the index
_SHORT = 31  # records that share a byte with their run's length


@dataclass(frozen=True, eq=False)
class UnicodeTables:
    """What normalizing and splitting look up.

    Attributes
    ----------
    runs
        For each run of code points that are alike, from 0 on, a byte: its record in the lowest five
        bits, and how many they are in the others. A record of 31 stands in the next byte. Where 0
        are said, a number of 7 bits a byte follows, lowest first, of which all bytes but the last
        have the highest bit.
    ascii
        (128,) the record of each.
    run_first, run_at
        For every 32nd run the first code point, and where it stands in `runs`.
    records
        (n, 2): the class and the flags, and the canonical combining class; the first 31 are those
        of most runs.
    far
        Code points above U+FFFF; wherever two bytes hold a code point, D800 + i is the ith of them.
    pair_start, pair_index
        Code points that decompose into two, in runs of neighbours: the first one, and how many
        there are in the runs before, with the number of all behind the last run.
    pair_first, pair_second
        What they decompose into; `pair_second` is a number among `seconds`.
    pair_order
        Numbers of those pairs that compose again, in the order of (second, first).
    single_first, single_count, single_code
        Runs of code points that decompose into one, and these.
    lower_first, lower_span, lower_delta
        Runs of code points that have a lower-case letter: from the first on so many, each or, where
        the span's highest bit is set, every second, and what to add to the lowest 16 bits.
    """

    runs: NDArray[np.uint8]
    ascii: NDArray[np.uint8]
    run_first: NDArray[np.uint32]
    run_at: NDArray[np.uint16]
    records: NDArray[np.uint8]
    far: NDArray[np.uint32]
    seconds: NDArray[np.uint16]
    pair_start: NDArray[np.uint16]
    pair_index: NDArray[np.uint16]
    pair_first: NDArray[np.uint16]
    pair_second: NDArray[np.uint8]
    pair_order: NDArray[np.uint16]
    single_first: NDArray[np.uint32]
    single_count: NDArray[np.uint16]
    single_code: NDArray[np.uint16]
    lower_first: NDArray[np.uint32]
    lower_span: NDArray[np.uint16]
    lower_delta: NDArray[np.uint16]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name."""
        return dict(vars(self))


def unicode_tables(
    *,
    lowercase: bool = True,
    words: bool = True,
    flagged: bool = True,
    alphabet: Set[str] | None = None,
) -> UnicodeTables:
    """Return the tables of this Python.

    Parameters
    ----------
    lowercase
        Whether texts are lower-cased.
    words
        Whether words are told from other characters.
    flagged
        Whether records say what is mapped, and what joins what stands before, which the other
        tables say too, but slowly where they are searched in place.
    alphabet
        The characters of all tokens, where only ids matter: what no token can tell apart is left
        out, which are final sigmas and ideographs for compatibility. None for all of Unicode.

    Examples
    --------
    >>> tables = unicode_tables()
    >>> int(tables.lower_first[0]), int(tables.lower_span[0]), int(tables.lower_delta[0])
    (65, 26, 32)
    """
    sigma = lowercase and (alphabet is None or bool({"\u03c2", "\u03c3"} & alphabet))
    unread = frozenset(
        code
        for code, target in _singles().items()
        if alphabet is not None
        and any(code in block for block in _IDEOGRAPHS)
        and chr(target) not in alphabet
    )
    return _tables(lowercase, words, flagged, sigma, unread)


@lru_cache(maxsize=8)
def _tables(
    lowercase: bool, words: bool, flagged: bool, sigma: bool, unread: frozenset[int]
) -> UnicodeTables:
    singles = {code: target for code, target in _singles().items() if code not in unread}
    pairs, lowered = _pairs(), _lowered() if lowercase else {}
    characters = _characters()
    flags = characters[:, 0] if words else np.zeros(_CODES, np.uint8)
    if flagged:
        flags = flags | characters[:, 2]
        flags[[*pairs, *singles, *lowered, *_HANGUL]] |= MAPPED
    if sigma:
        flags = flags | characters[:, 3]
    both = flags.astype(np.uint16) << 8 | characters[:, 1]
    known, every = np.unique(both, return_inverse=True)
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(every)) + 1, [len(every)]])
    frequent = np.argsort(-np.bincount(every[bounds[:-1]]), kind="stable")
    known, every = known[frequent], np.argsort(frequent)[every]
    runs, firsts, ats = _runs(every, bounds.tolist())
    composing = _composing()
    seconds = sorted({second for _, second in pairs.values()})
    codes = {*pairs, *seconds, *singles.values(), *(first for first, _ in pairs.values())}
    far = sorted(code for code in codes if code > 0xFFFF)
    numbers = {code: _FAR + index for index, code in enumerate(far)}

    def short(values: Sequence[int]) -> NDArray[np.uint16]:
        return np.array([numbers.get(code, code) for code in values], np.uint16)

    rising = sorted(pairs, key=lambda code: numbers.get(code, code))
    pair_runs = list(_steps({int(each): 0 for each in short(rising)}, {}))
    second_of = {code: index for index, code in enumerate(seconds)}
    keys = {
        index: (second_of[pairs[code][1]], int(short([pairs[code][0]])[0]))
        for index, code in enumerate(rising)
        if code in composing
    }
    single_runs = list(_steps(singles, {}))
    lower_runs = list(_steps(lowered, {code: lower - code for code, lower in lowered.items()}))
    return UnicodeTables(
        runs=np.frombuffer(runs, np.uint8),
        ascii=every[:128].astype(np.uint8),
        run_first=np.array(firsts, np.uint32),
        run_at=np.array(ats, np.uint16),
        records=np.stack([known >> 8, known & 255], axis=1).astype(np.uint8),
        far=np.array(far, np.uint32),
        seconds=short(seconds),
        pair_start=np.array([first for first, _, _ in pair_runs], np.uint16),
        pair_index=np.cumsum([0, *(count for _, count, _ in pair_runs)]).astype(np.uint16),
        pair_first=short([pairs[code][0] for code in rising]),
        pair_second=np.array([second_of[pairs[code][1]] for code in rising], np.uint8),
        pair_order=np.array(sorted(keys, key=keys.__getitem__), np.uint16),
        single_first=np.array([first for first, _, _ in single_runs], np.uint32),
        single_count=np.array([count for _, count, _ in single_runs], np.uint16),
        single_code=short([singles[code] for code in sorted(singles)]),
        lower_first=np.array([first for first, _, _ in lower_runs], np.uint32),
        lower_span=np.array(
            [count | (step == 2) << 15 for _, count, step in lower_runs], np.uint16
        ),
        lower_delta=np.array(
            [(lowered[first] - first) & 0xFFFF for first, _, _ in lower_runs], np.uint16
        ),
    )


@cache
def _characters() -> NDArray[np.uint8]:
    """Return class, combining class, JOINS and CASED or IGNORABLE of every code point."""
    composing = {second for _, second in _pairs().values()} | {*_VOWELS, *_TAILS}
    found = np.zeros((_CODES, 4), np.uint8)
    for code in range(_CODES):
        char = chr(code)
        if unicodedata.category(char) in ("Cn", "Co", "Cs"):  # surrogates are replaced before
            continue
        first = unicodedata.normalize("NFD", char)[0]
        joins = unicodedata.combining(first) > 0 or ord(first) in composing
        # The Unicode of lower-casing is not to be had by name, but a sigma shows it.
        cased = CASED * ((char + _SIGMA).lower()[-1] == "\u03c2")
        if not cased:
            cased = IGNORABLE * (("A" + char + _SIGMA).lower()[-1] == "\u03c2")
        found[code] = _kind(char), unicodedata.combining(char), JOINS * joins, cased
    return found


def _kind(char: str) -> int:
    if char.isspace():
        return SPACE
    if char.isalnum() or char == "_":  # what `\w` matches
        return WORD
    if unicodedata.category(char) in ("Mn", "Mc", "Me"):
        return MARK
    return JOINER if char in "\u200c\u200d" else OTHER


@cache
def _decompositions() -> dict[int, tuple[int, ...]]:
    """Return the canonical decompositions, one step each."""
    found = {}
    for code in range(_CODES):
        text = unicodedata.decomposition(chr(code))
        if text and not text.startswith("<"):
            found[code] = tuple(int(part, 16) for part in text.split())
    return found


def _pairs() -> dict[int, tuple[int, int]]:
    return {code: parts for code, parts in _decompositions().items() if len(parts) == 2}


def _singles() -> dict[int, int]:
    return {code: parts[0] for code, parts in _decompositions().items() if len(parts) == 1}


@cache
def _composing() -> frozenset[int]:
    """Return the code points that two others compose into."""
    return frozenset(
        code
        for code, parts in _pairs().items()
        if unicodedata.normalize("NFC", "".join(map(chr, parts))) == chr(code)
    )


@cache
def _lowered() -> dict[int, int]:
    """Return the lower-case letters of code points that have no decomposition."""
    found = {}
    for code in range(_CODES):
        lower = chr(code).lower()
        if lower != chr(code) and code not in _decompositions():
            found[code] = ord(lower)
    return found


def _runs(every: NDArray[np.intp], bounds: list[int]) -> tuple[bytes, list[int], list[int]]:
    """Return runs of equal records, and the first code point and the place of every 32nd run."""
    out, firsts, ats = bytearray(), list[int](), list[int]()
    for number, (first, end) in enumerate(pairwise(bounds)):
        if number % _RUNS == 0:
            firsts.append(first)
            ats.append(len(out))
        record, count = int(every[first]), end - first
        out.append(min(record, _SHORT) | (count << 5 if count < 8 else 0))
        if record >= _SHORT:
            out.append(record)
        if count >= 8:
            while count > 127:
                out.append(count & 127 | 128)
                count >>= 7
            out.append(count)
    return bytes(out), firsts, ats


def _steps(codes: dict[int, int], deltas: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    """Yield runs (first, count, step) of code points of one delta; every second one, where given.

    Without deltas, runs are those of neighbours.
    """
    rising = sorted(codes)
    at = 0
    while at < len(rising):
        first, count = rising[at], 1
        step = 1
        while at + count < len(rising):
            here, following = rising[at + count - 1], rising[at + count]
            if count == 1 and deltas and following == here + 2:
                step = 2
            same = not deltas or deltas[following] == deltas[first]
            if not same or following != here + step or count == 0x7FFF:
                break
            count += 1
        yield first, count, step if count > 1 else 1
        at += count
