"""Results on time: the share that meets a deadline, and how accurate it is."""
