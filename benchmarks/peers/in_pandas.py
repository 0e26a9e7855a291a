"""The questions in pandas: text as Arrow strings, categories for the keys of groups, vectors throughout."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from benchmarks.peers.timing import Stages, arguments

USER_DAY = ["account_id", "user_id", "activity_date"]
TRIAL_DAY = ["trial_id", "trial_day"]
WINDOWS = (3, 7, 14, 28)


def main() -> None:
    """Load, then answer."""
    inputs, answers, settings = arguments()
    stages = Stages()
    events = pd.concat(
        [pd.read_parquet(path) for path in sorted((inputs / "events").glob("*.parquet"))], ignore_index=True
    )
    events = events.sort_values("received_at", kind="stable").drop_duplicates("id")
    events.to_parquet(answers / "pandas_events.parquet", index=False)
    stages.done("load")
    names = pd.read_parquet(inputs / "event_names.parquet")
    trials = pd.read_parquet(inputs / "trials.parquet")
    days = user_days(events, names, settings["events_per_day_cap"])
    days.to_parquet(answers / "pandas_user_days.parquet", index=False)
    trial_usage(days, trials, settings["feature_bits"]).to_parquet(answers / "pandas_trial_usage.parquet", index=False)
    conversion(trials, datetime.fromisoformat(settings["as_of"])).to_parquet(
        answers / "pandas_conversion.parquet", index=False
    )
    stages.done("models")
    stages.tell()


def user_days(events: pd.DataFrame, names: pd.DataFrame, cap: int) -> pd.DataFrame:
    """Use per account, user, day and day known."""
    named = names.set_index("event")
    activity_date = events["timestamp"].dt.normalize()
    event = events["event"].astype("category")
    codes, categories = event.cat.codes.to_numpy(), event.cat.categories
    rows = pd.DataFrame(
        {
            "account_id": events["account_id"].astype("category"),
            "user_id": events["user_id"].astype("category"),
            "activity_date": activity_date,
            "known_date": np.maximum(events["received_at"].dt.normalize(), activity_date),
            "value_events": named["is_value"].reindex(categories).to_numpy(dtype="int64")[codes],
            "feature_mask": named["feature_bit"].reindex(categories).to_numpy(dtype="int64")[codes],
        }
    )
    group = [*USER_DAY, "known_date"]
    groups = rows.groupby(group, observed=True, sort=True)
    days = groups.agg(events=("value_events", "size"), value_events=("value_events", "sum"))
    # an event is one feature, so the sum of the distinct bits is their union
    bits = rows[[*group, "feature_mask"]].drop_duplicates()
    days["feature_mask"] = bits.groupby(group, observed=True, sort=True)["feature_mask"].sum()
    days = days.reset_index()
    known = days.groupby(USER_DAY, observed=True, sort=False)["value_events"].cumsum()
    days["capped_events"] = np.minimum(cap, known) - np.minimum(cap, known - days["value_events"])
    return days.astype({"account_id": "str", "user_id": "str"})


def trial_usage(days: pd.DataFrame, trials: pd.DataFrame, bits: list[int]) -> pd.DataFrame:
    """Windows over the use of every trial on each of its days.

    What happened on day k and was known on day f stands in a window of w days from f to k + w - 1: it comes on f and
    goes on k + w.
    """
    trials = trials.assign(start_date=pd.to_datetime(trials["start_date"]), trial=np.arange(len(trials)))
    placed = days.merge(trials[["trial", "account_id", "start_date", "complete_days"]], on="account_id")
    placed = placed.assign(
        k=(placed["activity_date"] - placed["start_date"]).dt.days + 1,
        f=(placed["known_date"] - placed["start_date"]).dt.days + 1,
    )
    placed = placed[(placed["k"] >= 1) & (placed["f"] <= placed["complete_days"])]
    keys = ["trial", "k", "f"]
    activity = placed.groupby(keys)[["value_events", "capped_events"]].sum().reset_index()
    features = [placed[(placed["feature_mask"] & bit) != 0].groupby("trial")["f"].min() for bit in bits]
    used = activity[activity["value_events"] > 0]
    active = used.groupby(["trial", "k"])["f"].min().reset_index()

    # the dense days of all trials, one after the other: a move is added at the place of its day
    complete = trials["complete_days"].to_numpy(dtype="int64")
    first = np.concatenate([[0], np.cumsum(complete)])
    size = int(first[-1])
    owner = np.repeat(trials["trial"].to_numpy(), complete)
    trial_day = np.arange(size) - first[owner] + 1

    def sums(trial: pd.Series, day: pd.Series, by: pd.Series | int) -> np.ndarray:
        """What moves on each day."""
        trial, day = trial.to_numpy(), day.to_numpy()
        inside = day <= complete[trial]
        weights = np.broadcast_to(np.asarray(by, dtype="int64"), len(day))[inside]
        places = first[trial[inside]] + day[inside] - 1
        return np.bincount(places, weights=weights, minlength=size).astype("int64")

    def so_far(moved: np.ndarray) -> np.ndarray:
        """Running sums that begin anew with each trial."""
        total = np.concatenate([[0], np.cumsum(moved)])
        return (total[1:] - total[first[owner]]).astype("int32")

    def window(rows: pd.DataFrame, width: int, by: str | None) -> np.ndarray:
        rows = rows[rows["f"] < rows["k"] + width]
        amount = 1 if by is None else rows[by]
        return so_far(sums(rows["trial"], rows["f"], amount) - sums(rows["trial"], rows["k"] + width, amount))

    last = np.zeros(size, dtype="int64")
    np.maximum.at(last, first[used["trial"].to_numpy()] + used["f"].to_numpy() - 1, used["k"].to_numpy())
    # a running maximum that begins anew with each trial: an offset that grows from trial to trial
    offset = owner * (int(complete.max(initial=0)) + 1)
    on_time = active[active["f"] == active["k"]]
    return pd.DataFrame(
        {
            "trial_id": trials["trial_id"].to_numpy()[owner],
            "trial_day": trial_day.astype("int32"),
            "activity_date": trials["start_date"].to_numpy()[owner] + (trial_day - 1).astype("timedelta64[D]"),
            "active_today": sums(on_time["trial"], on_time["k"], 1).astype("int32"),
            **{f"active_days_{width}d": window(active, width, None) for width in WINDOWS},
            "value_events_7d": window(activity, 7, "value_events"),
            "capped_events_7d": window(activity, 7, "capped_events"),
            "value_events_total": so_far(sums(activity["trial"], activity["f"], activity["value_events"])),
            "features_used": so_far(sum(sums(one.index.to_series(), one, 1) for one in features)),
            "last_active_day": (np.maximum.accumulate(last + offset) - offset).astype("int32"),
        }
    )


def conversion(trials: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Trials by the week they started in: how many, how many converted in time, how many still may."""
    start = pd.to_datetime(trials["start_date"])
    rows = pd.DataFrame(
        {
            "week": start - pd.to_timedelta(start.dt.weekday, unit="D"),
            "converted": trials["converted_at"] <= trials["deadline_at"],
            "pending": trials["converted_at"].isna()
            & (trials["deadline_at"] >= as_of)
            & ~trials["outcome"].isin(["cancelled", "converted_free"]),
        }
    )
    found = rows.groupby("week").agg(
        trials=("converted", "size"), converted=("converted", "sum"), pending=("pending", "sum")
    )
    return found.astype("int64").reset_index()


if __name__ == "__main__":
    main()
