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


def eventually(call):
    """What people agreed to is decided again a moment after their last vote."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except GovernanceSuspended:
            if time.monotonic() > until:
                raise


def agree_until(enough):
    """As the owner, to whatever waits."""
    while not enough.wait(0.05):
        for item in ask("GET", "/v1/queries/approvals.list")["items"]:
            try:
                ask("POST", "/v1/actions/approvals.approve", {"input": {"approval": item["approval"]}})
            except urllib.error.HTTPError as closed:
                closed.close()


def waiting():
    return [item["approval"] for item in ask("GET", "/v1/queries/approvals.list")["items"]]


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

    def test_under_a_key_it_goes_on_after_a_restart_once(self):
        ran = []

        def program():
            gate = Gate(URL, os.environ["POLITY_SERVICE"], PATIENCE)

            @require_governance(
                "thing.change",
                risk_level="critical",
                resource=lambda which: {"type": "thing", "id": which},
                key=lambda which: "change of " + which,
                gate=gate,
            )
            def change(which):
                ran.append(which)

            return change

        with self.assertRaises(GovernanceSuspended) as first:
            program()("one")
        with self.assertRaises(GovernanceSuspended) as again:
            program()("one")
        self.assertEqual(first.exception.decision, again.exception.decision)
        with self.assertRaises(GovernanceSuspended) as other:
            program()("two")
        self.assertNotEqual(other.exception.decision, first.exception.decision)
        ask("POST", "/v1/actions/approvals.approve", {"input": {"approval": first.exception.decision}})
        eventually(lambda: program()("one"))
        self.assertEqual(ran, ["one"])
        for _ in range(2):
            self.assertRaises(GovernanceDenied, program(), "one")
        self.assertEqual(ran, ["one"])

    def test_a_generator_is_refused(self):
        def some():
            yield 1

        with self.assertRaises(TypeError):
            require_governance("thing.change", gate=OWNER)(some)


class Asgi(unittest.TestCase):
    def asked(self, gate, method="POST", path="/things", app=None, pieces=(b"",), headers=(), **more):
        sent, ran, self.bodies = [], [], []
        left = [
            {"type": "http.request", "body": piece, "more_body": at + 1 < len(pieces)}
            for at, piece in enumerate(pieces)
        ]

        async def receive():
            # As a server has it: behind the body nothing comes as long as the client is there.
            return left.pop(0) if left else await asyncio.wait_for(asyncio.Event().wait(), PATIENCE)

        async def answering(scope, receive, send):
            ran.append(scope["path"])
            message = await receive()
            self.bodies.append(message["body"])
            while message["more_body"]:
                message = await receive()
                self.bodies.append(message["body"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        middleware = GovernanceMiddleware(app or answering, gate, **more)
        asyncio.run(middleware(scope, receive, send))
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

    def test_refuses_a_path_that_could_be_two(self):
        for path in ("/admin;x", "/;x/admin", "/admin;", "//admin", "/a//b", "/./admin", "/a/..", "/a\\b", "/a%2fb", "/a\x00", "http://x/admin"):
            start, body, ran = self.asked(Watched(), path=path)
            self.assertEqual((start["status"], json.loads(body)["code"], ran), (400, "input.malformed", []))

    def test_has_one_name_for_one_path(self):
        named = []

        class Naming(Watched):
            def decide(self, *args, **kwargs):
                named.append((args, kwargs))
                return super().decide(*args, **kwargs)

        for path in ("/admin", "/admin/"):
            self.asked(Naming(), path=path)
        self.assertEqual(len(named), 2)
        self.assertEqual(named[0], named[1])

    def test_says_where_to_wait(self):
        gate = Gate(URL, os.environ["POLITY_SERVICE"], PATIENCE)
        start, body, ran = self.asked(gate, risk_level="critical")
        self.assertEqual((start["status"], json.loads(body)["status"], ran), (202, "suspended", []))

    def test_goes_on_after_a_restart_with_the_same_request_once(self):
        def program(pieces=(b"amount=", b"1"), path="/things", ticket=None, token="POLITY_SERVICE"):
            gate = Gate(URL, os.environ[token], PATIENCE)
            headers = [] if ticket is None else [(b"Polity-Decision", ticket)]
            start, body, ran = self.asked(gate, path=path, pieces=pieces, headers=headers, risk_level="critical")
            return start, json.loads(body) if start["status"] == 202 else body, ran

        start, told, _ = program()
        ticket = dict(start["headers"])[b"polity-decision"]
        ask("POST", "/v1/actions/approvals.approve", {"input": {"approval": told["decision"]}})
        seal = ticket.split(b".")[1]
        for forged in (
            dict(pieces=(b"amount=1000000",), ticket=ticket),
            dict(path="/others", ticket=ticket),
            dict(ticket=told["decision"].encode()),
            dict(ticket=told["decision"].encode() + b"." + seal[::-1]),
            dict(ticket=ticket + b"\n"),
            dict(pieces=(b"x" * (1024 * 1024 + 1),), ticket=ticket),
        ):
            start, other, ran = program(**forged)
            self.assertEqual((start["status"], ran), (202, []))
            self.assertNotEqual(other["decision"], told["decision"])
            self.assertEqual(b"polity-decision" in dict(start["headers"]), len(forged.get("pieces", [b""])[0]) < 1024)
        until = time.monotonic() + PATIENCE
        while True:
            # In other pieces it is the same request.
            start, body, ran = program(pieces=(b"amou", b"nt=1"), ticket=ticket)
            if start["status"] != 202 or time.monotonic() > until:
                break
        self.assertEqual((start["status"], body, ran), (200, b"done", ["/things"]))
        self.assertEqual(self.bodies, [b"amou", b"nt=1"])
        start, body, ran = program(ticket=ticket)
        self.assertEqual((start["status"], ran), (403, []))

    def keyed(self, key=b"k", pieces=(b"amount=1",), path="/things", who="POLITY_TOKEN", method="POST", **more):
        """Each time a program that was started again: nothing is known but its token."""
        gate = Gate(URL, os.environ[who], PATIENCE)
        headers = [(b"Idempotency-Key", key), (b"authorization", more.pop("credentials", b"Bearer alice"))]
        return self.asked(gate, method=method, path=path, pieces=pieces, headers=headers, **more)

    def test_a_key_of_the_client_is_good_for_one_request_and_one_go(self):
        start, body, ran = self.keyed(b"one-go")
        self.assertEqual((start["status"], ran, self.bodies), (200, ["/things"], [b"amount=1"]))
        start, body, ran = self.keyed(b"one-go", pieces=(b"amou", b"nt=1"))
        self.assertEqual((start["status"], json.loads(body)["code"], ran), (403, "denied", []))
        for other in (
            dict(pieces=(b"amount=1000000",)),
            dict(path="/others"),
            dict(method="PUT"),
            dict(risk_level="high"),
        ):
            start, body, ran = self.keyed(b"one-go", **other)
            self.assertEqual((start["status"], json.loads(body)["code"], ran), (409, "idempotency.conflict", []))
        for elsewhere in (
            dict(credentials=b"Bearer bob"),
            dict(subject_of=lambda scope: {"type": "service", "id": "robot"}),
        ):
            self.assertEqual(self.keyed(b"one-go", pieces=(b"amount=2",), **elsewhere)[0]["status"], 200)
        # What is only read is bound to nothing.
        for path in ("/things", "/others"):
            self.assertEqual(self.keyed(b"one-go", path=path, method="GET")[0]["status"], 200)

    def test_a_key_of_the_client_waits_for_the_same_people_and_goes_through_once(self):
        def program(**more):
            start, body, ran = self.keyed(b"waits", who="POLITY_SERVICE", risk_level="critical", **more)
            return start, json.loads(body) if start["status"] != 200 else body, ran

        first, told, _ = program()
        again, same, ran = program()
        self.assertEqual((first["status"], again["status"], ran), (202, 202, []))
        self.assertEqual(told["decision"], same["decision"])
        self.assertEqual(dict(first["headers"])[b"polity-decision"], dict(again["headers"])[b"polity-decision"])
        start, other, _ = program(pieces=(b"amount=2",))
        self.assertEqual((start["status"], other["code"]), (409, "idempotency.conflict"))
        self.assertEqual(len([each for each in waiting() if each == told["decision"]]), 1)
        ask("POST", "/v1/actions/approvals.approve", {"input": {"approval": told["decision"]}})
        until = time.monotonic() + PATIENCE
        while True:
            start, body, ran = program()
            if start["status"] != 202 or time.monotonic() > until:
                break
        self.assertEqual((start["status"], body, ran), (200, b"done", ["/things"]))
        start, body, ran = program()
        self.assertEqual((start["status"], body["code"], ran), (403, "denied", []))

    def test_a_request_under_way_is_not_begun_again_under_its_key(self):
        gate = Gate(URL, os.environ["POLITY_TOKEN"], PATIENCE)
        ran, sent = [], []

        async def both():
            begun, go = asyncio.Event(), asyncio.Event()

            async def slow(scope, receive, send):
                ran.append(scope["path"])
                begun.set()
                if len(ran) == 1:
                    await go.wait()
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b""})

            middleware = GovernanceMiddleware(slow, gate)
            headers = [(b"idempotency-key", b"both")]
            scope = {"type": "http", "method": "POST", "path": "/things", "headers": headers}

            async def receive():
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message):
                sent.append(message)

            first = asyncio.ensure_future(middleware(scope, receive, send))
            await begun.wait()
            await middleware(scope, receive, send)
            refused = list(sent)
            go.set()
            await first
            await middleware(scope, receive, send)
            return refused

        start, body = asyncio.run(both())
        self.assertEqual((start["status"], json.loads(body["body"])["code"]), (409, "idempotency.running"))
        self.assertIn((b"retry-after", b"1"), start["headers"])
        self.assertEqual([each["status"] for each in sent if "status" in each], [409, 200, 403])
        self.assertEqual(ran, ["/things"])

    def test_a_key_that_is_none_or_binds_nothing_is_refused(self):
        for key, status, code in ((b"", 400, "input.invalid"), (b"k" * 257, 400, "input.invalid")):
            start, body, ran = self.keyed(key)
            self.assertEqual((start["status"], json.loads(body)["code"], ran), (status, code, []))
        start, body, ran = self.keyed(b"long", pieces=(b"x" * 700000, b"x" * 700000))
        self.assertEqual((start["status"], json.loads(body)["code"], ran), (413, "body.too-large", []))

    def test_a_key_of_a_client_is_none_of_the_program(self):
        allowed = OWNER.decide("POST:/mine", {"type": "http", "id": "/mine"}, risk_level="medium", key="shared")
        start, _, ran = self.keyed(b"shared", path="/mine")
        self.assertEqual((start["status"], ran), (200, ["/mine"]))
        allowed.done()
        self.assertEqual(outcome(allowed.id), "done")

    def test_a_key_is_not_used_up_while_the_gate_cannot_be_asked(self):
        unavailable = json.dumps({"code": "gate.unavailable", "status": 503, "sources": ["trust"]}).encode()
        with Serving(503, unavailable, [("Retry-After", "1")]) as gate:
            start, body, ran = self.asked(gate, headers=[(b"idempotency-key", b"outage")])
        self.assertEqual((start["status"], json.loads(body)["code"], ran), (503, "gate.unavailable", []))
        self.assertIn((b"retry-after", b"1"), start["headers"])
        self.assertEqual(self.keyed(b"outage")[0]["status"], 200)

    def test_a_request_that_is_too_long_to_be_sealed_is_told_where_to_ask(self):
        gate = Gate(URL, os.environ["POLITY_SERVICE"], PATIENCE)
        start, body, _ = self.asked(gate, risk_level="critical", pieces=(b"x" * 700000, b"x" * 700000))
        self.assertEqual(start["status"], 202)
        self.assertNotIn(b"polity-decision", dict(start["headers"]))

    def test_lets_readers_read_and_probes_probe(self):
        self.assertEqual(self.asked(STRANGER, method="GET")[0]["status"], 200)
        self.assertEqual(self.asked(Gate("http://127.0.0.1:9", "t"), path="/health")[0]["status"], 200)

    def test_stops_everything_while_the_gate_is_gone(self):
        outage = json.dumps({"code": "gate.unavailable", "status": 503, "detail": "ask trust later"}).encode()
        with Serving(503, outage, [("Retry-After", "7")]) as down, Serving(200, b"yes") as liar:
            for gate in (Gate("http://127.0.0.1:9", "t", timeout=0.2), down, liar):
                start, body, ran = self.asked(gate)
                self.assertEqual((start["status"], ran), (503, []))
                self.assertIn((b"retry-after", b"1"), start["headers"])
                self.assertIn((b"content-type", b"application/problem+json"), start["headers"])
                self.assertEqual(json.loads(body)["code"], "gate.unavailable")
                self.assertNotIn("trust", body.decode())
            with self.assertRaises(GovernanceUnavailable) as caught:
                down.decide("thing.change", THING)
            self.assertEqual((caught.exception.status, caught.exception.code), (503, "gate.unavailable"))

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
