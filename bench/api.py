"""An API as large as GitHub's: 651 paths, made by rule in the manner of such an API, and a request for each.

What makes it hard for a router is in it: a few prefixes that hundreds of paths share, parameters in the middle, and
fixed words where other paths have a parameter (``/repos/{owner}/{repo}/issues/comments`` beside
``/repos/{owner}/{repo}/issues/{issues_id}``).
"""

import re
from collections.abc import Iterator
from typing import Final

PATHS: Final = 651

#: What lies below each kind of owner: collections, and what each item of a collection has.
_COLLECTIONS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "/repos/{owner}/{repo}": {
        "actions": ("artifacts", "caches", "jobs", "logs", "runners", "secrets", "variables", "workflows"),
        "autolinks": (),
        "branches": ("protection", "rename", "required-checks", "restrictions"),
        "check-runs": ("annotations", "rerequest"),
        "code-scanning": ("alerts", "analyses", "databases", "instances"),
        "codespaces": ("devcontainers", "exports", "machines", "secrets"),
        "collaborators": ("permission",),
        "comments": ("reactions",),
        "commits": ("branches", "comments", "pulls", "status", "statuses"),
        "contents": (),
        "dependabot": ("alerts", "secrets"),
        "dependency-graph": ("compare", "sbom", "snapshots"),
        "deployments": ("environments", "policies", "reviews", "statuses"),
        "dispatches": (),
        "environments": ("branch-policies", "rules", "secrets", "variables"),
        "forks": (),
        "git": ("blobs", "matching-refs", "refs", "tags", "trees"),
        "hooks": ("config", "deliveries", "pings", "tests"),
        "invitations": (),
        "issues": ("assignees", "events", "labels", "lock", "reactions", "timeline"),
        "keys": (),
        "labels": (),
        "milestones": ("labels",),
        "pages": ("builds", "deployments", "health"),
        "pulls": ("commits", "files", "merge", "requested-reviewers", "reviews", "update-branch"),
        "properties": ("values",),
        "releases": ("assets", "latest", "notes", "reactions"),
        "rulesets": ("rule-suites",),
        "secret-scanning": ("alerts", "locations", "push-protection"),
        "security-advisories": ("cve", "forks", "reports"),
        "stats": ("code-frequency", "commit-activity", "contributors", "participation"),
        "subscribers": (),
        "topics": (),
        "traffic": ("clones", "paths", "referrers", "views"),
    },
    "/orgs/{org}": {
        "actions": ("permissions", "runners", "secrets", "variables"),
        "blocks": (),
        "codespaces": ("access", "secrets"),
        "copilot": ("billing", "metrics", "seats"),
        "dependabot": ("alerts", "secrets"),
        "events": (),
        "failed-invitations": (),
        "hooks": ("config", "deliveries", "pings"),
        "members": ("codespaces", "memberships"),
        "migrations": ("archive", "repos"),
        "organization-roles": ("permissions", "teams", "users"),
        "packages": ("restore", "versions"),
        "personal-access-tokens": ("repositories",),
        "projects": (),
        "properties": ("schema", "values"),
        "repos": (),
        "rulesets": ("rule-suites",),
        "secret-scanning": ("alerts",),
        "settings": ("billing", "network-configurations"),
        "teams": ("discussions", "invitations", "members", "projects", "repos"),
    },
    "/enterprises/{enterprise}": {
        "actions": ("permissions", "runners", "variables"),
        "audit-log": (),
        "copilot": ("billing", "metrics", "seats"),
        "secret-scanning": ("alerts",),
        "teams": ("members", "organizations"),
    },
    "/users/{username}": {
        "events": ("orgs", "public"),
        "followers": (),
        "gists": (),
        "gpg-keys": (),
        "packages": ("restore", "versions"),
        "projects": (),
        "starred": (),
    },
    "/user": {
        "codespaces": ("exports", "machines", "publish", "start", "stop"),
        "emails": (),
        "followers": (),
        "installations": ("repositories",),
        "keys": (),
        "migrations": ("archive", "repos"),
        "starred": (),
    },
    "/gists": {"comments": ("reactions",), "forks": (), "star": ()},
    "/projects": {"cards": ("moves",), "columns": ("cards", "moves")},
    "/teams/{team_id}": {"discussions": ("comments", "reactions"), "members": (), "repos": ()},
    "/app": {"hook": ("config", "deliveries"), "installations": ("access-tokens", "suspended")},
    "": {"emojis": (), "events": (), "licenses": (), "meta": (), "notifications": ("threads",), "search": ("code",)},
}


def make_paths() -> list[str]:
    """Give the templates of all paths, in the order in which they are added."""
    return list(_make_all())[:PATHS]


def fill(path: str) -> str:
    """Give a path that fits a template: every parameter is filled with what such a parameter holds."""
    return re.sub(r"{(\w+)}", lambda found: "4711" if found[1].endswith("id") else f"some-{found[1]}", path)


def _make_all() -> Iterator[str]:
    for owner, collections in _COLLECTIONS.items():
        if owner:
            yield owner
        for collection, parts in collections.items():
            yield from _paths_of(f"{owner}/{collection}", parts)


def _paths_of(collection: str, parts: tuple[str, ...]) -> Iterator[str]:
    """Give a collection, what it has as a whole, its items, and what each of these has."""
    item = f"{collection}/{{{collection.rpartition('/')[2].replace('-', '_')}_id}}"
    yield collection
    yield from (f"{collection}/{part}" for part in parts)
    yield item
    for part in parts:
        yield f"{item}/{part}"
        yield f"{item}/{part}/{{part_id}}"
