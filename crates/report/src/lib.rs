//! From runs to something to read: filters, and the comparison in every format. No terminal.

pub mod compare;
pub mod edit;
pub mod fit;
pub mod query;
