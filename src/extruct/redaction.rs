//! Removes the API token from texts of the service.

/// The length of the shortest possible token, in bytes.
const TOKEN_MIN: usize = 8;

/// Replaces the token in a text of the service, which may echo it: these texts are logged and stored. A token that is too short
/// to be real is not replaced, since it may occur in any text.
pub(super) fn redact(text: String, token: &str) -> String {
    // Ignores case: a host name, for instance, arrives in lower case.
    let is_token = |part: &[u8]| part.eq_ignore_ascii_case(token.as_bytes());
    if token.len() < TOKEN_MIN || !text.as_bytes().windows(token.len()).any(is_token) {
        return text;
    }
    let token = token.to_ascii_lowercase();
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for (begin, found) in lower.match_indices(&token) {
        clean.push_str(&text[end..begin]);
        clean.push_str("[redacted]");
        end = begin + found.len();
    }
    clean.push_str(&text[end..]);
    clean
}
