//! The searches on trial: what they find with the rules taken out that keep the hangs of the
//! [catalog](super::catalog) away.
//!
//! The rule: only who finds what is there may say that nothing is. What comes out follows from the rows of the catalog
//! alone, so it can stand in the repository.
//!
//! | file | has |
//! |---|---|
//! | `trial` | what each search needs for a hang |
//! | `ablation` | what it is seen as with each net away |
//! | `claim` | what the searches over all trees do |

mod ablation;
mod claim;
mod trial;

pub use ablation::{Ablation, Sight};
pub use claim::Claim;
pub use trial::{Catch, Trial};
