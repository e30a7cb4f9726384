"""Over sockets: requests per second, every server on one core, wrk on another.

All servers run all the time and wait; one after the other is asked. What differs is who is asked, not what else there
is on the machine.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.answers import WrongAnswer
from bench.figures import Measurement, shifted
from bench.machine import Cores
from bench.servers import NotMeasured, Server, pinned_to, warm_up
from bench.workloads import PARAMETER, WORKLOADS, Workload

CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """One server that is asked for one thing."""

    key: str
    server: Server
    workload: Workload


def measure(
    servers: Sequence[Server],
    logging_servers: Sequence[Server],
    workloads: Iterable[str],
    cores: Cores,
    folder: Path,
    *,
    rounds: int,
    seconds: int,
) -> list[Measurement]:
    """Ask all *servers* for all *workloads*, and those with access logs for one, round by round.

    Raises:
        NotMeasured: wrk is not installed.
        WrongAnswer: somebody answers with an error.
    """
    command = wrk_on(cores.client)
    chosen = [WORKLOADS[name] for name in workloads]
    turns = [Turn(f"speed:{workload.name}", server, workload) for workload in chosen for server in servers]
    turns += [Turn("speed:log", server, PARAMETER) for server in logging_servers]
    titles = {f"speed:{workload.name}": workload.title for workload in chosen}
    titles["speed:log"] = f"{PARAMETER.title}, access log"
    samples: dict[str, dict[str, list[float]]] = {}
    for turn in turns:
        warm_up(turn.server, turn.workload)
    for number in range(rounds):
        for turn in shifted(turns, number):
            speed = ask_for(turn.workload, turn.server, command, folder, seconds)
            samples.setdefault(turn.key, {}).setdefault(turn.server.peer.name, []).append(speed)
    return [
        Measurement(key=key, title=titles[key], unit="requests/s", better="more", samples=samples[key])
        for key in titles
        if key in samples
    ]


def wrk_on(core: int) -> list[str]:
    """The words that start wrk on one core (``NotMeasured``)."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise NotMeasured("wrk is not installed (Debian: apt-get install wrk): no requests can be sent over sockets.")
    return [*pinned_to(core), wrk, "--threads", "1", "--connections", str(CONNECTIONS), "--timeout", "10s"]


def ask_for(workload: Workload, server: Server, command: Sequence[str], folder: Path, seconds: int) -> float:
    """Send requests for some seconds, and give how many were answered in one (``WrongAnswer``)."""
    script = folder / f"{workload.name}.lua"
    script.write_text(script_for(workload), encoding="utf-8")
    words = ["--duration", f"{seconds}s", "--script", str(script), server.url + workload.target]
    result = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    try:
        return read_speed(result.stdout)
    except WrongAnswer as error:
        raise WrongAnswer(f"{server.peer.title}, {workload.title}: {error}") from None


def read_speed(output: str) -> float:
    """Find the requests per second in what wrk prints (``WrongAnswer`` where requests failed)."""
    failures = re.findall(r"(?:Socket errors|Non-2xx or 3xx responses): .*", output)
    speed = re.search(r"^Requests/sec: +([\d.]+)", output, re.MULTILINE)
    if failures or speed is None:
        raise WrongAnswer("; ".join(failures) or f"wrk printed no speed:\n{output}")
    return float(speed[1])


def script_for(workload: Workload) -> str:
    """Write the request for wrk, in Lua."""
    lines = [f'wrk.method = "{workload.method}"']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in workload.headers.items()]
    lines += [f"wrk.body = [==[{workload.body.decode()}]==]"] if workload.body else []
    return "\n".join(lines) + "\n"
