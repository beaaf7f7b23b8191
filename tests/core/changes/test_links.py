from __future__ import annotations

from pipeline.core.changes.links import compare_link

A, B = "1a2b3c4", "5e6f7a8"
GITHUB = f"https://github.com/shop/web/compare/{A}...{B}"
GITLAB = f"https://gitlab.com/shop/sub/web/-/compare/{A}...{B}"


def test_a_remote_becomes_the_page_that_compares_two_commits() -> None:
    table = {
        "git@github.com:shop/web.git": GITHUB,
        "ssh://git@github.com:22/shop/web.git": GITHUB,
        "https://ada:ghp_secret@github.com/shop/web.git": GITHUB,
        "https://gitlab.com/shop/sub/web": GITLAB,
        "git@gitlab.example.org:shop/web": f"https://gitlab.example.org/shop/web/-/compare/{A}...{B}",
        "http://gitlab.lan:8080/shop/web.git": f"http://gitlab.lan:8080/shop/web/-/compare/{A}...{B}",
        "git@bitbucket.org:shop/web.git": f"https://bitbucket.org/shop/web/branches/compare/{B}..{A}",
        "https://github.com/shop/we b<x>": f"https://github.com/shop/we%20b%3Cx%3E/compare/{A}...{B}",
        "git@github.com:shop/we\nb.git": "",
        "git@git.example.org:shop/web.git": "",
        "https://notgithub.com/shop/web": "",
        "/srv/git/web.git": "",
        "file:///srv/git/github/web.git": "",
        "javascript://github.com/%0Aalert(1)": "",
        "https://[github.com/shop": "",
        "": "",
    }
    assert {remote: compare_link({}, remote, A, B) for remote in table} == table


def test_the_ci_job_says_where_its_repository_is() -> None:
    remote = "git@git.example.org:shop/web.git"
    table = (
        (
            {"GITHUB_SERVER_URL": "https://git.corp", "GITHUB_REPOSITORY": "a/b"},
            "https://git.corp/a/b",
        ),
        ({"CI_PROJECT_URL": "https://code.corp/a/b"}, "https://code.corp/a/b/-"),
    )
    for environ, page in table:
        assert compare_link(environ, remote, A, B) == f"{page}/compare/{A}...{B}"
    assert compare_link({"GITHUB_REPOSITORY": "a/b"}, remote, A, B) == ""


def test_equal_or_invalid_commits_have_no_link() -> None:
    for before, after in ((A, A), ("", B), (A, "../../x"), ("--output=x", B)):
        assert compare_link({}, "git@github.com:shop/web.git", before, after) == ""
