//! The one TLS configuration of a process: rustls on AWS-LC, with the system's roots of trust.

use std::path::Path;
use std::sync::OnceLock;

use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;

/// Whether AWS-LC was built without its CPU jitter entropy, as `.cargo/config.toml` says. If it was
/// not, the binary holds the text of the warning below, which `.ci/run` looks for.
const IS_QUICK_TO_START: bool = match option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY") {
    Some(flag) => matches!(flag.as_bytes(), b"1"),
    None => false,
};

/// The configuration for HTTP/1.1. The roots are read and parsed by the first call; clones share
/// them, and the sessions that can be resumed.
///
/// `None` if the system has no root certificates.
pub(crate) fn client_config() -> Option<ClientConfig> {
    static CONFIG: OnceLock<Option<ClientConfig>> = OnceLock::new();
    CONFIG.get_or_init(build).clone()
}

fn build() -> Option<ClientConfig> {
    if !IS_QUICK_TO_START {
        tracing::warn!(
            "built without AWS_LC_SYS_NO_JITTER_ENTROPY=1, so each cold start takes 20 to 30 ms more"
        );
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_roots());
    if roots.is_empty() {
        return None;
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(config)
}

/// The root certificates: those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; otherwise the
/// system's bundle.
///
/// Without these variables `rustls-native-certs` reads the folders with single certificates too,
/// which hold the same ones as the bundle: on Debian that takes five times as long.
fn system_roots() -> Vec<rustls::pki_types::CertificateDer<'static>> {
    let is_set = |name| std::env::var_os(name).is_some();
    if !is_set("SSL_CERT_FILE")
        && !is_set("SSL_CERT_DIR")
        && let Some(bundle) = openssl_probe::probe().cert_file
    {
        let certificates = from_bundle(&bundle);
        if !certificates.is_empty() {
            return certificates;
        }
    }
    logged(rustls_native_certs::load_native_certs())
}

fn from_bundle(bundle: &Path) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    logged(rustls_native_certs::load_certs_from_paths(
        Some(bundle),
        None,
    ))
}

fn logged(loaded: CertificateResult) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    for error in loaded.errors {
        tracing::warn!(%error, "could not read root certificates");
    }
    loaded.certs
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn this_build_has_seen_the_flag_in_cargos_configuration() {
        const { assert!(IS_QUICK_TO_START) };
    }

    #[test]
    fn the_systems_roots_are_read_once_and_shared() {
        let [first, second] = [(); 2].map(|()| client_config().unwrap());
        assert_eq!(first.alpn_protocols, [b"http/1.1"]);
        assert!(Arc::ptr_eq(
            first.crypto_provider(),
            second.crypto_provider()
        ));
    }

    #[test]
    fn the_system_trusts_every_root_of_the_bundle() {
        let Some(bundle) = openssl_probe::probe().cert_file else {
            return;
        };
        let everything = rustls_native_certs::load_native_certs().certs;
        let roots = from_bundle(&bundle);
        assert!(!roots.is_empty());
        // A system may trust more, in single files beside the bundle.
        assert!(roots.iter().all(|root| everything.contains(root)));
    }
}
