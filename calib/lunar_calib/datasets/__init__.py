"""Pairs with truth on disk: StereoLunar, shards, folders."""
