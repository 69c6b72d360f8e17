//! How much memory an adapter has: the one thing that wgpu does not say.
//!
//! This crate is apart from `tertulia-shaders` because it cannot do without `unsafe`: the figure comes from Vulkan's own interface, and
//! wgpu hands out that interface's handles only so.

/// Bytes of the adapter's own memory (on an integrated one, of what it shares with the processor); nothing where the adapter is not one
/// of Vulkan or has no such memory.
#[allow(unsafe_code, reason = "see the head of this file")]
pub fn device_local_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    // SAFETY: the handles are used while the guard is held, and only to ask for properties, which changes nothing.
    let properties = unsafe {
        let adapter = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = adapter.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(adapter.raw_physical_device())
    };
    let heaps = &properties.memory_heaps[..properties.memory_heap_count as usize];
    let own = heaps.iter().filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
    own.map(|heap| heap.size).max()
}

/// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT` of the Vulkan specification.
const DEVICE_LOCAL: u32 = 1;
