"""The accuracy gate: the same questions to a stock engine and to one with the extension.

``python -m evals.mmmu_gate --help`` says how to run it; `docs/gate.md` what it concludes and why.
"""
