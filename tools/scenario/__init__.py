"""The main job: the life of a forest project's credits on a local network of validators.

``plan`` says what will happen and what must be true at the end (data, no chain),
``story`` makes it happen, ``display`` shows it, ``checks`` holds the end against the
plan. ``python -m tools.scenario`` (or ``make run``) runs it.
"""
