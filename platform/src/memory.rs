//! The size of the instance's memory.

/// Bytes of the instance's memory. It never shrinks, so this is also the most that it needed.
pub fn bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size::<0>() as u64 * 64 * 1024;
    #[cfg(not(target_arch = "wasm32"))]
    0
}
