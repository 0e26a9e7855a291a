"""dbt, run in this process as its command line does it; CPU seconds from the start of the process, so imports count."""

from __future__ import annotations

import json
import sys
import time

from dbt.cli.main import dbtRunner

from benchmarks.peers.timing import peak_gigabytes


def main() -> int:
    """Run dbt with the arguments given; CPU seconds and peak memory as one line of JSON."""
    result = dbtRunner().invoke(sys.argv[1:])
    print(json.dumps({"cpu": time.process_time(), "peak_gigabytes": peak_gigabytes()}))
    if result.exception is not None:
        print(result.exception, file=sys.stderr)
    return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main())
