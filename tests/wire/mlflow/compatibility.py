"""What each call of MLflow's registry client does here, and the behaviours that show it."""

from __future__ import annotations

from pathlib import Path

from compatibility import Call, Section, functions_of

HERE = Path(__file__).parent
SCENARIOS = (
    "prompts",
    "contents",
    "models",
    "searches",
    "governing",
    "proposing",
    "hooked",
)
"""The modules in `scenarios/`: each is run by MLflow's client on a server of its own."""

TRACKED = ("tracking", "elsewhere")
"""Those with runs and models that are logged, which are run on both databases."""

ON_RECORD = (
    "it is archived and stays on record, refused while an alias that a policy governs points to "
    "it; registered again, it comes back with its versions and counts on"
)
REMOVED = (
    "only the content goes, by an admin; number, digest and record stay. Aliases that point to it "
    "are deleted as far as policies allow; otherwise nothing is"
)
PROPOSED = "goes by policies, which can have a change opened instead of a refusal"
KEPT_NAMES = (
    "names stay for good, so that the record and who reads by them stay right; "
    "copy the versions to the new name"
)
DELIVERED = "recorded; delivered in order, at least once, for three days; given secrets are sealed"
IMMUTABLE = "a version never changes: what would change its content is refused, register another"
AUTHORS = "tells who published it (`user_id`)"
FOUND = "tells authors and aliases too, and refuses what MLflow answers with 500"


def behaviours() -> dict[str, str]:
    """The behaviours of all scenarios: name → source."""
    return {
        f"{scenario}.{name}": source
        for scenario in (*SCENARIOS, *TRACKED)
        for name, source in functions_of(
            HERE / "scenarios" / f"{scenario}.py", marked="behaviour"
        ).items()
    }


_PROMPTS = (
    Call(
        "register_prompt",
        "works",
        (
            "prompts.a_prompt_is_registered_and_loaded",
            "contents.texts_are_read_back_as_they_were_written",
            "contents.chats_are_read_back_as_they_were_written",
        ),
        spelt=("register",),
    ),
    Call(
        "load_prompt",
        "works better",
        ("prompts.a_prompt_is_loaded_without_a_version_as_its_newest",),
        f"{AUTHORS}; what is included by native prompts is put in",
        spelt=("load",),
    ),
    Call("search_prompts", "works", ("searches.prompts_are_searched",)),
    Call(
        "set_prompt_alias",
        "works better",
        (
            "prompts.an_alias_is_set_moved_and_deleted",
            "proposing.a_protected_alias_is_proposed_instead",
        ),
        PROPOSED,
    ),
    Call(
        "delete_prompt_alias",
        "works better",
        ("prompts.an_alias_is_set_moved_and_deleted", "proposing.a_deletion_is_proposed_too"),
        PROPOSED,
    ),
    Call("get_prompt_tags", "works", ("prompts.prompt_tags_are_set_and_deleted",)),
    Call("set_prompt_tag", "works", ("prompts.prompt_tags_are_set_and_deleted",)),
    Call("delete_prompt_tag", "works", ("prompts.prompt_tags_are_set_and_deleted",)),
    Call(
        "set_prompt_version_tag",
        "works better",
        (
            "prompts.version_tags_are_set_and_deleted",
            "contents.the_content_of_a_version_can_not_be_changed",
        ),
        IMMUTABLE,
    ),
    Call(
        "delete_prompt_version_tag",
        "works better",
        (
            "prompts.version_tags_are_set_and_deleted",
            "contents.the_content_of_a_version_can_not_be_changed",
        ),
        IMMUTABLE,
    ),
    Call(
        "set_prompt_model_config",
        "refused",
        (
            "contents.the_content_of_a_version_can_not_be_changed",
            "contents.writing_what_is_there_already_changes_nothing",
        ),
        f"{IMMUTABLE}; writing what is there already is fine",
    ),
    Call(
        "delete_prompt_model_config",
        "refused",
        ("contents.the_content_of_a_version_can_not_be_changed",),
        IMMUTABLE,
    ),
    Call("create_prompt", "works", ("prompts.prompts_are_made_in_two_steps_as_well",)),
    Call("create_prompt_version", "works", ("prompts.prompts_are_made_in_two_steps_as_well",)),
    Call("get_prompt", "works", ("prompts.get_prompt_tells_of_the_prompt_or_nothing",)),
    Call("get_prompt_version", "works", ("prompts.a_version_is_told_by_number_and_by_alias",)),
    Call(
        "get_prompt_version_by_alias",
        "works",
        ("prompts.a_version_is_told_by_number_and_by_alias",),
    ),
    Call(
        "search_prompt_versions",
        "works better",
        ("searches.versions_of_a_prompt_are_listed",),
        FOUND,
    ),
    Call(
        "delete_prompt",
        "works better",
        (
            "prompts.a_deleted_prompt_is_gone_but_on_record",
            "prompts.a_deleted_prompt_comes_back_and_counts_on",
        ),
        ON_RECORD,
    ),
    Call(
        "delete_prompt_version",
        "works better",
        (
            "prompts.a_deleted_version_leaves_its_number_unused",
            "prompts.only_admins_delete_versions",
        ),
        REMOVED,
    ),
)

_MODELS = (
    Call(
        "create_registered_model",
        "works",
        ("models.a_model_is_registered_and_found", "models.bad_names_are_refused"),
    ),
    Call(
        "get_registered_model",
        "works better",
        ("models.a_model_is_registered_and_found",),
        "costs the same however many versions there are",
    ),
    Call("update_registered_model", "works", ("models.descriptions_change",)),
    Call("rename_registered_model", "refused", ("models.a_model_can_not_be_renamed",), KEPT_NAMES),
    Call(
        "delete_registered_model",
        "works better",
        ("models.a_deleted_model_is_archived",),
        ON_RECORD,
    ),
    Call(
        "search_registered_models",
        "works",
        (
            "searches.names_are_compared",
            "searches.pages_of_models_follow_one_another",
            "searches.what_the_grammar_does_not_have_is_refused",
        ),
        spelt=("_names",),
    ),
    Call("get_latest_versions", "works", ("models.the_latest_versions_are_told_by_stage",)),
    Call("set_registered_model_tag", "works", ("models.tags_change",)),
    Call("delete_registered_model_tag", "works", ("models.tags_change",)),
    Call(
        "set_registered_model_alias",
        "works better",
        ("models.aliases_point_to_versions", "proposing.a_models_alias_is_proposed_instead"),
        PROPOSED,
    ),
    Call(
        "delete_registered_model_alias",
        "works better",
        ("models.aliases_point_to_versions",),
        PROPOSED,
    ),
    Call("get_model_version_by_alias", "works", ("models.aliases_point_to_versions",)),
    Call(
        "create_model_version",
        "works better",
        (
            "models.a_version_keeps_what_it_was_made_with",
            "models.sources_that_lead_elsewhere_are_refused",
            "models.a_logged_model_that_is_kept_elsewhere_is_taken",
        ),
        "logged models of another tracking server are taken, where MLflow answers 500",
    ),
    Call("copy_model_version", "works", ("models.a_version_is_copied_to_another_model",)),
    Call(
        "get_model_version",
        "works better",
        ("models.a_version_keeps_what_it_was_made_with",),
        AUTHORS,
    ),
    Call("update_model_version", "works", ("models.descriptions_change",)),
    Call(
        "delete_model_version",
        "works better",
        ("models.a_deleted_version_is_gone_with_its_aliases",),
        REMOVED,
    ),
    Call(
        "transition_model_version_stage",
        "works better",
        (
            "models.a_stage_is_an_alias",
            "models.what_was_in_a_stage_is_archived_if_asked",
            "proposing.a_stage_is_proposed_as_its_alias",
        ),
        f"a stage is an alias, of one version, and {PROPOSED}",
    ),
    Call("get_model_version_stages", "works", ("models.the_stages_that_there_are_are_told",)),
    Call(
        "search_model_versions",
        "works better",
        ("searches.versions_are_compared",),
        FOUND,
        spelt=("_versions",),
    ),
    Call(
        "get_model_version_download_uri", "works", ("models.a_version_keeps_what_it_was_made_with",)
    ),
    Call("set_model_version_tag", "works", ("models.tags_change",)),
    Call("delete_model_version_tag", "works", ("models.tags_change",)),
)

_HOOKS = (
    Call(
        "create_webhook",
        "works better",
        (
            "hooked.a_webhook_is_made_listed_changed_and_deleted",
            "hooked.webhooks_that_make_no_sense_are_refused",
        ),
        DELIVERED,
    ),
    Call("get_webhook", "works", ("hooked.a_webhook_is_made_listed_changed_and_deleted",)),
    Call(
        "list_webhooks",
        "works better",
        (
            "hooked.webhooks_come_in_pages_newest_first",
            "hooked.native_webhooks_are_seen_by_the_events_they_tell",
        ),
        "those that were made natively too",
    ),
    Call(
        "update_webhook",
        "works",
        (
            "hooked.what_is_left_out_of_a_change_stays",
            "hooked.a_disabled_webhook_is_told_when_it_is_enabled",
        ),
    ),
    Call("delete_webhook", "works", ("hooked.a_webhook_is_made_listed_changed_and_deleted",)),
    Call(
        "test_webhook",
        "works",
        ("hooked.a_webhook_is_tried", "hooked.every_event_can_be_tried"),
        "not of one that is disabled",
    ),
)

REGISTERED = (
    "the version names the run's very files and stays whatever becomes of them; metrics and "
    "params of that moment are part of it"
)
NEWEST = "newest first; by attributes, tags and params, not by metrics"
_FOUND = "tracking.experiments_are_made_found_and_changed"
_LOGGED = "tracking.a_run_keeps_what_is_logged_to_it"
_FILES = "tracking.files_of_runs_are_kept_listed_and_read_back"
_MEASURED = "tracking.metrics_are_of_a_model_as_well"
_SEARCHED = "tracking.runs_are_nested_searched_deleted_and_restored"
_TRACED = "tracking.a_trace_keeps_its_spans_and_its_prompts"

_TRACKING = (
    Call("set_experiment", "works", (_LOGGED,)),
    Call("create_experiment", "works", (_FOUND,)),
    Call("get_experiment", "works", (_FOUND, "tracking.the_default_experiment_is_there")),
    Call("get_experiment_by_name", "works", (_FOUND,)),
    Call("search_experiments", "works", (_FOUND,)),
    Call("rename_experiment", "works", (_FOUND,)),
    Call("set_experiment_tag", "works", (_FOUND,)),
    Call("delete_experiment", "works", (_FOUND,)),
    Call("restore_experiment", "works", (_FOUND,)),
    Call("start_run", "works", (_LOGGED, "tracking.a_run_that_fails_is_marked")),
    Call("get_run", "works", (_LOGGED,)),
    Call("search_runs", "works", (_SEARCHED,), NEWEST),
    Call("delete_run", "works", (_SEARCHED,)),
    Call("restore_run", "works", (_SEARCHED,)),
    Call("log_param", "works", (_LOGGED, "tracking.params_stay_as_they_were_logged")),
    Call("log_params", "works", (_LOGGED,)),
    Call("log_metric", "works", (_LOGGED, _MEASURED)),
    Call("log_metrics", "works", (_LOGGED,)),
    Call("get_metric_history", "works", (_LOGGED,)),
    Call("set_tags", "works", (_LOGGED,)),
    Call("delete_tag", "works", ("tracking.much_is_logged_at_once",)),
    Call("log_batch", "works", ("tracking.much_is_logged_at_once",)),
    Call("log_input", "works", ("tracking.outputs_and_inputs_of_a_run_are_told",)),
    Call("log_artifacts", "works", (_FILES,)),
    Call("log_text", "works", (_FILES,)),
    Call("list_artifacts", "works", (_FILES,)),
    Call("download_artifacts", "works", (_FILES,)),
    Call("delete_artifacts", "works", ("tracking.files_are_overwritten_and_deleted",)),
    Call(
        "log_model",
        "works better",
        (
            "tracking.a_model_is_logged_registered_and_loaded",
            "tracking.a_version_stays_whatever_becomes_of_the_run",
            "elsewhere.a_logged_model_of_another_server_is_registered_and_loaded",
        ),
        f"{REGISTERED}; also with a tracking server of another house, where MLflow's fails",
    ),
    Call(
        "register_model",
        "works better",
        (
            "models.the_functions_of_the_module_work",
            "tracking.a_model_is_registered_from_its_run",
            "elsewhere.a_model_is_registered_from_a_run_of_another_server",
        ),
        REGISTERED,
    ),
    Call(
        "load_model",
        "works better",
        (
            "tracking.a_model_is_logged_registered_and_loaded",
            "tracking.versions_with_files_load_with_another_tracking_server",
        ),
        "what only loads needs no tracking server",
        spelt=("predicted",),
    ),
    Call("get_logged_model", "works", (_MEASURED,)),
    Call("search_logged_models", "works", (_MEASURED,), NEWEST),
    Call("set_logged_model_tags", "works", (_MEASURED,)),
    Call("delete_logged_model_tag", "works", (_MEASURED,)),
    Call("delete_logged_model", "works", (_MEASURED,)),
    Call(
        "create_external_model",
        "works",
        ("tracking.a_prompt_that_an_active_model_loads_is_linked_to_it",),
    ),
    Call("trace", "works", (_TRACED,), "spans are kept as a file of the trace"),
    Call("get_trace", "works", (_TRACED,)),
    Call("set_trace_tag", "works", (_TRACED,)),
    Call("delete_trace_tag", "works", (_TRACED,)),
)

_OTHERS = (
    Call("set_workspace", "works", ("governing.a_workspace_is_a_project",), "names a project"),
)

SECTION = Section(
    title="MLflow",
    client="`mlflow` 3.17.2",
    guide="mlflow.md",
    calls=tuple(
        Call(one.name, one.verdict, one.shown_by, one.told, group, one.spelt)
        for group, calls in (
            ("Prompts", _PROMPTS),
            ("Models", _MODELS),
            ("Runs, files and logged models", _TRACKING),
            ("Webhooks", _HOOKS),
            ("Workspaces", _OTHERS),
        )
        for one in calls
    ),
    behaviours=behaviours,
)
