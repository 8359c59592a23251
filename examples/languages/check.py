"""Calls every function of the world in every language and compares: `check.py IPVM`, with IPVM_HOME empty.

Each case of cases.json goes through `ipvm call`, the workflow through `ipvm run`. All results must be equal, and those of
the cases what the file says. Prints one line for each language; ends with 1 if anything is not as it should be.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LANGUAGES = ["rust", "c", "js", "python"]


def text(value) -> str:
    """A value as DAG-JSON; two values are the same if their texts are (1 is not 1.0)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def ipvm(*words: str) -> tuple[dict, float]:
    """What a verb prints with --json, and how many seconds it took."""
    started = time.monotonic()
    ran = subprocess.run([sys.argv[1], "--quiet", *words], cwd=HERE, capture_output=True, text=True)
    took = time.monotonic() - started
    if not ran.stdout:
        sys.exit(f"languages: FAILED: ipvm {' '.join(words)}: {ran.stderr.strip()}")
    return json.loads(ran.stdout), took


def call(language: str, function: str, arguments: list) -> tuple[str, float]:
    words = [text(argument) for argument in arguments]
    report, took = ipvm("call", "--json", f"{language}.wasm", function, "--", *words)
    return text(report["out"]), took


def check_calls() -> list[str]:
    """Prints the table; returns what is wrong."""
    wrong = []
    cases = json.loads((HERE / "cases.json").read_text())
    print(f"{'':8}{'size':>12}{'first call':>12}{'next call':>12}  equal")
    for language in LANGUAGES:
        times, equal = [], 0
        for function, arguments, expected in cases:
            result, took = call(language, function, arguments)
            times.append(took)
            if result == text(expected):
                equal += 1
            else:
                wrong.append(f"{language}: {function} {text(arguments)} is {result}, not {text(expected)}")
        size = (HERE / f"{language}.wasm").stat().st_size
        rest = statistics.median(times[1:])
        print(f"{language:8}{size:>12,}{times[0]:>10.2f} s{1000 * rest:>9.0f} ms  {equal} of {len(cases)}", flush=True)
    return wrong


def check_workflow() -> list[str]:
    """Runs the workflow; returns what is wrong."""
    wrong = []
    report, _ = ipvm("run", "workflow.yaml", "--json")
    outs = {label: text(task["out"]) for label, task in report["tasks"].items()}
    functions = {label.removesuffix("-rust") for label in outs if label.endswith("-rust")}
    for function in sorted(functions):
        results = {language: outs[f"{function}-{language}"] for language in LANGUAGES}
        if len(set(results.values())) != 1:
            wrong.append(f"workflow: {function}: {results}")
    if outs["again"] != outs["twice"]:
        wrong.append(f"workflow: {outs['again']} after four times, but {outs['twice']} after two")
    if report["status"] != "ok":
        wrong.append(f"workflow: ended as {report['status']}")
    print(f"workflow: {len(functions)} functions in {len(LANGUAGES)} languages, {len(outs)} tasks")
    return wrong


wrong = check_calls() + check_workflow()
for line in wrong:
    print(f"languages: FAILED: {line}", file=sys.stderr)
sys.exit(1 if wrong else 0)
