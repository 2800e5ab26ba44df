//! How those are shown that have types of what travels: without asking anything of these, for none of them is held.
//!
//! The rule: `derive` would show a stream only of what can be shown itself.

/// Implements `Debug` by some fields, whatever the types are.
macro_rules! shown {
    ($name:ident<$($lifetime:lifetime,)? $($type:ident),+> { $($field:ident),+ }) => {
        impl<$($lifetime,)? $($type),+> std::fmt::Debug for $name<$($lifetime,)? $($type),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut shown = f.debug_struct(stringify!($name));
                $(shown.field(stringify!($field), &self.$field);)+
                shown.finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use shown;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use crate::{
        Broadcast, Call, Context, FromCaller, Listener, Pending, Receiving, Sending, Serving, Stream,
        Subscription, Task, Thread, ToCaller,
    };

    /// What travels, and can't be shown.
    struct Plain;

    type Plainly = (FromCaller<Plain>, ToCaller<Plain>);

    #[test]
    fn what_travels_need_not_be_shown() {
        fn is_shown<T: Debug>() {}
        is_shown::<Task<Plain>>();
        is_shown::<Thread<'_, Plain>>();
        is_shown::<Pending<'_, Plain>>();
        is_shown::<Context<'_, Plain, Plainly>>();
        is_shown::<Serving<'_, Plainly>>();
        is_shown::<Listener<Plain, Plain, Plainly>>();
        is_shown::<Call<Plain, Plainly>>();
        is_shown::<Stream<'_, Plain, Plain>>();
        is_shown::<Sending<'_, Plain>>();
        is_shown::<Receiving<'_, Plain>>();
        is_shown::<Broadcast<Plain>>();
        is_shown::<Subscription<Plain>>();
    }
}
