//! Writes zip archives without compression, so that what a fuzz target puts into an archive reaches the reader of that entry.

/// An archive of Stable-Baselines3 with these settings (JSON) and this pickle, and with 64 numbers in each of 12 storages.
pub(crate) fn agent(settings: &[u8], pickle: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = (0..64).flat_map(|i| (i as f32 / 64.0 - 0.5).to_le_bytes()).collect();
    let names: Vec<String> = (0..12).map(|storage| format!("archive/data/{storage}")).collect();
    let mut entries = vec![("archive/data.pkl", pickle), ("archive/byteorder", b"little".as_slice())];
    entries.extend(names.iter().map(|name| (name.as_str(), numbers.as_slice())));
    let policy = archive(&entries);
    archive(&[("data", settings), ("policy.pth", &policy)])
}

/// An archive of these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, contents) in entries {
        // Version, flags, method, time and date.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let size = contents.len() as u32;
        for number in [super::checksums::crc32(contents), size, size] {
            common.extend(number.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(*contents);
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, offset) = (directory.len() as u32, bytes.len() as u32);
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}
