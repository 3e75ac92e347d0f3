//! The memory that is available for allocation.

/// The memory that this process can still allocate, in bytes: on Linux the minimum of the machine's available memory, the
/// control group's limit, and the process's own limit. `None` elsewhere.
#[cfg(target_os = "linux")]
pub fn available() -> Option<u64> {
    [machine(), control_group(), address_space()].into_iter().flatten().min()
}

/// The memory that this process can still allocate: unknown on this system.
#[cfg(not(target_os = "linux"))]
pub fn available() -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
fn read(path: impl AsRef<std::path::Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemAvailable`: the memory that can be allocated without swapping.
#[cfg(target_os = "linux")]
fn machine() -> Option<u64> {
    kibibytes(&read("/proc/meminfo")?, "MemAvailable:")
}

/// The number after a name in a table of kibibytes, in bytes.
#[cfg(any(target_os = "linux", test))]
fn kibibytes(table: &str, name: &str) -> Option<u64> {
    let number = table.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?;
    number.parse::<u64>().ok()?.checked_mul(1024)
}

/// The minimum that this process's control group and its parents leave, for either version of control groups.
#[cfg(target_os = "linux")]
fn control_group() -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    let left = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, limit, used) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => return None,
        };
        // In a container, the group's path may be the host's; the process's own group is then the root.
        let own = std::path::Path::new(group.trim_start_matches('/'));
        let left = own.ancestors().filter_map(|group| {
            let file = |name: &str| read(std::path::Path::new(root).join(group).join(name))?.trim().parse::<u64>().ok();
            // Cached files count as used, but are evicted before an allocation fails.
            let reclaimable = read(std::path::Path::new(root).join(group).join("memory.stat")).and_then(|table| {
                table.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok())
            });
            Some(file(limit)?.saturating_sub(file(used)?.saturating_sub(reclaimable.unwrap_or(0))))
        });
        left.min()
    });
    left.min()
}

/// The rest of the process's address-space limit (`ulimit -v`).
#[cfg(target_os = "linux")]
fn address_space() -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = limit.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(kibibytes(&read("/proc/self/status")?, "VmSize:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_kibibytes_are_read() {
        assert_eq!(kibibytes("MemTotal: 3 kB\nMemAvailable:   2048 kB\n", "MemAvailable:"), Some(2048 * 1024));
        assert_eq!(kibibytes("MemTotal: 3 kB\n", "MemAvailable:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn on_linux_it_is_known() {
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
    }
}
