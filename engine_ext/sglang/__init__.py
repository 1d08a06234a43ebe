"""The SGLang adapter: plugin, external model package, registry overrides, sealing after loading."""
