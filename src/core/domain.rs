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
mod tests;
