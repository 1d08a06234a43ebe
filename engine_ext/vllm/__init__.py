"""The vLLM adapter: its way in, registry overrides and pixels."""
