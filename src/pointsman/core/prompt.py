"""What an application gets from the registry: a prompt, ready to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from pointsman.core.content import PromptContent
from pointsman.core.providers import Call, anthropic_call, openai_call
from pointsman.core.tags import Format, Placeholder, Variable
from pointsman.core.templates import CompiledChat, CompiledText, Template
from pointsman.core.variables import plain

Rendered: TypeAlias = "str | list[dict[str, Any]]"


class Prompt:
    """A version of a prompt, with all that it includes composed in.

    It can't be changed: what its methods and properties return are fresh lists and dicts.
    `why` says how this version came to be chosen; `made_of` names the versions included.
    """

    __slots__ = ("_compiled", "content", "digest", "made_of", "name", "version", "why")

    name: str
    version: int
    digest: str
    content: PromptContent
    why: Any
    made_of: tuple[Any, ...]
    _compiled: CompiledText | CompiledChat | None

    def __init__(
        self,
        name: str,
        version: int,
        digest: str,
        content: PromptContent,
        *,
        why: Any = None,
        made_of: Sequence[Any] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "name", name)
        put(self, "version", version)
        put(self, "digest", digest)
        put(self, "content", content)
        put(self, "why", why)
        put(self, "made_of", tuple(made_of))
        put(self, "_compiled", None)

    def render(self, /, **variables: object) -> Rendered:
        """The text, or the list of messages, for these values.

        Raises:
            RenderError: ``reasons`` name all that is missing, unknown or of the wrong type.
            PointsmanError: ``missing_extra``: the format or a schema needs a package that is
                not installed; the hint says which to install.
        """
        compiled = self._compiled
        if compiled is None:
            compiled = self.content.compiled
            object.__setattr__(self, "_compiled", compiled)
        return compiled.render(variables)

    def to_openai(self, /, **variables: object) -> dict[str, Any]:
        """Keyword arguments for ``client.chat.completions.create(**…)``.

        Raises:
            RenderError: as `render`; or something in the messages has no counterpart there.
        """
        return openai_call(self._call(variables))

    def to_anthropic(self, /, **variables: object) -> dict[str, Any]:
        """Keyword arguments for ``client.messages.create(**…)``.

        See `core.providers` for what is translated and what is left out.

        Raises:
            RenderError: as `render`; or something in the messages has no counterpart there.
        """
        return anthropic_call(self._call(variables))

    @property
    def format(self) -> Format:
        """The format of the template."""
        return self.content.format

    @property
    def template(self) -> Template:
        """The template, with all that it includes."""
        return plain(self.content.template)  # type: ignore[no-any-return]

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that `render` takes, in the order of their first use."""
        return self.content.compiled.variables

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The lists of messages that `render` takes."""
        return self.content.compiled.placeholders

    @property
    def model(self) -> dict[str, Any] | None:
        """The model that the prompt is meant for, as published."""
        return plain(self.content.model)  # type: ignore[no-any-return]

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that the model may call, in OpenAI's form."""
        return plain(self.content.tools)  # type: ignore[no-any-return]

    @property
    def response_format(self) -> dict[str, Any] | None:
        """The form that the answer must have, in OpenAI's form."""
        return plain(self.content.response_format)  # type: ignore[no-any-return]

    @property
    def config(self) -> dict[str, Any]:
        """Whatever else was published with the prompt."""
        return plain(self.content.config)  # type: ignore[no-any-return]

    def _call(self, variables: Mapping[str, object]) -> Call:
        rendered = self.render(**variables)
        if isinstance(rendered, str):
            rendered = [{"role": "user", "content": rendered}]
        return Call(rendered, self.model or {}, self.tools, self.response_format)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Prompt can't be changed, so {name!r} can't be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Prompt can't be changed, so {name!r} can't be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prompt):
            return NotImplemented
        return (self.name, self.version, self.digest, self.content.canonical) == (
            other.name,
            other.version,
            other.digest,
            other.content.canonical,
        )

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.digest))

    def __repr__(self) -> str:
        return f"<Prompt {self.name}:{self.version} {self.content.shape} {self.digest[:12]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (
            self.name,
            self.version,
            self.digest,
            self.content,
            self.why,
            self.made_of,
        )


def _restored(
    name: str, version: int, digest: str, content: PromptContent, why: Any, made_of: Any
) -> Prompt:
    return Prompt(name, version, digest, content, why=why, made_of=made_of)
