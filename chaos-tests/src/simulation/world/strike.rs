//! What goes wrong in a world, and what ends it.

use super::{
    super::{
        disk::ROOMY_BYTES,
        fault::{Fault, Lost},
        machine::Process,
        network::{Answers, Link, MachineId},
    },
    World,
};
use raft::{admin, store::Survivors};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// Something that is to happen.
pub(super) enum Due {
    Strike(Fault),
    Start(MachineId),
    /// A process that has stopped, or should have by now, is taken away.
    Gone(MachineId),
    Wake(MachineId),
    Unblock(Vec<(MachineId, MachineId)>),
    Relink(MachineId),
    Unstall(MachineId),
    Room(MachineId),
    /// A machine whose disk has failed is restarted.
    Restart(MachineId),
    Undrain(MachineId),
}

impl World {
    pub(super) fn ends(&mut self, due: Due) {
        match due {
            Due::Strike(fault) => self.strike(&fault),
            Due::Start(at) => {
                if !self.machines[at].is_running() {
                    self.say(&format!("machine {at} starts"));
                    self.machines[at].start(self.now_us);
                }
            }
            Due::Gone(at) => {
                if self.machines[at].stopping {
                    self.machines[at].kill(Answers::Resets, Survivors::All);
                }
            }
            Due::Restart(at) => {
                // Who has seen that its disk fails has ended by itself.
                if self.machines[at].ailing {
                    self.restart(at);
                }
            }
            Due::Wake(at) => self.machines[at].paused = false,
            Due::Unblock(pairs) => pairs.into_iter().for_each(|(from, to)| self.unblock(from, to)),
            Due::Relink(at) => self.relink(at, |_| {}),
            Due::Unstall(at) => self.machines[at].disk.stall(Duration::ZERO),
            Due::Room(at) => self.machines[at].disk.free_bytes.store(ROOMY_BYTES, Relaxed),
            Due::Undrain(at) => self.admin(move |node| admin::Ask::Drain { node, undo: true }, at),
        }
    }

    pub(super) fn restart(&mut self, at: MachineId) {
        if self.machines[at].is_running() && !matches!(self.machines[at].process(), Process::Starting) {
            self.machines[at].kill(Answers::Resets, Survivors::All);
            self.ends(Due::Start(at));
        }
    }

    /// What a fault does.
    fn strike(&mut self, fault: &Fault) {
        self.say(&format!("fault: {fault:?}"));
        self.report.struck(fault);
        let us = |ms: u64| ms * 1_000;
        let everyone: Vec<MachineId> = (0..=self.machines.len()).collect();
        match *fault {
            Fault::Kill { machine, for_ms } => self.down(machine, us(for_ms), Answers::Resets, Survivors::All),
            Fault::PowerOff { machine, for_ms, survivors } => {
                self.down(machine, us(for_ms), Answers::No, survivors.into());
            }
            Fault::ZoneDown { zone, for_ms, survivors } => {
                for machine in self.of_zone(zone) {
                    self.down(machine, us(for_ms), Answers::No, survivors.into());
                }
            }
            Fault::AllDown { for_ms, survivors } => {
                for machine in 0..self.machines.len() {
                    self.down(machine, us(for_ms), Answers::No, survivors.into());
                }
            }
            Fault::Stop { machine, for_ms } => {
                let Some(app) = self.machines[machine].app().filter(|_| !self.machines[machine].stopping) else {
                    return;
                };
                self.machines[machine].stopping = true;
                self.machines[machine].spawn(async move {
                    app.raft.resign().await;
                    app.sessions.stop();
                    app.raft.shutdown().await;
                });
                // It takes ten seconds at most.
                let gone = 10_500_000;
                self.later(gone, Due::Gone(machine));
                self.later(gone + us(for_ms), Due::Start(machine));
            }
            Fault::Pause { machine, for_ms } => {
                self.machines[machine].paused = self.machines[machine].is_running();
                self.later(us(for_ms), Due::Wake(machine));
            }
            Fault::Cut { from, to, for_ms } => self.block(vec![(from, to)], us(for_ms)),
            Fault::Isolate { machine, for_ms } => {
                let others = everyone.into_iter().filter(|other| *other != machine);
                self.block(others.flat_map(|other| [(machine, other), (other, machine)]).collect(), us(for_ms));
            }
            Fault::Mute { machine, for_ms } => {
                let others = everyone.into_iter().filter(|other| *other != machine);
                self.block(others.map(|other| (machine, other)).collect(), us(for_ms));
            }
            Fault::ZoneCut { zone, for_ms } => {
                let inside = self.of_zone(zone);
                let outside: Vec<_> = (0..self.machines.len()).filter(|m| !inside.contains(m)).collect();
                let pairs = inside.iter().flat_map(|i| outside.iter().flat_map(|o| [(*i, *o), (*o, *i)]));
                self.block(pairs.collect(), us(for_ms));
            }
            Fault::Lossy { machine, loss, for_ms } => {
                self.relink(machine, |link| link.loss = loss);
                self.later(us(for_ms), Due::Relink(machine));
            }
            Fault::Slow { machine, by_us, for_ms } => {
                self.relink(machine, |link| link.latency_us += by_us);
                self.later(us(for_ms), Due::Relink(machine));
            }
            Fault::Stall { machine, by_ms, for_ms } => {
                self.machines[machine].disk.stall(Duration::from_millis(by_ms));
                self.later(us(for_ms), Due::Unstall(machine));
            }
            Fault::FullDisk { machine, for_ms } => {
                self.machines[machine].disk.free_bytes.store(0, Relaxed);
                self.later(us(for_ms), Due::Room(machine));
            }
            Fault::FailWrite { machine, for_ms } if self.machines[machine].is_running() => {
                let store = self.machines[machine].disk.contents();
                store.fail_at(store.steps());
                self.machines[machine].ailing = true;
                self.later(us(for_ms), Due::Restart(machine));
            }
            Fault::FailWrite { .. } => {}
            Fault::FlipBit { machine, for_ms } => self.flip_bit(machine, us(for_ms)),
            Fault::ClockStep { machine, by_ms } => self.machines[machine].skew_ms += by_ms,
            Fault::Move { shard } => self.move_shard(shard),
            Fault::Drain { machine, for_ms } => {
                self.admin(|node| admin::Ask::Drain { node, undo: false }, machine);
                self.later(us(for_ms), Due::Undrain(machine));
            }
            Fault::Balance => self.admin(|_| admin::Ask::Balance, 0),
            Fault::Purge { machine, shard } => {
                let Some(app) = self.machines[machine].app() else { return };
                self.machines[machine].spawn(async move {
                    // A node that stops says no.
                    drop(app.raft.trigger_snapshot(dialogue::ShardId(shard)).await);
                });
            }
        }
    }

    fn of_zone(&self, zone: usize) -> Vec<MachineId> {
        (0..self.machines.len()).filter(|m| self.plan.zones[*m] == zone).collect()
    }

    fn down(&mut self, machine: MachineId, for_us: u64, answers: Answers, survivors: Survivors) {
        if self.machines[machine].is_running() {
            self.machines[machine].kill(answers, survivors);
            self.later(for_us, Due::Start(machine));
        }
    }

    /// At most one machine loses its data for good: with a second one a group would lose its majority.
    fn flip_bit(&mut self, machine: MachineId, for_us: u64) {
        if self.report.flips > 0 || !self.machines[machine].is_running() {
            return;
        }
        self.machines[machine].kill(Answers::No, Survivors::All);
        let contents = self.machines[machine].disk.contents().contents();
        let keys: Vec<&Vec<u8>> = contents.keys().collect();
        if !keys.is_empty() {
            let key = *self.chance.pick(&keys);
            self.report.flips += 1;
            self.machines[machine].damaged = self.machines[machine].disk.contents().flip_bit(key);
            self.say(&format!("a bit of {} on machine {machine} is another", raft::store::keys::name(key)));
        }
        self.later(for_us, Due::Start(machine));
    }

    fn block(&mut self, pairs: Vec<(MachineId, MachineId)>, for_us: u64) {
        for pair in &pairs {
            let blocks = self.blocks.entry(*pair).or_default();
            *blocks += 1;
            if *blocks == 1 {
                self.network.block(pair.0, pair.1, true);
            }
        }
        self.later(for_us, Due::Unblock(pairs));
    }

    fn unblock(&mut self, from: MachineId, to: MachineId) {
        let Some(blocks) = self.blocks.get_mut(&(from, to)) else { return };
        *blocks -= 1;
        if *blocks == 0 {
            self.blocks.remove(&(from, to));
            self.network.block(from, to, false);
        }
    }

    /// The links of a machine, as they are and with a change.
    fn relink(&mut self, machine: MachineId, change: impl Fn(&mut Link)) {
        for other in (0..=self.machines.len()).filter(|other| *other != machine) {
            let same_zone = self.plan.zones.get(other) == Some(&self.plan.zones[machine]);
            let mut link = if same_zone { self.plan.near } else { self.plan.far };
            change(&mut link);
            self.network.set_link(machine, other, link);
            self.network.set_link(other, machine, link);
        }
    }

    /// The node that a machine is now.
    fn node(&self, machine: MachineId) -> u64 {
        self.machines[machine].app().map_or(self.machines[machine].config.node, |app| app.raft.id().0)
    }

    /// Asks for a change of the cluster, as `tertulia cluster` does. That it is refused is no fault.
    fn admin(&mut self, ask: impl FnOnce(u64) -> admin::Ask, machine: MachineId) {
        let ask = ask(self.node(machine));
        let wire = self.network.wire(self.machines.len());
        let Ok(client) = admin::Client::simulated(&self.machines[0].config, wire) else { return };
        self.clients.spawn(async move { drop(client.ask(&ask).await) });
    }

    fn move_shard(&mut self, shard: u32) {
        let known = self.machines.iter().find_map(|m| m.app().and_then(|app| m.ask(app.raft.control())?.ok()));
        let Some(control) = known else { return };
        let Some(placed) = control.placement.iter().find(|p| p.shard == shard) else { return };
        let from = *self.chance.pick(&placed.voters);
        let of_zone = control.node(from).map(|n| n.zone.clone());
        // Now and then to another zone: that must be refused.
        let anywhere = self.chance.hits(0.3);
        let others: Vec<u64> = control
            .present()
            .filter(|n| (anywhere || Some(&n.zone) == of_zone.as_ref()) && n.node != from)
            .map(|n| n.node)
            .collect();
        if !others.is_empty() {
            let to = *self.chance.pick(&others);
            self.admin(move |_| admin::Ask::Move { shard, from, to }, 0);
        }
    }
}

impl From<Lost> for Survivors {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unsynced => Survivors::Synced,
            Lost::Torn => Survivors::AllButLast,
            Lost::Some => Survivors::Seeded,
        }
    }
}
