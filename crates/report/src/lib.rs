//! Turns runs into something to read: fields, filters, the comparison in every format, charts as files, diagnostics. No terminal.

pub mod compare;
pub mod diagnostics;
pub mod edit;
pub mod field;
pub mod fit;
pub mod format;
pub mod group;
pub mod mean;
pub mod paired;
pub mod plot;
pub mod query;
