"""The house as a process, started as the command `appliance serve` starts it.

It is no house itself. The rule that must not break: nothing of the server is imported before the
lean start has begun, so that what is measured is what a shop has.
"""

import sys

from appliance.lean_start import begin_lean


def main() -> int:
    begin_lean()
    from tests.faults.house import main as serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
