"""A champion and its challenger: MLflow's own client, and a change that somebody approves.

A model is trained, logged, registered and made the champion. A process serves it. A second one
is better on rows that neither has seen, so it is proposed, approved and applied; the process
that serves goes over to it. It is rolled back, and the process goes back.

    export POINTSMAN_URL=http://127.0.0.1:8765 POINTSMAN_API_KEY=pm_…   (of an admin)
    pip install mlflow-skinny scikit-learn pandas skops pointsman
    python examples/mlflow_champion.py

Runs, their files and the registry are all at Pointsman. What serves knows MLflow's client only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

from pointsman import Client, Refused

URL = os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8765")
MODEL = "churn"
LIVE = f"models:/{MODEL}@champion"
PATIENCE = 120


def main() -> None:
    """The whole story."""
    admin = Client(URL, os.environ["POINTSMAN_API_KEY"])
    ana, ben, rui = team(admin, ana="editor", ben="reviewer", rui="releaser")
    use(ana)
    first = train(["tenure"], "one column")
    Client(URL, rui).promote(f"model:{MODEL}:{first}", "champion", reason="the first there is")
    admin.set_policy(
        {"name": "champion", "aliases": "champion", "artifacts": MODEL, "approvals": 1},
        reason="what is live is looked at by two",
    )
    with serving() as lines:
        expect(lines, f"version {first}")
        second = train(["tenure", "complaints"], "both columns")
        better = evaluate(first, second)
        change = propose(Client(URL, ana), second, better)
        refused(lambda: Client(URL, ana).apply(change))
        Client(URL, ben).approve(change, note="looked at the rows it gets wrong")
        Client(URL, rui).apply(change)
        print(f"change {change} is approved and applied")
        expect(lines, f"version {second}")
        Client(URL, rui).rollback(f"model:{MODEL}@champion", reason="complaints come in late")
        print("rolled back")
        expect(lines, f"version {first}")
    for one in Client(URL, ana).releases(f"model:{MODEL}@champion").items:
        print(f"on record: release {one.number}, {one.reason!r}, by {one.by}")


def train(columns: list[str], name: str) -> int:
    """Train a model on some columns, log it, register it: the number of its version."""
    import mlflow
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    mlflow.set_experiment("churn")
    rows, left = customers(seed=1)
    with mlflow.start_run(run_name=name):
        model = LogisticRegression().fit(rows[columns], left)
        mlflow.log_params({"columns": ", ".join(columns), "rows": len(rows)})
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=MODEL,
            input_example=rows[columns].head(2),
            pip_requirements=["scikit-learn", "skops"],
        )
        mlflow.log_metric("accuracy", model.score(rows[columns], left), model_id=logged.model_id)
    return int(logged.registered_model_version)


def evaluate(champion: int, challenger: int) -> Mapping[int, float]:
    """How many of some rows that no model has seen each of the two gets right."""
    import mlflow.sklearn

    rows, left = customers(seed=2)
    scores = {}
    for number in (champion, challenger):
        model = mlflow.sklearn.load_model(f"models:/{MODEL}/{number}")
        scores[number] = float(model.score(rows[list(model.feature_names_in_)], left))
    print(", ".join(f"version {number}: {score:.3f}" for number, score in scores.items()))
    return scores


def propose(registry: Any, number: int, scores: Mapping[int, float]) -> int:
    """Propose that the challenger becomes the champion, if it is better: the change's number."""
    if scores[number] < max(scores.values()):
        raise SystemExit(f"version {number} is no better: nothing is proposed")
    told = ", ".join(f"{score:.3f} of version {one}" for one, score in scores.items())
    change = registry.propose(
        f"{MODEL} {number} becomes the champion",
        [{"kind": "model", "name": MODEL, "alias": "champion", "version": number}],
        reason=f"right on unseen rows: {told}",
    )
    return int(change.number)


def refused(act: Any) -> None:
    """See that what nobody has approved is refused."""
    try:
        act()
    except Refused as error:
        print(f"refused before it is approved: {error.reasons[0].message}")
    else:
        raise SystemExit("it was not refused")


# -- the process that serves


def serve() -> None:
    """Serve the champion, whichever it is: load it again when the alias has moved."""
    import mlflow.sklearn

    registry, loaded = mlflow.MlflowClient(), None
    while True:
        champion = registry.get_model_version_by_alias(MODEL, "champion").version
        if champion != loaded:
            model = mlflow.sklearn.load_model(LIVE)
            rows, _ = customers(seed=3)
            answers = model.predict(rows[list(model.feature_names_in_)].head(5))
            print(f"version {champion} answers {[int(one) for one in answers]}", flush=True)
            loaded = champion
        time.sleep(0.5)


@contextlib.contextmanager
def serving() -> Iterator[IO[str]]:
    """A process that serves, as long as the block lasts; what it prints."""
    process = subprocess.Popen(
        [sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def expect(lines: IO[str], beginning: str) -> None:
    """Wait for what the process that serves says next."""
    line = lines.readline().strip()
    print(f"serving: {line}")
    if not line.startswith(beginning):
        raise SystemExit(f"expected {beginning}")


# -- what there is to begin with


def team(admin: Any, **roles: Any) -> list[str]:
    """Invite people with these roles, who come in at once: a key for each."""
    keys = []
    for name, role in roles.items():
        email = f"{name}-{secrets.token_hex(4)}@example.org"
        invited = admin.invite(email, role=role, name=name)
        signed_in = Client(URL, None).accept_invitation(invited.token, secrets.token_urlsafe(16))
        keys.append(Client(URL, signed_in.token).create_my_key("example", role).secret)
    return keys


def use(key: str) -> None:
    """Have MLflow's client speak to Pointsman, for runs as well as for the registry."""
    os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = URL
    os.environ["MLFLOW_TRACKING_TOKEN"] = key


def customers(seed: int) -> tuple[Any, Any]:
    """Customers, and who of them left."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(seed)
    tenure, complaints = draw.uniform(0, 10, 400), draw.poisson(1.5, 400).astype(float)
    likely = 1 / (1 + np.exp(0.6 * tenure - 1.7 * complaints))
    return pd.DataFrame({"tenure": tenure, "complaints": complaints}), draw.random(400) < likely


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
