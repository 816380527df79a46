"""`hopgraph-predict BUNDLE INPUT...`: run a bundle without torch. Exit status: 0 done, 1 a diagnostic, 2 wrong usage."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .command import Request, predict, told
from .problems import BundleError
from .record import DEVICES


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = argparse.ArgumentParser(prog="hopgraph-predict", description="Run a bundle: a line of JSON for each input.")
    made.add_argument("bundle", metavar="BUNDLE", type=Path, help="a folder that `hopgraph export` wrote")
    made.add_argument("inputs", metavar="INPUT", nargs="*", help="files or folders; `-` for the standard input")
    made.add_argument("--text", metavar="TEXT", action="append", default=[], help="a text; may be repeated")
    made.add_argument("--top", metavar="N", type=_count, help="how many classes or tokens are told; 5 by default")
    made.add_argument("--resize", action="store_true", help="scale image files to the size that the model reads, and cut what is over")
    made.add_argument("--batch", metavar="N", type=_count, help="how many inputs are computed at once; at most 64 by default")
    made.add_argument("-o", "--output", metavar="FILE", type=Path, help="the .npy file to write all outputs to")
    made.add_argument("--force", action="store_true", help="replace the output if it exists")
    made.add_argument("--runtime", metavar="NAME", help="what runs the model; the best that is present by default")
    made.add_argument("--dtype", metavar="NAME", help="the form to run, as float16; the first that was exported by default")
    made.add_argument("--device", choices=DEVICES, default="auto", help="where it runs; it never runs elsewhere")
    made.add_argument("--threads", metavar="N", type=_count, help="threads of the CPU")
    made.add_argument("--weights", metavar="NAME", help="a set of weights of the bundle")
    return made


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main(words: Sequence[str] | None = None) -> int:
    """The program. Gives the exit status."""
    options = parser()
    given = vars(options.parse_args(words))
    request = Request(inputs=tuple(given.pop("inputs")), texts=tuple(given.pop("text")), **given)
    if not request.inputs and not request.texts:
        options.error("give inputs, or texts by --text")
    try:
        return predict(request, sys.stdin.buffer, sys.stdout, sys.stderr)
    except BundleError as error:
        print(told(error), file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere, in silence
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
