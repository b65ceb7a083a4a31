//! Checks the environment variables for proxies and certificates. The HTTP library ignores invalid ones, and would connect
//! without the proxy or certificates that the operator wants.

use hyper_util::client::proxy::matcher::Matcher;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use url::Url;

/// Variables that name a proxy, in the order in which the HTTP library reads them.
const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

const CERT_FILE: &str = "SSL_CERT_FILE";
const CERT_DIR: &str = "SSL_CERT_DIR";

/// An invalid environment variable. A proxy's address is not repeated: it may contain a password.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A variable that does not name a usable proxy.
    #[error(
        "the environment variable {0} is no address of a proxy that growd can use: it takes http:// or https://, a host and a \
         port, such as http://proxy.example:3128; unset it to go without a proxy"
    )]
    Proxy(&'static str),
    /// A certificate file or directory that cannot be used.
    #[error(
        "the environment variable {variable} names {path}, of which no certificates can be read ({why}): correct it, or unset \
         it to go by the system's certificates"
    )]
    Certificates {
        /// `SSL_CERT_FILE` or `SSL_CERT_DIR`.
        variable: &'static str,
        /// What it names.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Checks that this process's proxies and certificates can be used.
///
/// # Errors
///
/// [`NetworkError`] for the first that cannot.
pub fn check() -> Result<(), NetworkError> {
    check_variables(|name| std::env::var_os(name))
}

fn check_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<(), NetworkError> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    for name in PROXIES {
        if let Some(value) = set(name)
            && !value.to_str().is_some_and(is_proxy)
        {
            return Err(NetworkError::Proxy(name));
        }
    }
    // For this variable the HTTP library takes an empty value as the name of a file.
    if let Some(path) = variable(CERT_FILE) {
        let path = Path::new(&path);
        certificates_of(path).map_err(|why| unusable(CERT_FILE, path, why))?;
    }
    if let Some(paths) = set(CERT_DIR) {
        for path in std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()) {
            fs::read_dir(&path).map_err(|why| unusable(CERT_DIR, &path, why.to_string()))?;
        }
    }
    Ok(())
}

fn unusable(variable: &'static str, path: &Path, why: String) -> NetworkError {
    NetworkError::Certificates {
        variable,
        path: path.display().to_string(),
        why,
    }
}

fn certificates_of(path: &Path) -> Result<(), String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|file| file.is_file()) {
        return Err("it is not a file".to_owned());
    }
    match CertificateDer::pem_reader_iter(file).next() {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("there is no certificate in it, in PEM form".to_owned()),
    }
}

/// Whether the HTTP library, which is built without SOCKS, uses this proxy.
fn is_proxy(text: &str) -> bool {
    let destination = http::Uri::from_static("https://api.extruct.ai");
    let proxy = Matcher::builder().all(text).build().intercept(&destination);
    proxy.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")))
}

/// Returns the proxy for requests to a URL, without a password. Plain HTTP is for loopback addresses only, and uses none.
#[must_use]
pub fn proxy(base: &Url) -> Option<String> {
    if base.scheme() == "http" {
        return None;
    }
    let destination = base.as_str().parse().ok()?;
    let proxy = Matcher::from_system().intercept(&destination)?;
    Some(proxy.uri().to_string().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<(), String> {
        let of = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        check_variables(of).map_err(|error| error.to_string())
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_variable() {
        for name in PROXIES {
            for good in [
                "",
                "http://proxy.example:3128",
                "https://me:S3CRET@proxy.example",
                "proxy.example:3128",
                "http://[::1]:3128/",
            ] {
                assert_eq!(check(&[(name, good)]), Ok(()), "{good}");
            }
            for bad in [
                "not a url",
                "http://",
                "ftp://proxy.example",
                "socks5://proxy.example:1080",
                "/S3CRET",
                " ",
                "http://S3CRET proxy:1",
            ] {
                let error = check(&[(name, bad)]).expect_err(bad);
                assert!(error.contains(name), "{error}");
                assert!(!error.contains("S3CRET"), "{error}");
            }
        }
    }

    #[test]
    fn certificates_that_cannot_be_read_are_refused_by_the_name_of_their_variable() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let file = dir.path().join("roots.pem");
        fs::write(&file, made.cert.pem()).unwrap();
        let empty = dir.path().join("empty.pem");
        fs::write(&empty, "# none\n").unwrap();
        let (file, empty, dir) = (
            file.to_str().unwrap(),
            empty.to_str().unwrap(),
            dir.path().to_str().unwrap(),
        );
        let both = format!("{dir}::{dir}");
        for (name, good) in [
            ("SSL_CERT_FILE", file),
            ("SSL_CERT_DIR", dir),
            ("SSL_CERT_DIR", &both),
            ("SSL_CERT_DIR", ""),
        ] {
            assert_eq!(check(&[(name, good)]), Ok(()), "{good}");
        }
        let one_missing = format!("{dir}:/nonexistent");
        for (name, bad) in [
            ("SSL_CERT_FILE", "/nonexistent"),
            ("SSL_CERT_FILE", dir),
            ("SSL_CERT_FILE", empty),
            ("SSL_CERT_FILE", ""),
            ("SSL_CERT_DIR", "/nonexistent"),
            ("SSL_CERT_DIR", file),
            ("SSL_CERT_DIR", &one_missing),
        ] {
            let error = check(&[(name, bad)]).expect_err(bad);
            assert!(error.contains(name), "{error}");
        }
    }
}
