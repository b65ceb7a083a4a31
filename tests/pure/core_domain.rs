//! For any text, the registrable domain is a lower-case host name in ASCII form, and its own registrable domain.

use crate::cases::for_each;
use growd::core::domain::registrable;
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::Cell;

/// Checks the domain of a website, and returns whether it has one.
fn check(website: &str) -> Result<bool, TestCaseError> {
    let Some(domain) = registrable(website) else {
        return Ok(false);
    };
    let again = registrable(&domain);
    prop_assert_eq!(again.as_ref(), Some(&domain), "of {:?}", website);
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    prop_assert!(domain.bytes().all(is_allowed), "{}", domain);
    prop_assert!(domain.contains('.') && !domain.contains(".."), "{}", domain);
    prop_assert!(!domain.starts_with('.') && !domain.ends_with('.'));
    // The same in the forms of a URL, of which the path and the port are no part.
    for form in ["https://D", "HTTP://user@D:80", "//D/", " D. "] {
        let url = form.replace('D', &domain);
        let of_url = registrable(&url);
        prop_assert_eq!(of_url.as_ref(), Some(&domain), "{}", url);
    }
    Ok(true)
}

#[test]
fn any_text_has_a_domain_that_is_its_own_domain_or_none() {
    for_each(1_000, &".{0,60}", |text| check(&text).map(drop));
    let like_urls = "[a-zA-Z0-9:/\\\\?#@%.,;_ \\[\\]ßéИ例。\u{ad}\u{200d}\t-]{0,40}(\\.com|\\.de|)";
    for_each(1_000, &like_urls, |text| check(&text).map(drop));
}

#[test]
fn texts_made_of_the_parts_of_urls_often_have_one() {
    let scheme = select(vec![
        "", "", "https://", "HTTP://", "//", "http:", "mailto:",
    ]);
    let user = select(vec!["", "", "", "user@", "user:x@", "a@b@"]);
    let labels =
        "([a-z]{1,8}|[A-Z0-9]{1,5}|[a-z]-[a-z]|xn--[a-z0-9-]{1,12}|[ßüéñИ例]{1,4}|_x|\\*|-)";
    let hosts = proptest::collection::vec(labels, 0..4).prop_map(|labels| labels.join("."));
    let suffix = select(vec![
        ".com",
        ".de",
        ".co.uk",
        ".рф",
        ".公司.cn",
        ".github.io",
        ".kawasaki.jp",
        ".ck",
        ".local",
        ".com.",
        "..com",
        "",
    ]);
    let rest = select(vec![
        "", "", "/", ":8080", ":x", "/a b", "?q=@", "#@/", "\\x",
    ]);
    let found = Cell::new(0);
    let parts = (scheme, user, hosts, suffix, rest);
    for_each(1_000, &parts, |(scheme, user, host, suffix, rest)| {
        let has_one = check(&format!("{scheme}{user}{host}{suffix}{rest}"))?;
        found.set(found.get() + i32::from(has_one));
        Ok(())
    });
    assert!(found.get() > 150, "{found:?}");
}
