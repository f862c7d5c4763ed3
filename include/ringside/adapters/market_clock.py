"""The market clock: how far market time is from real time, and which source the stores hold."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from ringside.adapters.database import transaction
from ringside.adapters.tables import market_clock
from ringside.errors import SettingsError, SourceMismatchError

_ONLY_ROW = 1


@dataclass(frozen=True)
class ClockSetting:
    """What was set on the first run: market time is real time plus `offset_hours`."""

    source: str
    source_detail: str
    offset_hours: int
    set_at: datetime

    def to_market(self, real_time: datetime) -> datetime:
        """Turn an aware real instant into market time."""
        return real_time + timedelta(hours=self.offset_hours)


class MarketClock:
    """The one row of `market_clock`, set once and never changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> ClockSetting | None:
        """Read the setting; None before the first run.

        Raises:
            StoreUnavailableError: PostgreSQL did not answer.
        """
        columns = market_clock.c
        query = select(
            columns.source, columns.source_detail, columns.offset_hours, columns.set_at
        ).where(columns.id == _ONLY_ROW)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else ClockSetting(*row)

    def set_once(
        self, source: str, source_detail: str, offset_hours: int, *, set_at: datetime
    ) -> ClockSetting:
        """Set the clock unless it is set; of two at once the first stays. Give what holds.

        Raises:
            SourceMismatchError: it is set for another source, or other data of the same kind.
            StoreUnavailableError: PostgreSQL did not answer.
        """
        row = {
            "id": _ONLY_ROW,
            "source": source,
            "source_detail": source_detail,
            "offset_hours": offset_hours,
            "set_at": set_at,
        }
        with transaction(self._engine) as connection:
            connection.execute(insert(market_clock).values(row).on_conflict_do_nothing())
        return self.require(source, source_detail)

    def require(self, source: str, source_detail: str) -> ClockSetting:
        """Give the setting that holds for this source.

        Raises:
            SettingsError: the clock is not set yet.
            SourceMismatchError: it is set for another source, or other data of the same kind.
            StoreUnavailableError: PostgreSQL did not answer.
        """
        setting = self._require_set()
        if (setting.source, setting.source_detail) != (source, source_detail):
            raise SourceMismatchError(
                f"the stores hold {setting.source_detail}, the settings ask for {source_detail}; "
                "two sources never mix. Go back to that source, empty the stores with "
                "`make clean`, or use another folder with STATE",
                stored=setting.source_detail,
                asked=source_detail,
            )
        return setting

    def to_market(self, real_time: datetime) -> datetime:
        """Turn an aware real instant into market time.

        Raises:
            SettingsError: the clock is not set yet.
            StoreUnavailableError: PostgreSQL did not answer.
        """
        return self._require_set().to_market(real_time)

    def _require_set(self) -> ClockSetting:
        setting = self.read()
        if setting is None:
            raise SettingsError("the market clock is not set; run `ringside set-clock` first")
        return setting
