"""What MLflow's client tracks: experiments, runs, logged models, their files, links of traces.

All of it is telemetry *about* versions. It has tables of its own and no entries in the journal;
what becomes a version does so by `app.publishing`, as everywhere.
"""
