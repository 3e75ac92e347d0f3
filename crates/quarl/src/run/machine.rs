//! The machine that a run was trained on, for its summary.

/// Operating system, architecture, processor and number of cores: `linux x86_64, AMD EPYC 9R14, 2 cores`.
pub(super) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let cores = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let (system, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    match processor() {
        Some(processor) => format!("{system} {architecture}, {processor}, {cores}"),
        None => format!("{system} {architecture}, {cores}"),
    }
}

/// The processor's name, where Linux tells it.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned()).filter(|name| !name.is_empty())
}
