"""Studies: conditions x seeds, measured, tested and shown; one study is one file of this folder.

`babylm.studies.experiment` runs the pieces of a study and keeps what they measured, `babylm.studies.statistics` has
the tests. Both are folders because every file here is a study: ``--plugins PATH`` adds those of ``PATH/studies``.

A study's file has these names; ``run`` and ``summarise`` import what is heavy inside them:

``Settings``
    A dataclass over `babylm.config.studies.StudyConfig`: what the configuration file may say. Its ``inputs`` are the
    sizes behind the name of a scale, and the contents of the files that it names: they decide which pieces are run.
``conditions(settings)``
    The list of `experiment.Condition`: what is compared.
``run(piece, settings)``
    Measures one condition with one seed; returns a list of `experiment.Measurement`, made by ``piece.measurement``.
``summarise(measurements, settings)``
    The `experiment.Summary` of all pieces: tables, what to draw, remarks.
``next_conditions(measurements, settings)`` (optional)
    Further conditions that depend on what the earlier ones measured; an empty list at the end.
``expected_conditions(settings)`` (optional)
    All conditions that may come, for the estimate of ``dry_run``.
``VERSION`` (optional, 1)
    Raise it when ``run`` measures something else: stored pieces of other versions are not used.
"""
