"""Plots how late the beats of a journal were, and how long logic worked for each tick.

    .venv/bin/python examples/lateness.py data lateness.png

The journal may be in use. Its segments are MCAP files; the topic "timing" holds JSON, so that
nothing of Pulsegate is needed to read it.
"""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")  # a file, no window

import matplotlib.pyplot as plt
from mcap.exceptions import EndOfFile
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader


def timings(segment):
    """The timings in a segment, also in one that is being written and has no end yet."""
    topics = {}
    with segment.open("rb") as file:
        try:
            for record in StreamReader(file).records:
                if isinstance(record, Channel):
                    topics[record.id] = record.topic
                elif isinstance(record, Message) and topics[record.channel_id] == "timing":
                    yield json.loads(record.data)
        except EndOfFile:
            pass


def plot(ticks, name):
    """Draws lateness over time and its distribution, and the work that may explain it."""
    figure, (above, middle, below) = plt.subplots(3, figsize=(10, 9), constrained_layout=True)
    numbers = [tick["tick"] for tick in ticks]
    lateness = [tick["lateness_us"] / 1000 for tick in ticks]
    above.plot(numbers, lateness, ".", markersize=2)
    above.set(title=f"{name}: {len(ticks)} ticks", xlabel="tick", ylabel="lateness, ms")
    middle.hist(lateness, bins=100, log=True)
    middle.set(xlabel="lateness, ms", ylabel="ticks")
    below.plot(numbers, [tick["work_us"] / 1000 for tick in ticks], label="work")
    below.plot(numbers, [tick["sleep_us"] / 1000 for tick in ticks], label="sleep")
    below.set(xlabel="tick", ylabel="ms")
    below.legend()
    return figure


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def main(journal, picture):
    segments = sorted(pathlib.Path(journal).glob("*.mcap"))
    ticks = [tick for segment in segments for tick in timings(segment)]
    if not ticks:
        sys.exit(f"{journal}: no timings; is it a journal?")
    plot(ticks, journal).savefig(picture)
    lateness = [tick["lateness_us"] for tick in ticks]
    print(f"{len(ticks)} ticks; late by {percentile(lateness, 50)} µs at the median,", end=" ")
    print(f"{percentile(lateness, 99)} µs at the 99th percentile, {max(lateness)} µs at most")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
