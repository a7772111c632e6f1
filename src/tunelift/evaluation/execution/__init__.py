"""Running what a model wrote: programs in a sandbox, queries on databases made for them."""

from __future__ import annotations
