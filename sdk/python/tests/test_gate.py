"""Against a hub that runs: POLITY_URL, POLITY_TOKEN (may everything), POLITY_STRANGER (may what is of low risk)."""

import asyncio
import os
import socket
import threading
import time
import unittest
import json
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from polity_gate import (
    Gate,
    GovernanceDenied,
    GovernanceMiddleware,
    GovernanceSuspended,
    GovernanceUnavailable,
    check_avn_action,
    check_business_operation,
    check_code_deployment,
    check_system_change,
    configure,
    require_governance,
)

URL = os.environ["POLITY_URL"]
PATIENCE = 60
OWNER = Gate(URL, os.environ["POLITY_TOKEN"], PATIENCE)
STRANGER = Gate(URL, os.environ["POLITY_STRANGER"], PATIENCE)
THING = {"type": "thing", "id": "1"}


def outcome(decision):
    """As the hub knows it: waits until it is there."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        request = urllib.request.Request(
            URL + "/v1/decisions/" + decision, headers={"Authorization": "Bearer " + os.environ["POLITY_TOKEN"]}
        )
        with urllib.request.urlopen(request) as response:
            context = json.loads(response.read())["context"]
        if "outcome" in context:
            return context["outcome"]
    raise AssertionError("no outcome came")


def agree_until(enough):
    """As the owner, to whatever waits."""
    while not enough.wait(0.05):
        for item in ask("GET", "/v1/queries/approvals.list")["items"]:
            try:
                ask("POST", "/v1/actions/approvals.approve", {"input": {"approval": item["approval"]}})
            except urllib.error.HTTPError as closed:
                closed.close()


def ask(method, path, body=None):
    request = urllib.request.Request(
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + os.environ["POLITY_TOKEN"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read())


class Watched(Gate):
    """Remembers what it was answered."""

    def __init__(self):
        super().__init__(URL, os.environ["POLITY_TOKEN"], PATIENCE)
        self.last = None

    def decide(self, *args, **kwargs):
        self.last = super().decide(*args, **kwargs)
        return self.last


class Serving:
    """A hub that answers what it is told to."""

    def __init__(self, status, body, headers=()):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            do_GET = do_POST

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return Gate(self.url, "t", timeout=1)

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Deciding(unittest.TestCase):
    def test_what_is_allowed_is_reported_once(self):
        allowed = OWNER.decide("thing.change", THING)
        allowed.failed("E1", "a \x07 bell")
        allowed.done()
        self.assertEqual(outcome(allowed.id), "failed")

    def test_what_is_denied_says_why(self):
        with self.assertRaises(GovernanceDenied) as caught:
            STRANGER.decide("thing.change", THING)
        self.assertTrue(caught.exception.sentence)

    def test_what_is_only_read_leaves_no_decision(self):
        self.assertIsNone(STRANGER.decide("thing.read", THING, risk_level="low", is_read_only=True).id)

    def test_what_needs_people_is_suspended(self):
        with self.assertRaises(GovernanceSuspended) as caught:
            Gate(URL, os.environ["POLITY_SERVICE"], PATIENCE).decide("thing.destroy", THING, risk_level="critical")
        self.assertIn("owner:1", caught.exception.obligations)
        self.assertEqual(caught.exception.approval, caught.exception.decision)
        with self.assertRaises(GovernanceSuspended):
            Gate(URL, os.environ["POLITY_SERVICE"], PATIENCE).wait(caught.exception.decision, 0.3, 0.1)

    def test_what_people_agree_to_goes_on(self):
        gate = Gate(URL, os.environ["POLITY_SERVICE"], PATIENCE)
        done = []

        @require_governance("thing.destroy", risk_level="critical", resource=THING, wait_seconds=PATIENCE, gate=gate)
        def destroy():
            done.append(1)

        enough = threading.Event()
        agreeing = threading.Thread(target=agree_until, args=(enough,))
        agreeing.start()
        try:
            destroy()
        finally:
            enough.set()
            agreeing.join()
        self.assertEqual(done, [1])

    def test_a_risk_that_is_none_is_refused_before_it_is_asked(self):
        with self.assertRaises(ValueError):
            OWNER.decide("thing.change", THING, risk_level="severe")

    def test_the_checks_of_older_programs(self):
        async def all_of_them():
            return [
                await check_avn_action("restart_service", "web", "a-1", "high", gate=OWNER),
                await check_business_operation("process_payment", "alice", "order:1", {"amount": 3}, gate=OWNER),
                await check_system_change("scale", "web", "scaler", {"replicas": 3}, gate=OWNER),
                await check_code_deployment("hotfix", "web", "ci", gate=OWNER),
            ]

        try:
            for allowed in asyncio.run(all_of_them()):
                allowed.done()
                self.assertEqual(outcome(allowed.id), "done")
        except GovernanceSuspended:
            # Rules about autonomous acts may want people; then none of them is done.
            pass


class FailingClosed(unittest.TestCase):
    def refused(self, gate):
        with self.assertRaises(GovernanceUnavailable):
            gate.decide("thing.change", THING)

    def test_nobody_listens(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.refused(Gate("http://127.0.0.1:%d" % taken.getsockname()[1], "t", timeout=1))

    def test_nobody_answers(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.refused(Gate("http://127.0.0.1:%d" % silent.getsockname()[1], "t", timeout=0.2))

    def test_answers_that_are_none(self):
        for status, body in (
            (200, b""),
            (200, b"yes"),
            (200, b"[true]"),
            (200, b'{"decision": "true"}'),
            (200, b'{"decision": 1}'),
            (200, b'{"decision": true}'),
            (200, b'{"decision": true, "context": {"effect": "allow"}}'),
            (200, b'{"decision": true, "context": {"effect": "denied", "id": "x"}}'),
            (202, b'{"decision": true, "context": {"effect": "allow", "id": "x"}}'),
            (500, b'{"decision": true, "context": {"effect": "allow", "id": "x"}}'),
            (200, b"[" * 100000),
            (200, b" " * (300 * 1024)),
        ):
            with self.subTest(status=status, body=body[:40]), Serving(status, body) as gate:
                self.refused(gate)

    def test_another_hub_is_not_asked(self):
        body = b'{"decision": true, "context": {"effect": "allow", "id": "x"}}'
        with Serving(302, body, [("Location", URL + "/v1/decisions")]) as gate:
            self.refused(gate)

    def test_a_wrong_token(self):
        self.refused(Gate(URL, "pol_wrong"))

    def test_other_schemes(self):
        with self.assertRaises(ValueError):
            Gate("file:///etc/passwd", "t")


class Governing(unittest.TestCase):
    def test_a_function(self):
        gate = Watched()

        @require_governance("thing.change", risk_level="medium", resource=lambda which: {"type": "thing", "id": which}, gate=gate)
        def change(which):
            """Changes it."""
            return which * 2

        self.assertEqual(change("ab"), "abab")
        self.assertEqual(change.__doc__, "Changes it.")
        self.assertEqual(outcome(gate.last.id), "done")

    def test_an_exception_stays_what_it_was(self):
        gate = Watched()

        @require_governance("thing.change", gate=gate)
        def change():
            raise KeyError("lost")

        with self.assertRaises(KeyError) as caught:
            change()
        self.assertEqual(caught.exception.args, ("lost",))
        self.assertIsNone(caught.exception.__cause__)
        self.assertEqual(outcome(gate.last.id), "failed")

    def test_an_exception_survives_a_report_that_fails(self):
        class Deaf(Watched):
            def report(self, *args, **kwargs):
                raise GovernanceUnavailable("gone")

        for raised in (KeyError("lost"), None):

            @require_governance("thing.change", gate=Deaf())
            def change(error=raised):
                if error is not None:
                    raise error
                return 7

            with self.assertLogs("polity_gate", "WARNING"):
                if raised is None:
                    self.assertEqual(change(), 7)
                else:
                    self.assertRaises(KeyError, change)

    def test_a_coroutine(self):
        gate = Watched()

        @require_governance("thing.change", gate=gate)
        async def change(fails):
            await asyncio.sleep(0)
            if fails:
                raise OSError("full")
            return 7

        self.assertEqual(asyncio.run(change(False)), 7)
        self.assertEqual(outcome(gate.last.id), "done")
        self.assertRaises(OSError, lambda: asyncio.run(change(True)))
        self.assertEqual(outcome(gate.last.id), "failed")

    def test_a_cancelled_task_is_cancelled(self):
        gate = Watched()

        @require_governance("thing.change", gate=gate)
        async def change(begun):
            begun.set()
            await asyncio.Event().wait()

        async def cancelled():
            begun = asyncio.Event()
            task = asyncio.ensure_future(change(begun))
            await begun.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        self.assertEqual(outcome(gate.last.id), "failed")

    def test_nothing_is_done_without_a_yes(self):
        done = []

        @require_governance("thing.change", gate=STRANGER)
        def change():
            done.append(1)

        @require_governance("thing.change", resource=lambda: {}["missing"], gate=OWNER)
        def confused():
            done.append(1)

        self.assertRaises(GovernanceDenied, change)
        self.assertRaises(GovernanceUnavailable, confused)
        self.assertEqual(done, [])

    def test_nothing_is_done_without_a_gate(self):
        configure(None)

        @require_governance("thing.change")
        def change():
            return 1

        self.assertRaises(GovernanceUnavailable, change)
        configure(OWNER)
        self.assertEqual(change(), 1)

    def test_a_generator_is_refused(self):
        def some():
            yield 1

        with self.assertRaises(TypeError):
            require_governance("thing.change", gate=OWNER)(some)


class Asgi(unittest.TestCase):
    def asked(self, gate, method="POST", path="/things", app=None, **more):
        sent, ran = [], []

        async def answering(scope, receive, send):
            ran.append(scope["path"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": []}
        middleware = GovernanceMiddleware(app or answering, gate, **more)
        asyncio.run(middleware(scope, None, send))
        return sent[0], sent[-1].get("body"), ran

    def test_passes_what_is_allowed_and_reports_it(self):
        gate = Watched()
        start, body, _ = self.asked(gate)
        self.assertEqual((start["status"], body), (200, b"done"))
        self.assertEqual(outcome(gate.last.id), "done")

    def test_stops_what_is_denied(self):
        start, body, ran = self.asked(STRANGER)
        self.assertEqual((start["status"], json.loads(body)["code"], ran), (403, "denied", []))
        self.assertIn((b"content-type", b"application/problem+json"), start["headers"])

    def test_says_where_to_wait(self):
        gate = Gate(URL, os.environ["POLITY_SERVICE"], PATIENCE)
        start, body, ran = self.asked(gate, risk_level="critical")
        self.assertEqual((start["status"], json.loads(body)["status"], ran), (202, "suspended", []))

    def test_lets_readers_read_and_probes_probe(self):
        self.assertEqual(self.asked(STRANGER, method="GET")[0]["status"], 200)
        self.assertEqual(self.asked(Gate("http://127.0.0.1:9", "t"), path="/health")[0]["status"], 200)

    def test_stops_everything_while_the_gate_is_gone(self):
        start, _, ran = self.asked(Gate("http://127.0.0.1:9", "t", timeout=0.2))
        self.assertEqual((start["status"], ran), (503, []))

    def test_reports_answers_that_say_that_it_failed(self):
        async def failing(scope, receive, send):
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        async def raising(scope, receive, send):
            raise KeyError("lost")

        gate = Watched()
        self.asked(gate, app=failing)
        self.assertEqual(outcome(gate.last.id), "failed")
        self.assertRaises(KeyError, lambda: self.asked(gate, app=raising))
        self.assertEqual(outcome(gate.last.id), "failed")


if __name__ == "__main__":
    unittest.main()
