//! Contexts: two linked ends, and what each of them hears of the other's.

use windrow_std::{Drive, Raised};

use crate::calls::{ECHO, FAIL, HOLD, WAIT, failure, well, with_desk};
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_context_links_both_ends,
        an_end_that_was_asked_for_is_no_error,
        whatever_is_asked_of_a_context_that_is_over_is_answered,
    ],
    ..Module::EMPTY
};

fn a_context_links_both_ends<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        // The far end fails: the body is cancelled where it sleeps, and the failure is raised once.
        let ended: Result<(), Raised> = desk.context(FAIL, &String::from("far"), |_| actor.sleep_forever());
        assert_eq!(failure(ended.expect_err("a failure")).text, "far");
        // The body fails: the far end is cancelled, and the context ends with the body's words.
        let ended: Result<(), Raised> = desk.context(WAIT, &(), |_| Err("near".into()));
        assert_eq!(failure(ended.expect_err("a failure")).text, "near");
        // Neither does: the body may wait for the result.
        assert_eq!(desk.context(ECHO, &String::from("both"), |context| context.result())?, "both");
        Ok(())
    }));
}

fn an_end_that_was_asked_for_is_no_error<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        let begun = desk.context(HOLD, &1, |context| {
            let begun: u32 = context.begun()?;
            context.cancel();
            context.cancel();
            Ok(begun)
        })?;
        assert_eq!(begun, 1);
        Ok(())
    }));
}

fn whatever_is_asked_of_a_context_that_is_over_is_answered<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        desk.context(HOLD, &0, |context| {
            context.cancel();
            // Each is waited for, and each after another has found the end.
            assert!(context.begun::<u32>().is_err_and(|raised| raised.is_cancelled()));
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            assert!(context.begun::<u32>().is_err_and(|raised| raised.is_cancelled()));
            Ok(())
        })?;
        desk.context(HOLD, &2, |context| {
            context.begun::<u32>()?;
            let mut stream = context.stream::<u32, u32>()?;
            context.cancel();
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            assert!(stream.recv().is_err_and(|raised| raised.is_cancelled()));
            assert!(stream.send(&7).is_err());
            Ok(())
        })?;
        desk.context(ECHO, &String::from("once"), |context| {
            assert_eq!(context.result()?, "once");
            for ended in [context.result(), context.begun()] {
                assert!(matches!(ended, Err(Raised::Error(_))), "{ended:?}");
            }
            Ok(())
        })
    }));
}
