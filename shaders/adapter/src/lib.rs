//! What wgpu gives of an adapter only with `unsafe`: the size of its memory, and the leave to use features that are under way.
//!
//! This crate is apart from `tertulia-shaders` because it cannot do without `unsafe`, and that one can.

/// Bytes of the adapter's own memory (on an integrated one, of what it shares with the processor); nothing where the adapter is not one
/// of Vulkan or has no such memory.
///
/// The figure comes from Vulkan's own interface, whose handles wgpu hands out.
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

/// The leave to ask for features that wgpu calls experimental, cooperative matrices among them.
#[allow(unsafe_code, reason = "see the head of this file")]
pub fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: what is asked of us is to know that such features may have bugs. Only kernels of ours use them, in the form that is
    // tested, and on each device their results are compared with the processor's before any is used.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}
