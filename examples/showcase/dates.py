"""Dates as people say them. Pure."""

from datetime import UTC, datetime


def say_ago(moment: datetime, now: datetime | None = None) -> str:
    """Say how long ago *moment* was: ``"5 minutes ago"``, and after two weeks its date."""
    seconds = int(((now or datetime.now(UTC)) - moment).total_seconds())
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return _say(seconds // 60, "minute")
    if seconds < 86_400:
        return _say(seconds // 3600, "hour")
    days = seconds // 86_400
    return "yesterday" if days == 1 else _say(days, "day") if days < 14 else say_date(moment, with_time=False)


def say_date(moment: datetime, *, with_time: bool = True) -> str:
    """Say the date: ``"5 March 2026, 14:05 UTC"``."""
    date = f"{moment.day} {moment:%B %Y}"
    return f"{date}, {moment:%H:%M} UTC" if with_time else date


def _say(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'} ago"
