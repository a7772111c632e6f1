"""Answers judged by a language model or by people, where no reference decides which is better."""
