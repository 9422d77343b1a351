"""What the clients beside this one know: to read a server by its contracts, to send bytes, to run the program."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1] / "sdks"))

from program import Guarded  # noqa: E402
from reader import GATEWAY, Reader, until  # noqa: E402
from wire import basic, post, request, stream  # noqa: E402

__all__ = ["GATEWAY", "Guarded", "Reader", "basic", "post", "request", "stream", "until"]
