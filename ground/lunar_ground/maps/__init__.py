"""Results as maps in a lunar coordinate system."""
