"""The sessionizer that a Faust user writes: a table with a changelog; a user's next click closes the session before."""

from __future__ import annotations

import mode.loop
from job import GAP_MS, job

mode.loop.use("uvloop")

import faust  # noqa: E402 - the loop comes first

task = job()
app = faust.App(
    task.group,
    broker=f"kafka://{task.bootstrap}",
    consumer_auto_offset_reset="earliest",
    datadir=task.state,
    store="memory://",
    topic_partitions=task.partitions,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
)
clicks = app.topic(task.source, key_type=str, key_serializer="raw", value_serializer="json")
sessions = app.topic(task.target, key_type=str, key_serializer="raw", value_serializer="json")
opened = app.Table("open-sessions", partitions=task.partitions, key_type=str)


@app.agent(clicks)
async def sessionize(stream):
    """Append to the user's session, or publish it and open the next one."""
    async for message in stream:
        user = message["user_id"]
        session = opened.get(user)
        for click in message["clicks"] if task.envelopes else (message,):
            at = click["timestamp"]
            event = {"event_id": click["event_id"], "item_id": click["item_id"], "timestamp": at}
            if session is not None and at - session["ended_at"] <= GAP_MS:
                session["events"].append(event)
                session["started_at"] = min(at, session["started_at"])
                session["ended_at"] = max(at, session["ended_at"])
            else:
                if session is not None:
                    await sessions.send(key=user, value=session)
                session = {"user_id": user, "started_at": at, "ended_at": at, "events": [event]}
        opened[user] = session


if __name__ == "__main__":
    worker = faust.Worker(app, loglevel="WARNING")
    worker.execute_from_commandline()
