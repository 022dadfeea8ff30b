"""The broker: is it there, are the topics as they must be, who is behind, what was put aside."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec  # type: ignore[attr-defined]
from confluent_kafka.admin._metadata import ClusterMetadata

from flows.archive import ARCHIVE_GROUP
from flows.connectors.kafka import SCORE_GROUP
from flows.connectors.topic_reader import TopicReader
from flows.curate import CURATE_GROUP
from flows.doctor import Check, Finding, fail, ok, warn
from flows.ledger import LEDGER_GROUP
from flows.settle import SETTLE_GROUP
from flows.webhooks import WEBHOOKS_GROUP
from schemas.errors import first_line
from schemas.sections.servers import KafkaSettings
from schemas.settings import Settings
from schemas.time import US_PER_DAY, US_PER_MS, US_PER_SECOND
from schemas.topics import CONTRACTS, Topic

ASK_SECONDS = 3.0
BEHIND = 10_000
"""Records; a flow that is further behind has stopped, or cannot keep up."""
READ_LETTERS = 5_000
_FIX = "Start it, or mend STEAMLINE_KAFKA_BOOTSTRAP"


def checks(settings: Settings, clock_us: Callable[[], int]) -> list[Check]:
    return [
        Check("kafka", lambda: list(_broker(settings, clock_us)), _FIX),
        Check("dead letters", lambda: _letters(settings.kafka, clock_us), _FIX),
    ]


def _broker(settings: Settings, clock_us: Callable[[], int]) -> Iterator[Finding]:
    kafka = settings.kafka
    # log_level 0: the client would print a line for every refused connection.
    admin = AdminClient({**kafka.client_config(), "log_level": 0})
    try:
        cluster = admin.list_topics(timeout=ASK_SECONDS)
    except KafkaException as down:
        yield fail("kafka", f"{kafka.bootstrap}: {down.args[0].str()}", _FIX)
        return
    yield ok("kafka", f"{kafka.bootstrap}: {len(cluster.brokers)} brokers")
    names = {topic.full(kafka.prefix): topic for topic in Topic}
    there = {name: topic for name, topic in names.items() if name in cluster.topics}
    yield _topics(names, there, kafka)
    if not there:
        return
    yield _partitions(cluster, there, kafka)
    if cluster.controller_id in cluster.brokers:
        yield from _configs(admin, there)
        yield _clock(admin, cluster, there, settings, clock_us)
    else:
        yield warn(
            "retention",
            "this broker does not tell: it is the embedded one",
            "Use a real Kafka for more than a demo",
        )
    yield from _lags(kafka, cluster, there, [one.name for one in settings.webhooks.endpoints])


def _topics(names: dict[str, Topic], there: dict[str, Topic], settings: KafkaSettings) -> Finding:
    missing = sorted(names.keys() - there.keys())
    if not missing:
        return ok("topics", f"all {len(names)} of {settings.prefix}*")
    told = f"{len(missing)} of {len(names)} missing: {', '.join(missing[:3])}"
    fix = "Any flow makes them at its start; where it may not, make them by docs/architecture.md"
    return warn("topics", told, fix)


def _partitions(
    cluster: ClusterMetadata, there: dict[str, Topic], settings: KafkaSettings
) -> Finding:
    counts = {name: len(cluster.topics[name].partitions) for name in there}
    if len(set(counts.values())) > 1:
        few, many = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        return fail(
            "partitions",
            f"{few} has {counts[few]}, {many} has {counts[many]}",
            "Give all topics as many: shards take the same game in each of them",
        )
    leaderless = [
        f"{name} {number}"
        for name in there
        for number, part in cluster.topics[name].partitions.items()
        if part.leader < 0
    ]
    if leaderless:
        return fail("partitions", f"no leader: {', '.join(leaderless[:3])}", "Start its broker")
    return ok("partitions", f"{next(iter(counts.values()))} of each topic")


def _configs(admin: AdminClient, there: dict[str, Topic]) -> Iterator[Finding]:
    asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in there]
    told: dict[str, dict[str, Any]] = {
        resource.name: {key: entry.value for key, entry in future.result().items()}
        for resource, future in admin.describe_configs(asked, request_timeout=ASK_SECONDS).items()
    }
    deleting = sorted(
        name
        for name, config in told.items()
        if int(config["retention.ms"]) >= 0 or int(config["retention.bytes"]) >= 0
    )
    if deleting:
        yield warn(
            "retention",
            f"{len(deleting)} topics delete by age or size, as {deleting[0]}",
            "retention.ms=-1: it counts from event time, so a replayed season is gone at once",
        )
    else:
        yield ok("retention", "nothing is deleted")
    small = sorted(
        name
        for name, topic in there.items()
        if int(told[name]["max.message.bytes"]) < CONTRACTS[topic].max_message_bytes
    )
    if small:
        wanted = CONTRACTS[there[small[0]]].max_message_bytes
        yield fail(
            "message size",
            f"{small[0]} takes less than {wanted:,} bytes",
            f"Set its max.message.bytes to {wanted}",
        )


def _clock(
    admin: AdminClient,
    cluster: ClusterMetadata,
    there: dict[str, Topic],
    settings: Settings,
    clock_us: Callable[[], int],
) -> Finding:
    """Records from the future: this clock is slow, or that of who wrote them is fast."""
    wanted = {
        TopicPartition(name, number): OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
        for name in there
        for number in cluster.topics[name].partitions
    }
    answers = admin.list_offsets(wanted, request_timeout=ASK_SECONDS).values()
    newest_ms = max((int(one.result().timestamp) for one in answers), default=-1)
    if newest_ms < 0:
        return ok("clock", "no record to hold it against")
    ahead = (newest_ms * US_PER_MS - clock_us()) / US_PER_SECOND
    if ahead > settings.score.future_seconds:
        return fail(
            "clock",
            f"the newest record is {ahead:.0f} s ahead of this clock",
            "Set the clocks of this machine and of who writes by NTP",
        )
    if ahead > 5.0:
        return warn("clock", f"the newest record is {ahead:.0f} s ahead of this clock", "Run NTP")
    return ok("clock", f"the newest record is of {-ahead:.0f} s ago")


def _lags(
    settings: KafkaSettings,
    cluster: ClusterMetadata,
    there: dict[str, Topic],
    endpoints: Sequence[str],
) -> Iterator[Finding]:
    groups = {
        "score": SCORE_GROUP,
        "settle": SETTLE_GROUP,
        "ledger": LEDGER_GROUP,
        "curate": CURATE_GROUP,
        "archive": ARCHIVE_GROUP,
    } | {f"webhook {name}": WEBHOOKS_GROUP + name for name in endpoints}
    lanes = [
        TopicPartition(name, number) for name in there for number in cluster.topics[name].partitions
    ]
    ends: dict[tuple[str, int], int] = {}
    for flow, group in groups.items():
        name = f"lag of {flow}"
        consumer = Consumer(
            {**settings.client_config(), "group.id": group, "log_level": 0},
        )
        try:
            done = [
                one for one in consumer.committed(lanes, timeout=ASK_SECONDS) if one.offset >= 0
            ]
            behind = 0
            for lane in done:
                key = (lane.topic, lane.partition)
                if key not in ends:
                    ends[key] = consumer.get_watermark_offsets(lane, timeout=ASK_SECONDS)[1]
                behind += max(0, ends[key] - lane.offset)
        except KafkaException as bad:
            yield warn(name, f"not told: {bad.args[0].str()}", "Ask again in a moment")
            continue
        finally:
            consumer.close()
        if not done:
            yield ok(name, "has never run on these topics")
        elif behind > BEHIND:
            yield warn(
                name,
                f"{behind:,} records behind",
                f"Is `{flow}` running? Its log says what it does",
            )
        else:
            yield ok(name, f"{behind:,} records behind")


def _letters(settings: KafkaSettings, clock_us: Callable[[], int]) -> Sequence[Finding]:
    """By their records' own time."""
    admin = AdminClient({**settings.client_config(), "log_level": 0})
    try:
        if (
            Topic.DEAD_LETTERS.full(settings.prefix)
            not in admin.list_topics(timeout=ASK_SECONDS).topics
        ):
            return [ok("dead letters", "none yet")]
    except KafkaException:
        return []  # what is wrong stands under `kafka` already
    reader = TopicReader(settings, [Topic.DEAD_LETTERS], "steamline-doctor", patience=ASK_SECONDS)
    reasons: Counter[str] = Counter()
    try:
        reader.begin({}, since_us=clock_us() - US_PER_DAY)
        while not reader.at_end() and reasons.total() < READ_LETTERS:
            for record in reader.read(READ_LETTERS, 0.2):
                try:
                    reasons[str(json.loads(record.value)["reason"])] += 1
                except (ValueError, KeyError, TypeError) as bad:
                    reasons[f"unreadable ({first_line(bad)})"] += 1
    finally:
        reader.close()
    if not reasons:
        return [ok("dead letters", "none in the last day")]
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(5))
    more = "at least " if reasons.total() >= READ_LETTERS else ""
    return [
        warn(
            "dead letters",
            f"{more}{reasons.total()} in the last day: {told}",
            "docs/architecture.md says what each reason means; nothing of them was used",
        )
    ]
