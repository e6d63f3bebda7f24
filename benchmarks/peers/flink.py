"""Flink SQL: the SESSION window function between two Kafka tables of JSON; heap state, no checkpoints."""

from __future__ import annotations

from pathlib import Path

from job import GAP_MS, LATENESS_MS, job
from pyflink.table import EnvironmentSettings, TableEnvironment

task = job()
tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
for name, value in {
    "pipeline.jars": Path(task.jar).resolve().as_uri(),
    "parallelism.default": "1",
    "table.local-time-zone": "UTC",
    "taskmanager.memory.network.max": "64mb",
}.items():
    tables.get_config().set(name, value)
tables.execute_sql(f"""
    CREATE TABLE clicks (
      user_id STRING, event_id STRING, item_id STRING, `timestamp` BIGINT,
      ts AS TO_TIMESTAMP_LTZ(`timestamp`, 3),
      WATERMARK FOR ts AS ts - INTERVAL '{LATENESS_MS // 1000}' SECOND
    ) WITH (
      'connector' = 'kafka', 'topic' = '{task.source}', 'properties.bootstrap.servers' = '{task.bootstrap}',
      'properties.group.id' = '{task.group}', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json'
    )""")
tables.execute_sql(f"""
    CREATE TABLE sessions (
      user_id STRING, started_at BIGINT, ended_at BIGINT,
      events ARRAY<ROW<event_id STRING, item_id STRING, `timestamp` BIGINT>>
    ) WITH (
      'connector' = 'kafka', 'topic' = '{task.target}', 'properties.bootstrap.servers' = '{task.bootstrap}',
      'key.format' = 'raw', 'key.fields' = 'user_id', 'format' = 'json'
    )""")
tables.execute_sql(f"""
    INSERT INTO sessions
    SELECT user_id, MIN(`timestamp`), MAX(`timestamp`), ARRAY_AGG(ROW(event_id, item_id, `timestamp`))
    FROM TABLE(SESSION(TABLE clicks PARTITION BY user_id, DESCRIPTOR(ts), INTERVAL '{GAP_MS // 60_000}' MINUTES))
    GROUP BY user_id, window_start, window_end""").wait()
