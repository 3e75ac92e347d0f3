//! Makes the checksums of a forged zip archive right again, so that a test reaches what is behind them.

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

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}
