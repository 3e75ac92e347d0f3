//! A reader of zip archives whose entries are stored without compression, as PyTorch and Stable-Baselines3 write them.
//!
//! Entries are slices of the archive, so nothing is allocated for their contents, whatever sizes the archive announces.

use std::collections::BTreeMap;

/// The largest number of entries. An archive of Stable-Baselines3 has six; one of PyTorch has one for each tensor.
const MOST_ENTRIES: u64 = 4096;

const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";

/// The entries of an archive by name.
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, &'a [u8]>,
}

/// The numbers of a record, read in order.
struct Record<'a> {
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    fn at(bytes: &'a [u8], offset: u64, signature: [u8; 4]) -> Option<Self> {
        let bytes = bytes.get(usize::try_from(offset).ok()?..)?;
        Some(Self { bytes: bytes.strip_prefix(&signature)? })
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    /// The next number of `len` bytes, little-endian.
    fn number(&mut self, len: usize) -> Option<u64> {
        Some(self.take(len)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// The position and size of the central directory.
struct Directory {
    entries: u64,
    offset: u64,
    size: u64,
}

/// An entry of the central directory.
struct Entry<'a> {
    name: &'a [u8],
    flags: u64,
    method: u64,
    crc: u64,
    compressed: u64,
    size: u64,
    offset: u64,
}

impl<'a> Archive<'a> {
    /// Reads the directory of an archive and checks every entry.
    ///
    /// # Errors
    /// A sentence that describes what is wrong: not a zip archive, compressed, encrypted, damaged, two entries of the same name
    /// or in the same bytes.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let cut = || "the zip archive is damaged or cut short".to_owned();
        let directory = Directory::find(bytes).ok_or("this is not a zip archive, or it is cut short")?;
        if directory.entries > MOST_ENTRIES {
            return Err(format!("the zip archive has {} entries; at most {MOST_ENTRIES} are read", directory.entries));
        }
        let end = directory.offset.checked_add(directory.size).filter(|end| *end <= bytes.len() as u64);
        let end = usize::try_from(end.ok_or_else(cut)?).map_err(|_| cut())?;
        let (mut entries, mut ranges, mut checksums) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut offset = directory.offset;
        for _ in 0..directory.entries {
            let (entry, next) = Entry::read(&bytes[..end], offset).ok_or_else(cut)?;
            offset = next;
            let name = std::str::from_utf8(entry.name).map_err(|_| cut())?;
            if name.ends_with('/') {
                continue;
            }
            if entry.flags & 1 != 0 {
                return Err(format!("the entry '{}' of the zip archive is encrypted", shown(name)));
            }
            if entry.method != 0 {
                return Err(format!(
                    "the entry '{}' of the zip archive is compressed; Stable-Baselines3 and PyTorch store entries without \
                     compression: use the file that the model's save() has written",
                    shown(name)
                ));
            }
            let (start, contents) = entry.contents(bytes).ok_or_else(cut)?;
            ranges.push((start, start + contents.len()));
            checksums.push((name, contents, entry.crc));
            if entries.insert(name, contents).is_some() {
                return Err(format!("the zip archive has two entries '{}'", shown(name)));
            }
        }
        ranges.sort_unstable();
        if ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err("two entries of the zip archive overlap".to_owned());
        }
        // Only now: thousands of entries in the same bytes would take thousands of times as long.
        if let Some((name, ..)) = checksums.iter().find(|(_, contents, crc)| u64::from(crc32(contents)) != *crc) {
            return Err(format!("the entry '{}' of the zip archive is damaged: its checksum is wrong", shown(name)));
        }
        Ok(Self { entries })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.entries.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }
}

impl Directory {
    fn find(bytes: &[u8]) -> Option<Self> {
        // The record ends with a comment of at most 65,535 bytes.
        let from = bytes.len().saturating_sub(22 + 0xffff);
        let last = bytes.len().checked_sub(22)?;
        let end = (from..=last).rev().find(|at| bytes[*at..].starts_with(&END))?;
        let mut record = Record::at(bytes, end as u64, END)?;
        record.take(6)?;
        let (entries, size, offset) = (record.number(2)?, record.number(4)?, record.number(4)?);
        let locator = end.checked_sub(20).and_then(|at| Record::at(bytes, at as u64, LOCATOR_64));
        let Some(mut locator) = locator else { return Some(Self { entries, offset, size }) };
        locator.take(4)?;
        let mut record = Record::at(bytes, locator.number(8)?, END_64)?;
        record.take(28)?;
        Some(Self { entries: record.number(8)?, size: record.number(8)?, offset: record.number(8)? })
    }
}

impl<'a> Entry<'a> {
    /// The entry of the central directory at `offset`, and the offset of the next one.
    fn read(bytes: &'a [u8], offset: u64) -> Option<(Self, u64)> {
        let mut record = Record::at(bytes, offset, CENTRAL)?;
        record.take(4)?;
        let (flags, method) = (record.number(2)?, record.number(2)?);
        record.take(4)?;
        let (crc, compressed, size) = (record.number(4)?, record.number(4)?, record.number(4)?);
        let [name, extra, comment] = [record.number(2)?, record.number(2)?, record.number(2)?];
        record.take(8)?;
        let local = record.number(4)?;
        let mut entry = Self { name: record.take(name as usize)?, flags, method, crc, compressed, size, offset: local };
        let fields = record.take(extra as usize)?;
        record.take(comment as usize)?;
        entry.extend(fields)?;
        Some((entry, offset + 46 + name + extra + comment))
    }

    /// Replaces numbers that do not fit into 32 bits by those of the zip64 field.
    fn extend(&mut self, fields: &[u8]) -> Option<()> {
        let mut fields = Record { bytes: fields };
        while fields.bytes.len() >= 4 {
            let (id, len) = (fields.number(2)?, fields.number(2)?);
            let mut field = Record { bytes: fields.take(len as usize)? };
            if id == 1 {
                for number in [&mut self.size, &mut self.compressed, &mut self.offset] {
                    if *number == 0xffff_ffff {
                        *number = field.number(8)?;
                    }
                }
            }
        }
        Some(())
    }

    /// The contents of a stored entry, and where they start.
    fn contents(&self, bytes: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let mut record = Record::at(bytes, self.offset, LOCAL)?;
        record.take(22)?;
        let (name, extra) = (record.number(2)?, record.number(2)?);
        // A reader that trusts the local name would see another entry.
        if record.take(name as usize)? != self.name || self.compressed != self.size {
            return None;
        }
        record.take(extra as usize)?;
        let start = bytes.len() - record.bytes.len();
        Some((start, record.take(usize::try_from(self.size).ok()?)?))
    }
}

/// The beginning of a name, without control characters, for a message.
pub(super) fn shown(name: &str) -> String {
    const SHOWN: usize = 60;
    let text: String = name.chars().take(SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect();
    if name.chars().nth(SHOWN).is_some() { text + ".." } else { text }
}

/// The checksum of zip archives (CRC-32 of IEEE 802.3).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let (mut value, mut bit) = (i as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| TABLE[(crc as u8 ^ byte) as usize] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standards_test_text() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
