//! Drills on real processes, the load generator and the checker of histories.
