"""The questions in polars: lazy frames, joins and running sums; the load writes the deduplicated events to Parquet."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from benchmarks.peers.timing import Stages, arguments

USER_DAY = ["account_id", "user_id", "activity_date"]
TRIAL_DAY = ["trial_id", "trial_day"]
WINDOWS = (3, 7, 14, 28)


def main() -> None:
    """Load, then answer."""
    inputs, answers, settings = arguments()
    stages = Stages()
    (
        pl.scan_parquet(inputs / "events" / "*.parquet")
        .with_row_index("place")
        .sort("received_at", "place")
        .unique("id", keep="first", maintain_order=False)
        .drop("place")
        .sink_parquet(answers / "polars_events.parquet")
    )
    stages.done("load")
    names = pl.scan_parquet(inputs / "event_names.parquet")
    trials = pl.read_parquet(inputs / "trials.parquet")
    days = user_days(pl.scan_parquet(answers / "polars_events.parquet"), names, settings["events_per_day_cap"])
    days.write_parquet(answers / "polars_user_days.parquet")
    trial_usage(days, trials, settings["feature_bits"]).write_parquet(answers / "polars_trial_usage.parquet")
    conversion(trials, datetime.fromisoformat(settings["as_of"])).write_parquet(answers / "polars_conversion.parquet")
    stages.done("models")
    stages.tell()


def user_days(events: pl.LazyFrame, names: pl.LazyFrame, cap: int) -> pl.DataFrame:
    """Use per account, user, day and day known."""
    activity_date = pl.col("timestamp").dt.date()
    known = pl.col("value_events").cum_sum().over(USER_DAY, order_by="known_date")
    return (
        events.select(
            "account_id",
            "user_id",
            "event",
            activity_date=activity_date,
            known_date=pl.max_horizontal(pl.col("received_at").dt.date(), activity_date),
        )
        .join(names, on="event")
        .group_by(*USER_DAY, "known_date")
        .agg(
            events=pl.len().cast(pl.Int32),
            value_events=pl.col("is_value").sum().cast(pl.Int32),
            feature_mask=pl.col("feature_bit").bitwise_or(),
        )
        .with_columns(known=known)
        .with_columns(
            capped_events=(
                pl.min_horizontal(pl.lit(cap), "known")
                - pl.min_horizontal(pl.lit(cap), pl.col("known") - pl.col("value_events"))
            ).cast(pl.Int32)
        )
        .drop("known")
        .collect()
    )


def trial_usage(days: pl.DataFrame, trials: pl.DataFrame, bits: list[int]) -> pl.DataFrame:
    """Windows over the use of every trial on each of its days.

    What happened on day k and was known on day f stands in a window of w days from f to k + w - 1: it comes on f and
    goes on k + w.
    """
    starts = trials.lazy().select("trial_id", "account_id", "start_date", "complete_days")
    k = (pl.col("activity_date") - pl.col("start_date")).dt.total_days() + 1
    f = (pl.col("known_date") - pl.col("start_date")).dt.total_days() + 1
    activity = (
        starts.join(days.lazy(), on="account_id")
        .filter(pl.col("activity_date") >= pl.col("start_date"), f <= pl.col("complete_days"))
        .group_by("trial_id", k.alias("k"), f.alias("f"))
        .agg(pl.col("value_events", "capped_events").sum(), pl.col("feature_mask").bitwise_or())
        .collect()
        .lazy()
    )
    used = activity.filter(pl.col("value_events") > 0)
    active = used.group_by("trial_id", "k").agg(pl.col("f").min())
    f, k = pl.col("f"), pl.col("k")
    moves = [
        activity.select("trial_id", trial_day=f, total="value_events"),
        active.select("trial_id", trial_day=f, on_time=(f == k).cast(pl.Int64)),
        used.group_by("trial_id", "f").agg(last_k=k.max()).rename({"f": "trial_day"}),
        activity.filter(f < k + 7).select("trial_id", trial_day=f, e7="value_events", c7="capped_events"),
        activity.filter(f < k + 7).select(
            "trial_id", trial_day=k + 7, e7=-pl.col("value_events"), c7=-pl.col("capped_events")
        ),
    ]
    for width in WINDOWS:
        inside = active.filter(f < k + width)
        moves.append(inside.select("trial_id", trial_day=f, **{f"a{width}": pl.lit(1)}))
        moves.append(inside.select("trial_id", trial_day=k + width, **{f"a{width}": pl.lit(-1)}))
    for bit in bits:
        first = activity.filter((pl.col("feature_mask") & bit) != 0).group_by("trial_id").agg(trial_day=f.min())
        moves.append(first.with_columns(features=pl.lit(1)))
    sums = ["on_time", "total", "e7", "c7", "features", *(f"a{width}" for width in WINDOWS)]
    moved = pl.concat(moves, how="diagonal_relaxed").group_by(TRIAL_DAY).agg(pl.col(sums).sum(), pl.col("last_k").max())

    def so_far(name: str) -> pl.Expr:
        return pl.col(name).fill_null(0).cum_sum().over("trial_id", order_by="trial_day").cast(pl.Int32)

    return (
        starts.with_columns(trial_day=pl.int_ranges(1, pl.col("complete_days").cast(pl.Int64) + 1))
        .explode("trial_day")
        .join(moved, on=TRIAL_DAY, how="left")
        .select(
            "trial_id",
            trial_day=pl.col("trial_day").cast(pl.Int32),
            activity_date=pl.col("start_date") + pl.duration(days=pl.col("trial_day") - 1),
            active_today=pl.col("on_time").fill_null(0).cast(pl.Int32),
            active_days_3d=so_far("a3"),
            active_days_7d=so_far("a7"),
            active_days_14d=so_far("a14"),
            active_days_28d=so_far("a28"),
            value_events_7d=so_far("e7"),
            capped_events_7d=so_far("c7"),
            value_events_total=so_far("total"),
            features_used=so_far("features"),
            last_active_day=pl.col("last_k")
            .fill_null(0)
            .cum_max()
            .over("trial_id", order_by="trial_day")
            .cast(pl.Int32),
        )
        .collect()
    )


def conversion(trials: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Trials by the week they started in: how many, how many converted in time, how many still may."""
    pending = (
        pl.col("converted_at").is_null()
        & (pl.col("deadline_at") >= as_of)
        & ~pl.col("outcome").is_in(["cancelled", "converted_free"])
    )
    return trials.group_by(week=pl.col("start_date").dt.truncate("1w")).agg(
        trials=pl.len().cast(pl.Int64),
        converted=(pl.col("converted_at") <= pl.col("deadline_at")).sum().cast(pl.Int64),
        pending=pending.sum().cast(pl.Int64),
    )


if __name__ == "__main__":
    main()
