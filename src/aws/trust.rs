//! Whose certificates servers of AWS are trusted by: the system's, or those of the file that `AWS_CA_BUNDLE` or a profile's
//! `ca_bundle` names, and these alone, as with the AWS CLI.
//!
//! The SDK knows neither setting, and takes a bad certificate for a mistake of the program's: so the file is read and judged here.

use std::{env, fmt, io, path::Path, sync::Arc};

use aws_config::profile;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_http_client::{
    Builder, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_types::os_shim_internal::{Env, Fs};
use base64::Engine as _;
use hyper_rustls::ConfigBuilderExt as _;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject as _},
    },
};

use crate::disk;

const VARIABLE: &str = "AWS_CA_BUNDLE";
const SETTING: &str = "ca_bundle";
/// The largest file: that of all public authorities has a fifth of a megabyte.
const LARGEST: u64 = 16 << 20;

/// Who is trusted.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// Whom the system trusts.
    System,
    /// These authorities.
    Bundle(Arc<Bundle>),
    /// Nobody: a file that cannot be used, and why.
    Nobody(Arc<str>),
}

/// The authorities of a file.
#[derive(Debug)]
pub(crate) struct Bundle {
    roots: RootCertStore,
    pem: String,
}

impl Trust {
    /// As the environment says, or else the profile. What is wrong with the profiles' files, the SDK says.
    pub(crate) async fn of(profile: Option<&str>) -> Self {
        let given = env::var_os(VARIABLE).filter(|path| !path.is_empty());
        let (path, who) = match given {
            Some(path) => (path, format!("`{VARIABLE}`")),
            None => match setting(profile).await {
                Some((path, name)) => (path.into(), format!("`{SETTING}` of the profile `{name}`")),
                None => return Self::System,
            },
        };
        let path = Path::new(&path);
        match Bundle::read(path) {
            Ok(bundle) => Self::Bundle(Arc::new(bundle)),
            Err(reason) => Self::Nobody(format!("the CA bundle `{}` ({who}) {reason}", path.display()).into()),
        }
    }

    /// Why nobody is trusted.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Nobody(reason) => Some(reason),
            Self::System | Self::Bundle(_) => None,
        }
    }

    /// A configuration for TLS.
    ///
    /// # Errors
    /// Where nobody can be trusted.
    pub(crate) fn rustls(&self) -> io::Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let config = match self {
            Self::System => config.with_native_roots()?,
            Self::Bundle(bundle) => config.with_root_certificates(bundle.roots.clone()),
            Self::Nobody(reason) => return Err(io::Error::other(reason.to_string())),
        };
        Ok(config.with_no_client_auth())
    }

    /// A client of the SDK's kind; `None` where the SDK's own will do.
    pub(super) fn client(&self) -> Option<SharedHttpClient> {
        match self {
            Self::System => None,
            Self::Nobody(reason) => Some(SharedHttpClient::new(Refusing(Arc::clone(reason)))),
            Self::Bundle(bundle) => {
                let store = TrustStore::empty().with_pem_certificate(bundle.pem.as_bytes());
                // It is the SDK's default in all else.
                let context = TlsContext::builder().with_trust_store(store).build().ok()?;
                Some(Builder::new().build_with_connector_fn(move |settings, components| {
                    let provider = Provider::Rustls(CryptoMode::AwsLc);
                    let mut connector = ConnectorBuilder::default().tls_provider(provider).tls_context(context.clone());
                    connector.set_connector_settings(settings.cloned());
                    connector.set_proxy_config(Some(ProxyConfig::from_env()));
                    if let Some(components) = components {
                        connector.set_sleep_impl(components.sleep_impl());
                    }
                    connector.build()
                }))
            }
        }
    }
}

/// The file that a profile names, and the profile's name.
async fn setting(profile: Option<&str>) -> Option<(String, String)> {
    let chosen = profile.map(|name| name.to_owned().into());
    let profiles = profile::load(&Fs::real(), &Env::real(), &EnvConfigFiles::default(), chosen).await.ok()?;
    let path = profiles.get(SETTING).filter(|path| !path.is_empty())?;
    Some((path.to_owned(), profiles.selected_profile().to_owned()))
}

impl Bundle {
    fn read(path: &Path) -> Result<Self, String> {
        let bytes = disk::read_piped(path, LARGEST).map_err(|error| format!("cannot be read: {error}"))?;
        Self::parse(&bytes)
    }

    /// All certificates in a text that are ones of authorities. What is no certificate, such as comments, is passed over.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut bundle = Self { roots: RootCertStore::empty(), pem: String::new() };
        let mut unusable = None;
        for (certificate, number) in CertificateDer::pem_slice_iter(bytes).zip(1..) {
            let certificate = certificate.map_err(|error| damaged(&error, number))?;
            let text = written(&certificate);
            match bundle.roots.add(certificate) {
                Ok(()) => bundle.pem.push_str(&text),
                Err(error) => unusable = Some(error),
            }
        }
        match (bundle.roots.is_empty(), unusable) {
            (true, None) => {
                Err("contains no certificate in PEM format (hint: convert DER with `openssl x509 -inform der`)"
                    .to_owned())
            }
            (true, Some(error)) => Err(format!("contains no usable CA certificate: {error}")),
            (false, _) => Ok(bundle),
        }
    }
}

/// The parser's own words show bytes as numbers.
fn damaged(error: &pem::Error, number: usize) -> String {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "has no end line".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "starts with a line that is not PEM".to_owned(),
        pem::Error::Base64Decode(_) => "is not valid base64".to_owned(),
        other => other.to_string(),
    };
    format!("is damaged: certificate {number} {what}")
}

fn written(certificate: &CertificateDer<'_>) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// Sends nothing, and says why.
#[derive(Debug, Clone)]
struct Refusing(Arc<str>);

impl fmt::Display for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusing {}

impl HttpConnector for Refusing {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::user(self.clone().into())))
    }
}

impl HttpClient for Refusing {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
