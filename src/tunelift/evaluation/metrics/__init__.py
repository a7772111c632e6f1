"""Metrics: one file for each family, functions on plain lists first."""

from __future__ import annotations
