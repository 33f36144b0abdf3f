"""How a version is fetched by a program: code to copy, for this server and this artifact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pointsman.app.application import DEFAULT_PROJECT


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some code, and what it is written for."""

    title: str
    code: str


def snippets(
    origin: str, project: str, kind: str, selector: str, variables: Sequence[str]
) -> list[Snippet]:
    """Code that reads what `selector` (``support/reply@production``) means.

    Keys are never in it: the programs take them from their environment.
    """
    if kind == "prompt":
        return [
            Snippet("Python", _python(origin, project, selector, variables)),
            Snippet("curl", _curl(origin, project, kind, selector)),
            Snippet("MLflow", _mlflow(origin, project, selector, variables)),
        ]
    if kind == "model":
        return [
            Snippet("Python", _pulled(origin, project, selector)),
            Snippet("curl", _curl(origin, project, kind, selector)),
            Snippet("MLflow", _mlflow_model(origin, project, selector)),
        ]
    return [Snippet("curl", _curl(origin, project, kind, selector))]


def _python(origin: str, project: str, selector: str, variables: Sequence[str]) -> str:
    return (
        f"from pointsman import Client\n\n{_client(origin, project)}\n"
        f"prompt = client.get({_text(selector)})\n"
        f"text = prompt.render({_arguments(variables)})"
    )


def _pulled(origin: str, project: str, selector: str) -> str:
    name = f"model:{selector}"
    return (
        f"from pointsman import Client\n\n{_client(origin, project)}\n"
        f'pulled = client.pull({_text(name)}, "./model")'
    )


def _client(origin: str, project: str) -> str:
    named = "" if project == DEFAULT_PROJECT else f", project={_text(project)}"
    return f"# The key is in POINTSMAN_API_KEY.\nclient = Client({_text(origin)}{named})"


def _curl(origin: str, project: str, kind: str, selector: str) -> str:
    place = selector if kind == "prompt" else f"{kind}:{selector}"
    named = "" if project == DEFAULT_PROJECT else f' \\\n  -H "Pointsman-Project: {quote(project)}"'
    url = f"{origin}/api/v1/resolve/{quote(place, safe='@:')}"
    return f'curl {_quoted(url)} \\\n  -H "Authorization: Bearer $POINTSMAN_API_KEY"{named}'


def _mlflow(origin: str, project: str, selector: str, variables: Sequence[str]) -> str:
    uri = f"prompts:/{_mlflow_selector(selector)}"
    return (
        f"{_mlflow_setting(origin, project)}\n"
        f"prompt = mlflow.genai.load_prompt({_text(uri)})\n"
        f"text = prompt.format({_arguments(variables)})"
    )


def _mlflow_model(origin: str, project: str, selector: str) -> str:
    uri = f"models:/{_mlflow_selector(selector)}"
    return f"{_mlflow_setting(origin, project)}\nmodel = mlflow.pyfunc.load_model({_text(uri)})"


def _mlflow_setting(origin: str, project: str) -> str:
    named = "" if project == DEFAULT_PROJECT else f"mlflow.set_workspace({_text(project)})\n"
    return (
        "import mlflow\n\n# The key is in MLFLOW_TRACKING_TOKEN.\n"
        f"mlflow.set_tracking_uri({_text(origin)})\n{named}"
    ).rstrip("\n")


def _mlflow_selector(selector: str) -> str:
    return selector if "@" in selector else selector.replace(":", "/", 1)


def _arguments(variables: Sequence[str]) -> str:
    named = [f'{name}="…"' for name in variables if name.isidentifier()]
    others = [f'{_text(name)}: "…"' for name in variables if not name.isidentifier()]
    if others:
        named.append("**{" + ", ".join(others) + "}")
    return ", ".join(named)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _quoted(value: str) -> str:
    """A word as a shell takes it: what has no sign of the shell's in it stays bare."""
    return "'" + value.replace("'", "'\\''") + "'"
