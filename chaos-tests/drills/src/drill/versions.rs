//! What took part in a drill, by name and version.

use crate::client::{Client, Protocol};
use crate::hands::Target;
use crate::limits::VIEW_TIMEOUT;

/// The nodes' own words, and this machine's.
pub(super) async fn collect(targets: &[Target]) -> Vec<(String, String)> {
    let mut versions = vec![("drill".to_owned(), format!("tertulia {}", env!("CARGO_PKG_VERSION")))];
    if let Ok(client) = Client::new(Protocol::Tertulia, VIEW_TIMEOUT) {
        for target in targets {
            let Ok((200, status)) = client.get(&format!("{}/v1/status", target.url)).await else { continue };
            let text = |field: &str| status[field].as_str().unwrap_or("unknown").to_owned();
            let node = format!("node {} (zone {})", target.node, target.zone);
            versions.push((
                node,
                format!("tertulia {}, release {}, {}", text("version"), text("release"), text("encoder")),
            ));
        }
    }
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    versions.push(("machine".into(), format!("{} {}, {cores} cores", std::env::consts::OS, kernel.trim())));
    versions
}
