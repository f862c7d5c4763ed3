"""The one error tree, sorted by what the caller must do.

RingsideError
├── RetryableError              the same call may succeed later
│   ├── SourceUnavailableError    the candle source did not answer
│   │   └── RateLimitedError        it asks us to slow down, perhaps for how long
│   ├── StoreUnavailableError     PostgreSQL did not answer
│   ├── RegistryUnavailableError  MLflow did not answer
│   └── ServingUnavailableError   the serving process did not answer
└── PermanentError              retrying cannot help
    ├── SettingsError             a setting is missing, unknown or contradicts another
    ├── VenueBlockedError         the venue refuses this place; only another venue helps
    ├── VenueRequestError         the venue calls our request wrong
    ├── CandleDataError           a candle file or answer cannot be read as candles
    ├── CandleGapError            candles are missing inside a required window
    ├── AuditFailedError          audited rows were refused and are in quarantine
    ├── HistoryTooShortError      fewer candles than the job needs
    ├── TrainingRefusedError      prices that never move, or an absurd loss
    ├── CanaryMissedError         a leak planted in a training run was not flagged
    ├── LeakFoundError            a real feature or target has seen the future
    ├── ModelRefusedError         a model's checksum, manifest or forecasts are wrong
    ├── SourceMismatchError       the stores were filled from another source
    ├── TitleError                a title has no champion, or an impossible one was named
    └── LedgerError               the ledger is not what it was
"""


class RingsideError(Exception):
    """Root of the tree. `facts` go to the log as fields, not into prose."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


class RetryableError(RingsideError):
    """The same call may succeed later. Airflow retries the task."""


class SourceUnavailableError(RetryableError):
    """The candle source did not answer. See docs/runbooks/source-unavailable.md."""


class RateLimitedError(SourceUnavailableError):
    """The venue asks us to slow down. See docs/runbooks/source-unavailable.md.

    The fact `retry_after_s` is the wait it asked for in seconds, or None where it named none.
    """

    @property
    def retry_after_s(self) -> float | None:
        """Seconds the venue asked us to wait; None where it named no time."""
        wait = self.facts.get("retry_after_s")
        return float(wait) if isinstance(wait, int | float) else None


class StoreUnavailableError(RetryableError):
    """PostgreSQL did not answer. See docs/runbooks/store-unavailable.md."""


class RegistryUnavailableError(RetryableError):
    """MLflow did not answer. See docs/runbooks/registry-unavailable.md."""


class ServingUnavailableError(RetryableError):
    """The serving process did not answer, or did not change over in time.

    See docs/runbooks/promotion-failed.md.
    """


class PermanentError(RingsideError):
    """Retrying cannot help. Airflow fails the task at once."""


class SettingsError(PermanentError):
    """A setting is missing, unknown, or contradicts another."""


class VenueBlockedError(PermanentError):
    """The venue refuses this place or has shut down: a fallback venue is asked, where one is named.

    See docs/runbooks/source-unavailable.md.
    """


class VenueRequestError(PermanentError):
    """The venue calls our request wrong; asking again cannot help.

    See docs/runbooks/source-unavailable.md.
    """


class CandleDataError(PermanentError):
    """A candle file or an answer of the source cannot be read as candles."""


class CandleGapError(PermanentError):
    """Candles are missing inside a required window. See docs/runbooks/candle-gap.md."""


class AuditFailedError(PermanentError):
    """Audited rows were refused and wait in quarantine. See docs/runbooks/audit-failed.md."""


class HistoryTooShortError(PermanentError):
    """Fewer candles are published than the job needs; the message says how many."""


class TrainingRefusedError(PermanentError):
    """What was trained on, or what came of it, is not sane: prices that never move, absurd losses.

    See docs/runbooks/training-failed.md.
    """


class CanaryMissedError(PermanentError):
    """A leak planted in a training run was not flagged, so the run proves nothing.

    See docs/runbooks/leak-canary.md.
    """


class LeakFoundError(PermanentError):
    """A feature or the target of a training run has seen the future; nothing was registered.

    See docs/runbooks/leak-canary.md.
    """


class ModelRefusedError(PermanentError):
    """A model's checksum, manifest or forecasts are wrong; it never serves."""


class SourceMismatchError(PermanentError):
    """The stores were filled from another source; two never mix in one set of tables."""


class TitleError(PermanentError):
    """A title has no champion, or an impossible contestant was named for it."""


class LedgerError(PermanentError):
    """The ledger is not what it was, by its chain or by a docket; the message names the row."""
