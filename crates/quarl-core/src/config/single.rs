//! Single keys by name: their type, value and applicability, and checks of single values. For search spaces.

use toml::{Table, Value};

use super::settings::Key;
use super::{TrainConfig, layers};
use crate::error::Error;

impl TrainConfig {
    /// The key with this name, such as `agent.gamma`.
    #[doc(hidden)]
    pub fn key(path: &str) -> Option<Key> {
        Self::keys().into_iter().find(|key| key.path() == path)
    }

    /// The value of the key with this name; `None` if it is not set.
    #[doc(hidden)]
    pub fn get(&self, path: &str) -> Option<Value> {
        Self::keys().iter().zip(self.values()).find(|(key, _)| key.path() == path)?.1
    }

    /// Checks one value by itself: its type and its range, but not its consistency with other keys.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and the values that are allowed.
    #[doc(hidden)]
    pub fn check_value(&self, key: &Key, value: Value) -> Result<(), Error> {
        let mut tables = self.to_tables();
        if let Value::Table(section) = tables.entry(key.section).or_insert_with(|| Table::new().into()) {
            section.insert(key.name.to_owned(), value);
        }
        layers::read(&tables).map(|_| ())
    }
}
