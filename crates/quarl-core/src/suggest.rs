//! Suggestions for mistyped names.

/// The minimum similarity of two names (Jaro-Winkler, 1 for equal names) for a suggestion.
const ALIKE: f64 = 0.75;

/// The longest name, in bytes, that is compared.
const LONGEST: usize = 200;

/// The known names that are most similar to `given`, ignoring case; empty if none is similar.
pub fn nearest<'a>(given: &str, known: &[&'a str]) -> Vec<&'a str> {
    // A file can hold a name of millions of letters, which is like none.
    if given.len() > LONGEST {
        return Vec::new();
    }
    let given = given.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&given, &name.to_lowercase());
    let best = known.iter().map(|name| likeness(name)).fold(ALIKE, f64::max);
    known.iter().copied().filter(|name| likeness(name) >= best).collect()
}

/// Suggests the most similar known names, then lists all: `did you mean CartPole-v0 or CartPole-v1? known: ..`.
pub fn remedy(given: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(given, known)[..] {
        [] => format!("known: {list}"),
        ref nearest => format!("did you mean {}? known: {list}", nearest.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::remedy;

    const KNOWN: &[&str] = &["Acrobot-v1", "CartPole-v0", "CartPole-v1"];

    #[test]
    fn a_typing_mistake_is_answered_with_the_nearest_name() {
        assert_eq!(remedy("Acorbot-v1", KNOWN), "did you mean Acrobot-v1? known: Acrobot-v1, CartPole-v0, CartPole-v1");
    }

    #[test]
    fn a_name_of_millions_of_letters_is_like_none() {
        assert!(remedy(&("CartPole-v1".to_owned() + &"1".repeat(10_000_000)), KNOWN).starts_with("known: "));
    }

    #[test]
    fn case_does_not_matter() {
        assert!(remedy("CARTPOLE-V1", KNOWN).starts_with("did you mean CartPole-v1? "));
    }

    #[test]
    fn equally_near_names_are_all_offered() {
        assert!(remedy("cartpole", KNOWN).starts_with("did you mean CartPole-v0 or CartPole-v1? "));
    }

    #[test]
    fn a_name_like_none_is_answered_with_the_list() {
        assert_eq!(remedy("Pong", KNOWN), "known: Acrobot-v1, CartPole-v0, CartPole-v1");
        assert!(remedy("", KNOWN).starts_with("known: "));
    }
}
