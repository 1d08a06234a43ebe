"""The vLLM adapter: entry point, registry overrides, sealing after loading."""
