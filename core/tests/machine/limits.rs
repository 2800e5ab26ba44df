//! The limits: what is refused, and the bound by hand.

use core::time::Duration;

use windrow_core::{
    ActorId, BadLimits, Config, Input, LEVELS_MAX, Life, Limits, Link, Machine, Output, Refused, Role,
    ScopeId, Spec, Times, teardown_bound,
};

use super::setups::{ME, START, ms, spec};

/// Every span that neither may be nothing nor be longer than a day.
pub(crate) const SPANS: [fn(&mut Limits) -> &mut Duration; 7] = [
    |limits| &mut limits.times.hop,
    |limits| &mut limits.times.ack,
    |limits| &mut limits.times.own,
    |limits| &mut limits.times.stop,
    |limits| &mut limits.times.kill,
    |limits| &mut limits.times.flush,
    |limits| &mut limits.boot,
];

#[test]
fn the_defaults_hold() {
    assert_eq!(Limits::default().check(), Ok(()));
    assert_eq!(super::setups::limits().check(), Ok(()));
}

#[test]
fn the_page_of_each_field_ends_with_its_default() {
    let source = include_str!("../../src/limits.rs");
    let shown = format!("{:#?}", Limits::default());
    let fields = shown.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(": "));
    let fields: Vec<_> = fields.filter(|(_, value)| !value.ends_with('{')).collect();
    assert_eq!(fields.len(), 6 + 13);
    for (field, value) in fields {
        let (above, _) = source.split_once(&format!("\n    pub {field}: ")).unwrap();
        let told = above.lines().last().unwrap().replace(' ', "");
        assert!(told.ends_with(&format!("Default:{value}.")), "{field} is {value}: {told}");
    }
}

#[test]
fn every_bad_limit_is_refused_by_its_rule() {
    let refuses = |change: &dyn Fn(&mut Limits), rule| {
        let mut limits = Limits::default();
        change(&mut limits);
        assert_eq!(limits.check(), Err(rule), "{limits:?}");
        assert_eq!(Machine::new(Config::root(ME, 1, limits)).err(), Some(rule));
        assert!(!rule.to_string().is_empty());
    };
    for span in SPANS {
        refuses(&|limits| *span(limits) = Duration::ZERO, BadLimits::ZeroSpan);
        refuses(&|limits| *span(limits) = Duration::from_secs(86_401), BadLimits::OverADay);
    }
    refuses(&|limits| limits.times.ack = ms(99), BadLimits::AckUnderHop);
    refuses(&|limits| limits.children = 2001, BadLimits::TooManyChildren);
    refuses(&|limits| limits.children = 0, BadLimits::ZeroCount);
    refuses(&|limits| limits.starts = 0, BadLimits::ZeroCount);
    refuses(&|limits| limits.scopes = 0, BadLimits::ZeroCount);
    refuses(&|limits| limits.tasks = 0, BadLimits::ZeroCount);
    refuses(&|limits| limits.window = 0, BadLimits::ZeroCount);
    refuses(&|limits| limits.errors = 0, BadLimits::ZeroCount);
}

#[test]
fn nobody_has_the_id_zero() {
    let limits = Limits::default();
    for config in [Config::root(ActorId(0), 1, limits), Config::child(ActorId(0))] {
        assert_eq!(Machine::new(config).err(), Some(BadLimits::Nobody));
    }
}

#[test]
fn the_last_good_limit_is_taken() {
    let base = Limits::default();
    let day = Duration::from_secs(86_400);
    for limits in [
        Limits { children: 2000, ..base },
        Limits { peers: 0, ..base },
        Limits { boot: day, ..base },
        Limits { times: Times { ack: ms(100), ..base.times }, ..base },
    ] {
        assert_eq!(limits.check(), Ok(()), "{limits:?}");
    }
}

#[test]
fn the_tree_has_a_deepest_level() {
    let new = |levels| Machine::new(Config::root(ME, levels, Limits::default())).err();
    assert_eq!(new(LEVELS_MAX), None);
    assert_eq!(new(LEVELS_MAX + 1), Some(BadLimits::TooDeep));
    assert_eq!(new(u8::MAX), Some(BadLimits::TooDeep));
}

/// Each row was computed by hand: P(0) = own + flush, P(L) = max(own, P(L−1) + hop + stop + kill) + flush.
#[test]
fn the_bound_is_what_a_hand_computes() {
    let times = |hop, own, stop, kill, flush| Times {
        hop: ms(hop),
        ack: ms(500),
        own: ms(own),
        stop: ms(stop),
        kill: ms(kill),
        flush: ms(flush),
    };
    let usual = Times::default();
    let rows = [
        (usual, 0, 500),
        (usual, 1, 1500),
        (usual, 2, 2500),
        (usual, 6, 6500),
        (usual, LEVELS_MAX, 16_500),
        (times(100, 350, 450, 250, 120), 0, 470),
        (times(100, 350, 450, 250, 120), 1, 1390),
        (times(100, 350, 450, 250, 120), 2, 2310),
        // One's own tasks may take longer than the children's ladders: they run side by side.
        (times(10, 5000, 20, 30, 40), 0, 5040),
        (times(10, 5000, 20, 30, 40), 1, 5140),
        (times(1, 1, 1, 1, 1), 3, 14),
    ];
    for (times, levels, millis) in rows {
        assert_eq!(times.bound(levels), ms(millis), "{times:?} at {levels}");
        assert_eq!(teardown_bound(&times, levels), ms(millis));
    }
    let machine = Machine::new(Config::root(ME, 6, Limits::default())).unwrap();
    assert_eq!(machine.teardown_bound(), ms(6500));
    let endless = Times { own: Duration::MAX, ..usual };
    assert_eq!(endless.bound(LEVELS_MAX), Duration::MAX, "it saturates");
}

fn ask(levels: u8, spec: Spec) -> Result<(), Refused> {
    let mut machine = Machine::new(Config::root(ME, levels, Limits::default())).unwrap();
    machine.handle(START, Input::Tick).unwrap();
    while machine.poll_output().is_some() {}
    machine.handle(START, Input::Spawn { child: ActorId(2), scope: ScopeId::ROOT, spec })
}

#[test]
fn a_spawn_must_fit_below() {
    let actor = spec(Role::Actor);
    assert_eq!(ask(1, actor), Ok(()));
    assert_eq!(ask(0, actor), Err(Refused::TooDeep));
    assert_eq!(ask(0, spec(Role::Command)), Err(Refused::TooDeep));
    assert_eq!(ask(2, Spec { levels: Some(1), ..actor }), Ok(()));
    assert_eq!(ask(2, Spec { levels: Some(2), ..actor }), Err(Refused::TooDeep));
}

#[test]
fn a_spawn_must_fit_into_the_bound() {
    // A root of 2 levels has 2500 ms, and a leaf with the usual times takes 500 + 100 + 400 + 400 + 100 of it.
    let own = |millis| {
        let times = Times { own: ms(millis), ..Times::default() };
        Spec { levels: Some(0), times: Some(times), ..spec(Role::Actor) }
    };
    assert_eq!(ask(2, own(400)), Ok(()));
    assert_eq!(ask(2, own(1400)), Ok(()));
    assert_eq!(ask(2, own(1401)), Err(Refused::TooSlow));
    let stop = Times { stop: ms(401), ..Times::default() };
    let longer = Spec { times: Some(stop), ..spec(Role::Actor) };
    assert_eq!(ask(1, longer), Err(Refused::TooSlow));
    assert_eq!(ask(LEVELS_MAX, Spec { levels: Some(14), ..longer }), Ok(()));
    assert_eq!(
        ask(1, Spec { times: Some(Times { own: Duration::MAX, ..Times::default() }), ..longer }),
        Err(Refused::TooSlow)
    );
}

/// What is refused here would be refused by the child, which then dies in its boot and can't say why.
#[test]
fn a_childs_own_times_must_hold_by_themselves() {
    let asked = |levels, times| {
        let spec = Spec { levels: Some(levels), times: Some(times), ..spec(Role::Actor) };
        ask(LEVELS_MAX, spec)
    };
    let refused = |rule| Err(Refused::BadTimes(rule));
    let usual = Times::default();
    type Span = fn(&mut Times) -> &mut Duration;
    let spans: [Span; 6] = [
        |times| &mut times.hop,
        |times| &mut times.ack,
        |times| &mut times.own,
        |times| &mut times.stop,
        |times| &mut times.kill,
        |times| &mut times.flush,
    ];
    for span in spans {
        let mut times = usual;
        *span(&mut times) = Duration::ZERO;
        assert_eq!(asked(1, times), refused(BadLimits::ZeroSpan), "{times:?}");
        assert_eq!(asked(0, times), refused(BadLimits::ZeroSpan), "{times:?}");
    }
    let impatient = Times { ack: ms(99), ..usual };
    assert_eq!(asked(1, impatient), refused(BadLimits::AckUnderHop));
    assert_eq!(asked(0, impatient), refused(BadLimits::AckUnderHop));
    // 1024 children are told within 51.2 ms; one that can have none has nobody to tell.
    let quick = Times { hop: ms(51), ..usual };
    assert_eq!(asked(1, quick), refused(BadLimits::TooManyChildren));
    assert_eq!(asked(1, Times { hop: ms(52), ..usual }), Ok(()));
    assert_eq!(asked(0, quick), Ok(()));
    let words = Refused::BadTimes(BadLimits::TooManyChildren).to_string();
    assert!(words.contains("raise hop or lower children"), "{words}");
}

/// Whatever times a parent may give, its child takes: both ask the same of them.
#[test]
fn a_leaf_with_quick_times_begins() {
    let times = Times { hop: ms(1), ..Times::default() };
    let spec = Spec { levels: Some(0), times: Some(times), ..spec(Role::Actor) };
    let mut parent = Machine::new(Config::root(ME, 1, Limits::default())).unwrap();
    parent.handle(START, Input::Tick).unwrap();
    while parent.poll_output().is_some() {}
    parent.handle(START, Input::Spawn { child: ActorId(2), scope: ScopeId::ROOT, spec }).unwrap();
    let mut child = Machine::new(Config::child(ActorId(2))).unwrap();
    child.handle(START, Input::Tick).unwrap();
    while child.poll_output().is_some() {}
    while let Some(output) = parent.poll_output() {
        if let Output::Send { message, .. } = output {
            child.handle(START, Input::Received { link: Link::Parent, message }).unwrap();
            while child.poll_output().is_some() {}
        }
    }
    assert_eq!((child.life(), child.limits().times), (Life::Running, times));
}
