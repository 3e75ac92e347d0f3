//! TensorBoard's event files: records of protocol-buffer messages, each with checksums.
//!
//! The messages are `Event`, `Summary` and those of the hyperparameter plugin. TensorBoard's own reader checks the files in
//! `oracles/tensorboard_reads.py`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::table::cut;
use crate::error::Error;
use crate::protobuf::Message;

/// An event file that is being written. Every event is passed to the system immediately.
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
    /// The length in bytes.
    len: u64,
}

/// A value of a summary.
pub(super) enum Value {
    Scalar(f64),
    /// A PNG image and its size.
    #[cfg(feature = "plot")]
    Image {
        png: Vec<u8>,
        size: (u32, u32),
    },
    /// Data of the hyperparameter plugin.
    Hyperparameters(Message),
}

impl EventFile {
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        let mut events = Self { path, file, len: 0 };
        events.write(Message::default().double(1, now()).bytes(3, "brain.Event:2"))?;
        Ok(events)
    }

    /// Continues a file after its first `len` bytes; the rest is removed.
    pub(super) fn continued(path: PathBuf, len: u64) -> Result<Self, Error> {
        Ok(Self { file: cut(&path, len)?, path, len })
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends an event with the values of `tags` after `step` environment steps.
    pub(super) fn summary(&mut self, step: u64, values: &[(&str, Value)]) -> Result<(), Error> {
        let summary = values.iter().fold(Message::default(), |summary, (tag, value)| {
            let named = Message::default().bytes(1, tag);
            summary.message(
                1,
                match value {
                    Value::Scalar(scalar) => named.float(2, *scalar as f32),
                    #[cfg(feature = "plot")]
                    Value::Image { png, size } => {
                        const RGB: i64 = 3;
                        let image = Message::default().int(1, size.1.into()).int(2, size.0.into()).int(3, RGB);
                        named.message(4, image.bytes(4, png))
                    }
                    Value::Hyperparameters(content) => {
                        let plugin = Message::default().bytes(1, "hparams").bytes(2, &content.0);
                        named.message(9, Message::default().message(1, plugin))
                    }
                },
            )
        });
        self.write(Message::default().double(1, now()).int(2, step as i64).message(5, summary))
    }

    /// Waits until all events have reached the disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }

    fn write(&mut self, event: Message) -> Result<(), Error> {
        let data = event.0;
        let length = (data.len() as u64).to_le_bytes();
        let record = [&length, &checksum(&length)[..], &data, &checksum(&data)].concat();
        self.file.write_all(&record).map_err(Error::io("write", &self.path))?;
        self.len += record.len() as u64;
        Ok(())
    }
}

/// The time in seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The masked CRC-32C of a record's part.
fn checksum(data: &[u8]) -> [u8; 4] {
    let crc = crc32c(data);
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli).
fn crc32c(data: &[u8]) -> u32 {
    const fn entry(byte: u32) -> u32 {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        crc
    }
    static TABLE: [u32; 256] = {
        let (mut table, mut byte) = ([0; 256], 0);
        while byte < 256 {
            table[byte] = entry(byte as u32);
            byte += 1;
        }
        table
    };
    !data.iter().fold(!0, |crc: u32, byte| TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }
}
