"""The SGLang adapter: its two ways in, registry overrides, pixels and rope positions."""
