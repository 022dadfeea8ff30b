"""What the feed has done, counted: plain numbers, made into metrics only when somebody asks."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class FeedCounts(Collector):
    """Register it with a Prometheus registry to have it scraped."""

    def __init__(self) -> None:
        self.clients = 0
        """Streams open now."""
        self.frames = 0
        """Frames handed to clients, all of them together."""
        self.conflated = 0
        """Messages left out because a newer one of the same key went out in their place."""
        self.gaps: Counter[str] = Counter()
        """{why: count}"""
        self.resumes: Counter[str] = Counter()
        """{from where, ring or kafka: count}"""
        self.frozen = 0
        """Streams closed because their client took nothing."""
        self.refused = 0
        """Streams not opened, because the client had too many."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("steamline_feed_clients", "Streams open now.", self.clients)
        for name, said, value in (
            ("frames", "Frames handed to clients.", self.frames),
            ("conflated_messages", "Messages that a newer one took the place of.", self.conflated),
            ("frozen_streams", "Streams closed because nothing was taken.", self.frozen),
            ("refused_streams", "Streams refused, over the limit of their client.", self.refused),
        ):
            yield CounterMetricFamily(f"steamline_feed_{name}", said, value)
        for name, label, said, counted in (
            ("gaps", "reason", "Gaps told to clients.", self.gaps),
            ("resumes", "source", "Streams gone on with by their id.", self.resumes),
        ):
            family = CounterMetricFamily(f"steamline_feed_{name}", said, labels=[label])
            for which, count in counted.items():
                family.add_metric([which], count)
            yield family
