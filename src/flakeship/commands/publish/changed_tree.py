"""Whether what Nix built has changes that are in no commit: then the commit alone does not say what is in the image."""

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
