//! The value of a cell, and how it is written.

use std::cmp::Ordering;

use super::{Metric, thousands};
use crate::field::{Fact, Field, Subject};
pub(super) use crate::mean::Spread;

/// A cell's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not measured, or unknown.
    Absent,
    /// This row has no such value.
    Blank,
    Text(String),
    Count(u64),
    Figure {
        metric: Metric,
        /// The figure of one run, or the mean over several.
        figure: f64,
        /// None if the row merges no runs.
        spread: Option<Spread>,
    },
    Difference {
        metric: Metric,
        difference: f64,
    },
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A field's value, of a field that is no metric.
    pub fn of(field: &Field, subject: &Subject) -> Self {
        match field.value(subject) {
            None => Self::Absent,
            Some(Fact::Count(count)) => Self::Count(count),
            Some(Fact::Figure(figure)) => Self::text(figure.to_string()),
            Some(Fact::Time(time)) => Self::text(time.to_string()),
            Some(fact @ (Fact::Text(_) | Fact::Texts(_))) => Self::text(fact.texts().join(" ")),
        }
    }

    pub fn figure(metric: Metric, figure: Option<f64>) -> Self {
        figure.map_or(Self::Absent, |figure| Self::Figure {
            metric,
            figure,
            spread: None,
        })
    }

    pub fn difference(metric: Metric, difference: Option<f64>) -> Self {
        difference.map_or(Self::Absent, |difference| Self::Difference {
            metric,
            difference,
        })
    }

    /// Text for people; none if nothing is measured.
    pub fn shown(&self) -> Option<String> {
        Some(match self {
            Self::Absent => return None,
            Self::Blank => String::new(),
            Self::Text(text) => text.clone(),
            Self::Count(count) => thousands(*count),
            Self::Figure {
                metric,
                figure,
                spread: None,
            } => metric.format(*figure),
            Self::Figure {
                metric,
                figure,
                spread: Some(Spread { deviation: None, n }),
            } => {
                format!("{} ({n})", metric.format(*figure))
            }
            Self::Figure {
                metric,
                figure,
                spread:
                    Some(Spread {
                        deviation: Some(deviation),
                        n,
                    }),
            } => {
                format!(
                    "{} ± {} ({n})",
                    metric.format(*figure),
                    metric.format(*deviation)
                )
            }
            Self::Difference { metric, difference } => metric.format_difference(*difference),
        })
    }

    pub fn is_number(&self) -> bool {
        match self {
            Self::Text(text) => text.parse::<f64>().is_ok(),
            Self::Absent | Self::Blank => false,
            Self::Count(_) | Self::Figure { .. } | Self::Difference { .. } => true,
        }
    }

    /// The number to sort it by.
    fn number(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Figure { figure, .. } => Some(*figure),
            Self::Difference { difference, .. } => Some(*difference),
            Self::Text(text) => text.parse().ok(),
            Self::Absent | Self::Blank => None,
        }
    }

    fn is_last(&self) -> bool {
        matches!(self, Self::Absent | Self::Blank) || self.number().is_some_and(f64::is_nan)
    }

    /// The better or smaller value first. Unmeasured values and NaN are last, also if `reversed`; an infinite figure is in its
    /// order.
    pub fn order(&self, other: &Self, reversed: bool) -> Ordering {
        let last = self.is_last().cmp(&other.is_last());
        if last.is_ne() || self.is_last() {
            return last;
        }
        let order = match (self.number(), other.number()) {
            (Some(a), Some(b)) if self.higher_is_better() => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.shown().cmp(&other.shown()),
        };
        if reversed { order.reverse() } else { order }
    }

    fn higher_is_better(&self) -> bool {
        match self {
            Self::Figure { metric, .. } | Self::Difference { metric, .. } => {
                metric.higher_is_better()
            }
            _ => false,
        }
    }
}
