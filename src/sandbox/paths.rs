//! The paths that the sandbox serves, beside the inbox's page at `/`.

/// The path of the service.
pub(super) const SERVICE_PATH: &str = "/stubs/handler_api.php";
/// The path prefix of control calls.
pub(super) const CONTROL_PATH: &str = "/_sandbox/";
/// The path prefix of the calls of the inbox's page.
pub(super) const INBOX_PATH: &str = "/_inbox/";
