//! Tables of comma-separated values, written row by row.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A table being written. Each row goes to the system at once, so that a run in progress can be watched.
pub(super) struct Table {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Table {
    /// Creates the file with its header.
    pub(super) fn create(path: PathBuf, header: &str) -> Result<Self, Error> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        let mut table = Self { path, file, len: 0 };
        table.row(header)?;
        Ok(table)
    }

    /// Adds a row: all of it, or nothing.
    pub(super) fn row(&mut self, row: &str) -> Result<(), Error> {
        let line = format!("{row}\n");
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // A full disk takes the beginning of a row. The table stays readable without it.
            let _ = self.file.set_len(self.len);
            return Err(Error::io("write", &self.path)(error));
        }
        self.len += line.len() as u64;
        Ok(())
    }

    /// Waits until all rows are on the disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

/// The rows of a table, each from its fields.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] naming the line that is damaged.
pub(super) fn read<T>(path: &Path, header: &str, row: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let damaged = |line: usize, what: &str| Error::File {
        path: path.to_owned(),
        message: format!("line {line} {what}: the file is damaged or no quarl table"),
    };
    let mut lines = text.lines();
    if lines.next() != Some(header) {
        return Err(damaged(1, &format!("is not '{header}'")));
    }
    let columns = header.split(',').count();
    let rows: Result<Vec<T>, Error> = lines
        .enumerate()
        .map(|(i, line)| {
            let fields: Vec<&str> = line.split(',').collect();
            let parsed = (fields.len() == columns).then(|| row(&fields)).flatten();
            parsed.ok_or_else(|| damaged(i + 2, "cannot be read"))
        })
        .collect();
    // A row that is cut in its last number still looks like a row.
    let rows = rows?;
    if text.ends_with('\n') { Ok(rows) } else { Err(damaged(rows.len() + 1, "is cut short")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_a_row_that_is_cut_short_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.csv");
        let mut table = Table::create(path.clone(), "a,b").unwrap();
        ["1,2", "3,45"].iter().for_each(|row| table.row(row).unwrap());
        table.sync().unwrap();
        let rows = || read(&path, "a,b", |fields| Some([fields[0].parse::<u64>().ok()?, fields[1].parse().ok()?]));
        assert_eq!(rows().unwrap(), [[1, 2], [3, 45]]);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 2]).unwrap();
        assert!(rows().unwrap_err().to_string().contains("line 3 is cut short"));
        fs::write(&path, &text[..text.len() - 3]).unwrap();
        assert!(rows().unwrap_err().to_string().contains("line 3 cannot be read"));
    }
}
