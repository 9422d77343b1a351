"""What the clients beside this one know: to read a server by its contracts, and to run the program."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "sdks"))

from program import Guarded  # noqa: E402
from reader import GATEWAY, Reader, until  # noqa: E402
from wire import Answer  # noqa: E402

__all__ = ["GATEWAY", "Answer", "Guarded", "Reader", "until"]
