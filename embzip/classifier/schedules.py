"""Schedules of sparsity during training, which `embzip.tf.pruning` applies."""

from dataclasses import dataclass

from embzip.errors import InputError


@dataclass(frozen=True)
class PolynomialSchedule:
    """The sparsity after each training step.

    From step `begin` to step `end`, the sparsity rises from `initial` to `final`:
    final + (initial - final) * (1 - (step - begin) / (end - begin)) ** exponent.

    Attributes
    ----------
    initial, final
        Shares of zeros, in [0, 1).
    begin, end
        Training steps (batches), counted from 0.
    frequency
        Steps between two times of pruning.

    References
    ----------
    Zhu and Gupta 2017, To prune, or not to prune.

    Examples
    --------
    >>> schedule = PolynomialSchedule(final=0.8, end=100, frequency=10)
    >>> [round(schedule.sparsity(step), 3) for step in (0, 50, 100, 500)]
    [0.0, 0.7, 0.8, 0.8]
    """

    final: float
    end: int
    initial: float = 0.0
    begin: int = 0
    frequency: int = 100
    exponent: float = 3.0

    def __post_init__(self) -> None:
        if not 0 <= self.initial <= self.final < 1:
            raise InputError(
                "sparsity must satisfy 0 <= initial <= final < 1, "
                f"received initial {self.initial}, final {self.final}"
            )
        if not 0 <= self.begin < self.end:
            raise InputError(
                f"pruning must end after it begins, received begin {self.begin}, end {self.end}"
            )
        if self.frequency < 1 or not self.exponent > 0:
            raise InputError(
                "frequency must be at least 1 and exponent above 0, "
                f"received {self.frequency} and {self.exponent}"
            )

    def prunes_at(self, step: int) -> bool:
        """Return whether to prune more at a step; always true at the last one."""
        within = self.begin <= step <= self.end
        return within and ((step - self.begin) % self.frequency == 0 or step == self.end)

    def sparsity(self, step: int) -> float:
        """Return the share of zeros after a step, from `begin` on."""
        done = min(1.0, max(0, step - self.begin) / (self.end - self.begin))
        return float(self.final + (self.initial - self.final) * (1 - done) ** self.exponent)


@dataclass(frozen=True)
class PruningShares:
    """A `PolynomialSchedule` that begins and ends at shares of the steps of a training run.

    Attributes
    ----------
    final
        The final share of zeros, in [0, 1).
    begin, end
        Shares of all training steps, 0 <= begin < end <= 1. After the end, the numbers that are
        left adapt: leave some epochs for that.
    frequency
        Steps between two times of pruning.

    Examples
    --------
    >>> PruningShares(0.8).over(1000)
    PolynomialSchedule(final=0.8, end=600, initial=0.0, begin=100, frequency=50, exponent=3.0)
    """

    final: float
    begin: float = 0.1
    end: float = 0.6
    frequency: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end <= 1:
            raise InputError(
                "pruning begins and ends at shares of the steps, 0 <= begin < end <= 1, "
                f"received {self.begin} and {self.end}"
            )
        PolynomialSchedule(self.final, end=1, frequency=self.frequency)  # checks these

    def over(self, steps: int) -> PolynomialSchedule:
        """Return the schedule for a run of `steps` steps."""
        if steps < 2:
            raise InputError(f"pruning needs at least 2 training steps, received {steps}")
        end = min(max(1, int(self.end * steps)), steps - 1)
        begin = min(int(self.begin * steps), end - 1)
        return PolynomialSchedule(self.final, end=end, begin=begin, frequency=self.frequency)
