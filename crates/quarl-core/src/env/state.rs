//! [`save`] and [`load`] turn an environment's changing state into bytes and back, for `save_state` and `load_state`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Serialises `state`, marked with the environment's `id`, so that another environment's state is refused.
///
/// # Errors
/// [`Error::State`] when `state` cannot be serialised.
pub fn save<T: Serialize>(id: &str, state: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(&(id, state)).map_err(|error| refused(id, error.to_string()))
}

/// Restores a state from [`save`].
///
/// # Errors
/// [`Error::State`] when the bytes belong to another environment, or are damaged.
pub fn load<T: DeserializeOwned>(id: &str, bytes: &[u8]) -> Result<T, Error> {
    let damaged = |error: postcard::Error| refused(id, format!("the saved state is damaged ({error})"));
    let (saved_id, rest): (String, _) = postcard::take_from_bytes(bytes).map_err(damaged)?;
    if saved_id != id {
        return Err(refused(id, format!("the saved state belongs to '{saved_id}'")));
    }
    match postcard::take_from_bytes(rest).map_err(damaged)? {
        (state, []) => Ok(state),
        (_, rest) => Err(refused(id, format!("the saved state is {} bytes too long", rest.len()))),
    }
}

/// The error for a state that does not fit environment `id`.
pub(crate) fn refused(id: &str, message: String) -> Error {
    Error::State { what: format!("the environment {id}"), message }
}

#[cfg(test)]
mod tests {
    use super::{load, save};

    #[test]
    fn a_state_comes_back_as_it_was() {
        let bytes = save("a", &(1_u64, -0.0_f64)).unwrap();
        let (n, x): (u64, f64) = load("a", &bytes).unwrap();
        assert_eq!((n, x.to_bits()), (1, (-0.0_f64).to_bits()));
    }

    #[test]
    fn another_environments_state_is_refused() {
        let error = load::<u64>("b", &save("a", &1_u64).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "cannot restore the environment b: the saved state belongs to 'a'");
    }

    #[test]
    fn cut_and_lengthened_states_are_refused() {
        let bytes = save("a", &1.5_f64).unwrap();
        for end in 0..bytes.len() {
            assert!(load::<f64>("a", &bytes[..end]).is_err(), "{end} bytes");
        }
        assert!(load::<f64>("a", &[&bytes[..], &[0]].concat()).is_err());
    }
}
