//! Tests of the expression language through its public interface.

mod agreement;
mod canonical;
mod formula;
mod formula_agreement;
mod hostile;
mod language;
mod mistakes;
mod naive;
mod support;
