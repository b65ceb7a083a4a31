//! The registrable domain of a company's website.

use url::Host;

/// The longest host name that is read, in bytes. No name in ASCII form is over 253.
const HOST_MAX: usize = 1024;

/// The longest label of a host name, in bytes.
const LABEL_MAX: usize = 63;

/// The suffix that RFC 2606 reserves for examples. The stand-in's companies have it.
const EXAMPLE: &[u8] = b"example";

/// Sites of which a page, or a subdomain, belongs to a company that does not own the site.
const SHARED_SITES: [&str; 46] = [
    // Social networks and messengers.
    "bsky.app",
    "discord.gg",
    "facebook.com",
    "fb.com",
    "fb.me",
    "instagram.com",
    "linkedin.com",
    "ok.ru",
    "pinterest.com",
    "reddit.com",
    "t.me",
    "threads.com",
    "threads.net",
    "tiktok.com",
    "twitter.com",
    "vk.com",
    "wa.me",
    "x.com",
    "xing.com",
    "youtu.be",
    "youtube.com",
    // Directories and reviews. For Google's maps see `is_page_of_another`.
    "angel.co",
    "crunchbase.com",
    "g.page",
    "glassdoor.com",
    "producthunt.com",
    "trustpilot.com",
    "wellfound.com",
    "wikipedia.org",
    "yelp.com",
    // Hosts of pages, code, shops and programs.
    "apps.apple.com",
    "business.site",
    "etsy.com",
    "github.com",
    "linktr.ee",
    "medium.com",
    "play.google.com",
    "sites.google.com",
    "substack.com",
    "tumblr.com",
    "wordpress.com",
    // Short links.
    "bit.ly",
    "goo.gl",
    "lnkd.in",
    "t.co",
    "tinyurl.com",
];

/// Returns the registrable domain of a website, which is a URL or a bare host name, possibly with a port and a path: lower case, in
/// ASCII form, such as `example.co.uk`.
///
/// Returns `None` if there is none: for an IP address, an email address, several words, a URL with a scheme other than HTTP
/// and HTTPS, a public suffix, or a name whose suffix is not in the public suffix list (except `example`). The private part of the
/// list counts: of `acme.github.io/about` it is `acme.github.io`, and `github.io` has none.
///
/// A page or a subdomain of a site such as `linkedin.com` has none either, since many companies have one there. The front page is
/// the site's own: of `https://www.linkedin.com/` it is `linkedin.com`.
#[must_use]
pub fn registrable(website: &str) -> Option<String> {
    let Parts { host, path, .. } = Parts::of(website)?;
    let Host::Domain(host) = host_of(host)? else {
        return None;
    };
    let domain = psl::domain(host.as_bytes())?;
    let suffix = domain.suffix();
    if !suffix.is_known() && suffix.as_bytes() != EXAMPLE {
        return None;
    }
    let domain = str::from_utf8(domain.as_bytes()).ok()?;
    (!is_page_of_another(&host, domain, path)).then(|| domain.to_owned())
}

/// Returns whether a text is a URL, a domain or an IP address, also one that has no registrable domain. A single word is none.
#[must_use]
pub fn is_website(text: &str) -> bool {
    Parts::of(text).is_some_and(|parts| match host_of(parts.host) {
        Some(Host::Domain(name)) => parts.is_url || name.contains('.'),
        Some(Host::Ipv4(_)) => parts.is_url || parts.host.contains('.'),
        Some(Host::Ipv6(_)) => true,
        None => false,
    })
}

/// The parts of a website.
struct Parts<'a> {
    /// Whether it has a scheme, or begins with two slashes.
    is_url: bool,
    /// The host, and a port if there is one.
    host: &'a str,
    /// The path, with the query and the fragment.
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(website: &'a str) -> Option<Self> {
        let is_around = |c: char| c.is_whitespace() || "\"'<>(),;".contains(c);
        let website = website.trim_matches(is_around);
        let mut rest = website;
        // Some have two schemes.
        while let Some(after) = after_scheme(rest) {
            rest = after;
        }
        let is_url = rest.len() < website.len();
        let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = match authority.rsplit_once('@') {
            Some((_, host)) if is_url => host,
            // An email address.
            Some(_) => return None,
            None => authority,
        };
        Some(Self { is_url, host, path })
    }
}

/// Returns what follows the scheme of an HTTP URL, or the two slashes of a URL without one. As in browsers, the number of slashes after a scheme
/// is of no account.
fn after_scheme(text: &str) -> Option<&str> {
    let after = ["https:", "http:"].iter().find_map(|scheme| {
        let begin = text.get(..scheme.len())?;
        begin
            .eq_ignore_ascii_case(scheme)
            .then(|| &text[scheme.len()..])
    });
    let after = after.or_else(|| text.strip_prefix("//"))?;
    Some(after.trim_start_matches(['/', '\\']))
}

/// Returns an IP address, or a host name in ASCII form, without a port and the dot of the root.
fn host_of(text: &str) -> Option<Host> {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        // An IPv6 address.
        Some(_) if text.ends_with(']') => text,
        Some(_) => return None,
        None => text,
    };
    // The parser ignores line breaks and tabs.
    if name.len() > HOST_MAX || name.contains(char::is_whitespace) {
        return None;
    }
    let name = match Host::parse(name).ok()? {
        Host::Domain(name) => name,
        address => return Some(address),
    };
    let name = name.trim_end_matches('.');
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(is_allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.')
        .all(is_label)
        .then(|| Host::Domain(name.to_owned()))
}

/// Whether a page is on a site of many companies, and is not the site's front page. `domain` is the registrable domain of
/// `host`; `path` includes the query and the fragment.
fn is_page_of_another(host: &str, domain: &str, path: &str) -> bool {
    let path = path.trim_matches(['/', '\\', '?', '#']);
    let subdomain = SHARED_SITES.iter().find_map(|site| {
        let subdomain = host.strip_suffix(site)?;
        (subdomain.is_empty() || subdomain.ends_with('.')).then_some(subdomain)
    });
    match subdomain {
        Some("" | "www.") => !path.is_empty(),
        Some(_) => true,
        // Google's maps have a domain for each country.
        None if domain.starts_with("google.") => {
            let is_map = |text: &str| {
                text.get(..4)
                    .is_some_and(|t| t.eq_ignore_ascii_case("maps"))
            };
            !path.is_empty() && (is_map(host) || is_map(path))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrable_domain_of_websites_as_people_write_them() {
        for (website, expected) in [
            ("example.com", "example.com"),
            ("  Example.COM\n", "example.com"),
            ("https://www.example.com/", "example.com"),
            ("HTTP://WWW.EXAMPLE.COM/About?x=1#top", "example.com"),
            ("//example.com/path", "example.com"),
            ("example.com/path with words", "example.com"),
            ("https://example.com/a b", "example.com"),
            ("example.com?ref=info@other.com", "example.com"),
            ("example.com#top", "example.com"),
            ("example.com:8080/x", "example.com"),
            ("example.com:", "example.com"),
            ("https://example.com:443", "example.com"),
            ("https://user:secret@example.com:443/", "example.com"),
            ("https://user@example.com", "example.com"),
            ("https://a@b@example.com", "example.com"),
            ("https://other.com\\@example.com", "other.com"),
            ("example.com.", "example.com"),
            ("https://www.example.com./x", "example.com"),
            ("https:example.com", "example.com"),
            ("http:/example.com", "example.com"),
            ("http:\\\\example.com\\x", "example.com"),
            ("http://https://example.com", "example.com"),
            ("https:////example.com", "example.com"),
            ("<https://example.com>", "example.com"),
            ("\"example.com\",", "example.com"),
            ("(example.com)", "example.com"),
            ("shop.my_site.example.co.uk", "example.co.uk"),
            ("www.city.kawasaki.jp", "city.kawasaki.jp"),
            ("a.b.c.example.com.au", "example.com.au"),
            ("example%2Ecom", "example.com"),
            // IDN
            ("https://www.Müller.de/x", "xn--mller-kva.de"),
            ("XN--MLLER-KVA.de", "xn--mller-kva.de"),
            ("straße.de", "xn--strae-oqa.de"),
            ("例え.テスト.jp", "xn--zckzah.jp"),
            ("食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn"),
            ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
            ("example。com", "example.com"),
            ("ｅｘａｍｐｌｅ.com", "example.com"),
            ("\u{feff}example.com\u{200b}", "example.com"),
            ("exam\u{ad}ple.com", "example.com"),
            ("https://www.acme.example/en", "acme.example"),
            // The private part of the list.
            ("https://acme.github.io/about", "acme.github.io"),
            ("shop.acme.blogspot.com", "acme.blogspot.com"),
            ("acme.myshopify.com", "acme.myshopify.com"),
            // The front pages of sites of many companies.
            ("https://www.linkedin.com/", "linkedin.com"),
            ("x.com", "x.com"),
            ("https://github.com/#", "github.com"),
            ("https://play.google.com/", "google.com"),
            ("https://cloud.google.com/products", "google.com"),
            ("https://maps.google.com", "google.com"),
            // Only similar to such sites.
            ("https://notlinkedin.com/company/acme", "notlinkedin.com"),
            ("https://netflix.com/x", "netflix.com"),
            ("https://x.com.example.com/a", "example.com"),
            ("https://linkedin.com@example.com/company", "example.com"),
        ] {
            assert_eq!(
                registrable(website).as_deref(),
                Some(expected),
                "{website:?}"
            );
        }
    }

    #[test]
    fn what_has_no_registrable_domain() {
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = format!("{}example.com", "a.".repeat(HOST_MAX));
        let websites = [
            "",
            " ",
            "-",
            ".",
            "/",
            "//",
            "https://",
            "https:///",
            "n/a",
            "none",
            "null",
            "Acme Corp",
            "www.example.com www.example.org",
            "www.example.com, www.example.org",
            "www.example.com;www.example.org",
            "https://exam ple.com/",
            "exam\tple.com",
            "exam\nple.com",
            "exam\u{a0}ple.com",
            "example.com (closed)",
            // Email addresses and other schemes.
            "info@example.com",
            "info@example.com/x",
            "mailto:info@example.com",
            "mailto:example.com",
            "tel:+49123456",
            "ftp://example.com",
            "android-app://com.example.app",
            "javascript:alert(1)",
            "data:text/plain,example.com",
            "about:blank",
            // Addresses.
            "192.0.2.1",
            "http://192.0.2.1:8080/",
            "http://0xc0000201/",
            "3221225985",
            "192.0.2.1.",
            "http://[2001:db8::1]/",
            "[2001:db8::1]:443",
            "2001:db8::1",
            // Suffixes, and what is below none.
            "com",
            "co.uk",
            "https://co.uk./",
            "github.io",
            "blogspot.com",
            "公司.cn",
            "localhost",
            "http://localhost:8080",
            "foo.local",
            "printer.internal",
            "example",
            "acme.invalidtld",
            "index.html",
            // No host names.
            "example..com",
            ".example.com",
            "*.example.com",
            "-example.com",
            "example-.com",
            "exa$mple.com",
            "exa'mple.com",
            "example.com:80:80",
            "example.com:port",
            "example.com%00",
            "example.com%2F@other.com",
            "xn--a.com",
            "xn--.com",
            "https//example.com",
            &long_label,
            &long_name,
            // Pages of companies on the sites of others.
            "https://www.linkedin.com/company/acme",
            "de.linkedin.com/company/acme",
            "LINKEDIN.COM/in/someone",
            "https://www.facebook.com/profile.php?id=1",
            "https://m.facebook.com/acme",
            "facebook.com?id=1",
            "instagram.com/acme/",
            "https://twitter.com/#!/acme",
            "https://x.com/acme",
            "https://youtube.com/@acme",
            "tiktok.com/@acme",
            "https://www.crunchbase.com/organization/acme",
            "https://g.page/acme",
            "https://goo.gl/maps/abc",
            "https://maps.app.goo.gl/abc",
            "https://www.google.com/maps/place/Acme",
            "https://maps.google.de/?cid=1",
            "https://www.google.co.uk/Maps?cid=1",
            "https://sites.google.com/view/acme",
            "https://acme.medium.com",
            "https://acme.wordpress.com/",
            "https://acme.business.site",
            "https://en.wikipedia.org/wiki/Acme",
            "https://github.com/acme",
        ];
        let found: Vec<_> = websites
            .iter()
            .filter_map(|website| Some((website, registrable(website)?)))
            .collect();
        assert_eq!(found, []);
    }

    #[test]
    fn a_website_need_not_have_a_registrable_domain() {
        for website in [
            "example.com",
            "https://www.linkedin.com/company/acme",
            "github.com/acme",
            "192.0.2.1",
            "http://192.0.2.1:8080/",
            "http://[2001:db8::1]/",
            "[2001:db8::1]",
            "http://localhost:8080",
            "https://co.uk./",
            "github.io",
            "acme.invalidtld",
        ] {
            assert!(is_website(website), "{website:?}");
        }
        for text in [
            "",
            "-",
            "https://",
            "com",
            "42",
            "Acme",
            "Acme Corp",
            "info@example.com",
            "mailto:info@example.com",
            "ftp://example.com",
            "example.com (closed)",
            "exa$mple.com",
            "example..com",
            "\u{fffd}",
        ] {
            assert!(!is_website(text), "{text:?}");
        }
    }

    #[test]
    fn the_shared_sites_are_host_names_below_a_suffix() {
        for site in SHARED_SITES {
            let domain = registrable(site).expect(site);
            assert!(site.ends_with(&domain), "{site}");
            assert_eq!(registrable(&format!("https://{site}/acme")), None, "{site}");
        }
    }
}
