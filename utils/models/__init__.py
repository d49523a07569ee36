"""Tiny models: language models (`tiny`), loading them (`load`), policy gradients (`rl`), text encoders (`encoders`)."""
