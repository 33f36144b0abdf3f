"""Templates and the files that pages need: one environment, everything escaped."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pointsman.web import words

_HERE: Final = Path(__file__).parent
_MEDIA: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages load, as it is and packed."""

    body: bytes
    packed: bytes
    media: str


class Templates:
    """All templates, and addresses of the files that go with them."""

    def __init__(self) -> None:
        self.assets = dict(_assets())
        marks = {
            name: hashlib.sha256(one.body).hexdigest()[:12] for name, one in self.assets.items()
        }
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            short=lambda digest: digest[:8],
            target=words.told_target,
            colour=words.colour_of,
            listed=words.listed,
            lasting=words.lasting,
            pretty=_pretty,
        )
        self._environment.globals.update(
            asset=lambda name: f"/static/{name}?v={marks[name]}",
            has_asset=marks.__contains__,
            with_query=words.with_query,
        )

    def render(
        self,
        template: str,
        context: Mapping[str, Any],
        *,
        project: str,
        now: datetime,
        zone: tzinfo,
    ) -> bytes:
        """A page as bytes."""
        text = self._environment.get_template(template).render(
            **context,
            project=project,
            now=now,
            zone=zone,
            to=partial(words.address, project),
            said=lambda at: words.said(at, now, zone),
            exactly=lambda at: words.exactly(at, zone),
        )
        return text.encode()


def _assets() -> list[tuple[str, Asset]]:
    found = []
    folder = _HERE / "static"
    for path in sorted(folder.rglob("*")):
        if path.suffix in _MEDIA and path.is_file():
            body = path.read_bytes()
            packed = gzip.compress(body, 9, mtime=0)
            name = path.relative_to(folder).as_posix()
            found.append((name, Asset(body, packed, _MEDIA[path.suffix])))
    return found


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
