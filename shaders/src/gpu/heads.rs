//! `DeviceHeads`: the dense layers of heads on a device, beside the model that they were trained on.

use crate::{
    budget::{MemoryBudget, MemoryKind},
    gpu::{
        Gpu, GpuError, Kernel,
        block::{Block, Purse},
        room::Room,
    },
    readout::{Readout, ReadoutLayer},
};
use std::sync::{Arc, Weak};
use wgpu::BindGroup;

/// The heads that are there: those of several assistants, or of two releases of one.
#[derive(Debug, Default)]
pub struct DeviceHeads {
    /// The most recently used one last.
    there: Vec<(Weak<Readout>, HeadWeights)>,
}

/// The weights of one readout.
#[derive(Debug)]
pub struct HeadWeights {
    sentence: Linear,
    token: Option<Linear>,
}

#[derive(Debug)]
struct Linear {
    weight: Block,
    bias: Block,
}

/// What the dispatches of one readout are bound to.
#[derive(Debug)]
pub struct HeadGroups {
    pub sentence: BindGroup,
    pub token: Option<BindGroup>,
}

impl DeviceHeads {
    /// Sees to it that a readout is there, and the last of the list; those that nobody has any more leave.
    pub fn bring(&mut self, gpu: &Gpu, budget: &MemoryBudget, readout: &Arc<Readout>) -> Result<(), GpuError> {
        let is_it = |(known, _): &(Weak<Readout>, HeadWeights)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(readout));
        if let Some(at) = self.there.iter().position(is_it) {
            self.there[at..].rotate_left(1);
            return Ok(());
        }
        self.there.retain(|(known, _)| known.strong_count() > 0);
        let purse = Purse { budget, kind: MemoryKind::Weights };
        let linear = |layer: &ReadoutLayer| -> Result<Linear, GpuError> {
            let weight = gpu.upload_for(purse, "weights of a head", &layer.weight.unpack())?;
            Ok(Linear { weight, bias: gpu.upload_for(purse, "bias of a head", &layer.bias)? })
        };
        let upload = || -> Result<HeadWeights, GpuError> {
            Ok(HeadWeights { sentence: linear(readout.sentence())?, token: readout.token().map(linear).transpose()? })
        };
        let weights = match upload() {
            // Who is asked now matters more than who was.
            Err(GpuError::OverBudget(_)) if !self.there.is_empty() => {
                self.there.clear();
                gpu.reclaim();
                upload()?
            }
            done => done?,
        };
        self.there.push((Arc::downgrade(readout), weights));
        Ok(())
    }

    /// The one that was brought last.
    pub fn latest(&self) -> Option<&HeadWeights> {
        self.there.last().map(|(_, weights)| weights)
    }

    /// All but the latest go: they come back when they are asked.
    pub fn drop_idle(&mut self) -> bool {
        let idle = self.there.len().saturating_sub(1);
        self.there.drain(..idle);
        idle > 0
    }
}

impl HeadWeights {
    /// Binds them to the states and embeddings of a room, and to where their scores go.
    pub fn bind(&self, gpu: &Gpu, kernel: &Kernel, room: &Room) -> HeadGroups {
        let bind = |x: &Block, linear: &Linear, y: &Block| {
            kernel.bind(gpu, &[&x.buffer, &linear.weight.buffer, &linear.bias.buffer, &y.buffer])
        };
        HeadGroups {
            sentence: bind(&room.embeddings, &self.sentence, &room.sentence_scores),
            token: self.token.as_ref().map(|linear| bind(&room.x, linear, &room.token_scores)),
        }
    }
}
