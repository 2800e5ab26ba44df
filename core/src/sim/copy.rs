//! Copies that are made in the room of others.
//!
//! The rule: a search goes on from thousands of copies a second, each of which is soon of no use; so the parts of a world that
//! have room of their own are copied field by field into a copy that was. A field that is missing does not compile.

/// Makes a record copy itself in the room of another, field by field.
macro_rules! copied {
    ($type:ident $(<$life:lifetime>)?: $($field:ident),+ $(,)?) => {
        impl$(<$life>)? Clone for $type$(<$life>)? {
            fn clone(&self) -> Self {
                let Self { $($field),+ } = self;
                Self { $($field: Clone::clone($field)),+ }
            }

            fn clone_from(&mut self, other: &Self) {
                let Self { $($field),+ } = self;
                $(Clone::clone_from($field, &other.$field);)+
            }
        }
    };
}
pub(crate) use copied;

#[cfg(test)]
mod tests {
    use alloc::format;

    use crate::sim::choices::Choices;
    use crate::sim::scenario::{Conduct, Scenario};
    use crate::sim::timeline::Timeline;
    use crate::sim::world::{Turn, World};

    fn world(scenario: &Scenario, seed: u64) -> World<'_> {
        World::new(scenario, Choices::seed(seed), Timeline::hashed())
    }

    /// Goes on until the clock has jumped so often, or nothing can happen any more.
    fn jump(world: &mut World<'_>, times: u32) {
        let mut jumps = 0;
        while jumps < times {
            match world.turn().expect("no promise is broken") {
                Turn::Step => {}
                Turn::Jump => jumps += 1,
                Turn::End => return,
            }
        }
    }

    /// Of one that has hardly begun as of one that is over, and of a smaller tree as of a greater one.
    #[test]
    fn nothing_of_a_world_is_left_in_its_room() {
        let (great, small) = (Scenario::tree(2, 2).menu(&Conduct::all()), Scenario::tree(1, 1));
        for (seed, jumps) in (0..10).flat_map(|seed| [1, 20, 1000].map(|jumps| (seed, jumps))) {
            let mut origin = world(&great, seed);
            jump(&mut origin, 12);
            for room in [&great, &small] {
                let mut copy = world(room, seed + 1);
                jump(&mut copy, jumps);
                copy.clone_from(&origin);
                assert_eq!(format!("{copy:?}"), format!("{origin:?}"), "seed {seed}, {jumps} jumps");
            }
        }
    }

    #[test]
    fn what_one_copy_does_another_does_not_see() {
        let scenario = Scenario::tree(2, 1);
        let mut origin = world(&scenario, 7);
        jump(&mut origin, 8);
        let mut copy = origin.clone();
        let before = format!("{copy:?}");
        jump(&mut origin, 1000);
        assert_eq!(format!("{copy:?}"), before);
        jump(&mut copy, 1000);
        assert_eq!(format!("{copy:?}"), format!("{origin:?}"));
    }
}
