"""Whether what Nix built is the commit that the run is for: else the label does not say what is in the image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flakeship import events

if TYPE_CHECKING:
    from flakeship.commands.naming import Naming
    from flakeship.commands.publish.parts import Obtained
    from flakeship.commands.runtime import Runtime

_REVISION: Final = "org.opencontainers.image.revision"


# docs/decisions.md#a-changed-tree-says-so-in-ci-too
def told_of_changes(naming: Naming, obtained: Obtained, runtime: Runtime, emit: events.Emit) -> Naming:
    """The naming whose label `revision` says that tracked files were changed, with a warning; the same one where none were."""
    context = naming.evaluation.context
    _tell_of_another_commit(naming, obtained, runtime, emit)
    if context.dirty or not (context.sha and context.describes_source) or not _is_changed(obtained, runtime):
        return naming
    ours = naming.evaluation.inputs.auto_labels and _REVISION not in naming.evaluation.labels
    says = f"; the label {_REVISION} ends in -dirty" if ours else ""
    emit(
        events.Warned(
            f"the image is built from files with changes that are in no commit{says}",
            "run `git status` before this step; if an earlier step changes files on purpose, as `nix flake update` does, all is well",
        )
    )
    evaluation = replace(naming.evaluation, context=replace(context, dirty=True))
    return replace(naming, evaluation=evaluation)


# docs/decisions.md#a-run-for-another-commit-is-told
def _tell_of_another_commit(naming: Naming, obtained: Obtained, runtime: Runtime, emit: events.Emit) -> None:
    """Warn where an earlier step has checked out another commit: tags and labels are those of the run's event."""
    context = naming.evaluation.context
    built = obtained.flake.revision if obtained.flake else None
    folder = obtained.buildable.installable.directory if obtained.buildable else None
    if not (folder and built and context.sha and context.describes_source) or built == context.sha:
        return
    from flakeship.ci.event import wants_head_sha
    from flakeship.ci.local.git import is_submodule

    if wants_head_sha(runtime.environ) or is_submodule(runtime.environ, cwd=str(folder)):
        return
    emit(
        events.Warned(
            f"the image is built from commit {built[:12]}, and its tags and labels are those of {context.sha[:12]}, which started this run",
            "check that commit out (actions/checkout without `ref`), or set `context: git`, which names the image by what is checked out",
        )
    )


def _is_changed(obtained: Obtained, runtime: Runtime) -> bool:
    """What Nix says of the tree that it copied, if git agrees where it can be asked: Nix has no filters such as that of LFS."""
    if obtained.buildable is None:
        return False
    installable = obtained.buildable.installable
    if not (installable.file or (obtained.flake and obtained.flake.dirty)):
        return False
    from flakeship.ci.local.git import has_changes

    changed = has_changes(runtime.environ, cwd=str(installable.directory or runtime.cwd))
    return not installable.file if changed is None else changed
