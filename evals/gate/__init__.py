"""The accuracy gate: the same questions to a stock engine and to one with the extension.

``python -m evals.gate --help`` says how to run it; `docs/gate.md` what it concludes and why; and
`evals/gate_proof` shows that it sees what it is there for.
"""
