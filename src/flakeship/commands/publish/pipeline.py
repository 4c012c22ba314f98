"""The program on one screen: the five steps that the README tells, for one image."""

from __future__ import annotations

from flakeship import events
from flakeship.commands.publish.build import build
from flakeship.commands.publish.finish import finish
from flakeship.commands.publish.look import look
from flakeship.commands.publish.parts import open_parts, stamp
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.result import Result
from flakeship.commands.publish.send import pack_and_send
from flakeship.commands.run import Run
from flakeship.image.model import SourceGoneError


def publish(request: Request, run: Run, *, is_last: bool = False) -> Result:
    """Publish one image: look, build, pack and send, stamp, finish. `is_last` if the run makes no image behind it.

    `build` offers what is published already, then what lies in caches, then what Nix realises here; if one can't be had
    after all, the next is taken.
    """
    with look(request, run) as plan:
        for parts in build(request, plan, run):
            if is_last:
                run.all_built()
            try:
                with run.stage("publish", f"publishing {parts[0].name}"):
                    with open_parts(parts) as opened:
                        sent = pack_and_send(opened, plan)
                        stamped = stamp(opened)
                    return finish(stamped, sent, parts, plan)
            except SourceGoneError as error:
                run.note_gone(error)
                run.emit(events.Detail(f"{parts[0].name} has to be had in another way: {error}"))
    raise AssertionError("a layer of what was just built can't be gone")
