//! Makes the checksums of a forged file right again, so that a test reaches what is behind them.
#![allow(dead_code, reason = "each file uses its part")]

fn number(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    Some(bytes.get(at..at + len)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Computes the checksums of an archive's entries again, first those of the archives in it; `None` where it is too damaged.
pub(crate) fn repair(archive: &mut [u8]) -> Option<()> {
    let last = archive.len().checked_sub(22)?;
    let end = (0..=last).rev().find(|at| archive[*at..].starts_with(b"PK\x05\x06"))?;
    let (entries, mut at) = (number(archive, end + 10, 2)?, number(archive, end + 16, 4)?);
    for _ in 0..entries.min(100) {
        if !archive.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let [name, extra, comment] = [28, 30, 32].map(|field| number(archive, at + field, 2));
        let name = name?;
        let (size, local) = (number(archive, at + 20, 4)?, number(archive, at + 42, 4)?);
        let start = local + 30 + number(archive, local + 26, 2)? + number(archive, local + 28, 2)?;
        let is_archive = archive.get(at + 46..at + 46 + name)?.ends_with(b".pth");
        let contents = archive.get_mut(start..start + size)?;
        if is_archive {
            repair(contents);
        }
        let crc = crc32(contents);
        archive.get_mut(at + 16..at + 20)?.copy_from_slice(&crc.to_le_bytes());
        at += 46 + name + extra? + comment?;
    }
    Some(())
}

/// The checksum of zip archives and of checkpoints (CRC-32 of IEEE 802.3).
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// Computes the checksum of a checkpoint's file again, and returns it; `None` where it is too damaged.
pub(crate) fn repair_checkpoint(file: &mut [u8]) -> Option<u32> {
    let length = number(file, 0, 8)?;
    let (start, contents) = file.split_at_mut_checked(8 + length.min(file.len()))?;
    let text: serde_json::Value = serde_json::from_slice(&start[8..]).ok()?;
    let metadata = text["__metadata__"]["quarl"].as_str()?;
    let mut hashed = metadata.as_bytes().to_vec();
    let range = |tensor: &serde_json::Value| {
        let at = |i: usize| usize::try_from(tensor["data_offsets"][i].as_u64()?).ok();
        Some(at(0)?..at(1)?)
    };
    let mut tensors: Vec<(&String, &serde_json::Value)> = text.as_object()?.iter().collect();
    tensors.retain(|(name, _)| !["__metadata__", "checksum"].contains(&name.as_str()));
    tensors.sort_by_key(|(name, _)| *name);
    for (name, tensor) in tensors {
        let shape: Vec<u64> = tensor["shape"].as_array()?.iter().filter_map(serde_json::Value::as_u64).collect();
        hashed.extend(format!("\n{name} {} {shape:?}\n", tensor["dtype"].as_str()?).bytes());
        hashed.extend(contents.get(range(tensor)?)?);
    }
    let checksum = crc32(&hashed);
    let place = contents.get_mut(range(&text["checksum"])?)?;
    (place.len() == 4).then(|| place.copy_from_slice(&checksum.to_le_bytes()))?;
    Some(checksum)
}

/// A checkpoint's file with another checksum of its first segment, and a wrong one of its own.
pub(crate) fn with_segment(file: &[u8], checksum: u32) -> Vec<u8> {
    let length = number(file, 0, 8).unwrap();
    let mut text: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut header: serde_json::Value = text["__metadata__"]["quarl"].as_str().unwrap().parse().unwrap();
    header["segment_checksums"][0] = checksum.into();
    text["__metadata__"]["quarl"] = header.to_string().into();
    let text = text.to_string();
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &file[8 + length..]].concat()
}
