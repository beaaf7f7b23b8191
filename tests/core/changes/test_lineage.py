from __future__ import annotations

from dataclasses import replace

from pipeline.core.changes.lineage import Lineage
from tests.core.changes.lines import BASE, LINES, SHOP, SHOP_OLD, WEB

LINEAGE = Lineage(images=LINES)


def test_an_image_has_the_base_that_its_source_is() -> None:
    assert LINEAGE.base(SHOP) is BASE
    assert LINEAGE.base(BASE) is None
    assert [*LINEAGE.bases(SHOP)] == [BASE]


def test_what_is_built_on_an_image_is_found_over_several_steps() -> None:
    shops = replace(WEB, source_ami=SHOP.id, app="plug-in")
    lineage = Lineage(images=(*LINES, replace(shops, ids={"eu-central-1": "ami-50"})))
    assert [each.id for each in lineage.built_on(BASE.id)] == ["ami-50", "ami-30", "ami-20"]
    every = {"ami-50", "ami-40", "ami-30", "ami-20", "ami-10"}
    assert {each.id for each in lineage.built_on("ami-5")} == every
    assert lineage.built_directly_on(BASE) == (SHOP, SHOP_OLD)
    assert lineage.quarantined_base(lineage.images[-1]) is BASE


def test_the_lines_of_an_app_begin_with_the_images_of_any_app() -> None:
    assert LINEAGE.roots("shop") == (BASE,)
    assert LINEAGE.roots("web") == (WEB,)
    assert LINEAGE.roots("other") == ()


def test_tags_that_form_a_cycle_end() -> None:
    """A person may have copied the tags of one image to another."""
    one, two = replace(BASE, source_ami=SHOP.id), replace(SHOP, source_ami=BASE.id)
    lineage = Lineage(images=(one, two))
    assert [*lineage.bases(one)] == [two]
    assert lineage.quarantined_base(two) is one
    assert lineage.built_on(one.id) == (two,)
    assert lineage.roots("shop") == (one,)
    assert lineage.built_directly_on(one) == (two,)
    assert lineage.built_directly_on(two) == ()
    itself = replace(WEB, source_ami=WEB.id)
    assert Lineage(images=(itself,)).base(itself) is None
