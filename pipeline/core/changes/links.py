"""Link to a page that compares two commits, derived from where the repository is.

The addresses are those of GitHub's "Comparing commits", GitLab's "Compare revisions" and
Bitbucket's "branches/compare".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SSH = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/:].*)")
_HOST = re.compile(r"[\w.-]+(?::\d+)?")
_SSH_SCHEMES = frozenset({"ssh", "git", "git+ssh"})
_FORMS = {
    "github": "{page}/compare/{before}...{after}",
    "gitlab": "{page}/-/compare/{before}...{after}",
    "bitbucket": "{page}/branches/compare/{after}..{before}",
}


def is_commit(name: str) -> bool:
    """Return True for the id of a commit; other text could be an option of git."""
    return bool(_COMMIT.fullmatch(name))


def compare_link(environ: Mapping[str, str], remote: str, before: str, after: str) -> str:
    """Return the page that compares two commits, empty if where it is is not known.

    The CI system's variables say where the repository is, else the URL of git's remote.
    """
    if not (is_commit(before) and is_commit(after)) or before == after:
        return ""
    kind, page = _of_ci(environ) or _of_remote(remote)
    return _FORMS[kind].format(page=page, before=before, after=after) if kind else ""


def _of_ci(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the kind and the page of the repository of a CI job, by the documented variables."""
    server, name = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
    pages = {
        "github": f"{server}/{name}" if server and name else "",
        "gitlab": environ.get("CI_PROJECT_URL", ""),
        "bitbucket": environ.get("BITBUCKET_GIT_HTTP_ORIGIN", ""),
    }
    found = ((kind, _page(url)) for kind, url in pages.items())
    return next(((kind, page) for kind, page in found if page), None)


def _of_remote(remote: str) -> tuple[str, str]:
    """Return the kind and the page of a remote; its host says which kind it is."""
    page = _page(remote)
    host = urlsplit(page).hostname or ""
    return next(((kind, page) for kind in _FORMS if kind in host.split(".")), ("", ""))


def _page(url: str) -> str:
    """Return the web page of a repository: https, without a user, a password and `.git`."""
    if "://" not in url:
        found = _SSH.fullmatch(url)
        url = f"ssh://{found['host']}/{found['path']}" if found else ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme in _SSH_SCHEMES:
        host = host.partition(":")[0]  # The port is that of SSH.
    path = quote(parts.path.strip("/").removesuffix(".git"))
    known = parts.scheme in {"http", "https", *_SSH_SCHEMES} and _HOST.fullmatch(host)
    if not known or not path:
        return ""
    return f"{'http' if parts.scheme == 'http' else 'https'}://{host}/{path}"
