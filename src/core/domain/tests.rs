//! Domains of websites as people write them.

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
