"""Sources that take a connection and never answer, beside a server that has work to do."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from tests.serving import serving, until

SILENT = 12


def test_loads_go_on_beside_sources_that_never_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/deals"
        sections = "".join(f'[sources.http.slow{number}]\nurl = "{url}"\n' for number in range(SILENT))
        (tmp_path / "trialwise.toml").write_text("[schedule]\nload_seconds = 1\nrefresh_minutes = 1440\n" + sections)
        with serving(tmp_path) as server:

            def asked() -> int:
                found = server.metrics()
                return sum(found[f'trialwise_work_running_seconds{{work="pull slow{n}"}}'] > 0 for n in range(SILENT))

            until(lambda: asked() == SILENT)
            assert server.track(1).status_code == 200
            until(lambda: server.metrics()["trialwise_loaded_records_total"] == 1)
            assert server.track(2).status_code == 200
            until(lambda: server.metrics()["trialwise_loaded_records_total"] == 2)
            assert asked() == SILENT
            told = server.get("/readyz").json()
            assert (told["failing"], told["overdue"], told["stuck"]) == ([], [], [])
            assert server.end(signal.SIGTERM) == 0, "what waits for somebody's answer is dropped"
