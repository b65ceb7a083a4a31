//! The registrable domain of a company's website.

/// Returns the registrable domain of a website, which is a URL or a bare host name: lower case, in ASCII form, such as
/// `example.co.uk`. Returns `None` if there is none, as for an IP address, a public suffix, an email address, or a page on a
/// site of many companies such as LinkedIn.
#[must_use]
pub fn registrable(website: &str) -> Option<String> {
    let host = url::Host::parse(website).ok()?;
    let url::Host::Domain(host) = host else {
        return None;
    };
    psl::domain_str(&host).map(str::to_owned)
}
