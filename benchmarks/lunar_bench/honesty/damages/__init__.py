"""What can be wrong with a pair: one small function each, from a situation to another one."""
