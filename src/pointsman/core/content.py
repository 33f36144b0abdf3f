"""The content of a prompt: checked, brought to one form, and given its digest.

A user may write it in more than one way; it is kept in the one normal form,
in which nothing is said that would be so anyhow. Contents that mean the same therefore have
the same canonical text and the same digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from json.encoder import encode_basestring
from typing import Any, Final, cast

from pointsman.core.canonical import JSON, canonical_json, check_json, check_text, digest
from pointsman.core.content_fields import (
    MAX_VARIABLES,
    Faults,
    model_selector,
    read_model,
    read_response_format,
    read_tools,
    read_variables,
    write_declaration,
)
from pointsman.core.curly import unclosed_tags
from pointsman.core.messages import read_template
from pointsman.core.selectors import Selector
from pointsman.core.tags import FORMATS, Format
from pointsman.core.templates import (
    CompiledChat,
    CompiledText,
    Template,
    compile_template,
    syntax_errors,
    texts_of,
)
from pointsman.core.variables import Declaration, plain
from pointsman.errors import InvalidContent, Reason, TemplateSyntaxError, TooLarge

MAX_TEXT: Final = 1_000_000  # bytes of UTF-8 in all texts of a template
MAX_INCLUDES: Final = 1_000
FIELDS: Final = (
    "template",
    "format",
    "variables",
    "model",
    "tools",
    "response_format",
    "config",
)


@dataclass(frozen=True)
class PromptContent:
    """The content of a prompt, in normal form. Made by `parse_prompt`; not to be changed."""

    template: Template
    format: Format = "curly"
    variables: Mapping[str, Declaration] = field(default_factory=dict)
    model: Mapping[str, Any] | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    response_format: Mapping[str, Any] | None = None
    config: Mapping[str, JSON] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """The normal form in fresh lists and dicts: ``parse_prompt(x.to_json()) == x``."""
        return cast("dict[str, JSON]", plain(self._normal()))

    @cached_property
    def canonical(self) -> str:
        """The canonical text: equal for equal meaning."""
        normal = self._normal()
        if len(normal) == 1 and isinstance(self.template, str):
            return f'{{"template":{encode_basestring(self.template)}}}'  # as nearly always
        return canonical_json(normal)

    @cached_property
    def digest(self) -> str:
        """The digest of the canonical text."""
        return digest(self.canonical)

    @property
    def shape(self) -> str:
        """``text`` or ``chat``, and the format: ``chat/jinja2``."""
        return f"{'text' if isinstance(self.template, str) else 'chat'}/{self.format}"

    @property
    def includes(self) -> tuple[Selector, ...]:
        """The prompts composed in, in order, each as often as it is named."""
        if not _may_include(self.template):
            return ()
        return tuple(include.selector for include in self.compiled.includes)

    @property
    def uses(self) -> tuple[Selector, ...]:
        """The registered model that the prompt is meant for, if it names one."""
        used = self.model.get("uses") if self.model else None
        return (model_selector(used),) if used else ()

    @cached_property
    def compiled(self) -> CompiledText | CompiledChat:
        """The template, ready to render. Made on first use.

        Raises:
            PointsmanError: ``missing_extra``: the format needs a package that is absent.
        """
        return compile_template(self.template, self.format, self.variables)

    def __getstate__(self) -> dict[str, Any]:
        # What is computed on demand stays behind; compiled templates hold functions.
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def _normal(self) -> dict[str, JSON]:
        value: dict[str, Any] = {"template": self.template}
        if self.format != "curly":
            value["format"] = self.format
        if self.variables:
            value["variables"] = {
                name: write_declaration(declaration) for name, declaration in self.variables.items()
            }
        if self.model:
            value["model"] = self.model
        if self.tools:
            value["tools"] = self.tools
        if self.response_format:
            value["response_format"] = self.response_format
        if self.config:
            value["config"] = self.config
        return value


def parse_prompt(value: JSON) -> PromptContent:
    """The content of a prompt, from any way of writing it.

    A text or a list by itself is short for ``{"template": …}``. What the other fields may be
    is told in `core.content_fields`, what a template may be in `core.templates`.

    Raises:
        TemplateSyntaxError: the template can't be parsed, and nothing else is wrong.
        InvalidContent: ``reasons`` names all that is wrong, each with its JSON pointer.
        TooLarge: there is more than 1 MB of text, 1,000 messages or 500 variables.
        InvalidInput: it is not JSON (see `check_json`).
        PointsmanError: ``missing_extra``: the format needs a package that is not installed.
    """
    if isinstance(value, (str, list)):
        value = {"template": value}
    if not isinstance(value, dict):
        raise InvalidContent(
            "The content of a prompt must be an object, a text or a list of messages.",
            code="wrong_type",
            hint='Write {"template": …}.',
        )
    template = value.get("template")
    if len(value) == 1 and type(template) is str:
        return _parse_bare_text(template)
    check_json(value)
    return _parse(cast("dict[str, JSON]", plain(value)))


def restore_prompt(value: Mapping[str, Any]) -> PromptContent:
    """The content whose `to_json` gave `value`, without checking it again.

    For what comes from the registry, under a digest. The value is kept, not copied.
    """
    return PromptContent(
        value["template"],
        value.get("format", "curly"),
        {name: Declaration(**item) for name, item in value.get("variables", {}).items()},
        value.get("model"),
        value.get("tools") or [],
        value.get("response_format"),
        value.get("config") or {},
    )


def may_include(canonical: str) -> bool:
    """Whether the content whose canonical text this is can have includes at all; cheap."""
    return "{>" in canonical or '"include":' in canonical


def _parse_bare_text(template: str) -> PromptContent:
    check_text(template, field="/template")
    content = PromptContent(template)
    if len(template) > MAX_TEXT // 4:
        _check_size(template)
    if "{{" in template:
        _check_template(content, Faults())
    return content


def _parse(value: dict[str, JSON]) -> PromptContent:
    faults = Faults()
    faults.unknown(value, FIELDS, "")
    format = _read_format(value.get("format"), faults)  # noqa: A001 - the user's word
    template = read_template(value.get("template"), "template" in value, faults)
    variables = read_variables(value.get("variables"), "/variables", faults)
    config = value.get("config")
    if config is not None:
        faults.is_object(config, "/config")
    content = PromptContent(
        template,
        format,
        variables,
        read_model(value.get("model"), "/model", faults),
        read_tools(value.get("tools"), "/tools", faults),
        read_response_format(value.get("response_format"), "/response_format", faults),
        config if isinstance(config, dict) else {},
    )
    _check_size(template)
    if any(reason.field.startswith("/template") for reason in faults.reasons):
        faults.check()  # its shape is wrong, so its texts can't be found
    _check_template(content, faults)
    faults.check()
    if not variables:
        return content
    spare = [name for name, declaration in variables.items() if _says_nothing(content, name)]
    for name in spare:
        del variables[name]
    # What was compiled holds the same mapping, which now says the same in fewer words.
    return content


def _says_nothing(content: PromptContent, name: str) -> bool:
    """Whether a declaration adds nothing to what the template tells by itself."""
    declaration = content.variables[name]
    used = {variable.name: variable for variable in content.compiled.variables}.get(name)
    if used is None or declaration.schema is not True or declaration.has_default:
        return False
    if declaration.description:
        return False
    return declaration.required is None or declaration.required == used.required


def _read_format(value: JSON, faults: Faults) -> Format:
    if value is None:
        return "curly"
    if value in FORMATS:
        return value
    faults.add("unknown_format", "/format", "is not a format", f"Use one of {', '.join(FORMATS)}.")
    return "curly"


def _check_size(template: Template) -> None:
    size = sum(len(text.encode("utf-8", "replace")) for _, text in texts_of(template))
    if size > MAX_TEXT:
        raise TooLarge(
            f"The template has {size:,} bytes of text; {MAX_TEXT:,} are allowed.",
            code="template_too_large",
            hint="Pass long texts as variables.",
            field="/template",
        )


def _check_template(content: PromptContent, faults: Faults) -> None:
    """Look for unclosed tags, and compile what else can be wrong.

    Of curly texts without includes nothing else can.
    """
    if content.format == "curly":
        for field, text in texts_of(content.template):
            if "{{" in text:
                _take(unclosed_tags(text, field), faults)
    if not _needs_compiling(content):
        return
    try:
        compiled = content.compiled
    except TemplateSyntaxError as error:
        _take(syntax_errors(content.template, content.format) or [error], faults)
    except InvalidContent as error:
        for reason in error.reasons:
            place = "/template" + reason.field
            faults.reasons.append(Reason(reason.code, reason.message, reason.hint, place))
        faults.check()
    if len(compiled.variables) > MAX_VARIABLES:
        raise TooLarge(
            f"The template has {len(compiled.variables):,} variables; {MAX_VARIABLES} are allowed.",
            code="too_many_variables",
            hint="Pass a list or an object in one variable.",
            field="/template",
        )
    if len(compiled.includes) > MAX_INCLUDES:
        raise TooLarge(
            f"The template has {len(compiled.includes):,} includes; {MAX_INCLUDES:,} are allowed.",
            code="too_many_includes",
            hint="Put what belongs together into one prompt.",
            field="/template",
        )
    for placeholder in compiled.placeholders:
        if placeholder.name in content.variables:
            faults.add(
                "name_clash",
                f"/variables/{placeholder.name}",
                "is the name of a placeholder, which takes no declaration",
                "Leave it out.",
            )


def _take(errors: list[TemplateSyntaxError], faults: Faults) -> None:
    """Raise these errors of a template, along with the faults found before."""
    if not errors:
        return
    if not faults.reasons and len(errors) == 1:
        raise _within(errors[0]) from None
    for each in errors:
        place = "/template" + each.field
        faults.reasons.append(Reason(each.code, each.message, each.hint, place))
    faults.check()


def _needs_compiling(content: PromptContent) -> bool:
    if content.format != "curly" or content.variables or not isinstance(content.template, str):
        return True
    return "{{>" in content.template or content.template.count("{{") > MAX_VARIABLES


def _may_include(template: Template) -> bool:
    if isinstance(template, str):
        return "{>" in template
    return any("include" in entry for entry in template) or any(
        "{>" in text for _, text in texts_of(template)
    )


def _within(error: TemplateSyntaxError) -> TemplateSyntaxError:
    """The same error, its field seen from the content."""
    return TemplateSyntaxError(
        error.message,
        code=error.code,
        hint=error.hint,
        field="/template" + error.field,
        details=error.details,
    )
