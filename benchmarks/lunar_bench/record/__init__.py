"""What a run stores: the record, its statistics."""
