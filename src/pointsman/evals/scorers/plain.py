"""Is the output the expected text, or does it hold one?"""

from __future__ import annotations

from pointsman.core.canonical import quoted
from pointsman.core.suites import Scorer
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError
from pointsman.evals.scorers.tools import Each, Tools


def exact(scorer: Scorer, tools: Tools) -> Each:
    """1 where the output is what the row expects, character by character.

    ``ignore_case`` folds case as Unicode does; ``trim`` leaves white space around both out.
    """
    trim, fold = scorer.options.get("trim", False), scorer.options.get("ignore_case", False)

    def normal(text: str) -> str:
        text = text.strip() if trim else text
        return text.casefold() if fold else text

    def score(case: Case) -> Score:
        got, wanted = case.text, case.expected_text
        if normal(got) == normal(wanted):
            return Score(1.0)
        return Score(0.0, f"{quoted(got, max_chars=200)} is not {quoted(wanted, max_chars=200)}.")

    return score


def contains(scorer: Scorer, tools: Tools) -> Each:
    """1 where the output holds ``value``; without that, what the row expects."""
    fold = scorer.options.get("ignore_case", False)

    def score(case: Case) -> Score:
        value = scorer.options.get("value")
        wanted = case.expected_text if value is None else value
        if not wanted:
            raise UnscorableError("The text to look for is empty, and every output holds that.")
        got = case.text
        found = wanted.casefold() in got.casefold() if fold else wanted in got
        shown = quoted(wanted, max_chars=200)
        return Score(1.0 if found else 0.0, f"{shown} is {'in' if found else 'not in'} the output.")

    return score
