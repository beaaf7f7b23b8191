"""No two errors point only at each other: each remedy is a step that its reader can take.

`recover`, `abort` and `promote` need a state of the environment. An error whose whole remedy is
one of them sends the reader in a circle wherever that state is not sure.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from pipeline.core import commands, errors

PIPELINE = Path(commands.__file__).parents[1]
RAISED = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.PipelineError)
} | {"Finding"}
NEEDS_A_STATE = {"recover", "abort", "promote", "rollback"}
IN_FLIGHT = {
    "app/abort.py require_before_retirement recover",
    "app/environment/interrupted.py require_allowed recover",
    "app/environment/paused.py require_not_paused recover",
    "app/housekeeping/destroy.py require_destroyable recover",
    "app/housekeeping/drill.py require_drillable recover",
    "app/resume.py require_resumable abort",
    "app/resume.py require_resumable recover",
    "core/adoption/record.py require_undoable abort",
    "core/deploy/deletion.py _await_deletions recover",
}
"""The errors that exist only while a deployment is in flight, which `recover` finishes, or while a
failed release is kept, which `abort` removes."""


@functools.cache
def whole_remedies() -> tuple[tuple[str, str], ...]:
    """Return the function and the command of each error whose whole remedy is one command."""
    return tuple(remedies())


def remedies() -> Iterator[tuple[str, str]]:
    for path in sorted(PIPELINE.rglob("*.py")):
        text = path.read_text()
        if "commands." not in text:
            continue
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef):
                place = f"{path.relative_to(PIPELINE)} {function.name}"
                yield from ((place, name) for name in commands_of(function))


def commands_of(function: ast.FunctionDef) -> Iterator[str]:
    assigned = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and name_of(node.func) in RAISED:
            given = {each.arg: each.value for each in node.keywords}
            remedy = given.get("remedy", node.args[2] if len(node.args) > 2 else None)
            if isinstance(remedy, ast.Name):
                remedy = assigned.get(remedy.id)
            if isinstance(remedy, ast.Call) and is_command(remedy.func):
                yield name_of(remedy.func)


def is_command(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and name_of(function.value) == "commands"


def name_of(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def test_only_an_unfinished_deployment_has_recover_or_abort_for_its_whole_remedy() -> None:
    found = {f"{place} {name}" for place, name in whole_remedies() if name in NEEDS_A_STATE}
    assert found == IN_FLIGHT


def test_status_is_a_whole_remedy_and_names_none_of_its_own() -> None:
    """`status` only reads: an error that ends there does not come back."""
    found = {name for _, name in whole_remedies()}
    assert "status" in found
    assert not {place for place, _ in whole_remedies() if place.startswith("app/status.py")}


def test_a_remedy_comes_before_the_command_that_it_makes_possible() -> None:
    recover = commands.recover("staging")
    assert commands.after("tag the group", recover) == f"tag the group; then: {recover}"
    assert commands.after("", recover) == recover
    assert commands.after(f"wait, then: {recover}", recover) == f"wait, then: {recover}"


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    if not isinstance(node, ast.Lambda):
        yield node
        for each in ast.iter_child_nodes(node):
            yield from run_at_import(each)


def test_no_command_that_reads_the_configuration_is_built_at_import() -> None:
    """The program learns of `--config FILE` later, and each command to paste names that file."""
    found = {
        f"{path.relative_to(PIPELINE)} {node.lineno} {name_of(node.func)}"
        for path in PIPELINE.rglob("*.py")
        for statement in ast.parse(path.read_text()).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in run_at_import(statement)
        if isinstance(node, ast.Call) and is_command(node.func)
        if name_of(node.func) not in {"aws", "shell", "docs", "init", "rehearse", "local_cloud_up"}
    }
    assert found == set()
