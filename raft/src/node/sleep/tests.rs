//! Who sleeps when, by the decisions alone.

use super::*;
use crate::types::LeaderId;
use std::cell::Cell;

const LEASE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_millis(150);

fn spot(term: u64, index: u64) -> Spot {
    Spot { leader: 1, term, last: LogId::new(LeaderId { term, node_id: 1 }, index) }
}

/// All that can be seen; each test changes what its story is about.
struct Seen {
    begun: Instant,
    now: Cell<Duration>,
    leads: bool,
    quiet: bool,
    offer: Option<Offer>,
    view: u64,
    all_sleep: bool,
    offered: Option<(Spot, Duration)>,
    agrees: bool,
}

impl Seen {
    fn new() -> Self {
        let offer = Some(Offer { spot: spot(3, 9), settled: 1, view: 5 });
        Self {
            begun: Instant::now(),
            now: Cell::default(),
            leads: false,
            quiet: true,
            offer,
            view: 5,
            all_sleep: false,
            offered: None,
            agrees: true,
        }
    }

    fn at(&self, ms: u64) -> &Self {
        self.now.set(Duration::from_millis(ms));
        self
    }

    fn hears(&mut self, spot: Spot, ms: u64) -> &Self {
        self.offered = Some((spot, Duration::from_millis(ms)));
        self.at(ms)
    }
}

impl Look for Seen {
    fn now(&self) -> Instant {
        self.begun + self.now.get()
    }
    fn lease(&self) -> Duration {
        LEASE
    }
    fn draw(&self) -> Duration {
        PATIENCE
    }
    fn leads(&self) -> bool {
        self.leads
    }
    fn is_quiet(&self) -> bool {
        self.quiet
    }
    fn offer(&self) -> Option<Offer> {
        self.offer
    }
    fn view(&self) -> u64 {
        self.view
    }
    fn all_sleep(&self, spot: &Spot) -> bool {
        self.all_sleep && self.offer.is_some_and(|o| o.spot == *spot)
    }
    fn offered(&self) -> Option<(Spot, Instant)> {
        self.offered.map(|(spot, at)| (spot, self.begun + at))
    }
    fn agrees(&self, _: &Spot) -> bool {
        self.agrees
    }
}

#[test]
fn a_leader_stops_when_all_others_sleep_and_no_sooner() {
    let mut seen = Seen { leads: true, quiet: false, ..Seen::new() };
    assert_eq!(State::Awake.next(&seen), State::Awake, "it is in use");
    seen.quiet = true;
    let offers = State::Awake.next(&seen);
    assert!(matches!(offers, State::Offers(_)) && offers.ticks(), "heartbeats go on until the others sleep");
    assert_eq!(offers.next(&seen), offers);
    seen.all_sleep = true;
    let sleeps = offers.next(&seen);
    assert!(matches!(sleeps, State::Leads(_)) && !sleeps.ticks());
    assert_eq!(sleeps.next(&seen), sleeps);

    // Whatever is no longer so wakes it.
    let wakes = |change: &dyn Fn(&mut Seen)| {
        let mut seen = Seen { leads: true, all_sleep: true, ..Seen::new() };
        change(&mut seen);
        (offers.next(&seen), sleeps.next(&seen))
    };
    assert_eq!(wakes(&|s| s.quiet = false), (State::Awake, State::Awake));
    assert_eq!(wakes(&|s| s.leads = false), (State::Awake, State::Awake));
    assert_eq!(wakes(&|s| s.view = 6).1, State::Awake, "the control state has changed");
    assert_eq!(wakes(&|s| s.all_sleep = false), (offers, State::Awake), "a member is silent, or has begun anew");
    assert_eq!(wakes(&|s| s.offer = None).0, State::Awake);
    let longer = Offer { spot: spot(3, 10), settled: 1, view: 5 };
    assert_eq!(wakes(&|s| s.offer = Some(longer)).0, State::Awake, "what the others say is of another log");
    assert_eq!((offers.woken(), sleeps.woken()), (State::Awake, State::Awake));
}

#[test]
fn a_follower_takes_the_pulse_for_a_heartbeat() {
    let mut seen = Seen::new();
    assert_eq!(State::Awake.next(&seen), State::Awake, "nobody offers");
    seen.agrees = false;
    assert_eq!(State::Awake.next(seen.hears(spot(3, 9), 10)), State::Awake, "it lacks something");
    seen.agrees = true;
    assert_eq!(State::Awake.next(seen.at(10 + 100)), State::Awake, "an offer as old as a lease is none");
    let mut sleeps = State::Awake.next(seen.at(20));
    assert!(matches!(sleeps, State::Follows { .. }) && !sleeps.ticks() && sleeps.rests());

    // For as long as it is heard.
    for ms in (40..1000).step_by(30) {
        sleeps = sleeps.next(seen.hears(spot(3, 9), ms));
        assert!(matches!(sleeps, State::Follows { .. }));
    }
    assert_eq!(sleeps.until(), Some(seen.begun + Duration::from_millis(970) + PATIENCE));

    // Silent, it is given as long as an awake one would be given, then the election timer runs.
    assert_eq!(sleeps.next(seen.at(970 + 149)), sleeps);
    let awake = sleeps.next(seen.at(970 + 150));
    assert_eq!((awake, awake.ticks()), (State::Awake, true));
}

#[test]
fn a_follower_that_stirs_gives_its_leader_time_for_a_heartbeat() {
    let mut seen = Seen::new();
    let sleeps = State::Awake.next(seen.hears(spot(3, 9), 10));
    let stirs = State::Stirs { spot: spot(3, 9), until: seen.begun + Duration::from_millis(10) + PATIENCE };
    // The leader has woken, or another leads: both look like this.
    seen.offered = None;
    assert_eq!(sleeps.next(seen.at(30)), stirs);
    assert_eq!(sleeps.woken(), stirs, "so does a use of the group");
    assert!(!stirs.ticks() && !stirs.rests());
    assert_eq!(stirs.next(seen.at(159)), stirs);
    assert_eq!(stirs.next(seen.at(160)), State::Awake);
    assert_eq!(sleeps.next(seen.at(200)), State::Awake, "not a moment longer because it was looked at late");
    // It is offered again, with what came in between.
    assert!(matches!(stirs.next(seen.hears(spot(3, 12), 40)), State::Follows { spot: at, .. } if at == spot(3, 12)));
    // Another leader's offer is another sleep.
    assert!(matches!(sleeps.next(seen.hears(spot(4, 10), 50)), State::Follows { spot: at, .. } if at == spot(4, 10)));
    // Whoever was elected in its sleep leads with heartbeats.
    seen.leads = true;
    seen.quiet = false;
    assert_eq!((sleeps.next(&seen), stirs.next(&seen)), (State::Awake, State::Awake));
}
