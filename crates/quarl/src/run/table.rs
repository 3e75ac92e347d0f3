//! Tables of comma-separated values, written row by row.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, WriterBuilder};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::refuse_link;
use crate::error::Error;
use crate::files;

/// A table that is being written. Each row is passed to the system immediately, so that a running run can be monitored.
pub(super) struct Table {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Table {
    /// Creates the file with its header line.
    pub(super) fn create(path: PathBuf, header: &str) -> Result<Self, Error> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        let mut table = Self { path, file, len: 0 };
        table.write(&format!("{header}\n"))?;
        Ok(table)
    }

    /// Continues a file after its first `len` bytes; the rest is removed.
    pub(super) fn continued(path: PathBuf, len: u64) -> Result<Self, Error> {
        Ok(Self { file: cut(&path, len)?, path, len })
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends a row atomically.
    pub(super) fn row(&mut self, row: &impl Serialize) -> Result<(), Error> {
        self.write(&text(&[row], false))
    }

    /// Appends lines of another table with the same header.
    pub(super) fn lines(&mut self, lines: &str) -> Result<(), Error> {
        self.write(lines)
    }

    fn write(&mut self, line: &str) -> Result<(), Error> {
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // A full disk may have stored the beginning of a row; it is removed, so that the table stays readable.
            let _ = self.file.set_len(self.len);
            return Err(Error::io("write", &self.path)(error));
        }
        self.len += line.len() as u64;
        Ok(())
    }

    /// Waits until all rows have reached the disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

/// The rows at the beginning of a table, as text, up to the first one for which `is_wanted` is false.
pub(super) fn first_rows(path: &Path, is_wanted: impl Fn(usize, &str) -> bool) -> Result<String, Error> {
    let text = files::read_text(path)?;
    let rows = text.lines().skip(1).enumerate().take_while(|(i, row)| is_wanted(*i, row));
    Ok(rows.map(|(_, row)| format!("{row}\n")).collect())
}

/// Opens a file of at least `len` bytes, removes what follows them, and appends from there.
pub(super) fn cut(path: &Path, len: u64) -> Result<File, Error> {
    refuse_link(path)?;
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
    file.set_len(len).and_then(|()| file.seek(SeekFrom::End(0))).map_err(Error::io("write", path))?;
    Ok(file)
}

/// The header line of a table: the names of a row's fields.
pub(crate) fn header<R: Serialize + Default>() -> String {
    text(&[R::default()], true).lines().next().unwrap_or_default().to_owned()
}

/// The header line and the rows as text.
pub(crate) fn with_header<R: Serialize + Default>(rows: &[R]) -> String {
    header::<R>() + "\n" + &text(rows, false)
}

fn text<R: Serialize>(rows: &[R], has_headers: bool) -> String {
    let mut writer = WriterBuilder::new().has_headers(has_headers).from_writer(Vec::new());
    rows.iter().for_each(|row| writer.serialize(row).expect("rows are plain data"));
    String::from_utf8(writer.into_inner().expect("memory can be written to")).expect("rows are text")
}

/// Writes a number with the shortest unique decimal representation, without an exponent; nothing for `None`.
pub(crate) fn number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// [`number`] for a number that always exists.
pub(crate) fn plain<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads the rows of a table.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] with the line that is damaged.
pub(super) fn read<R: DeserializeOwned>(path: &Path, header: &str) -> Result<Vec<R>, Error> {
    parse(path, &files::read_text(path)?, header)
}

/// [`read`] for the first `len` bytes.
pub(super) fn read_first<R: DeserializeOwned>(path: &Path, header: &str, len: u64) -> Result<Vec<R>, Error> {
    let text = files::read_text(path)?;
    parse(path, usize::try_from(len).ok().and_then(|len| text.get(..len)).unwrap_or(&text), header)
}

fn parse<R: DeserializeOwned>(path: &Path, text: &str, header: &str) -> Result<Vec<R>, Error> {
    let damaged = |line: u64, what: &str| Error::File {
        path: path.to_owned(),
        message: format!("line {line} {what}: the file is damaged or not a quarl table"),
    };
    if text.lines().next() != Some(header) {
        return Err(damaged(1, &format!("is not '{header}'")));
    }
    let mut reader = ReaderBuilder::new().quoting(false).from_reader(text.as_bytes());
    let rows = reader.deserialize().collect::<Result<Vec<R>, _>>();
    let rows = rows.map_err(|error| damaged(error.position().map_or(1, csv::Position::line), "cannot be read"))?;
    // A row that was truncated within its last number still looks complete.
    if text.ends_with('\n') { Ok(rows) } else { Err(damaged(rows.len() as u64 + 1, "is cut short")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Row {
        a: u64,
        #[serde(rename = "return", serialize_with = "number")]
        b: Option<f64>,
        c: bool,
    }

    #[test]
    fn a_text_with_a_comma_is_quoted() {
        #[derive(Default, Serialize)]
        struct Named {
            name: String,
            n: u64,
        }
        let rows = [Named { name: "DQN, n_step=3".to_owned(), n: 1 }, Named { name: "Rainbow".to_owned(), n: 2 }];
        assert_eq!(with_header(&rows), "name,n\n\"DQN, n_step=3\",1\nRainbow,2\n");
    }

    #[test]
    fn numbers_are_written_without_an_exponent_and_nothing_where_there_is_none() {
        let row = |b: Option<f64>| Row { a: 3, b, c: true };
        let rows = [row(None), row(Some(200.0)), row(Some(1e-7)), row(Some(0.1 + 0.2)), row(Some(-1e21))];
        let text = with_header(&rows);
        let expected = "a,return,c\n3,,true\n3,200,true\n3,0.0000001,true\n3,0.30000000000000004,true\n\
                        3,-1000000000000000000000,true\n";
        assert_eq!(text, expected);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.csv");
        fs::write(&path, text).unwrap();
        assert_eq!(read::<Row>(&path, "a,return,c").unwrap(), rows);
    }

    #[test]
    fn rows_read_back_and_a_row_that_is_cut_short_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.csv");
        let mut table = Table::create(path.clone(), &header::<Row>()).unwrap();
        let rows = [Row { a: 1, b: None, c: false }, Row { a: 3, b: Some(45.0), c: true }];
        rows.iter().for_each(|row| table.row(row).unwrap());
        table.sync().unwrap();
        let read = || read::<Row>(&path, "a,return,c");
        assert_eq!(read().unwrap(), rows);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.trim_end()).unwrap();
        assert!(read().unwrap_err().to_string().contains("line 3 is cut short"));
        for damaged in ["3,45\n", "3,45,true,7\n", "3,x,true\n", ",45,true\n"] {
            fs::write(&path, format!("a,return,c\n1,,false\n{damaged}")).unwrap();
            assert!(read().unwrap_err().to_string().contains("line 3 cannot be read"), "{damaged}");
        }
        fs::write(&path, "a,b\n").unwrap();
        assert!(read().unwrap_err().to_string().contains("line 1 is not 'a,return,c'"));
    }
}
