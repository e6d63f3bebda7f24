"""The ceiling of ordinary Faust: an agent that only counts. Raw codec, uvloop; it marks its begin and its end."""

from __future__ import annotations

import mode.loop
from job import job

mode.loop.use("uvloop")

import faust  # noqa: E402 - the loop comes first

task = job()
app = faust.App(
    task.group,
    broker=f"kafka://{task.bootstrap}",
    consumer_auto_offset_reset="earliest",
    datadir=task.state,
    key_serializer="raw",
    value_serializer="raw",
    store="memory://",
    topic_allow_declare=False,
    topic_disable_leader=True,
    web_enabled=False,
)
clicks = app.topic(task.source, value_type=bytes, value_serializer="raw")
marks = app.topic(task.target, value_type=bytes, value_serializer="raw")


@app.agent(clicks)
async def count(stream):
    """Count."""
    seen = 0
    async for _ in stream:
        seen += 1
        if seen in (1, task.messages):
            await marks.send(value=b"%d" % seen)


if __name__ == "__main__":
    worker = faust.Worker(app, loglevel="WARNING")
    worker.execute_from_commandline()
