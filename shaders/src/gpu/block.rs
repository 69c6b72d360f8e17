//! `Block`: a buffer with the bytes that it holds in the ledger, and how data gets into it and out of it.

use crate::{
    budget::{MemoryBudget, MemoryKind, OverBudget, Reservation},
    gpu::{Gpu, GpuError},
};
use std::sync::PoisonError;
use wgpu::{Buffer, BufferUsages, MapMode};

/// Bytes of the buffer that uploads go through, a part at a time.
const STAGING_BYTES: u64 = 1 << 20;

/// A buffer with the bytes that it holds in the ledger.
#[derive(Debug)]
pub struct Block {
    /// The buffer.
    pub buffer: Buffer,
    _reservation: Reservation,
}

impl Drop for Block {
    fn drop(&mut self) {
        // Now, and not when the last bind group that names it is gone.
        self.buffer.destroy();
    }
}

/// Who pays for a block, and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Purse<'a> {
    /// Who pays.
    pub budget: &'a MemoryBudget,
    /// What for.
    pub kind: MemoryKind,
}

impl Gpu {
    /// Reserves and then allocates `bytes`, at least 16 and a multiple of 4, for a moment.
    pub fn allocate(&self, label: &str, bytes: u64, usage: BufferUsages) -> Result<Block, GpuError> {
        self.allocate_for(Purse { budget: &self.budget, kind: MemoryKind::Scratch }, label, bytes, usage)
    }

    /// The same, paid by somebody.
    pub fn allocate_for(
        &self,
        purse: Purse<'_>,
        label: &str,
        bytes: u64,
        usage: BufferUsages,
    ) -> Result<Block, GpuError> {
        let size = bytes.next_multiple_of(4).max(16);
        let binding = self.binding_bytes_max();
        if usage.contains(BufferUsages::STORAGE) && size > binding {
            return Err(GpuError::Unsupported(format!("{label} takes {size} bytes, one binding holds {binding}")));
        }
        let reservation = purse.budget.reserve(purse.kind, size)?;
        let buffer = self.scoped(|| {
            let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
            self.device.create_buffer(&descriptor)
        });
        let buffer = buffer.map_err(|error| match error {
            // Somebody else on this machine has what the ledger counts on: then it is as if there were no more in the ledger.
            GpuError::OutOfMemory(why) => {
                tracing::warn!(why, label, bytes = size, "the driver gives less memory than the limit says");
                let limit_bytes = purse.budget.limit_bytes();
                GpuError::OverBudget(OverBudget { asked_bytes: size, free_bytes: 0, limit_bytes })
            }
            error => error,
        })?;
        Ok(Block { buffer, _reservation: reservation })
    }

    /// A storage buffer with these numbers in it, for a moment.
    pub fn upload<T: bytemuck::NoUninit>(&self, label: &str, numbers: &[T]) -> Result<Block, GpuError> {
        self.upload_for(Purse { budget: &self.budget, kind: MemoryKind::Scratch }, label, numbers)
    }

    /// The same, paid by somebody.
    pub fn upload_for<T: bytemuck::NoUninit>(
        &self,
        purse: Purse<'_>,
        label: &str,
        numbers: &[T],
    ) -> Result<Block, GpuError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let block = self.allocate_for(purse, label, size_of_val(numbers) as u64, usage)?;
        self.write(&block.buffer, 0, bytemuck::cast_slice(numbers))?;
        Ok(block)
    }

    /// Writes whole words into a buffer, through one staging buffer that is counted and kept: the queue's own way takes memory that
    /// nobody counts.
    pub fn write(&self, target: &Buffer, offset: u64, bytes: &[u8]) -> Result<(), GpuError> {
        let mut kept = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        let staging = match kept.take() {
            Some(staging) => staging,
            None => {
                let purse = Purse { budget: &self.budget, kind: MemoryKind::Staging };
                let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
                self.allocate_for(purse, "upload", STAGING_BYTES, usage)?
            }
        };
        let mut at = offset;
        for part in bytes.chunks(STAGING_BYTES as usize) {
            self.fill(&staging.buffer, part)?;
            self.scoped(|| {
                let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                encoder.copy_buffer_to_buffer(&staging.buffer, 0, target, at, part.len() as u64);
                self.queue.submit([encoder.finish()]);
            })?;
            at += part.len() as u64;
        }
        *kept = Some(staging);
        Ok(())
    }

    /// Puts bytes, whole words, at the beginning of a buffer that can be mapped for writing.
    pub fn fill(&self, staging: &Buffer, bytes: &[u8]) -> Result<(), GpuError> {
        let slice = staging.slice(..bytes.len() as u64);
        self.map(slice, MapMode::Write)?;
        slice.get_mapped_range_mut().map_err(|e| self.failed(&e))?.copy_from_slice(bytes);
        staging.unmap();
        Ok(())
    }

    /// Reads the first `count` numbers of a mappable buffer after the work before it is done.
    pub fn read_back(&self, staging: &Buffer, count: usize) -> Result<Vec<f32>, GpuError> {
        Ok(self.read_back_words(staging, count)?.into_iter().map(f32::from_bits).collect())
    }

    /// The same for numbers of 32 bits of any kind.
    pub fn read_back_words(&self, staging: &Buffer, count: usize) -> Result<Vec<u32>, GpuError> {
        let slice = staging.slice(..4 * count as u64);
        self.map(slice, MapMode::Read)?;
        let words = {
            let view = slice.get_mapped_range().map_err(|e| self.failed(&e))?;
            view.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        staging.unmap();
        Ok(words)
    }

    /// Maps a buffer, once everything before it is done.
    fn map(&self, slice: wgpu::BufferSlice<'_>, mode: MapMode) -> Result<(), GpuError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        slice.map_async(mode, move |mapped| {
            // The receiver waits below; it is gone only when this call has failed already.
            let _ = sender.send(mapped);
        });
        self.wait()?;
        receiver.try_recv().map_err(|_| self.failed(&"a buffer was not mapped"))?.map_err(|e| self.failed(&e))
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> GpuError {
        GpuError::Device(format!("{}: {why}", self.name()))
    }
}
