"""Answers of sources in a folder, one file each: to look at, and to play again."""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

from flows.connectors.http import Answer
from flows.sources.payload import Payload
from schemas.errors import ConfigError, DataMissing

SUFFIX = ".json.gz"


def record(folder: Path, answer: Answer) -> Path:
    """The answer as gzipped JSON; the name tells when and from where. There whole or not at all."""
    payload = answer.payload
    name = f"{payload.fetched_at_us}-{payload.source}-{payload.endpoint}{SUFFIX}"
    document = {
        "source": payload.source,
        "endpoint": payload.endpoint,
        "url": payload.url,
        "fetched_at_us": payload.fetched_at_us,
        "said_at_us": payload.said_at_us,
        "unchanged": answer.unchanged,
        "headers": answer.headers,
        **_packed(payload.body),
    }
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.partial"
    partial.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    return partial.replace(folder / name)


def keep(folder: Path, answer: Answer) -> None:
    """As `record`. Raises ConfigError where the disk does not take it."""
    try:
        record(folder, answer)
    except OSError as bad:
        raise ConfigError(
            "--record", f"{bad.filename}: {bad.strerror}", "Make room or record elsewhere"
        ) from None


def recorded(folder: Path, sources: frozenset[str]) -> Iterator[Answer]:
    """The answers of some sources in the order in which they came.

    Raises DataMissing where there are none, or one cannot be read.
    """
    paths = sorted(folder.glob(f"*{SUFFIX}"), key=_when)
    if not paths:
        raise DataMissing(f"{folder}: no recorded answers (*{SUFFIX}). Make some with --record")
    for path in paths:
        answer = _read(path)
        if answer.payload.source in sources:
            yield answer


def _when(path: Path) -> tuple[int, str]:
    stamp = path.name.partition("-")[0]
    if not stamp.isdecimal():
        raise DataMissing(f"{path}: its name does not begin with the time of the answer")
    return int(stamp), path.name


def _packed(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": b64encode(body).decode()}


def _read(path: Path) -> Answer:
    try:
        fields = json.loads(gzip.decompress(path.read_bytes()))
        text = fields.get("body")
        body = text.encode() if text is not None else b64decode(fields["body_base64"])
        payload = Payload(
            source=fields["source"],
            endpoint=fields["endpoint"],
            url=fields["url"],
            fetched_at_us=fields["fetched_at_us"],
            said_at_us=fields["said_at_us"],
            body=body,
        )
        return Answer(payload, fields["unchanged"], fields["headers"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as bad:
        raise DataMissing(
            f"{path}: no recorded answer ({type(bad).__name__}: {bad}). Remove it or record anew"
        ) from None
