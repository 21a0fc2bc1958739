//! Whole-house journeys.
