//! The domains that a task excludes.

use std::collections::HashSet;

/// The largest number of domains that one task can exclude.
pub(crate) const MAX_EXCLUDED_DOMAINS: usize = 1_000;

/// Returns the registrable domain of a domain or a URL, `None` if it is neither.
///
/// A heuristic in place of the public suffix list: the last two labels, or three after a suffix such as `co.uk`.
pub(crate) fn registrable(text: &str) -> Option<String> {
    const KINDS: [&str; 8] = ["ac", "co", "com", "edu", "gov", "net", "or", "org"];
    let text = text.trim().to_lowercase();
    let rest = text.split_once("://").map_or(&*text, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let host = host.strip_suffix('.').unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    let valid = |label: &&str| {
        let valid = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.chars().all(valid)
    };
    let [.., kind, country] = labels[..] else {
        return None;
    };
    if !labels.iter().all(valid) {
        return None;
    }
    let three = labels.len() > 2 && country.len() == 2 && KINDS.contains(&kind);
    let count = if three { 3 } else { 2 };
    Some(labels[labels.len() - count..].join("."))
}

/// Adds domains that the list does not contain. Returns `false` if some exceed the limit.
pub(crate) fn exclude(list: &mut Vec<String>, more: impl IntoIterator<Item = String>) -> bool {
    let mut known: HashSet<String> = list.iter().cloned().collect();
    for domain in more {
        if known.contains(&domain) {
            continue;
        }
        if list.len() == MAX_EXCLUDED_DOMAINS {
            return false;
        }
        known.insert(domain.clone());
        list.push(domain);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::registrable;

    #[test]
    fn a_domain_is_reduced_to_its_registrable_part() {
        for (text, domain) in [
            ("amber.example", Some("amber.example")),
            (" WWW.Amber.Example. ", Some("amber.example")),
            (
                "https://user@shop.amber.example:8443/a?b#c",
                Some("amber.example"),
            ),
            ("shop.amber.co.uk", Some("amber.co.uk")),
            ("co.uk", Some("co.uk")),
            ("amber", None),
            ("amber..example", None),
            ("two words.example", None),
            ("", None),
        ] {
            assert_eq!(registrable(text).as_deref(), domain, "{text:?}");
        }
    }
}
