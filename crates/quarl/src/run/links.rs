//! Links within a directory of results. Nothing is written through them: whoever made the directory, which may have been downloaded,
//! would choose the file or directory elsewhere that is changed. They may be read.

use std::path::Path;

use crate::error::Error;

/// Refuses a link in the place of a file or a directory that is written.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn refuse_link(path: &Path) -> Result<(), Error> {
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(());
    }
    let message = "this is a link, and nothing is written through a link within a directory of results: put what it leads to in its place";
    Err(Error::File { path: path.to_owned(), message: message.to_owned() })
}
