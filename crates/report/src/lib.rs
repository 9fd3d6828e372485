//! From runs to something to read: filters, and the comparison in every format. No terminal.

pub mod compare;
pub mod edit;
pub mod field;
pub mod fit;
pub mod query;
