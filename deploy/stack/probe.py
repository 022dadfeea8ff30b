"""Does a server answer? Each function returns why not, or None when it does."""

from collections.abc import Mapping

PATIENCE = 3.0


def kafka(config: Mapping[str, str | int | float | bool]) -> str | None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    # log_level 0: the client would print a line for every refused connection.
    client = AdminClient({**config, "log_level": 0})
    try:
        brokers = client.list_topics(timeout=PATIENCE).brokers
    except KafkaException as refused:
        return str(refused.args[0].str())
    return None if brokers else "no broker in its metadata"


def redis(url: str) -> str | None:
    from redis import Redis, RedisError

    try:
        client = Redis.from_url(url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE)
    except ValueError as wrong:
        return str(wrong)
    try:
        client.ping()
    except RedisError as refused:
        return str(refused)
    finally:
        client.close()
    return None


def postgres(dsn: str) -> str | None:
    import psycopg

    try:
        psycopg.connect(dsn, connect_timeout=int(PATIENCE)).close()
    except psycopg.ProgrammingError:
        # Its message quotes the DSN, password included.
        return "the DSN cannot be parsed"
    except psycopg.Error as refused:
        return str(refused).strip()
    return None
