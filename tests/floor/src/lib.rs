//! The floor: what one report costs the host when nothing of Vigil runs. One EVAL that appends the body to a stream,
//! answered header-only over a kept connection. Benchmarks state Vigil's figures as ratios to it.
