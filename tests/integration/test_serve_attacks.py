"""``mos serve`` against hostile clients: each gets a clear answer or a closed connection, and the others go on."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mos_online.ports import free_port
from serving.http.keys import make_key
from tests.integration.serve_process import Serve, put_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve_attacks")]
"""Their service is a fixture of the file, and takes half a minute to start."""

KEYS = {name: make_key(name, scopes) for name, scopes in (("greedy", ["recommend"]), ("other", ["recommend"]))}
OTHER = {"X-API-Key": KEYS["other"][0]}
HEAD = f"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nX-API-Key: {OTHER['X-API-Key']}\r\n".encode()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A service that started without a model, and got one later."""
    folder = tmp_path_factory.mktemp("attacked")
    keys = folder / "keys"
    keys.write_text("\n".join(entry.line() for _, entry in KEYS.values()))
    keys.chmod(0o600)
    settings = {"API_KEYS_FILE": str(keys), "PAGES_NEED_KEY": "true", "TRUSTED_PROXIES": "192.0.2.7"}
    started = Serve(folder=folder, port=free_port(), says="waiting for a model after", **settings)
    try:
        waiting = started.client.post("/v1/recommend", json={"user_id": "u"})
        assert waiting.status_code == 503
        assert "mos train" in waiting.json()["error"]["message"]
        assert "mos train" in started.client.get("/readyz").json()["error"]["message"]
        put_model(folder / "mos", seed=0)
        started.until(lambda: started.client.get("/readyz").status_code == 200)
        yield started
        assert started.process.poll() is None, started.log()  # it stopped for nobody
        assert "Traceback" not in started.log()
        assert started.stop(signal.SIGTERM) == 0
        assert started.left() == []
    finally:
        if started.process.poll() is None:
            started.stop(signal.SIGKILL)


def answers(serve: Serve) -> bool:
    answer = httpx.post(f"{serve.url}/v1/recommend", json={"user_id": "u", "k": 1}, headers=OTHER, timeout=60)
    return answer.status_code == 200 and bool(answer.json()["items"])


def connect(serve: Serve, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(serve.url.rpartition(":")[2])), timeout=120)
    connection.sendall(sent)
    return connection


def said(serve: Serve, sent: bytes) -> bytes:
    """All that the service says to these bytes until it closes; the client stops sending, but does not close."""
    with connect(serve, sent) as connection:
        out = b""
        try:
            while part := connection.recv(65_536):
                out += part
        except ConnectionError:
            pass
        return out


def test_the_pages_of_the_operator_and_of_ray_are_closed(serve: Serve) -> None:
    for path in ("/metrics", "/docs", "/openapi.json"):
        assert httpx.get(f"{serve.url}{path}").status_code == 401
        assert httpx.get(f"{serve.url}{path}", headers=OTHER).status_code == 403
        assert serve.client.get(path).status_code == 200
    for raw in ("/-/healthz", "/-/routes", "/-/ROUTES", "/%2d/routes", "/%2D%2Froutes", "/-/"):
        assert said(serve, f"GET {raw} HTTP/1.0\r\n\r\n".encode()).startswith(b"HTTP/1.1 404"), raw
    for path in ("/healthz", "/readyz"):
        assert httpx.get(f"{serve.url}{path}").status_code == 200


def test_nothing_redirects_whatever_the_host_says(serve: Serve) -> None:
    for path in ("/v1/recommend/", "/healthz/", "//evil.example/"):
        sent = HEAD.replace(b"/v1/recommend ", f"{path} ".encode()).replace(b"Host: x", b"Host: evil.example")
        answer = said(serve, sent + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
        assert answer.startswith(b"HTTP/1.1 404"), answer
        assert b"evil" not in answer.partition(b"\r\n\r\n")[0]


def test_the_header_names_the_answer_once_as_the_body_does(serve: Serve) -> None:
    for given, expected in (("trace-1", "trace-1"), ("two words", None), ("x" * 500, None), (None, None)):
        headers = OTHER | ({"X-Request-ID": given} if given else {})
        answer = httpx.post(f"{serve.url}/v1/recommend", json={"user_id": "u"}, headers=headers)
        (name,) = answer.headers.get_list("x-request-id")
        assert name == answer.json()["request_id"]
        assert name == expected or (expected is None and len(name) in {32, 36})
    own = httpx.post(f"{serve.url}/v1/recommend", json={"user_id": "u", "request_id": "mine"}, headers=OTHER)
    assert own.headers.get_list("x-request-id") == ["mine"]


SLOW = {
    "silent": (b"", b""),
    "headers": (b"POST /v1/recommend HTTP/1.1\r\nX-A: ", b"x"),
    "small body": (HEAD + b"Content-Length: 1000\r\n\r\n{", b" "),
    "large body": (HEAD + b"Content-Length: 900000\r\n\r\n" + b" " * 40_000, b" "),
    "chunked body": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n9c40\r\n" + b" " * 40_000 + b"\r\n",
        b"1\r\n \r\n",
    ),
}
"""What a slow client sends first, and what it adds all the time."""


def test_slow_connections_are_cut_and_hold_up_nobody(serve: Serve) -> None:
    slow = {connect(serve, first): kind for kind, (first, _) in SLOW.items() for _ in range(20)}
    heard: dict[socket.socket, bytes] = dict.fromkeys(slow, b"")
    left = dict(slow)
    while left:  # each ends by the service's own limits, or the test by its own
        for connection, kind in list(left.items()):
            connection.settimeout(0.001)
            try:
                connection.sendall(SLOW[kind][1])
                part = connection.recv(65_536)
            except TimeoutError:
                continue
            except ConnectionError:
                part = b""
            heard[connection] += part
            if not part:
                del left[connection]
                connection.close()
        assert answers(serve)
        time.sleep(0.5)
    for connection, kind in slow.items():
        assert heard[connection].startswith(b"HTTP/1.1 408") or not heard[connection], kind


def test_a_greedy_client_leaves_another_its_share(serve: Serve) -> None:
    stop = threading.Event()
    greedy: Counter[int] = Counter()
    batch = json.dumps({"requests": [{"user_id": f"u{n}", "k": 100} for n in range(64)]}).encode()

    def ask() -> None:
        with httpx.Client(base_url=serve.url, headers={"X-API-Key": KEYS["greedy"][0]}, timeout=300) as client:
            while not stop.is_set():
                answer = client.post("/v1/recommend/batch", content=batch)
                greedy[answer.status_code] += 1
                assert answer.status_code != 429 or answer.headers["retry-after"] == "1"

    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(ask) for _ in range(16)]
        try:
            serve.until(lambda: greedy[429] > 20)
            asked = Counter(
                httpx.post(f"{serve.url}/v1/recommend", json={"user_id": "u"}, headers=OTHER, timeout=300).status_code
                for _ in range(50)
            )
        finally:
            stop.set()
        for one in running:
            one.result()
    assert asked == {200: 50}
    text = serve.client.get("/metrics").text
    assert 'mos_serving_key_requests_total{key="greedy",status="429"}' in text
    assert not any(key in text or key in serve.log() for key, _ in KEYS.values())


def get(path: str, header: bytes) -> bytes:
    """A GET with one odd header."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + header + b"\r\n\r\n"


DEEP = b'{"user_id":"u","events":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"user_id": "u", "k": NaN}', 400),
        (b'{"user_id": "u", "timestamp": Infinity}', 400),
        (b'{"user_id": "u", "timestamp": 1e400}', 422),
        (b'{"user_id": "u", "timestamp": 99999999999999999999999999}', 422),
        (b'{"user_id": "u", "k": 1, "k": 2}', 200),  # the last one holds, as everywhere in JSON
        (b'{"user_id": "a", "user_id": "b", "k": 1}', 200),
        (b'{"user_id": "\\u0000\\ud83d\\ude00\xc3\xa9\xe2\x80\xae", "k": 1}', 200),
        (b'{"user_id": "\\ud83d", "k": 1}', 422),
        (b'{"user_id": "\xff"}', 400),
        (DEEP, 422),
        (b'{"user_id": "u", "exclude": [' + b'"x",' * 5000 + b'"x"]}', 422),
        (b"[" * 900_000, 422),
        (b"\x00" * 1000, 400),
    ],
)
def test_an_odd_body_gets_a_clear_answer(serve: Serve, body: bytes, status: int) -> None:
    answer = httpx.post(f"{serve.url}/v1/recommend", content=body, headers=OTHER, timeout=60)
    assert answer.status_code in {status, 400 if status == 422 else status}, answer.text
    assert answer.status_code == 200 or set(answer.json()["error"]) == {"code", "message", "fix"}
    assert answers(serve)


@pytest.mark.parametrize(
    ("sent", "begins"),
    [
        (HEAD + b"X-Big: " + b"x" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 4"),
        (HEAD + b"".join(b"X-%d: x\r\n" % n for n in range(2000)) + b"\r\n", b"HTTP/1.1 4"),
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 4"),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}", b"HTTP/1.1 4"),
        (HEAD + b"Content-Length: -1\r\n\r\n", b"HTTP/1.1 4"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"HTTP/1.1 4"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 4"),
        (b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n", b"HTTP/1.1 4"),
        (b"\x16\x03\x01\x02\x00", b"HTTP/1.1 4"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
        (
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nserve_multiplexed_model_id: \xff\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200",
        ),
        (get("/healthz", b"X-Request-ID: \xff\xfe"), b"HTTP/1.1 200"),
        (
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nx-request-timeout-seconds: -1\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200",
        ),
        (b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200"),
        (b"OPTIONS /v1/recommend HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 405"),
        (b"TRACE /v1/recommend HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 405"),
        (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\nConnection: close\r\n\r\n", b"HTTP/1.1 4"),
        (
            b"GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200",
        ),
        (
            b"GET /v1/model HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
            b"HTTP/1.1 4",
        ),
    ],
    ids=lambda value: value.replace(OTHER["X-API-Key"].encode(), b"KEY")[-40:].decode("latin-1"),
)
def test_odd_http_gets_an_answer_or_a_closed_connection(serve: Serve, sent: bytes, begins: bytes) -> None:
    assert said(serve, sent).startswith(begins)
    assert answers(serve)


def test_many_requests_in_one_piece_are_answered_in_order(serve: Serve) -> None:
    body = b'{"user_id": "u", "k": 1, "request_id": "r%03d"}'
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(body % 1)
    sent = b"".join(head + body % n for n in range(100))
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = said(serve, sent + last)
    places = [answer.index(b'"request_id":"r%03d"' % n) for n in range(100)]
    assert places == sorted(places)


def test_a_client_cannot_say_that_it_is_another_address(serve: Serve) -> None:
    headers = OTHER | {"x-mos-peer": "203.0.113.9", "X-Forwarded-For": "203.0.113.9"}
    assert httpx.post(f"{serve.url}/v1/recommend", json={"user_id": "u"}, headers=headers).status_code == 200
