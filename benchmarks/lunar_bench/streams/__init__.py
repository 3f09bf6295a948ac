"""Descents at a rate: how soon updates come, what is dropped, whether memory stays."""
