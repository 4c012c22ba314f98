"""The program on one screen: the five steps that the README tells, for one image."""

from __future__ import annotations

import contextlib

from flakeship.commands.publish.build import build
from flakeship.commands.publish.finish import Result, finish
from flakeship.commands.publish.look import look
from flakeship.commands.publish.parts import open_parts, stamp
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.reuse import LayerGoneError
from flakeship.commands.publish.send import pack_and_send
from flakeship.commands.run import Run


def publish(request: Request, run: Run) -> Result:
    """Publish one image: look, build, pack and send, stamp, finish.

    `build` offers what is published already before what Nix builds; if a layer of it has gone meanwhile, the next is taken.
    """
    with look(request, run) as plan:
        for parts in build(request, plan, run):
            with contextlib.suppress(LayerGoneError), run.stage("publish", f"publishing {parts[0].name}"):
                with open_parts(parts) as opened:
                    sent = pack_and_send(opened, plan)
                    stamped = stamp(opened)
                return finish(stamped, sent, parts, plan)
    raise AssertionError("a layer of what was just built can't be gone")
