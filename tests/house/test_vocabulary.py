"""One vocabulary: what a registry can be asked is spelt alike in every client of it."""

# The list below is read for its names and defaults; its types stand with the code.
# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import inspect
from typing import Any

import pytest

from pointsman import AsyncClient, Client, Registry


class Vocabulary:
    """What can be asked of a registry, wherever it is."""

    # fmt: off
    def get(self, selector, *, key=None, fallback=None): ...
    def resolve(self, selector, *, at=None, key=None): ...
    def publish(self, name, content, *, kind="prompt", message="", tags=None, aliases=(),
                dependencies=(), reason="", if_changed=False, if_newest=None,
                idempotency_key=None): ...
    def publish_many(self, items, *, idempotency_key=None): ...
    def artifact(self, name, *, kind="prompt"): ...
    def search(self, *, kind=None, folder="", name="", text="", tags="", with_aliases=(),
               without_aliases=(), author="", since=None, until=None, archived=False,
               order="name", limit=50, cursor=None): ...
    def version(self, selector): ...
    def versions(self, name, *, kind="prompt", limit=50, cursor=None): ...
    def promote(self, selector, alias, *, reason="", if_revision=None, idempotency_key=None): ...
    def split(self, name, alias, weights, *, kind="prompt", reason="", if_revision=None,
              idempotency_key=None): ...
    def release(self, moves, *, reason="", idempotency_key=None): ...
    def delete_alias(self, selector, *, reason="", if_revision=None): ...
    def rollback(self, selector, *, reason="", if_revision=None): ...
    def rollback_release(self, number, *, reason=""): ...
    def find_release(self, number): ...
    def alias(self, selector): ...
    def releases(self, selector, *, limit=50, cursor=None): ...
    def history(self, selector="", *, types=(), actor=None, since=None, until=None, limit=50,
                cursor=None): ...
    def entries(self, after=0, *, limit=1_000): ...
    def differences(self, before, after): ...
    def diff(self, before, after): ...
    def set_tag(self, selector, key, value): ...
    def delete_tag(self, selector, key): ...
    def archive(self, name, *, kind="prompt"): ...
    def restore(self, name, *, kind="prompt"): ...
    def tombstone(self, selector, *, reason): ...
    def keys(self): ...
    def create_key(self, name, role, *, expires_at=None): ...
    def revoke_key(self, key_id): ...
    def doctor(self): ...
    def close(self): ...
    # fmt: on


CACHED = {"on_change", "status", "wait_ready", "write_bundle"}
OWN = {Registry: {"open"}, Client: CACHED, AsyncClient: CACHED}
"""What only some can be asked: where the data is, and what concerns a cache."""

WORDS = [name for name in vars(Vocabulary) if not name.startswith("_")]
CLASSES = list(OWN)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_spelt_alike_everywhere(cls: type, word: str) -> None:
    assert _parameters(getattr(cls, word)) == _parameters(getattr(Vocabulary, word))


@pytest.mark.parametrize("cls", CLASSES)
def test_there_are_no_other_words(cls: type) -> None:
    public = {name for name in dir(cls) if not name.startswith("_")}
    assert public == {*WORDS, *OWN[cls]}


@pytest.mark.parametrize("word", WORDS)
def test_answers_are_the_same(word: str) -> None:
    answers = {inspect.signature(getattr(cls, word)).return_annotation for cls in CLASSES}
    assert len(answers) == 1, answers


@pytest.mark.parametrize("word", WORDS)
def test_the_async_client_is_awaited(word: str) -> None:
    assert inspect.iscoroutinefunction(getattr(AsyncClient, word))
    assert not inspect.iscoroutinefunction(getattr(Client, word))


@pytest.mark.parametrize("cls", CLASSES)
def test_every_word_says_what_it_does(cls: type) -> None:
    assert not [word for word in (*WORDS, *OWN[cls]) if not inspect.getdoc(getattr(cls, word))]


@pytest.mark.parametrize("cls", CLASSES)
def test_all_are_context_managers(cls: type) -> None:
    asynchronous = cls is AsyncClient
    assert hasattr(cls, "__aenter__") == asynchronous
    assert hasattr(cls, "__enter__") != asynchronous


def _parameters(method: Any) -> list[tuple[str, Any, Any]]:
    found = list(inspect.signature(method).parameters.values())
    return [(one.name, one.kind.description, one.default) for one in found]
