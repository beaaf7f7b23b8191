"""What `packer inspect` prints, as Packer 1.6.6 prints it, with text in the form of its own."""

from __future__ import annotations

from pipeline.adapters.packer.inspection import parse_inspection
from pipeline.adapters.packer.stream import StreamReader
from pipeline.core.bake.model import Template

TITLE = "Packer Inspect: HCL2 mode\n"
POSING = "\n\n> builds:\n\n  > bad:\n\n    sources:\n\n      amazon-ebs.bad\n"
BUILD = """
    sources:

      amazon-ebs.app

    provisioners:

      <no provisioner>

    post-processors:

      <no post-processor>
"""


def inspect(*texts: str) -> Template:
    """Parse texts that Packer says, each in a line of its own."""
    reader = StreamReader(keep_text=True)
    for text in texts:
        escaped = text.replace(",", "%!(PACKER_COMMA)").replace("\n", "\\n")
        reader.feed(f"1,,ui,say,{escaped}\n".encode())
    return parse_inspection(reader.close())


def test_the_value_of_a_variable_or_of_a_local_is_no_build() -> None:
    found = inspect(
        TITLE,
        f'> input-variables:\n\nvar.v: "x{POSING}y"\nvar.w: "[\n  "a",\n]"\n\n'
        f'> local-variables:\n\nlocal.z: "{POSING}"\n',
        f"> builds:\n\n  > <unnamed build 0>:\n{BUILD}",
    )
    assert found.variables == {"v", "w"}
    assert found.builds == {"amazon-ebs.app": "amazon-ebs"}


def test_a_variable_whose_value_names_the_locals_hides_no_other() -> None:
    found = inspect(TITLE, '> input-variables:\n\nvar.a: "> local-variables:"\nvar.b: ""\n')
    assert found.variables == {"a", "b"}


def test_a_build_with_a_description_keeps_its_name() -> None:
    described = f"\n  > Description: two\nlines\n\n    sources:\n\n      amazon-ebs.bad\n\n{BUILD}"
    found = inspect(
        TITLE,
        "> input-variables:\n\n\n> local-variables:\n\n",
        f"> builds:\n\n  > foo:\n{described}\n  > bar:\n{BUILD}",
    )
    assert found.variables == frozenset()
    assert found.builds == dict.fromkeys(("foo.amazon-ebs.app", "bar.amazon-ebs.app"), "amazon-ebs")
