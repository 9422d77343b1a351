//! Tests of reading JSON.
