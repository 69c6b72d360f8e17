//! Work that blocks its thread: reads of the disk, files.

use crate::simulation;
use std::io;

/// Does the work where waiting is allowed; an error only if it panicked or the runtime ends. In a simulation it is done
/// here and now.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    if simulation::is_on() {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
