"""What was shown to hold on which engine, as recorded by the tests, and the page drawn from it.

``make reliability`` runs the tests of an engine with a record; ``make docs`` draws
``docs/reliability.md`` from every record in ``results/``.
"""
