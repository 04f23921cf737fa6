"""Civil dates of UTC from seconds, such as a block's time: the proleptic Gregorian calendar.

Days have 86,400 seconds, as in POSIX time. Dates of the years 1 to 9999 are accepted, anything
else reverts `bad-date`. The day count is Howard Hinnant's days_from_civil.
"""
from vm import record, require

DAY_SECONDS = 86400
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


@record
class Date:
    year: int
    month: int
    day: int


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    require(1 <= month <= 12, "bad-date")
    return 29 if month == 2 and is_leap(year) else MONTH_DAYS[month - 1]


def days_in_year(year: int) -> int:
    return 366 if is_leap(year) else 365


def make_date(year: int, month: int, day: int) -> Date:
    require(1 <= year <= 9999, "bad-date")
    require(1 <= day and day <= days_in_month(year, month), "bad-date")
    return Date(year, month, day)


def to_days(date: Date) -> int:
    """Days since 1970-01-01, negative before."""
    year = date.year - 1 if date.month <= 2 else date.year
    era = year // 400
    shifted = (date.month + 9) % 12
    year_day = (153 * shifted + 2) // 5 + date.day - 1
    in_era = year - era * 400
    return era * 146097 + in_era * 365 + in_era // 4 - in_era // 100 + year_day - 719468


def from_days(days: int) -> Date:
    """The date so many days after 1970-01-01."""
    shifted = days + 719468
    era = shifted // 146097
    in_era = shifted - era * 146097
    years = (in_era - in_era // 1460 + in_era // 36524 - in_era // 146096) // 365
    year_day = in_era - (365 * years + years // 4 - years // 100)
    month = (5 * year_day + 2) // 153
    day = year_day - (153 * month + 2) // 5 + 1
    year = years + era * 400
    if month >= 10:
        return make_date(year + 1, month - 9, day)
    return make_date(year, month + 3, day)


def date_of(seconds: int) -> Date:
    """The UTC date of a time in seconds since 1970."""
    return from_days(seconds // DAY_SECONDS)


def seconds_of(date: Date) -> int:
    """The first second of the day."""
    return to_days(date) * DAY_SECONDS


def add_days(date: Date, days: int) -> Date:
    return from_days(to_days(date) + days)


def add_months(date: Date, months: int) -> Date:
    """The same day some months later (or earlier), or that month's last day."""
    count = date.year * 12 + date.month - 1 + months
    year = count // 12
    month = count % 12 + 1
    return make_date(year, month, min(date.day, days_in_month(year, month)))


def add_years(date: Date, years: int) -> Date:
    """The same day some years later; 29 February becomes 28 where it must."""
    return add_months(date, 12 * years)


def day_of_year(date: Date) -> int:
    """1 on 1 January."""
    return to_days(date) - to_days(Date(date.year, 1, 1)) + 1


def weekday_of(date: Date) -> int:
    """0 on a Monday, 6 on a Sunday."""
    return (to_days(date) + 3) % 7


def days_between(first: Date, last: Date) -> int:
    """Days from `first` to `last`, negative when it is earlier."""
    return to_days(last) - to_days(first)


def format_date(date: Date) -> str:
    """`2024-02-29`."""
    year = str(10000 + date.year)[1:]
    month = str(100 + date.month)[1:]
    day = str(100 + date.day)[1:]
    return f"{year}-{month}-{day}"
