//! Rules that are taken out, as they are written down: by their names, for people read that, and numbers may change.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Defect, Defects};

pub(super) fn serialize<S: Serializer>(defects: &Defects, serializer: S) -> Result<S::Ok, S::Error> {
    defects.iter().map(Defect::name).collect::<Vec<_>>().serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Defects, D::Error> {
    let named = |name: &String| {
        Defect::named(name).ok_or_else(|| Error::custom(format!("there is no hang `{name}`")))
    };
    Vec::<String>::deserialize(deserializer)?.iter().map(named).collect()
}
