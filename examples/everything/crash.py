"""Kills ipvm, with SIGKILL, at each stage that the servers see, and at random moments; then does what a person would do: gives
the same command again, looks into the mailbox where ipvm says that it is in doubt, and tells it what is there. In the end the
record must be changed, the report be kept, and each mail be there once.

    crash.py IPVM FOLDER [RANDOM_KILLS [SEED]]
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from servers import Servers

HERE = Path(__file__).parent
WHO = ("bob", "carol")
# In the order in which they are come to. A mail's first stages are those of whichever of the two is first.
POINTS = [
    "record: connected",
    "record: the update is here, not made yet",
    "record: made, not answered yet",
    "record: answered",
    "mail: connected",
    "mail: EHLO",
    "mail: MAIL",
    *(
        f"mail to {who}: {stage}"
        for stage in ("RCPT", "DATA", "all of it is here, not kept yet", "kept, not answered yet", "answered", "QUIT")
        for who in WHO
    ),
    "report: connected",
    "report: all of it is here, not kept yet",
    "report: kept, not answered yet",
    "report: answered",
]
# Where neither mail has left.
BEFORE_ANY = ("mail: connected", "mail: EHLO", "mail: MAIL")
# Most rounds of "the same command again": each mail can be in doubt once, and one to end.
ROUNDS = 3
PATIENCE = 60  # seconds for one ipvm


class Kill:
    """Kills a process when a stage is come to. Where the stage is that an answer has left, the process is stopped before it
    does, so that it cannot have ended by then."""

    def __init__(self, stages, point: str):
        self.point, self.stages = point, stages
        self.lock = threading.Lock()
        self.process = None
        self.started = threading.Event()
        self.hit = False
        stages.watch = self.seen

    def seen(self, stage: str) -> None:
        with self.lock:
            self.started.wait()
            if self.hit:
                return
            if stage == self.point:
                self.hit = True
                self.process.kill()
                self.process.wait()
            elif stage == self.point.replace("answered", "answering"):
                self.process.send_signal(signal.SIGSTOP)

    def run(self, start):
        self.process = start()
        self.started.set()
        self.process.wait(timeout=PATIENCE)
        self.stages.watch = lambda _stage: None
        return self.hit and self.process.returncode == -signal.SIGKILL


class Example:
    """The home that is lent things, prepared once, and the servers."""

    def __init__(self, ipvm: str, folder: Path):
        self.ipvm, self.folder = ipvm, folder
        self.servers = Servers(folder / "servers")
        self.web = f"127.0.0.1:{self.servers.pages.port}"
        self.runs = 0
        try:
            self.set_up()
        except BaseException:
            self.servers.stop()
            raise

    def set_up(self) -> None:
        homes = self.folder / "homes"
        homes.mkdir()
        subprocess.run(
            ["bash", HERE / "setup.sh"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ
            | {
                "IPVM": self.ipvm,
                "HOMES": str(homes),
                "DNS": f"127.0.0.1:{self.servers.wire.port}",
                "MAIL": f"127.0.0.1:{self.servers.mail.port}",
                "WEB": self.web,
                "KEY": str(self.folder / "servers/names/tsig.key"),
            },
        )
        self.prepared = homes / "me"

    def fresh(self) -> "Life":
        self.runs += 1
        home = self.folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.prepared, home)
        return Life(self, home, f"v={self.runs}", f"report-{self.runs}")


class Life:
    """One run of the workflow in a fresh home, with a record and a page of its own."""

    def __init__(self, example: Example, home: Path, value: str, page: str):
        self.example, self.value, self.page = example, value, page
        self.environment = os.environ | {"IPVM_HOME": str(home)}
        self.before = {message["Message-ID"] for message in example.servers.mails()}

    def command(self, *arguments: str):
        return [self.example.ipvm, *arguments]

    def start(self):
        return subprocess.Popen(
            self.command(
                "run", "--json", HERE / "workflow.yaml",
                "--set", f"record={self.value}", "--set", f"page=http://{self.example.web}/{self.page}",
            ),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def say(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), env=self.environment, stdout=subprocess.PIPE, check=True, timeout=PATIENCE
        )
        return done.stdout.decode()

    def mails(self):
        return [mail for mail in self.example.servers.mails() if mail["Message-ID"] not in self.before]

    def settle(self) -> list[str]:
        """Tells ipvm of each mail in doubt whether it is in the mailbox."""
        settled = []
        self.example.servers.mail.handler.settled()
        for doubt in json.loads(self.say("workflow", "doubt", "list", "--json")):
            task, label = doubt["task"], doubt["label"]
            name = f"<{task}@ipvm>"
            if any(mail["Message-ID"] == name for mail in self.mails()):
                result = json.dumps({"id": name})
                self.say("workflow", "doubt", "resolve", "--quiet", task, "--done", "--result", result)
                settled.append(f"{label}: was sent")
            else:
                self.say("workflow", "doubt", "resolve", "--quiet", task, "--not-done")
                settled.append(f"{label}: was not")
        assert settled, "in doubt, and nothing is listed"
        return settled

    def to_the_end(self) -> list[str]:
        """Gives the same command until it ends; what was in doubt."""
        doubts = []
        for _ in range(ROUNDS):
            process = self.start()
            process.communicate(timeout=PATIENCE)
            if process.returncode == 0:
                return doubts
            assert process.returncode == 4, f"exit code {process.returncode}"
            doubts += self.settle()
        raise AssertionError(f"it does not end; in doubt were {doubts}")

    def check(self) -> None:
        """What must hold at the servers."""
        mails = self.mails()
        names = Counter(mail["Message-ID"] for mail in mails)
        assert max(names.values()) == 1, f"sent twice: {names}"
        assert sorted(mail["To"] for mail in mails) == [f"{who}@example.com" for who in WHO], names
        for mail in mails:
            assert json.loads(mail.get_payload()) == {"records": [self.value], "ttl": 60}, mail.as_string()
        report = json.loads((self.example.servers.folder / "pages" / self.page).read_text())
        for mail in mails:
            who = mail["To"].split("@")[0]
            assert report[who]["id"] == mail["Message-ID"], report
        asked = ["kdig", "@127.0.0.1", "-p", str(self.example.servers.names.port), "example.com", "TXT", "+short"]
        record = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        assert record == f'"{self.value}"', record
        process = self.start()
        told, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and json.loads(told)["executed"] == 0, told
        assert len(self.mails()) == len(mails), "the ended run did something"


def told(point: str, doubts: list[str]) -> None:
    print(f"| {point:<51} | {', '.join(doubts) or 'nothing':<41} | each mail once |", flush=True)


def main() -> None:
    ipvm, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 8
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 32)
    chance = random.Random(seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    example = Example(ipvm, folder)
    try:
        crash(example, kills, chance, seed)
    finally:
        example.servers.stop()


def crash(example: Example, kills: int, chance: random.Random, seed: int) -> None:
    undisturbed = example.fresh()
    began = time.monotonic()
    assert undisturbed.to_the_end() == [], "in doubt without a crash"
    took = time.monotonic() - began
    undisturbed.check()
    seen = set(example.servers.stages.log.read_text().splitlines())
    missing = [point for point in POINTS if point not in seen]
    assert not missing, f"no server comes to {missing}"

    print(f"| {'killed at':<51} | {'in doubt, and what the mailbox said':<41} | in the end     |")
    print(f"|{'-' * 53}|{'-' * 43}|{'-' * 16}|")
    for point in POINTS:
        life = example.fresh()
        kill = Kill(example.servers.stages, point)
        assert kill.run(life.start), f"not killed at {point}"
        doubts = life.to_the_end()
        life.check()
        # What had not left is sent, and nobody is asked about it.
        early = [who for who in WHO if point in (*BEFORE_ANY, f"mail to {who}: RCPT", f"mail to {who}: DATA")]
        asked = [doubt for doubt in doubts if doubt.split(":")[0] in early]
        assert not asked, f"killed at {point}, and in doubt were {asked}"
        told(point, doubts)
    hit = 0
    for _ in range(4 * kills):
        if hit == kills:
            break
        life = example.fresh()
        process = life.start()
        moment = chance.uniform(0, took)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        killed = process.returncode == -signal.SIGKILL
        hit += killed
        doubts = life.to_the_end()
        life.check()
        if killed:
            told(f"after {moment * 1000:.0f} ms, by chance", doubts)
    assert hit == kills, f"of {kills} kills at random moments {hit} were early enough (seed {seed})"
    print(f"everything: ok; killed {len(POINTS) + hit} times (seed {seed}); never a second mail, and none missing")


main()
